"""Compare what need not pair: the distributions of each field's values on both sides."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.distribution import compare_distributions
from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.judging.blocks import Side
    from lk_dataset_ros.comparison.tolerance import Tolerance
    from lk_dataset_ros.message import Column

BY: Final = 'distribution'
#: Chance of a false alarm over all fields of a key.
FALSE_ALARM: Final = 0.001
#: Values of one field and side that are kept, evenly taken.
_MOST: Final = 200_000
_PARTS: Final = 32


@dataclass(slots=True)
class _Values:
    """One field's values on both sides."""

    dtype: np.dtype[Any]
    sides: tuple[list[NDArray[Any]], list[NDArray[Any]]] = field(default_factory=lambda: ([], []))

    def array(self, side: int) -> NDArray[np.float64]:
        parts = self.sides[side]
        with np.errstate(all='ignore'):
            return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


def compare_unpaired(
    key: str,
    types: tuple[str, str],
    sides: tuple[Side, Side],
    tolerance: Tolerance,
    left_out: Iterable[str],
) -> KeyComparison:
    """Compare the distributions of all fields of a key.

    A field differs if a two-sample Kolmogorov-Smirnov test says so (over all fields of the key
    with a chance of 0.1 % of a false alarm), and the Wasserstein distance is beyond its tolerance.
    Values that follow on each other are not independent: the test counts as many of them as have
    the same variance of the mean (batch means). What is no number is not judged.

    Args:
        key: Topic name.
        types: Type names of both sides.
        sides: Original and compiled.
        tolerance: Limits and exceptions.
        left_out: Field paths that are not compared.
    """
    fields = _collected(sides, set(left_out))
    numeric = sum(each.dtype.kind in 'fiub' for each in fields.values())
    level = FALSE_ALARM / max(numeric, 1)
    return KeyComparison(
        key,
        types[0],
        types[1],
        paired_by=BY,
        fields=tuple(_judged(key, path, each, tolerance, level) for path, each in fields.items()),
    )


def _collected(sides: tuple[Side, Side], left_out: set[str]) -> dict[str, _Values]:
    found: dict[str, _Values] = {}
    for number, side in enumerate(sides):
        for columns in side.batches():
            for path, column in columns.items():
                if path in left_out:
                    continue
                values = found.setdefault(path, _Values(column.values.dtype))
                if values.dtype.kind in 'fiub' and column.values.dtype.kind in 'fiub':
                    values.sides[number].append(_thinned(column, len(side)))
    return found


def _thinned(column: Column, count: int) -> NDArray[Any]:
    """Return evenly taken values of one batch, of all batches together at most so many."""
    flat = column.values.reshape(-1)
    per_message = max(flat.size / max(len(column.rows), 1), 1.0)
    return flat[:: max(math.ceil(per_message * count / _MOST), 1)]


def _judged(
    key: str, path: str, values: _Values, tolerance: Tolerance, level: float
) -> FieldComparison:
    limit = tolerance.limit_for(key, path, values.dtype)
    dtype = 'string' if values.dtype.kind == 'O' else values.dtype.name
    reason = tolerance.reason_to_ignore(key, path)
    if reason is not None:
        return FieldComparison(path, dtype, limit, ignored_because=reason)
    original, compiled = values.array(0), values.array(1)
    if values.dtype.kind not in 'fiub' or not original.size or not compiled.size:
        return FieldComparison(
            path, dtype, limit, comparator=BY, is_judged=bool(original.size or compiled.size)
        )
    test = compare_distributions(original, compiled)
    if test is None:
        return FieldComparison(path, dtype, limit, comparator=BY, is_judged=False)
    independent = [max(each.size / _repeats(each), 1.0) for each in (original, compiled)]
    p_value = test.p_value_of(independent[0], independent[1])
    scale = float(np.abs(original[np.isfinite(original)]).mean())
    is_beyond = test.wasserstein > limit.atol + limit.rtol * scale
    lost = test.original_dropped / original.size, test.compiled_dropped / compiled.size
    return FieldComparison(
        path,
        dtype,
        limit,
        comparator=BY,
        distribution=test,
        is_different=(p_value < level and is_beyond) or abs(lost[0] - lost[1]) > 0.01,
    )


def _repeats(values: NDArray[np.float64]) -> float:
    """Return how many values that follow on each other say as much as a single one.

    That is the variance of the mean of all of them over what it would be if they were independent
    (batch means; G. S. Fishman, Principles of Discrete Event Simulation, 1978).
    """
    finite = values[np.isfinite(values)]
    if finite.size < 2 * _PARTS:
        return 1.0
    finite = finite / (np.abs(finite).max() or 1.0)
    variance = float(finite.var())
    edges = np.arange(_PARTS) * finite.size // _PARTS
    means = np.add.reduceat(finite, edges) / np.diff(edges, append=finite.size)
    length = finite.size / _PARTS
    return max(length * float(means.var(ddof=1)) / variance, 1.0) if variance else 1.0
