"""Time stamps: whatever a user has at hand becomes integer nanoseconds."""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import BagTimeError, DatasetError
from lk_dataset_ros.message.definitions.definition import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1


def to_ns(timestamp: Any) -> int:
    """Turn a time stamp into nanoseconds.

    Args:
        timestamp: Float or integer seconds, a ROS time message (`sec`, `nanosec`), or an rclpy
            time (`nanoseconds`). A number is taken at its exact value, rounded once.

    Raises:
        BagTimeError: If it is none of these, not finite, or beyond 64 bits.
    """
    if hasattr(timestamp, 'nanosec'):
        return checked_ns(int(timestamp.sec) * NS_PER_S + int(timestamp.nanosec))
    if hasattr(timestamp, 'nanoseconds'):
        return checked_ns(int(timestamp.nanoseconds))
    if isinstance(timestamp, (str, bytes)) or type(timestamp).__name__ in ('bool', 'bool_'):
        raise BagTimeError(f'{shown(timestamp)} is not a time stamp: give seconds or a ROS time')
    try:
        return checked_ns(operator.index(timestamp) * NS_PER_S)
    except TypeError:
        pass
    try:
        if not math.isfinite(timestamp):
            raise BagTimeError(f'time stamp {timestamp!r} is not finite')
        # NumPy's narrow floats are no numbers to Fraction; a float holds them exactly.
        exact = Fraction(float(timestamp) if hasattr(timestamp, 'dtype') else timestamp)
    except (TypeError, OverflowError) as error:
        raise BagTimeError(
            f'{shown(timestamp)} is not a time stamp: give seconds or a ROS time'
        ) from error
    return checked_ns(round(exact * NS_PER_S))


def times_array(where: str, times_ns: Sequence[int]) -> NDArray[np.int64]:
    """Return nanoseconds as an array.

    Args:
        where: What has them.
        times_ns: Of up to 64 bits without sign, which MCAP allows.

    Raises:
        BagTimeError: If one is beyond what an array holds.
    """
    try:
        return np.array(times_ns, np.int64)
    except OverflowError as error:
        raise BagTimeError(
            f'{where} has the time {max(times_ns)} ns; arrays hold times to {_LAST_NS} ns'
        ) from error


def checked_ns(time_ns: Any) -> int:
    """Return nanoseconds as an int.

    Raises:
        BagTimeError: If it is no integer of 64 bits.
    """
    try:
        number = operator.index(time_ns)
    except TypeError as error:
        raise BagTimeError(
            f'{shown(time_ns)} is not a number of nanoseconds: give an int'
        ) from error
    if not _FIRST_NS <= number <= _LAST_NS:
        raise BagTimeError(f'{number} ns is no time of 64 bits: it ends {_LAST_NS} ns after 1970')
    return number


def bound_ns(name: str, timestamp: Any, time_ns: int | None) -> int | None:
    """Return a bound of a span of time, given as a time stamp or in nanoseconds.

    Args:
        name: What the bound is called, such as `start`.
        timestamp: Float seconds or a ROS time, or None.
        time_ns: Nanoseconds, or None.

    Raises:
        DatasetError: If both are given.
        BagTimeError: If it is no time.
    """
    if timestamp is not None and time_ns is not None:
        raise DatasetError(f'give {name} or {name}_ns, not both')
    if timestamp is not None:
        return to_ns(timestamp)
    return None if time_ns is None else checked_ns(time_ns)
