"""What there is to draw of a field over time, and which few points of it are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _format

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]

#: Values of one field that are read again; a larger one is drawn from what was kept of it.
MOST_VALUES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Times:
    """When the pairs of a key are.

    Attributes:
        x: float64, (n,): seconds since the first stamp; numbers of pairs where stamps are unknown.
        start: The first stamp as text, empty where stamps are unknown.
    """

    x: Floats
    start: str

    @classmethod
    def of(cls, key: KeyComparison, count: int) -> Times:
        """Return the times of `count` pairs of a key."""
        if not has_stamps(key) or len(key.stamps_ns) != count or not count:
            return cls(np.arange(count, dtype=np.float64), '')
        first = int(key.stamps_ns.min())
        return cls((key.stamps_ns - first) / 1e9, _format.stamp(first))

    @property
    def label(self) -> str:
        """What the axis is."""
        return f's since {self.start}' if self.start else 'number of the pair'

    def seconds(self, stamp_ns: int, key: KeyComparison) -> float | None:
        """Return where a stamp is on the axis."""
        return (stamp_ns - int(key.stamps_ns.min())) / 1e9 if self.start else None


@dataclass(frozen=True, slots=True)
class Series:
    """Both sides of one field, or of one element of it, and the errors.

    Attributes:
        total: Number of pairs.
        positions: int64, (m,): the pairs that `original` and `compiled` belong to; empty where
            there are no values.
        original: float64, (m,).
        compiled: float64, (m,).
        error_positions: int64, (k,): the pairs that `errors` belong to.
        errors: float64, (k,): compiled - original where `is_signed`, else the largest absolute
            error of each of k parts.
        is_signed: Whether errors have a sign.
        is_complete: Whether every pair is there.
        element: Which element is drawn, empty for a scalar.
        grid: Both sides' arrays, first axis = pair, of a field of several elements that was read
            again; None otherwise.
    """

    total: int
    positions: Positions
    original: Floats
    compiled: Floats
    error_positions: Positions
    errors: Floats
    is_signed: bool
    is_complete: bool
    element: tuple[int, ...] = ()
    grid: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def has_values(self) -> bool:
        """Whether there are values besides the errors."""
        return bool(len(self.positions))

    @property
    def differs(self) -> bool:
        """Whether anything that is drawn is not equal."""
        return bool((self.errors != 0.0).any())


def has_stamps(key: KeyComparison) -> bool:
    """Tell whether a key's stamps are times: the rows of mere columns have none."""
    return bool(len(key.stamps_ns)) and bool(key.type_name or key.compiled_type_name)


def pairs_of(field: FieldComparison) -> int:
    """Return how many pairs a field has."""
    return field.matched + field.mismatched


def elements_of(field: FieldComparison) -> int:
    """Return how many numbers a pair has on average, 0 for what is no number."""
    pairs = pairs_of(field)
    return -(-field.statistics.count // pairs) if pairs else 0


def is_drawable(field: FieldComparison) -> bool:
    """Tell whether a field has numbers to draw."""
    if field.ignored_because or not pairs_of(field):
        return False
    return field.sample is not None or bool(field.statistics.count and len(field.profile))


def has_all(field: FieldComparison) -> bool:
    """Tell whether the kept sample is every value of the field."""
    sample = field.sample
    return (
        sample is not None and len(sample.positions) == pairs_of(field) == field.statistics.count
    )


def is_constant(field: FieldComparison) -> bool:
    """Tell whether both sides are known to hold one value all the time."""
    sample = field.sample
    if sample is None or not has_all(field):
        return False
    first = sample.original[0]
    return bool((sample.original == first).all() and (sample.compiled == first).all())


def needs_reading(field: FieldComparison) -> bool:
    """Tell whether reading a field again shows more than what was kept of it.

    What a comparator judges is not read again: it would be judged again.
    """
    return (
        field.source is not None
        and not field.comparator
        and not has_all(field)
        and 0 < field.statistics.count <= MOST_VALUES
    )


def read(field: FieldComparison, *, again: bool) -> Series | None:
    """Return what there is to draw of a field, None if it has no numbers.

    Args:
        field: The field.
        again: Read its values from the datasets if that shows more than what was kept.
    """
    if not is_drawable(field):
        return None
    if again and needs_reading(field):
        values = field.values()
        if values is not None and _are_numbers(values.original):
            assert values.original is not None
            assert values.compiled is not None
            return _of_arrays(field, values.original, values.compiled)
        if values is not None and values.errors is not None:
            everyone = np.arange(len(values.errors))
            nothing = np.zeros(0)
            return Series(
                len(everyone), everyone[:0], nothing, nothing, everyone, values.errors, False, True
            )
    return _of_kept(field)


def _are_numbers(values: NDArray[Any] | None) -> bool:
    return values is not None and values.dtype.kind in 'fiub' and bool(values.size)


def _of_arrays(field: FieldComparison, original: NDArray[Any], compiled: NDArray[Any]) -> Series:
    element = element_of(field, original.shape[1:])
    where: Any = (slice(None), *element)
    left, right = (np.asarray(side[where], dtype=np.float64) for side in (original, compiled))
    everyone = np.arange(len(left))
    return Series(
        len(left),
        everyone,
        left,
        right,
        everyone,
        signed_errors(left, right),
        True,
        True,
        element,
        (original, compiled) if element else None,
    )


def element_of(field: FieldComparison, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return which element of a field of several is drawn: the worst."""
    for divergence in (field.worst, field.first):
        if divergence is None or len(divergence.element) != len(shape):
            continue
        if all(place < size for place, size in zip(divergence.element, shape, strict=True)):
            return divergence.element
    return (0,) * len(shape)


def signed_errors(original: Floats, compiled: Floats) -> Floats:
    """Return compiled - original, 0 where both are equal, NaN against NaN included."""
    same = (original == compiled) | (np.isnan(original) & np.isnan(compiled))
    with np.errstate(all='ignore'):
        return np.where(same, 0.0, compiled - original)


def _of_kept(field: FieldComparison) -> Series | None:
    """Return the sample of the values, and the errors of all pairs by their largest."""
    total, parts = pairs_of(field), len(field.profile)
    begins = -(-np.arange(parts) * total // max(parts, 1))
    nothing = np.zeros(0)
    sample = field.sample
    if sample is None:
        if not parts:
            return None
        complete = parts == total
        return Series(total, begins[:0], nothing, nothing, begins, field.profile, False, complete)
    if has_all(field):
        left, right = sample.original, sample.compiled
        errors = signed_errors(left, right)
        return Series(total, sample.positions, left, right, sample.positions, errors, True, True)
    # Of an array another element was kept each time: no line over time.
    known = (sample.positions >= 0) & (sample.positions < total) & (elements_of(field) == 1)
    return Series(
        total,
        sample.positions[known],
        sample.original[known],
        sample.compiled[known],
        begins,
        field.profile,
        False,
        parts == total,
    )


def allowed(field: FieldComparison, original: Floats) -> Floats:
    """Return how far each value may be off."""
    limit = field.limit
    with np.errstate(all='ignore'):
        scale = 1.0 if field.comparator else np.abs(original)
        found = limit.atol + limit.rtol * scale
    return np.broadcast_to(np.nan_to_num(found, nan=np.inf, posinf=np.inf), original.shape)


def both_values(field: FieldComparison, series: Series) -> tuple[Floats, Floats] | None:
    """Return all values of both sides or, failing that, the kept sample."""
    if series.has_values and series.is_complete and not series.element:
        return series.original, series.compiled
    return (field.sample.original, field.sample.compiled) if field.sample else None
