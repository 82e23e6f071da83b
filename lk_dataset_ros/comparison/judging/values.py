"""Judge the values of one field path, one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.judging.segments import aligned, segment_any, segment_max

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Values that are judged at once: what is in between stays in the processor's cache.
CHUNK = 32_768


@dataclass(frozen=True, slots=True)
class Values:
    """Values of some pairs, judged.

    Attributes:
        errors: float64, like `original`: absolute errors; None where values are no numbers.
        signed: float64: compiled - original, 0 where both are equal; None likewise.
        over: bool: which values are beyond the limit; None if none is.
        largest: The largest error; 0 for values that are no numbers.
    """

    errors: Floats | None
    signed: Floats | None
    over: Bools | None
    largest: float


def judge_numbers(original: NDArray[Any], compiled: NDArray[Any], limit: Limit) -> Values:
    """Judge numbers of one shape.

    Integers are equal or not whatever their size; as errors they are floats.
    """
    with np.errstate(all='ignore'):
        # A signalling NaN of 32 bits, which a bag may hold, is an invalid operation already here.
        left = original.astype(np.float64, copy=False)
        right = compiled.astype(np.float64, copy=False)
        signed = right - left
        errors = np.abs(signed)
        largest = float(errors.max()) if errors.size else 0.0
        if math.isfinite(largest):
            # Neither a NaN nor an infinity is in either.
            over = None
            if largest > limit.atol:
                over = errors > limit.atol + limit.rtol * np.abs(left)
                over = over if over.any() else None
            wide = {original.dtype.kind, compiled.dtype.kind} <= set('iu')
            if wide and original.dtype.itemsize == 8 and limit.atol == 0.0 == limit.rtol:
                # Large integers may differ although their difference as floats is 0.
                unequal = original != compiled
                over = unequal if unequal.any() else None
            return Values(errors, signed, over, largest)
        same = np.asarray(original == compiled)
        if original.dtype.kind == 'f' and compiled.dtype.kind == 'f':
            same |= np.isnan(left) & np.isnan(right)
        signed[same] = 0.0
        errors[same] = 0.0
        # A number against a NaN or an infinity has no finite error, and is never within.
        unbounded = ~same & ~(np.isfinite(left) & np.isfinite(right))
        errors[unbounded] = np.inf
        over = unbounded | (~same & (errors > limit.atol + limit.rtol * np.abs(left)))
    largest = float(errors.max())
    return Values(errors, signed, over if over.any() else None, largest)


def judge_exactly(original: NDArray[Any], compiled: NDArray[Any]) -> Values:
    """Judge strings, or whatever else has to be equal."""
    over = np.asarray(original != compiled)
    if over.shape != original.shape:
        over = np.ones(original.shape, np.bool_)
    return Values(None, None, over if over.any() else None, 0.0)


@dataclass(frozen=True, slots=True)
class Rows:
    """Values of varying length, judged pair by pair.

    Attributes:
        values: The values of the pairs of equal length, one after the other; errors, signed and
            over are as long as `original`.
        original: The original's values of those pairs.
        compiled: The compiled's.
        pairs: int64, (k,): which pairs those are.
        offsets: int64, (k + 1,): where each of them begins among the values.
        errors: float64, (n,): largest absolute error of each pair, infinite where the lengths
            differ; None where values are no numbers.
        over: bool, (n,): which pairs are beyond the limit.
    """

    values: Values
    original: NDArray[Any]
    compiled: NDArray[Any]
    pairs: NDArray[np.int64]
    offsets: NDArray[np.int64]
    errors: Floats | None
    over: Bools


def judge_rows(left: Column, right: Column, limit: Limit) -> Rows:
    """Judge values that vary in length, both of the same pairs."""
    original, compiled, offsets, same = aligned(left, right)
    numeric = original.dtype.kind in 'fiub' and compiled.dtype.kind in 'fiub'
    values = (
        judge_numbers(original, compiled, limit) if numeric else judge_exactly(original, compiled)
    )
    pairs = np.flatnonzero(same)
    over = ~same
    if values.over is not None:
        over[pairs] = segment_any(values.over, offsets)
    errors = None
    if numeric:
        errors = np.full(len(same), np.inf)
        assert values.errors is not None
        errors[pairs] = segment_max(values.errors, offsets)
    return Rows(values, original, compiled, pairs, offsets, errors, over)
