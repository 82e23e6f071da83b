"""Run a node until it is done or told to stop, and end it cleanly."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lk_dataset_ros.errors import LkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

#: Longest wait for events, s: a signal is noticed within this time.
LONGEST_WAIT_S = 0.1


#: Fast DDS of Jazzy reads this variable; later ones read another and keep their defaults.
PROFILES_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'


class Activity(Protocol):
    """What a node does."""

    def turn(self) -> float | None:
        """Do what is due; return how long to wait for events, s, or None when finished."""

    def close(self) -> None:
        """End: called once, also after an error or a signal."""


class _Stop:
    """Whether SIGINT or SIGTERM has come."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True


def run_node(name: str, make: Callable[[Node], Activity], argv: list[str] | None = None) -> int:
    """Run a node until its activity is finished, or SIGINT or SIGTERM comes.

    Args:
        name: Node name, where none is given by remapping.
        make: Makes the activity.
        argv: The command line.

    Returns:
        Exit code: 0, 1 if the activity failed, 2 if it was wrongly set up.
    """
    stop = _Stop()
    os.environ.setdefault(PROFILES_VARIABLE, str(Path(__file__).with_name('fastdds_profiles.xml')))
    logging.basicConfig(format='[%(levelname)s] %(message)s', level=logging.WARNING)
    try:
        rclpy.init(
            args=sys.argv if argv is None else argv, signal_handler_options=SignalHandlerOptions.NO
        )
    except Exception as error:  # noqa: BLE001 - rclpy's errors for bad arguments share no class
        return _refuse(name, str(error).splitlines()[0])
    node: Node | None = None
    activity: Activity | None = None
    try:
        node = Node(name)
        activity = make(node)
        return _spin(node, activity, stop)
    except (LkError, NotImplementedError) as error:
        return _refuse(name, str(error))
    except Exception:  # noqa: BLE001 - whatever a hosted component raises ends the node
        traceback.print_exc()
        return 1
    finally:
        _end(activity, node)


def _spin(node: Node, activity: Activity, stop: _Stop) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.requested:
            wait_s = activity.turn()
            if wait_s is None:
                break
            executor.spin_once(timeout_sec=min(wait_s, LONGEST_WAIT_S))
    finally:
        executor.remove_node(node)
        executor.shutdown(timeout_sec=0.0)
    return 0


def _end(activity: Activity | None, node: Node | None) -> None:
    try:
        if activity is not None:
            activity.close()
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _refuse(name: str, reason: str) -> int:
    print(f'{name}: error: {reason}', file=sys.stderr, flush=True)
    return 2


def to_time(time_ns: int) -> Any:
    """Return nanoseconds as a time message."""
    from builtin_interfaces.msg import Time  # noqa: PLC0415

    return Time(sec=time_ns // 1_000_000_000, nanosec=time_ns % 1_000_000_000)
