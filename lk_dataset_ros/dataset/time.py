"""Time stamps: whatever a user has at hand becomes integer nanoseconds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

NS_PER_S = 1_000_000_000


def to_ns(timestamp: Any) -> int:
    """Turn a time stamp into nanoseconds.

    Args:
        timestamp: Float or integer seconds, a ROS time message (`sec`, `nanosec`), or an rclpy
            time (`nanoseconds`). A float is taken at its exact value, rounded once.

    Raises:
        ValueError: If it is none of these, or not finite.
    """
    if hasattr(timestamp, 'nanosec'):
        return int(timestamp.sec) * NS_PER_S + int(timestamp.nanosec)
    if hasattr(timestamp, 'nanoseconds'):
        return int(timestamp.nanoseconds)
    if isinstance(timestamp, bool) or not hasattr(timestamp, '__float__'):
        raise ValueError(f'{timestamp!r} is not a time stamp: give seconds or a ROS time')
    if not math.isfinite(timestamp):
        raise ValueError(f'time stamp {timestamp!r} is not finite')
    if isinstance(timestamp, int):
        return timestamp * NS_PER_S
    return round(Fraction(float(timestamp)) * NS_PER_S)
