"""Compare the values of one field path over all pairs of messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.result import Divergence, FieldComparison

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.pairing import Pairs
    from lk_dataset_ros.comparison.tolerance import Limit, Tolerance
    from lk_dataset_ros.message import Column


def compare_field(
    key: str,
    path: str,
    left: Column | None,
    right: Column | None,
    pairs: Pairs,
    stamps_ns: NDArray[np.int64],
    rule: Tolerance,
) -> FieldComparison:
    """Compare one field.

    Args:
        key: The key that the field belongs to.
        path: Field path.
        left: The original's values, None where no message has the field.
        right: The compiled's.
        pairs: Which messages are compared with which.
        stamps_ns: int64, (n,): stamp of each pair.
        rule: How far values may lie apart.
    """
    some = left if left is not None else right
    assert some is not None
    dtype = some.values.dtype
    limit = rule.limit_for(key, path, dtype)
    reason = rule.reason_to_ignore(key, path)
    count = len(pairs.original)
    if reason is not None:
        return FieldComparison(path, dtype.name, limit, ignored_because=reason)
    if (
        left is not None
        and right is not None
        and _is_dense(left, count, pairs.original)
        and _is_dense(right, count, pairs.compiled)
        and left.values.shape[1:] == right.values.shape[1:]
    ):
        values = left.values[pairs.original], right.values[pairs.compiled]
        if dtype.kind in 'fiub' and right.values.dtype.kind in 'fiub':
            return _compare_numbers(path, limit, *values, pairs.original, stamps_ns)
        return _compare_exactly(path, limit, *values, pairs.original, stamps_ns)
    return _compare_rows(path, limit, left, right, pairs, stamps_ns)


def _is_dense(column: Column, count: int, indices: NDArray[np.int64]) -> bool:
    """Tell whether a column has one value of fixed shape for each of these messages."""
    return column.offsets is None and (
        not count
        or (len(column.rows) == column.rows[-1] + 1 and int(indices.max()) < len(column.rows))
    )


def _compare_numbers(
    path: str,
    limit: Limit,
    original: NDArray[Any],
    compiled: NDArray[Any],
    indices: NDArray[np.int64],
    stamps_ns: NDArray[np.int64],
) -> FieldComparison:
    signed, error, within = _judge(original, compiled, limit)
    scale = np.abs(original.astype(np.float64))
    with np.errstate(all='ignore'):
        ratio = np.where(np.isfinite(error) & (scale > 0.0), error / scale, np.inf)
        relative = np.where(error == 0.0, 0.0, ratio)
    count = len(indices)
    per_pair = _by_pair(error)
    over = np.asarray(~_by_pair(within).all(axis=1))
    finite = error[np.isfinite(error)]
    biased = signed[np.isfinite(signed)]
    worst = None
    if error.size and error.max() > 0.0:
        worst = _divergence(
            original, compiled, indices, stamps_ns, _where(int(error.argmax()), error)
        )
    first = None
    if over.any():
        first = _divergence(
            original, compiled, indices, stamps_ns, _where(int((~within).argmax()), within)
        )
    return FieldComparison(
        path,
        original.dtype.name,
        limit,
        matched=int(count - over.sum()),
        mismatched=int(over.sum()),
        max_error=float(error.max()) if error.size else 0.0,
        mean_error=float(finite.mean()) if finite.size else 0.0,
        rms_error=_rms(finite),
        bias=float(biased.mean()) if biased.size else 0.0,
        max_relative_error=float(relative.max()) if relative.size else 0.0,
        worst=worst,
        first=first,
        errors=per_pair.max(axis=1) if per_pair.shape[1] else np.zeros(count),
        over=over,
        original=original,
        compiled=compiled,
    )


def _judge(
    original: NDArray[Any], compiled: NDArray[Any], limit: Limit
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return signed error, absolute error and whether it is within the limit, per value."""
    same = _equal(original, compiled)
    left, right = original.astype(np.float64), compiled.astype(np.float64)
    with np.errstate(all='ignore'):
        signed = np.where(same, 0.0, right - left)
        error = np.abs(signed)
        # Large integers may differ although their difference as floats is 0.
        exact = original.dtype.kind != 'f'
        within = same if exact else same | (error <= limit.atol + limit.rtol * np.abs(left))
        # A number against a NaN or an infinity has no finite error, and is never within.
        unbounded = ~same & ~(np.isfinite(left) & np.isfinite(right))
    return signed, np.where(unbounded, np.inf, error), within & ~unbounded


