"""Statistics of errors that add up: over blocks of messages, over keys, over runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Each power of two is divided into 2^6 bins: a percentile is right to 1/64 = 1.6 %.
_MANTISSA_BITS = 6
_SHIFT = 52 - _MANTISSA_BITS
#: Errors below 2^-64 count as 2^-64, errors from 2^64 on as 2^64.
_EXPONENT = 64
_LOWEST = (1023 - _EXPONENT) << _MANTISSA_BITS
_BINS = (2 * _EXPONENT << _MANTISSA_BITS) + 2


@dataclass(frozen=True, slots=True)
class Statistics:
    """Errors of many values: counts, sums and a histogram on a logarithmic scale.

    Two of them add up to those of all values together.

    Attributes:
        count: Values that were compared.
        finite: Those that have a finite error.
        largest: Largest absolute error; infinite if one is.
        largest_relative: Largest error relative to the original's magnitude, over values whose
            original is not 0; infinite if one is, NaN if there is no magnitude to relate to.
        total: Sum of the finite absolute errors.
        scaled_squares: Sum of their squares, each divided by `scale` before.
        scale: Largest finite absolute error: the square of a huge error would be infinite.
        signed: Sum of compiled - original over the values that have a finite one.
        signed_count: Their number; 0 where a sign means nothing.
        bins: int64: histogram of the finite absolute errors, 0 in the first bin.
    """

    count: int = 0
    finite: int = 0
    largest: float = 0.0
    largest_relative: float = 0.0
    total: float = 0.0
    scaled_squares: float = 0.0
    scale: float = 0.0
    signed: float = 0.0
    signed_count: int = 0
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(
        cls,
        errors: Floats,
        signed: Floats | None = None,
        original: NDArray[Any] | None = None,
        largest: float | None = None,
    ) -> Statistics:
        """Return the statistics of some errors.

        Args:
            errors: Absolute errors of any shape, infinite where there is no finite one.
            signed: compiled - original, of the same shape; what is not finite is left out.
            original: The original's values, of the same shape, for the relative error.
            largest: The largest error, if it is known.
        """
        errors = errors.ravel()
        if not errors.size:
            return cls()
        most = float(errors.max()) if largest is None else largest
        count = errors.size
        if most == 0.0:
            bins = np.zeros(1, np.int64)
            bins[0] = count
            return cls(
                count,
                count,
                largest_relative=math.nan if original is None else 0.0,
                signed_count=0 if signed is None else count,
                bins=bins,
            )
        relative = _largest_relative(errors, original)
        finite = errors if math.isfinite(most) else errors[np.isfinite(errors)]
        shifts = None if signed is None else signed.ravel()
        if shifts is not None and not math.isfinite(most):
            shifts = shifts[np.isfinite(shifts)]
        scale = most if math.isfinite(most) else float(finite.max()) if finite.size else 0.0
        scaled = finite if 1e-100 < scale < 1e100 else finite / scale if scale else finite
        # Not np.dot: its threads wait for each other when the machine is busy.
        squares = float(np.einsum('i,i->', scaled, scaled))
        if scaled is finite and scale:
            squares /= scale * scale
        with np.errstate(over='ignore', invalid='ignore'):
            return cls(
                count,
                finite.size,
                most,
                relative,
                float(finite.sum()),
                squares,
                scale,
                0.0 if shifts is None else float(shifts.sum()),
                0 if shifts is None else shifts.size,
                _binned(finite, scale),
            )

    def __add__(self, other: Statistics) -> Statistics:
        """Return the statistics of both together."""
        if not self.count:
            return other
        if not other.count:
            return self
        scale = max(self.scale, other.scale)
        squares = math.fsum(
            each.scaled_squares * (each.scale / scale) ** 2
            for each in (self, other)
            if each.scale > 0.0
        )
        longer, shorter = sorted((self.bins, other.bins), key=len, reverse=True)
        bins = longer.copy()
        bins[: len(shorter)] += shorter
        return Statistics(
            self.count + other.count,
            self.finite + other.finite,
            max(self.largest, other.largest),
            float(np.fmax(self.largest_relative, other.largest_relative)),
            self.total + other.total,
            squares,
            scale,
            self.signed + other.signed,
            self.signed_count + other.signed_count,
            bins,
        )

    @property
    def mean(self) -> float:
        """Mean absolute error of the values that have a finite one, NaN where none has."""
        return self.total / self.finite if self.finite else math.nan

    @property
    def rms(self) -> float:
        """Root of their mean square error."""
        return self.scale * math.sqrt(self.scaled_squares / self.finite) if self.finite else 0.0

    @property
    def bias(self) -> float:
        """Mean of compiled - original, NaN where a sign means nothing."""
        return self.signed / self.signed_count if self.signed_count else math.nan

    def percentile(self, percent: float) -> float:
        """Return the error that so many percent of the values do not exceed.

        Right to 1/64 of the value (nearest-rank, of a logarithmic histogram); values without
        finite error are the largest.

        Args:
            percent: 0 to 100.
        """
        if not self.count:
            return math.nan
        rank = max(math.ceil(percent / 100.0 * self.count), 1)
        if rank > self.finite:
            return math.inf
        found = int(np.searchsorted(np.cumsum(self.bins), rank))
        return min(_upper_edge(found), self.scale)

    def histogram(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return edges (k + 1,) and counts (k,) of the finite errors that are not 0."""
        filled = np.flatnonzero(self.bins[1:]) + 1 if len(self.bins) else np.zeros(0, np.int64)
        if not filled.size:
            return np.zeros(0), np.zeros(0, np.int64)
        first, last = int(filled[0]), int(filled[-1])
        edges = np.array([_upper_edge(each) for each in range(first - 1, last + 1)])
        return edges, self.bins[first : last + 1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; `from_dict` is its inverse."""
        filled = np.flatnonzero(self.bins)
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            'bins': [[int(each), int(self.bins[each])] for each in filled],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Statistics:
        """Return what `to_dict` wrote.

        Raises:
            ValueError: If it is something else.
        """
        pairs = content['bins']
        places = [int(each[0]) for each in pairs]
        if places and not 0 <= min(places) <= max(places) < _BINS:
            raise ValueError(f'bin {max(places)} of a histogram that has {_BINS}')
        bins = np.zeros(max(places, default=-1) + 1, np.int64)
        for place, count in pairs:
            bins[int(place)] = int(count)
        numbers = {
            name: int(content[name]) if name in _COUNTS else float(content[name])
            for name in _NUMBERS
        }
        return cls(**numbers, bins=bins)  # type: ignore[arg-type]


_COUNTS = ('count', 'finite', 'signed_count')
_NUMBERS = (
    *('count', 'finite', 'largest', 'largest_relative', 'total', 'scaled_squares', 'scale'),
    *('signed', 'signed_count'),
)


def _largest_relative(errors: Floats, original: NDArray[Any] | None) -> float:
    if original is None:
        return math.nan
    with np.errstate(all='ignore'):
        scale = np.abs(original.ravel()).astype(np.float64, copy=False)
        relative = errors / scale
        largest = float(relative.max())
        if not math.isfinite(largest):
            # 0 / 0 is no error; an error where the original is 0 has no relative one.
            relative = relative[(scale > 0.0) | np.isinf(errors)]
            largest = float(np.nan_to_num(relative, nan=np.inf, posinf=np.inf).max(initial=0.0))
    return largest


def _binned(errors: Floats, largest: float) -> NDArray[np.int64]:
    """Count errors by their highest bits: exponent and 6 bits of mantissa."""
    if not errors.size:
        return np.zeros(0, np.int64)
    places = np.ascontiguousarray(errors).view(np.int64) >> _SHIFT
    places -= _LOWEST - 1
    np.maximum(places, 1, out=places)
    if largest >= 2.0**_EXPONENT:
        np.minimum(places, _BINS - 1, out=places)
    counts = np.bincount(places)
    if len(counts) > 1 and counts[1]:
        counts[0] = int(errors.size - np.count_nonzero(errors))
        counts[1] -= counts[0]
    return counts


def _upper_edge(place: int) -> float:
    """Return the largest error that a bin holds."""
    if place <= 0:
        return 0.0
    return float(np.int64(_LOWEST + place << _SHIFT).view(np.float64))
