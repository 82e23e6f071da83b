"""Run a node until it is done or told to stop, and end it cleanly."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lk_dataset_ros.errors import LkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

#: How often an activity looks at what no event tells it of, s.
LONGEST_WAIT_S = 0.1
#: Longest wait for events, s: signals are events, too, but one can come just before the wait.
_LONGEST_SPIN_S = 1.0


#: Where Fast DDS looks for profiles, and ours in its dialect, by the library that is loaded.
PROFILES = {
    'libfastrtps': ('FASTRTPS_DEFAULT_PROFILES_FILE', 'fastdds_profiles.xml'),  # to Jazzy
    'libfastdds': ('FASTDDS_DEFAULT_PROFILES_FILE', 'fastdds3_profiles.xml'),  # from Kilted
}


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

    @contextlib.contextmanager
    def waking(self, node: Node) -> Iterator[None]:
        """End the node's wait for events when a signal comes.

        Python handles a signal when the main thread runs Python again; a thread that reads what
        the interpreter writes at once makes it do so.
        """
        wake = waker(node)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

        def pass_on() -> None:
            while _END not in os.read(reading, 64):
                wake()

        thread = threading.Thread(target=pass_on, name='signals', daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.write(writing, _END)
            thread.join()
            os.close(writing)
            os.close(reading)

    def ignore_more(self) -> None:
        """Let no second ctrl-C end what has been asked to end, and is ending."""
        if self.requested:
            # While the interpreter ends, handlers written in Python are gone; this one stays.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)

    def _request(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True
        _asked.set()


#: Written instead of a signal's number, to end who reads them.
_END: Final = b'\0'
_asked = threading.Event()


def waker(node: Node) -> Callable[[], None]:
    """Return what ends a node's wait for events, from any thread."""
    guard = node.create_guard_condition(lambda: None)
    trigger: Callable[[], None] = guard.trigger
    return trigger


def is_stopping() -> bool:
    """Tell whether SIGINT or SIGTERM has come: for what blocks, or runs on another thread."""
    return _asked.is_set()


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
    logging.basicConfig(format='[%(levelname)s] %(message)s', level=logging.WARNING)
    try:
        rclpy.init(
            args=sys.argv if argv is None else argv, signal_handler_options=SignalHandlerOptions.NO
        )
    except Exception as error:  # noqa: BLE001 - rclpy's errors for bad arguments share no class
        return _refuse(name, str(error).splitlines()[0])
    use_profiles()
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
        stop.ignore_more()
        _end(activity, node)


def use_profiles(folder: Path | None = None) -> None:
    """Name our Fast DDS profiles, unless the user has some: the first node reads them.

    Each generation of Fast DDS prints errors about the other's dialect, and later ones still look
    at the old variable: only the right one may be set.

    Args:
        folder: Where they are; beside this module when left out.
    """
    maps = Path('/proc/self/maps')
    if any(name in os.environ for name, _ in PROFILES.values()) or not maps.exists():
        return
    loaded = maps.read_text(errors='replace')
    for library, (name, profiles) in PROFILES.items():
        if f'/{library}' in loaded:
            os.environ[name] = str((folder or Path(__file__).parent) / profiles)


def _spin(node: Node, activity: Activity, stop: _Stop) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with stop.waking(node):
            while not stop.requested:
                wait_s = activity.turn()
                if wait_s is None:
                    break
                executor.spin_once(timeout_sec=min(wait_s, _LONGEST_SPIN_S))
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
