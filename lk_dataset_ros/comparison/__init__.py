"""Comparison of datasets: pairing, tolerance, statistics, verdict, renderers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.engine import compare
from lk_dataset_ros.comparison.pairing import Pairs, pair_by_index, pair_by_stamp
from lk_dataset_ros.comparison.result import (
    DatasetComparison,
    Divergence,
    FieldComparison,
    KeyComparison,
    Verdict,
)
from lk_dataset_ros.comparison.tolerance import Limit, Tolerance
from lk_dataset_ros.errors import BagWriteError

if TYPE_CHECKING:
    from os import PathLike

    from lk_dataset_ros.dataset import Dataset

__all__ = [
    'DatasetComparison',
    'Divergence',
    'FieldComparison',
    'KeyComparison',
    'Limit',
    'Pairs',
    'Tolerance',
    'Verdict',
    'compare',
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
    comparison = compare(original, compiled, **options)
    try:
        Path(path).write_text(comparison.to_diffdiff(), encoding='utf-8')
    except OSError as error:
        raise BagWriteError(f'{path} cannot be written: {error.strerror}') from error
    return comparison
