"""What came out of a comparison: data only, no formatting."""

from lk_dataset_ros.comparison.result.dataset import DatasetComparison
from lk_dataset_ros.comparison.result.field import FieldComparison
from lk_dataset_ros.comparison.result.key import KeyComparison
from lk_dataset_ros.comparison.result.parts import (
    Differences,
    Divergence,
    FieldValues,
    Sample,
    Source,
    Verdict,
)

__all__ = [
    'DatasetComparison',
    'Differences',
    'Divergence',
    'FieldComparison',
    'FieldValues',
    'KeyComparison',
    'Sample',
    'Source',
    'Verdict',
]
