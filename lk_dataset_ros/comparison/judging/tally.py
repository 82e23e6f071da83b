"""Collect what the blocks say of one field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.distribution import compare_distributions
from lk_dataset_ros.comparison.result import Divergence, FieldComparison, Sample, Source
from lk_dataset_ros.comparison.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]

#: Parts of a profile.
PARTS = 1024
#: Values of one field that are kept for its distribution.
MOST_SAMPLES = 16_384
#: Elements of an array that a divergence shows; of a longer one it shows the one that differs.
SHOWN = 64


@dataclass(frozen=True, slots=True)
class Run:
    """What all fields of a key share.

    Attributes:
        stamps_ns: int64, (n,): stamp of each pair.
        indices: int64, (n,): index of each pair's message in the original.
        stride: Every how many pairs a value is kept.
    """

    stamps_ns: NDArray[np.int64]
    indices: NDArray[np.int64]
    stride: int

    def divergence(
        self,
        position: int,
        original: Any,
        compiled: Any,
        *,
        element: tuple[int, ...] = (),
        error: float,
    ) -> Divergence:
        """Return where a pair lies, with its values as plain Python."""
        return Divergence(
            int(self.indices[position]),
            int(self.stamps_ns[position]),
            _plain(original),
            _plain(compiled),
            element,
            error,
        )


class Tally:
    """Counts, statistics and the remarkable pairs of one field; blocks may come in any order."""

    def __init__(self, path: str, dtype: str, limit: Limit, run: Run) -> None:
        self.path, self.dtype, self.limit = path, dtype, limit
        self._run = run
        count = len(run.stamps_ns)
        self._count = count
        self._mismatched = 0
        self._statistics = Statistics()
        self._measures: dict[str, Statistics] = {}
        self._profile: Floats = np.zeros(min(PARTS, count))
        self._bits: NDArray[np.uint8] | None = None
        self._first: tuple[int, Divergence] | None = None
        self._worst: tuple[float, int, Divergence] | None = None
        self._samples: list[tuple[Positions, Floats, Floats]] = []
        self._errors: list[tuple[Positions, Floats]] = []
        self._differences: list[Floats] = []
        self._is_numeric = False

    def count_errors(
        self, errors: Floats, signed: Floats | None, original: Any, largest: float
    ) -> None:
        """Add absolute errors of single values to the statistics."""
        self._is_numeric = True
        self._statistics += Statistics.of(errors, signed, original, largest)

    def profile(self, positions: Positions, errors: Floats) -> None:
        """Add the largest error of each pair to the profile over time.

        Args:
            positions: int64, (n,): ascending.
            errors: float64, (n,).
        """
        count, most = len(self._profile), self._count
        first, last = (int(positions[place]) * count // most for place in (0, -1))
        # The first position of each part: the least p with p * count // most == part.
        begins = -(-np.arange(first + 1, last + 1) * most // count)
        edges = np.concatenate([[0], np.searchsorted(positions, begins)])
        filled = np.diff(edges, append=len(positions)) > 0
        largest = np.maximum.reduceat(errors, edges[filled])
        part = self._profile[first : last + 1]
        part[filled] = np.maximum(part[filled], largest)

    def mark(self, positions: Positions) -> None:
        """Note pairs beyond the limit, each once."""
        if self._bits is None:
            self._bits = np.zeros(-(-self._count // 8), np.uint8)
        self._mismatched += len(positions)
        bits = np.left_shift(1, positions & 7).astype(np.uint8)
        np.bitwise_or.at(self._bits, positions >> 3, bits)

    def is_first(self, position: int) -> bool:
        """Tell whether no earlier pair has been noted as the first beyond the limit."""
        return self._first is None or position < self._first[0]

    def note_first(self, position: int, original: Any, compiled: Any, **where: Any) -> None:
        """Keep the first pair beyond the limit."""
        if self.is_first(position):
            found = self._run.divergence(position, original, compiled, **where)
            self._first = position, found

    def is_worst(self, position: int, error: float) -> bool:
        """Tell whether no error is as large, the earlier one of two."""
        return error > 0.0 and (
            self._worst is None or (-error, position) < (-self._worst[0], self._worst[1])
        )

    def note_worst(self, position: int, original: Any, compiled: Any, **where: Any) -> None:
        """Keep the pair of the largest error."""
        error = where['error']
        if self.is_worst(position, error):
            found = self._run.divergence(position, original, compiled, **where)
            self._worst = error, position, found

    def sample(self, positions: Positions, left: Column | None, right: Column | None) -> None:
        """Keep every so many pairs' values; of an array one element each time, in turn.

        Args:
            positions: int64, (n,): ascending.
            left: The original's values of these pairs; only numbers of one shape are kept.
            right: The compiled's.
        """
        if left is None or right is None or not _is_table(left, right, len(positions)):
            return
        chosen = _every(positions, self._run.stride)
        elements = math.prod(left.values.shape[1:])
        if not len(chosen) or not elements:
            return
        taken = positions[chosen] // self._run.stride % elements
        with np.errstate(all='ignore'):
            sides = [
                side.values.reshape(len(positions), elements)[chosen, taken].astype(np.float64)
                for side in (left, right)
            ]
        self._samples.append((positions[chosen], sides[0], sides[1]))

    def sample_errors(
        self, positions: Positions, errors: Floats, differences: Floats | None = None
    ) -> None:
        """Keep every so many pairs' errors, of what has no values to keep.

        Args:
            positions: int64, (n,): ascending.
            errors: float64, (n,).
            differences: float64, (n, k): signed ones, if there are any.
        """
        chosen = _every(positions, self._run.stride)
        self._errors.append((positions[chosen], errors[chosen]))
        if differences is not None:
            self._differences.append(differences[chosen])

    def measure(self, measures: Mapping[str, Floats]) -> None:
        """Add further numbers of pairs; what is not finite is none."""
        for name, values in measures.items():
            known = self._measures.get(name, Statistics())
            there = np.abs(values[np.isfinite(values)])
            self._measures[name] = known + Statistics.of(there)

    def finish(
        self, *, comparator: str = '', unit: str = '', is_judged: bool = True, source: Source
    ) -> FieldComparison:
        """Return what was collected."""
        sample = self._sample()
        return FieldComparison(
            self.path,
            self.dtype,
            self.limit,
            matched=self._count - self._mismatched,
            mismatched=self._mismatched,
            comparator=comparator,
            unit=unit,
            is_judged=is_judged,
            statistics=self._statistics,
            measures=self._measures,
            worst=self._worst[2] if self._worst else None,
            first=self._first[1] if self._first else None,
            profile=self._profile if self._is_numeric else np.zeros(0),
            over_bits=self._bits,
            sample=sample,
            error_sample=self._error_sample(),
            difference_sample=self._difference_sample(),
            distribution=None
            if sample is None or not self._mismatched
            else compare_distributions(sample.original, sample.compiled),
            source=source,
        )

    def _error_sample(self) -> Floats | None:
        if not self._errors:
            return None
        positions, errors = (
            np.concatenate([each[place] for each in self._errors]) for place in (0, 1)
        )
        return np.asarray(errors[np.argsort(positions, kind='stable')], np.float64)

    def _difference_sample(self) -> Floats | None:
        if not self._differences or len(self._differences) < len(self._errors):
            return None
        positions = np.concatenate([each[0] for each in self._errors])
        found = np.concatenate(self._differences)
        return np.asarray(found[np.argsort(positions, kind='stable')], np.float64)

    def _sample(self) -> Sample | None:
        if not self._samples:
            return None
        positions, original, compiled = (
            np.concatenate([each[place] for each in self._samples]) for place in range(3)
        )
        order = np.argsort(positions, kind='stable')
        return Sample(positions[order], original[order], compiled[order])


def _is_table(left: Column, right: Column, count: int) -> bool:
    """Tell whether both sides have numbers of one shape in all pairs."""
    return (
        left.offsets is None
        and right.offsets is None
        and left.values.shape == right.values.shape
        and len(left.values) == count
        and left.values.dtype.kind in 'fiub'
        and right.values.dtype.kind in 'fiub'
    )


def _every(positions: Positions, stride: int) -> Any:
    if stride == 1:
        return np.arange(len(positions))
    if len(positions) and int(positions[-1] - positions[0]) + 1 == len(positions):
        return np.arange(-int(positions[0]) % stride, len(positions), stride)
    return np.flatnonzero(positions % stride == 0)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
