"""Which message of the original answers to which of the compiled, one to one."""

from __future__ import annotations

from lk_dataset_ros.comparison.pairing.choice import WAYS, Pairing, Times
from lk_dataset_ros.comparison.pairing.exact import (
    pair_by_index,
    pair_by_lineage,
    pair_by_stamp,
)
from lk_dataset_ros.comparison.pairing.lag import Lag, estimate_lag
from lk_dataset_ros.comparison.pairing.nearest import pair_by_nearest, pair_by_relative_time
from lk_dataset_ros.comparison.pairing.pairs import Pairs, delays, late_pairs

__all__ = [
    'WAYS',
    'Lag',
    'Pairing',
    'Pairs',
    'Times',
    'delays',
    'estimate_lag',
    'late_pairs',
    'pair_by_index',
    'pair_by_lineage',
    'pair_by_nearest',
    'pair_by_relative_time',
    'pair_by_stamp',
]
