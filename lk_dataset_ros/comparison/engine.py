"""Compare two datasets: pair messages, compare columns, collect statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.fields import compare_field
from lk_dataset_ros.comparison.pairing import Pairs, pair_by_index, pair_by_stamp
from lk_dataset_ros.comparison.result import (
    DatasetComparison,
    KeyComparison,
)
from lk_dataset_ros.comparison.tolerance import Tolerance
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Dataset
    from lk_dataset_ros.message import Columns

#: The stamp is what messages are paired by: comparing it again would say nothing.
_STAMP_PATHS = ('header.stamp.sec', 'header.stamp.nanosec')


def compare(
    original: Dataset,
    compiled: Dataset,
    *,
    keys: Sequence[str] | None = None,
    tolerance: Tolerance | None = None,
    original_name: str = '',
    compiled_name: str = '',
) -> DatasetComparison:
    """Compare two datasets key by key and field by field.

    Messages are paired by header stamp, or by index where a type has no header. A message without
    partner is a difference. NaN equals NaN, and infinities equal those of the same sign.

    Args:
        original: What is right by definition.
        compiled: What is judged.
        keys: The keys to compare; all keys of either when left out.
        tolerance: How far values may lie apart; by default as torch.testing.assert_close.
        original_name: What to call the original.
        compiled_name: What to call the compiled.

    Raises:
        ComparisonError: If a key is in neither dataset.
    """
    rule = tolerance or Tolerance()
    known = list(dict.fromkeys([*original.keys(), *compiled.keys()]))
    for key in keys or ():
        if key not in known:
            raise ComparisonError(
                f'{key} is in neither dataset; there is {", ".join(known) or "nothing"}'
            )
    return DatasetComparison(
        original,
        compiled,
        original_name or original.name,
        compiled_name or compiled.name,
        tuple(_compare_key(original, compiled, key, rule) for key in keys or known),
    )


def _compare_key(original: Dataset, compiled: Dataset, key: str, rule: Tolerance) -> KeyComparison:
    types = [
        dataset.topic(key).schema.name if key in dataset else ''
        for dataset in (original, compiled)
    ]
    if types[0] != types[1]:
        sides = [each or 'not there' for each in types]
        return KeyComparison(
            key,
            types[0],
            types[1],
            problem=f'{sides[0]} in the original, {sides[1]} in the compiled',
        )
    left, right = original.columns(key), compiled.columns(key)
    pairs, paired_by = _pair(left, right)
    left_ns, right_ns = _times(left), _times(right)
    stamps_ns = left_ns[pairs.original]
    paths = [
        path
        for path in dict.fromkeys([*left, *right])
        if not (paired_by == 'header_stamp' and path in _STAMP_PATHS)
    ]
    return KeyComparison(
        key,
        types[0],
        types[1],
        paired_by=paired_by,
        paired=len(pairs.original),
        missing_ns=left_ns[pairs.missing],
        extra_ns=right_ns[pairs.extra],
        stamps_ns=stamps_ns,
        indices=pairs.original,
        fields=tuple(
            compare_field(key, path, left.get(path), right.get(path), pairs, stamps_ns, rule)
            for path in paths
        ),
    )


def _pair(left: Columns, right: Columns) -> tuple[Pairs, str]:
    counts = len(left.log_time_ns), len(right.log_time_ns)
    if left.stamp_ns is not None and right.stamp_ns is not None:
        return pair_by_stamp(left.stamp_ns, right.stamp_ns), 'header_stamp'
    if (left.stamp_ns is not None and not counts[1]) or (
        right.stamp_ns is not None and not counts[0]
    ):
        return pair_by_index(*counts), 'header_stamp'
    return pair_by_index(*counts), 'index'


def _times(columns: Columns) -> NDArray[np.int64]:
    return columns.log_time_ns if columns.stamp_ns is None else columns.stamp_ns
