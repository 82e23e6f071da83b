"""Trajectories: poses over time, and how far those of two sides lie apart.

pairs = associate(Trajectory.from_columns(a), Trajectory.from_columns(b))
absolute_pose_error(*pairs).rmse
"""

from __future__ import annotations

from lk_dataset_ros.comparison.trajectory.alignment import Alignment, align, alignment_of
from lk_dataset_ros.comparison.trajectory.association import Associated, associate
from lk_dataset_ros.comparison.trajectory.errors import (
    RELATIONS,
    PoseErrors,
    absolute_pose_error,
    relative_pose_error,
)
from lk_dataset_ros.comparison.trajectory.pairs import UNITS, PosePairs, pose_pairs
from lk_dataset_ros.comparison.trajectory.poses import Trajectory

__all__ = [
    'RELATIONS',
    'UNITS',
    'Alignment',
    'Associated',
    'PoseErrors',
    'PosePairs',
    'Trajectory',
    'absolute_pose_error',
    'align',
    'alignment_of',
    'associate',
    'pose_pairs',
    'relative_pose_error',
]
