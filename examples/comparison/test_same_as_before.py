"""A regression test: what the filter answers is what it answered before."""

from __future__ import annotations

import numpy as np

from lk_dataset_ros import Dataset
from lk_dataset_ros.comparison import Limit, Tolerance, assert_datasets_equal


def answers(gain: float) -> Dataset:
    """Run a low-pass filter over a step; stands for the component under test."""
    level = 1.0 - (1.0 - gain) ** np.arange(50)
    dataset = Dataset.create('memory')
    dataset.declare('/level', 'std_msgs/msg/Float64')
    dataset.write_columns('/level', {'data': level}, log_time_ns=np.arange(50) * 10**7)
    return dataset


def test_the_filter_is_as_before() -> None:
    """The filter answers within a thousandth of what it did."""
    rule = Tolerance(fields={'/level.data': Limit(rtol=0.0, atol=1e-3)})
    assert_datasets_equal(answers(0.2), answers(0.2001), tolerance=rule)
