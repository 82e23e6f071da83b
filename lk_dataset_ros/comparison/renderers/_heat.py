"""Heatmaps: how far which field, or which element of one, is off at what time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers._series import Times, allowed, pairs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

    Floats = NDArray[np.float64]
    Levels = NDArray[np.uint8]

#: Columns of time.
COLUMNS = 160
ROWS = 40
#: Characters of a row's name.
NAME = 120
#: Numbers that are compared at once.
_CHUNK = 1 << 20
#: What a level says: 0 is no error, 1 within the tolerance, then up to so many times it.
STEPS = (3.0, 10.0, 100.0, 1000.0)
WITHIN, BEYOND, NOT_FINITE, NOT_EQUAL = 1, 2, 7, 8
NAMES = (
    'equal',
    'within the tolerance',
    *(f'up to {step:g} times the tolerance' for step in STEPS),
    f'more than {STEPS[-1]:g} times the tolerance',
    'no finite error',
    'not equal, and has to be',
)
_NOTHING = 255


def of_key(
    key: KeyComparison, fields: Sequence[FieldComparison], most: int = ROWS
) -> dict[str, Any] | None:
    """Return which fields differ when; None where there is no time to tell them apart by.

    Args:
        key: The key.
        fields: Fields of it, the worst first.
        most: How many of them at most.

    Returns:
        `rows`: the names; `cells`: for each a string, one character per column of time (a level,
        or a space where there is no message); `low` and `high` of the time `axis`; `left_out`.
    """
    shown = [each for each in fields if pairs_of(each) == key.paired][:most]
    if not shown or key.paired < 2:
        return None
    times = Times.of(key, key.paired)
    columns = Columns(times.x)
    return columns.described(times, [each.path for each in shown]) | {
        'cells': [written(field_levels(columns, each)) for each in shown],
        'left_out': len(fields) - len(shown),
    }


def of_elements(
    times: Times,
    field: FieldComparison,
    original: NDArray[Any],
    compiled: NDArray[Any],
    *,
    names: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Return which elements of an array differ when.

    Args:
        times: When the pairs are.
        field: The field.
        original: First axis = pair.
        compiled: Likewise.
        names: Of the elements, if they have any.
    """
    if len(original) < 2:
        return None
    columns = Columns(times.x)
    found = element_levels(columns, field, original, compiled)
    groups = groups_of(original[0].size)
    rows = [_name(group, original.shape[1:], names) for group in groups]
    return columns.described(times, rows) | {
        'cells': [written(each) for each in found],
        'left_out': 0,
    }


def element_names(field: FieldComparison, shape: tuple[int, ...]) -> list[str]:
    """Return what the elements of an array are called: a field `name` beside it says so."""
    if len(shape) != 1 or field.source is None:
        return []
    message = field.source.messages(0)[0]
    beside = field.path.rpartition('.')[0]
    for name in ('name', 'names', 'joint_names'):
        found = message.get(f'{beside}.{name}' if beside else name)
        if isinstance(found, np.ndarray) and found.shape == shape and found.dtype.kind in 'OU':
            return [str(each)[:64] for each in found.tolist()]
    return []


class Columns:
    """Equal parts of a time axis, and the pairs in each.

    Attributes:
        count: How many.
        of_pair: int64, (n,): the column that each pair is in.
        filled: bool, (count,): which have a pair.
    """

    def __init__(self, x: Floats) -> None:
        self.count = min(COLUMNS, len(x))
        self.low, self.high = float(x.min()), float(x.max())
        width = (self.high - self.low) / self.count
        place = (x - self.low) / width if width > 0.0 else np.zeros(len(x))
        self.of_pair = np.minimum(place.astype(np.int64), self.count - 1)
        self.filled = np.bincount(self.of_pair, minlength=self.count) > 0

    def described(self, times: Times, names: list[str]) -> dict[str, Any]:
        """Return the axes as plain data."""
        return {
            'rows': [each[:NAME] for each in names],
            'low': self.low,
            'high': self.high,
            'axis': times.label,
        }


