"""Messages that say themselves how their bytes are laid out: images and point clouds.

Pairs that are equal byte by byte are found at once; the others are judged in stacks of messages of
one layout, so that many small ones cost little more than few large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.comparison.judging.segments import aligned, segment_any
from lk_dataset_ros.comparison.judging.values import judge_numbers
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit

    Columns = Mapping[str, Column]
    Bytes = NDArray[np.uint8]
    #: What a message says of its bytes, field by field.
    Header = tuple[Any, ...]
    #: Judges the bytes, uint8, (k, size), of messages of one layout; None where that cannot be.
    Judge = Callable[[Header, Bytes, Header, Bytes], Judged | None]

#: Bytes that are looked at, or stacked, at once.
STACK: Final = 1 << 20
#: Numbers that are judged at once.
BLOCK: Final = 1 << 18
#: Channels that are taken one by one.
_FEW: Final = 16


def judge_packed(
    original: Columns,
    compiled: Columns,
    *,
    header: Sequence[str],
    equal: Mapping[str, float],
    judge: Judge,
) -> Judged:
    """Judge the field `data` of messages as their headers say.

    A pair that cannot be judged so, of different layouts or of sizes that do not fit, is compared
    byte by byte: it has no finite error, nor any measure, unless everything is equal.

    Args:
        original: data, uint8, and all that `header` names.
        compiled: Likewise.
        header: Names of the fields that say what the bytes are; of those inside sequences, not
            every message need have one.
        equal: Measures of two equal messages, by name.
        judge: Judges messages that differ.
    """
    left, right = _byte_rows(original), _byte_rows(compiled)
    count = len(left.rows)
    one, other = (
        headers(columns, header, lengths_of(data))
        for columns, data in ((original, left), (compiled, right))
    )
    errors, over = np.zeros(count), np.zeros(count, np.bool_)
    measures = {name: np.full(count, value) for name, value in equal.items()}
    groups: dict[tuple[Header, Header], list[int]] = {}
    for row, is_unequal in enumerate(unequal(left, right).tolist()):
        if is_unequal or one[row] != other[row]:
            groups.setdefault((one[row], other[row]), []).append(row)
    for (said, told), rows in groups.items():
        step = max(1, STACK // max(1, said[-1], told[-1]))
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            judged = judge(said[:-1], stack(left, some), told[:-1], stack(right, some))
            errors[some] = np.inf if judged is None else judged.errors
            over[some] = True if judged is None else judged.over
            for name, values in measures.items():
                values[some] = np.nan if judged is None else judged.measures[name]
    return Judged(errors, over, measures=measures)


def headers(columns: Columns, names: Sequence[str], lengths: NDArray[np.int64]) -> list[Header]:
    """Return the named fields of each message, None for one that it lacks, and `lengths`."""
    listed = [_listed(columns.get(name), name, len(lengths)) for name in names]
    return list(zip(*listed, lengths.tolist(), strict=True))


def _listed(column: Column | None, name: str, count: int) -> list[Any]:
    if column is None:
        return [None] * count
    if column.offsets is not None or column.values.ndim != 1:
        raise ComparisonError(f'field {name!r} holds an array; one value is needed')
    if column.values.dtype.kind not in 'iubO':
        raise ComparisonError(f'field {name!r} holds {column.values.dtype}; integers are needed')
    values: list[Any] = column.values.tolist()
    if len(column.rows) == count:
        return values
    spaced = [None] * count
    for row, value in zip(column.rows.tolist(), values, strict=True):
        spaced[row] = value
    return spaced


def _byte_rows(columns: Columns) -> Column:
    """Return the field `data` as bytes."""
    column = columns.get('data')
    if column is None:
        raise ComparisonError(f"there is no field 'data' to compare, only {', '.join(columns)}")
    values = column.values
    if values.dtype.kind not in 'iub' or values.dtype.itemsize != 1:
        raise ComparisonError(f"field 'data' holds {values.dtype}; bytes are needed")
    values = values.view(np.uint8)
    if column.offsets is None:
        values = values.reshape(len(values), int(np.prod(values.shape[1:])))
    return Column(values, column.rows, column.offsets)


def lengths_of(column: Column) -> NDArray[np.int64]:
    """Return how many bytes each message has."""
    if column.offsets is not None:
        return np.diff(column.offsets)
    return np.full(len(column.values), column.values.shape[1], np.int64)


def unequal(left: Column, right: Column) -> NDArray[np.bool_]:
    """Tell which messages differ in any byte, or in how many they have."""
    one, other, offsets, same = aligned(left, right)
    found = np.zeros(len(offsets) - 1, np.bool_)
    for start in range(0, len(one), STACK):
        stop = min(start + STACK, len(one))
        apart = one[start:stop] != other[start:stop]
        if apart.any():
            first = int(np.searchsorted(offsets, start, 'right')) - 1
            last = int(np.searchsorted(offsets, stop, 'left'))
            spans = np.clip(offsets[first : last + 1], start, stop) - start
            found[first:last] |= segment_any(apart, spans)
    differ = ~same
    differ[same] = found
    return differ


def stack(column: Column, rows: Sequence[int]) -> Bytes:
    """Return the bytes of messages of equal length, uint8, (len(rows), length)."""
    first, end = rows[0], rows[-1] + 1
    is_run = end - first == len(rows)
    if column.offsets is None:
        return column.values[first:end] if is_run else column.values[list(rows)]
    if is_run:
        run = column.values[column.offsets[first] : column.offsets[end]]
        return run.reshape(len(rows), len(run) // len(rows))
    return np.stack([column.row(row) for row in rows])


def blocks(height: int, width: int, depth: int) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of the blocks of a picture, none of more than `BLOCK` numbers.

    Args:
        height: Rows in all.
        width: Columns in all.
        depth: Numbers at each place.
    """
    columns = max(1, min(width, BLOCK // max(1, depth)))
    rows = max(1, BLOCK // max(1, depth * columns))
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield slice(top, min(top + rows, height)), slice(left, min(left + columns, width))


def judge_block(
    one: NDArray[Any], other: NDArray[Any], limit: Limit
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return absolute differences of numbers of one type and shape, and which are too large.

    Integers stay integers, without a sign: no difference overflows.
    """
    if one.dtype.kind == 'f':
        values = judge_numbers(one, other, limit)
        assert values.errors is not None
        over = np.zeros(one.shape, np.bool_) if values.over is None else values.over
        return values.errors, over
    # What overflows here is right again once it is taken for a number without a sign.
    apart = np.maximum(one, other) - np.minimum(one, other)
    apart = apart.view(apart.dtype.str.replace('i', 'u'))
    if limit.rtol:
        with np.errstate(over='ignore'):
            return apart, apart > limit.atol + limit.rtol * np.abs(one.astype(np.float64))
    largest = np.iinfo(apart.dtype).max
    return apart, apart > apart.dtype.type(min(limit.atol, largest))


def largest_of_rows(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest of each first-axis row, 0 for an empty one."""
    return np.asarray(values.max(axis=tuple(range(1, values.ndim)), initial=0), np.float64)


def any_channel(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell whether anything is true along the last axis."""
    if values.shape[-1] > _FEW:
        return np.asarray(values.any(axis=-1))
    # So few at a time, NumPy is several times slower.
    found = np.array(values[..., 0])
    for channel in range(1, values.shape[-1]):
        found |= values[..., channel]
    return found
