"""Exports of a comparison to the viewers that people already have open."""

from lk_dataset_ros.comparison.exports.choice import Exported
from lk_dataset_ros.comparison.exports.foxglove import to_foxglove
from lk_dataset_ros.comparison.exports.rerun import to_rerun

__all__ = ['Exported', 'to_foxglove', 'to_rerun']