def field_levels(columns: Columns, field: FieldComparison) -> Levels:
    """Return the level of a field in each column, from what was kept of all its pairs."""
    total, parts = pairs_of(field), len(field.profile)
    errors = np.zeros(columns.count)
    ratios = np.zeros(columns.count)
    if parts:
        begins = -(-np.arange(parts) * total // parts)
        at = columns.of_pair[np.minimum(begins, total - 1)]
        near = np.zeros(parts)
        sample = field.sample
        if sample is not None and len(sample.positions):
            near = np.interp(begins, sample.positions, np.nan_to_num(np.abs(sample.original)))
        np.maximum.at(errors, at, field.profile)
        np.maximum.at(ratios, at, _ratio(field.profile, allowed(field, near)))
    over = np.bincount(columns.of_pair[field.over], minlength=columns.count) > 0
    levels = levels_of(ratios, errors, is_exact=_is_exact(field))
    # Which pairs are beyond is known exactly, by how much only about.
    levels = np.where(over, np.maximum(levels, BEYOND), np.minimum(levels, WITHIN))
    if _is_exact(field):
        levels = np.where(over, NOT_EQUAL, levels)
    return np.where(columns.filled, levels, _NOTHING).astype(np.uint8)


def element_levels(
    columns: Columns, field: FieldComparison, original: NDArray[Any], compiled: NDArray[Any]
) -> Levels:
    """Return the level of each element (or group of neighbours) in each column."""
    count, elements = len(original), original[0].size
    groups = groups_of(elements)
    begins = np.array([each.start for each in groups])
    errors = np.zeros((columns.count, len(groups)))
    ratios = np.zeros((columns.count, len(groups)))
    step = max(_CHUNK // elements, 1)
    for first in range(0, count, step):
        left, right = (
            side[first : first + step].reshape(-1, elements).astype(np.float64)
            for side in (original, compiled)
        )
        with np.errstate(all='ignore'):
            off = np.abs(right - left)
        off[(left == right) | (np.isnan(left) & np.isnan(right))] = 0.0
        off[np.isnan(off)] = np.inf
        ratio = _ratio(off, allowed(field, left))
        order = np.argsort(columns.of_pair[first : first + step], kind='stable')
        places, starts = np.unique(columns.of_pair[first : first + step][order], return_index=True)
        for target, part in ((errors, off), (ratios, ratio)):
            largest = np.maximum.reduceat(part[order], starts, axis=0)
            largest = np.maximum.reduceat(largest, begins, axis=1)
            target[places] = np.maximum(target[places], largest)
    levels = levels_of(ratios, errors, is_exact=_is_exact(field))
    filled = np.where(columns.filled[:, None], levels, _NOTHING)
    return np.asarray(filled.T, np.uint8)


def groups_of(elements: int) -> list[range]:
    """Return neighbouring elements that share a row, so that there are few rows."""
    rows = min(elements, ROWS)
    edges = [elements * row // rows for row in range(rows + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def levels_of(ratios: Floats, errors: Floats, *, is_exact: bool) -> Levels:
    """Return levels of errors in multiples of the tolerance."""
    levels = np.searchsorted(np.array([1.0, *STEPS]), ratios, 'left') + WITHIN
    levels = np.where(ratios == 0.0, 0, levels)
    if is_exact:
        levels = np.where(errors > 0.0, NOT_EQUAL, levels)
    return np.where(np.isinf(errors), NOT_FINITE, levels).astype(np.uint8)


def written(levels: Levels) -> str:
    """Write levels as one character each."""
    characters = np.where(levels == _NOTHING, ord(' '), levels + ord('0')).astype(np.uint8)
    return characters.tobytes().decode('ascii')


def _ratio(errors: Floats, limits: Floats) -> Floats:
    with np.errstate(all='ignore'):
        found = errors / limits
    return np.where(errors == 0.0, 0.0, np.nan_to_num(found, nan=np.inf, posinf=np.inf))


def _is_exact(field: FieldComparison) -> bool:
    return not field.limit.atol and not field.limit.rtol


def _name(group: range, shape: tuple[int, ...], names: Sequence[str]) -> str:
    first, last = (
        names[each] if names else _index(each, shape) for each in (group.start, group.stop - 1)
    )
    return first if len(group) == 1 else f'{first} … {last}'


def _index(flat: int, shape: tuple[int, ...]) -> str:
    place = []
    for size in reversed(shape):
        flat, rest = divmod(flat, size)
        place.append(rest)
    return f'[{", ".join(str(each) for each in reversed(place))}]'