def _equal(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.bool_]:
    same = np.asarray(left == right)
    if left.dtype.kind == 'f' and right.dtype.kind == 'f':
        same = same | (np.isnan(left) & np.isnan(right))
    return same


def _compare_exactly(
    path: str,
    limit: Limit,
    original: NDArray[Any],
    compiled: NDArray[Any],
    indices: NDArray[np.int64],
    stamps_ns: NDArray[np.int64],
) -> FieldComparison:
    count = len(indices)
    over = np.asarray(~_by_pair(_equal(original, compiled)).all(axis=1))
    first = None
    if over.any():
        first = _divergence(original, compiled, indices, stamps_ns, (int(over.argmax()),))
    return FieldComparison(
        path,
        'string' if original.dtype.kind == 'O' else original.dtype.name,
        limit,
        matched=int(count - over.sum()),
        mismatched=int(over.sum()),
        first=first,
        over=over,
        original=original,
        compiled=compiled,
    )


def _compare_rows(
    path: str,
    limit: Limit,
    left: Column | None,
    right: Column | None,
    pairs: Pairs,
    stamps_ns: NDArray[np.int64],
) -> FieldComparison:
    """Compare values that vary in length, or are not there in every message, pair by pair."""
    sides = [
        {} if column is None else {int(row): place for place, row in enumerate(column.rows)}
        for column in (left, right)
    ]
    count = len(pairs.original)
    over = np.zeros(count, dtype=np.bool_)
    errors = np.zeros(count)
    kept: list[tuple[Any, Any]] = []
    first: Divergence | None = None
    for number, (i, j) in enumerate(zip(pairs.original, pairs.compiled, strict=True)):
        a = left.row(sides[0][int(i)]) if left is not None and int(i) in sides[0] else None
        b = right.row(sides[1][int(j)]) if right is not None and int(j) in sides[1] else None
        errors[number], within = _row_error(a, b, limit)
        over[number] = not within
        if not within:
            kept.append((_plain(a), _plain(b)))
        if not within and first is None:
            first = Divergence(int(i), int(stamps_ns[number]), _plain(a), _plain(b))
    some = left if left is not None else right
    assert some is not None
    finite = errors[np.isfinite(errors)]
    return FieldComparison(
        path,
        'string' if some.values.dtype.kind == 'O' else some.values.dtype.name,
        limit,
        matched=int(count - over.sum()),
        mismatched=int(over.sum()),
        max_error=float(errors.max()) if count else 0.0,
        mean_error=float(finite.mean()) if finite.size else 0.0,
        rms_error=_rms(finite),
        first=first,
        errors=errors,
        over=over,
        differing_values=tuple(kept),
    )


def _row_error(a: Any, b: Any, limit: Limit) -> tuple[float, bool]:
    """Return largest error and whether it is within the limit; infinite if shapes differ."""
    if a is None or b is None:
        return (0.0, True) if a is b else (np.inf, False)
    left, right = np.asarray(a), np.asarray(b)
    if left.shape != right.shape:
        return np.inf, False
    if left.dtype.kind not in 'fiub' or right.dtype.kind not in 'fiub':
        same_text = bool(np.all(left == right))
        return (0.0 if same_text else np.inf), same_text
    if not left.size:
        return 0.0, True
    _, error, within = _judge(left, right, limit)
    return float(error.max()), bool(within.all())


def _by_pair(values: NDArray[Any]) -> NDArray[Any]:
    """Flatten everything behind the first axis, also when there is no pair at all."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _rms(values: NDArray[np.float64]) -> float:
    """Return the root mean square; scaled, since the square of a huge error is infinite."""
    largest = float(values.max()) if values.size else 0.0
    return largest * float(np.sqrt(np.mean((values / largest) ** 2))) if largest else 0.0


def _where(flat: int, like: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(each) for each in np.unravel_index(flat, like.shape))


def _divergence(
    original: NDArray[Any],
    compiled: NDArray[Any],
    indices: NDArray[np.int64],
    stamps_ns: NDArray[np.int64],
    where: tuple[int, ...],
) -> Divergence:
    pair = where[0]
    return Divergence(
        int(indices[pair]),
        int(stamps_ns[pair]),
        _plain(original[where]),
        _plain(compiled[where]),
        where[1:],
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value
