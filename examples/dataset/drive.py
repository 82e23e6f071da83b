"""Make a bag to play with: a robot that drives to one goal after the other.

`/goal` says where to, every 5 s; `/odom` where it is; `/cmd_vel` what its controller answers, with
the stamp of the odometry that it answers to. All are made as arrays and written at once.

    python drive.py bag
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros import Dataset

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

MS = 1_000_000


def make_drive(path: str | PathLike[str], *, count: int = 5000) -> None:
    """Write a new bag.

    Args:
        path: Its folder; there must be nothing.
        count: Messages of `/odom` and `/cmd_vel`, 50 per second.
    """
    goals = np.random.default_rng(7).uniform(-2.0, 2.0, (count - 1) // 250 + 1)
    goal = goals.repeat(250)[:count]
    position = np.zeros(count)
    speed = np.zeros(count)
    for index in range(1, count):
        wanted = np.clip(1.5 * (goal[index] - position[index - 1]), -0.8, 0.8)
        speed[index] = speed[index - 1] + 0.2 * (wanted - speed[index - 1])
        position[index] = position[index - 1] + 0.02 * speed[index]
    stamp_ns = 1_000_000_000_000 + np.arange(count) * 20 * MS
    with Dataset.create('mcap', path) as bag:
        bag.declare('/goal', 'geometry_msgs/msg/PointStamped')
        bag.declare('/odom', 'nav_msgs/msg/Odometry')
        bag.declare('/cmd_vel', 'geometry_msgs/msg/TwistStamped')
        sent_ns = stamp_ns[::250]
        bag.write_columns('/goal', {**header(sent_ns), 'point.x': goals}, log_time_ns=sent_ns)
        odometry = {'pose.pose.position.x': position, 'twist.twist.linear.x': speed}
        bag.write_columns('/odom', header(stamp_ns) | odometry, log_time_ns=stamp_ns + MS)
        command = {'twist.linear.x': np.clip(1.5 * (goal - position), -0.8, 0.8)}
        bag.write_columns('/cmd_vel', header(stamp_ns) | command, log_time_ns=stamp_ns + 2 * MS)


def header(stamp_ns: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the columns of a header."""
    return {
        'header.stamp.sec': (stamp_ns // (1000 * MS)).astype(np.int32),
        'header.stamp.nanosec': (stamp_ns % (1000 * MS)).astype(np.uint32),
        'header.frame_id': np.full(len(stamp_ns), 'odom', dtype=object),
    }


if __name__ == '__main__':
    make_drive(sys.argv[1])
