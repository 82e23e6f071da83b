"""Absolute and relative pose errors of two drives, as the field has them.

python trajectories.py
"""

from __future__ import annotations

import numpy as np

from lk_dataset_ros import Dataset
from lk_dataset_ros.comparison.trajectory import (
    Trajectory,
    absolute_pose_error,
    associate,
    relative_pose_error,
)

S = 1_000_000_000


def drive(drift: float) -> Dataset:
    """Drive a circle; the odometry grows by a share of the way driven."""
    angle = np.linspace(0.0, 2.0 * np.pi, 500)
    stamp_ns = np.arange(500) * (S // 50)
    dataset = Dataset.create('memory')
    dataset.declare('/odom', 'nav_msgs/msg/Odometry')
    dataset.write_columns(
        '/odom',
        {
            'header.stamp.sec': (stamp_ns // S).astype(np.int32),
            'header.stamp.nanosec': (stamp_ns % S).astype(np.uint32),
            'pose.pose.position.x': (1.0 + drift * angle) * np.sin(angle),
            'pose.pose.position.y': (1.0 + drift * angle) * (1.0 - np.cos(angle)),
            'pose.pose.orientation.z': np.sin(angle / 2.0),
            'pose.pose.orientation.w': np.cos(angle / 2.0),
        },
        log_time_ns=stamp_ns,
    )
    return dataset


if __name__ == '__main__':
    original, compiled = (
        Trajectory.from_columns(each.columns('/odom')) for each in (drive(0.0), drive(0.01))
    )
    pairs = associate(original, compiled, max_difference_ns=S // 100)
    absolute = absolute_pose_error(pairs.original, pairs.compiled)
    relative = relative_pose_error(pairs.original, pairs.compiled, delta=1.0, unit='m')
    print(f'absolute pose error: rmse {absolute.rmse:.4f} m, max {absolute.max:.4f} m')
    print(f'relative per metre:  rmse {relative.rmse:.4f} m, max {relative.max:.4f} m')
