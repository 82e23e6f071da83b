"""Comparison of datasets: pairing, tolerance, statistics, verdict, renderers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.acceptance import Acceptance
from lk_dataset_ros.comparison.asserting import assert_datasets_equal
from lk_dataset_ros.comparison.comparators import comparator
from lk_dataset_ros.comparison.engine import compare, compare_columns
from lk_dataset_ros.comparison.pairing import Pairing, Pairs, pair_by_index, pair_by_stamp
from lk_dataset_ros.comparison.result import (
    DatasetComparison,
    Divergence,
    FieldComparison,
    KeyComparison,
    Verdict,
)
from lk_dataset_ros.comparison.tolerance import Limit, Tolerance

if TYPE_CHECKING:
    from os import PathLike

    from lk_dataset_ros.dataset import Dataset

__all__ = [
    'Acceptance',
    'DatasetComparison',
    'Divergence',
    'FieldComparison',
    'KeyComparison',
    'Limit',
    'Pairing',
    'Pairs',
    'Tolerance',
    'Verdict',
    'assert_datasets_equal',
    'comparator',
    'compare',
    'compare_columns',
    'diffdiff',
    'pair_by_index',
    'pair_by_stamp',
]


def diffdiff(
    original: Dataset, compiled: Dataset, path: str | PathLike[str], **options: Any
) -> DatasetComparison:
    """Compare two datasets and write every difference to a text file.

    Args:
        original: What is right by definition.
        compiled: What is judged.
        path: The text file.
        options: As for `compare`.

    Raises:
        BagWriteError: If the file cannot be written.
    """
    from lk_dataset_ros.comparison.renderers import save_diffdiff  # noqa: PLC0415

    comparison = compare(original, compiled, **options)
    save_diffdiff(comparison, path)
    return comparison
