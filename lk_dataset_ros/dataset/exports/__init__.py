"""Exports that people train from, and plain tables."""

from lk_dataset_ros.dataset.exports.episodes import Episode, episodes_of
from lk_dataset_ros.dataset.exports.flat import write_tables
from lk_dataset_ros.dataset.exports.lerobot import write_lerobot
from lk_dataset_ros.dataset.exports.mapping import default_features, features_of
from lk_dataset_ros.dataset.exports.report import FieldError, ResamplingReport, TimeError
from lk_dataset_ros.dataset.exports.robomimic import write_robomimic
from lk_dataset_ros.dataset.exports.sampling import Sampling

__all__ = [
    'Episode',
    'FieldError',
    'ResamplingReport',
    'Sampling',
    'TimeError',
    'default_features',
    'episodes_of',
    'features_of',
    'write_lerobot',
    'write_robomimic',
    'write_tables',
]
