"""Reduce values segment by segment: one segment for each pair of messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.message import Column

    Floats = NDArray[np.float64]
    Offsets = NDArray[np.int64]

#: Up to this length, segments of one length are reduced place by place, several times as fast.
_SHORT = 8
#: Squares between these have been rounded, but have not become 0 or infinite.
_TINY, _HUGE = 1e-280, 1e280


def segment_max(values: NDArray[Any], offsets: Offsets) -> NDArray[Any]:
    """Return the largest value of each segment, 0 for an empty one, NaN if one is in it.

    Args:
        values: (m,): the values of all segments, one after the other.
        offsets: int64, (k + 1,): segment i is `values[offsets[i]:offsets[i + 1]]`.
    """
    return _reduced(np.maximum, values, offsets)


def segment_any(values: NDArray[np.bool_], offsets: Offsets) -> NDArray[np.bool_]:
    """Tell of each segment whether any value is true; arguments as of `segment_max`."""
    return _reduced(np.logical_or, values, offsets)


def segment_sum(values: NDArray[Any], offsets: Offsets) -> NDArray[Any]:
    """Return the sum of each segment, int64 or float64; arguments as of `segment_max`.

    What is true is counted.
    """
    dtype = np.float64 if values.dtype.kind == 'f' else np.int64
    return _reduced(np.add, values, offsets, dtype)


def _reduced(
    function: Any, values: NDArray[Any], offsets: Offsets, dtype: Any = None
) -> NDArray[Any]:
    lengths = np.diff(offsets)
    found: NDArray[Any] = np.zeros(len(lengths), values.dtype if dtype is None else dtype)
    if not len(lengths) or offsets[0] == offsets[-1]:
        return found
    first, end = int(offsets[0]), int(offsets[-1])
    shortest, longest = int(lengths.min()), int(lengths.max())
    with np.errstate(all='ignore'):
        if shortest == longest <= _SHORT:
            table = values[first:end].reshape(-1, longest)
            found[:] = table[:, 0]
            for place in range(1, longest):
                function(found, table[:, place], out=found)
            return found
        # An empty segment would be given the value that follows it.
        filled: Any = slice(None) if shortest else np.flatnonzero(lengths)
        starts = offsets[:-1][filled]
        found[filled] = function.reduceat(values[:end], starts, dtype=found.dtype)
    return found


def aligned(
    left: Column, right: Column
) -> tuple[NDArray[Any], NDArray[Any], Offsets, NDArray[np.bool_]]:
    """Return the values of the rows of equal length, one row after the other.

    Nothing is copied where all rows are of equal length.

    Args:
        left: One side, n rows.
        right: The other side, n rows.

    Returns:
        The left and the right values, int64 (k + 1,) offsets of the k rows of equal length, and
        bool (n,), which of the rows those are.
    """
    starts, lengths = zip(*(_spans(each) for each in (left, right)), strict=True)
    same = lengths[0] == lengths[1]
    is_all = bool(same.all())
    kept = lengths[0] if is_all else lengths[0][same]
    offsets = np.zeros(len(kept) + 1, np.int64)
    np.cumsum(kept, out=offsets[1:])
    total = int(offsets[-1])
    flat = []
    for column, begins in zip((left, right), starts, strict=True):
        values = column.values.reshape(-1)
        if is_all:
            first = int(begins[0]) if len(begins) else 0
            flat.append(values[first : first + total])
        else:
            places = np.repeat(begins[same] - offsets[:-1], kept) + np.arange(total)
            flat.append(values[places])
    return flat[0], flat[1], offsets, same


def _spans(column: Column) -> tuple[Offsets, Offsets]:
    """Return where each row begins, and how long it is."""
    if column.offsets is not None:
        return column.offsets[:-1], np.diff(column.offsets)
    count, size = len(column.values), math.prod(column.values.shape[1:])
    return np.arange(count, dtype=np.int64) * size, np.full(count, size, np.int64)


def spread(found: NDArray[Any], same: NDArray[np.bool_], *, lost: Any) -> NDArray[Any]:
    """Return what was found of the k rows of equal length, and `lost` for all others: (n,)."""
    if len(found) == len(same):
        return found
    spaced = np.full(len(same), lost, found.dtype)
    spaced[same] = found
    return spaced


def relative_norms(left: NDArray[Any], apart: Floats, largest: Floats, offsets: Offsets) -> Floats:
    """Return |apart| / |left| of each segment by Frobenius norms, 0 where nothing is apart.

    What is no finite number on the left counts as 0; infinite where there is no finite ratio.

    Args:
        left: (m,): the original's values of all segments.
        apart: float64, (m,): absolute errors, infinite where there is no finite one.
        largest: float64, (k,): the largest error of each segment.
        offsets: int64, (k + 1,): as of `segment_max`.
    """
    found = np.zeros(len(largest))
    if not largest.any():
        return found
    differs = largest > 0.0
    with np.errstate(all='ignore'):
        left = left.astype(np.float64, copy=False)
        squares = [segment_sum(each * each, offsets)[differs] for each in (apart, left)]
        ratio = np.sqrt(squares[0]) / np.sqrt(squares[1])
        if not all(((each > _TINY) & (each < _HUGE)).all() for each in squares):
            ratio = _ratio_of_any_size(left, apart, largest, offsets)[differs]
    found[differs] = np.where(np.isnan(ratio), np.inf, ratio)
    return found


def _ratio_of_any_size(left: Floats, apart: Floats, largest: Floats, offsets: Offsets) -> Floats:
    """Return |apart| / |left| of each segment although squares may be infinite or 0."""
    sizes = np.nan_to_num(np.abs(left), nan=0.0, posinf=0.0)
    scales = largest, segment_max(sizes, offsets)
    scaled = []
    for values, scale in zip((apart, sizes), scales, strict=True):
        parts = values / np.repeat(np.where(scale > 0.0, scale, 1.0), np.diff(offsets))
        scaled.append(np.sqrt(segment_sum(parts * parts, offsets)))
    ratio: Floats = scaled[0] / scaled[1] * (scales[0] / scales[1])
    return ratio
