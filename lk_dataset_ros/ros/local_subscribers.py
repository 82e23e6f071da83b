"""Tell whether the subscribers on this machine have dealt with what they were sent.

DDS does not say when a callback has run, nor how many messages a subscriber keeps. But a process
that got a message is busy until it has dealt with it: the thread that receives wakes the one that
runs callbacks before it sleeps. When all threads of a process sleep, nothing is left to do. (A
callback that itself sleeps looks the same: acknowledgements have to be waited for as well.)
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import rclpy
from rclpy.qos import ReliabilityPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rclpy.node import Node

PROC = Path('/proc')
#: States of threads that have nothing to do: sleeping, idle in the kernel, ended.
_IDLE = frozenset((b'S', b'I', b'Z', b'X'))
#: What subscribers keep that have not thought about it: ROS 2's depth for most of them, and its
#: depth for sensor data, which is not asked for reliably.
RELIABLE_DEPTH, SENSOR_DEPTH = 10, 5
#: What holds a thread's state at the beginning of its `stat`: number, name of 15 letters, state.
_HEAD = 64


class LocalSubscribers:
    """Watches the processes that subscribe to some topics.

    Their numbers are in the identities that Fast DDS gives to endpoints; with another middleware,
    another machine or another container, nothing is watched.

    Args:
        node: The node that publishes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        #: File of each thread's state, by number of the thread.
        self._files: dict[int, int] = {}
        #: The same in the order in which they are looked at, and where in it the state stands.
        self._order: list[tuple[int, int]] = []
        self._depth = RELIABLE_DEPTH
        self._outdated: list[int] = []
        self._is_watching = False

    @property
    def is_watching(self) -> bool:
        """Whether all subscribers are known, and on this machine."""
        return self._is_watching

    @property
    def depth(self) -> int:
        """How many messages every subscriber is taken to keep, at least."""
        return self._depth

    def look(self, topics: Iterable[str]) -> None:
        """Find the processes that subscribe to topics, and their threads."""
        processes = self._processes(topics)
        known, files = self._files, dict[int, int]()
        order: list[tuple[int, int]] = []
        for process in processes or ():
            for thread in _threads(process):
                with suppress(OSError):  # it has ended
                    file = known[thread] if thread in known else _open_state(process, thread)
                    files[thread] = file
                    order.append((file, os.pread(file, _HEAD, 0).rindex(b')') + 2))
        # Another thread may be reading: files are closed when it has long been done with them.
        for file in self._outdated:
            os.close(file)
        self._outdated = [file for thread, file in known.items() if thread not in files]
        # All are looked at twice: one that was seen asleep may have been woken, or let go on, by
        # another that was looked at later.
        self._order = order * 2
        self._files, self._is_watching = files, processes is not None

    def are_idle(self) -> bool:
        """Tell whether no thread of the watched processes runs, or wants to."""
        read = os.pread
        try:
            for file, place in self._order:
                if read(file, 1, place) not in _IDLE:
                    return False
        except OSError:  # a thread has ended
            self._order = [each for each in self._order if _is_readable(each[0])]
            return False
        return True

    def close(self) -> None:
        """Watch no more."""
        self._is_watching = False
        for file in (*self._files.values(), *self._outdated):
            os.close(file)
        self._files, self._order, self._outdated = {}, [], []

    def _processes(self, topics: Iterable[str]) -> set[int] | None:
        """Return the numbers of the subscribing processes, None if one is not known."""
        is_known = rclpy.get_rmw_implementation_identifier().startswith('rmw_fastrtps')
        depth = RELIABLE_DEPTH
        ends: set[bytes] = set()
        for topic in topics:
            own = self._own_identity(topic)
            for info in self._node.get_subscriptions_info_by_topic(topic):
                if info.qos_profile.reliability != ReliabilityPolicy.RELIABLE:
                    depth = SENSOR_DEPTH
                identity = bytes(info.endpoint_gid)
                is_known = is_known and own is not None and identity[:4] == own[:4]
                ends.add(identity[4:6])
        self._depth = depth
        if not is_known:
            return None
        found = {_process_of(int.from_bytes(end, 'little')) for end in ends}
        return None if None in found else {each for each in found if each is not None}

    def _own_identity(self, topic: str) -> bytes | None:
        """Return the identity of our publisher, None if identities are not of the form known.

        Vendor (2 bytes), host (2), process number (2, lowest first), chance (2), ...
        """
        end = (os.getpid() & 0xFFFF).to_bytes(2, 'little')
        for info in self._node.get_publishers_info_by_topic(topic):
            identity = bytes(info.endpoint_gid)
            if identity[4:6] == end:
                return identity
        return None


def _is_readable(file: int) -> bool:
    try:
        return bool(os.pread(file, 1, 0))
    except OSError:
        return False


def _process_of(end: int) -> int | None:
    """Return the process that uses Fast DDS and whose number ends so, None if it is not clear."""
    candidates = [
        int(each.name)
        for each in PROC.iterdir()
        if each.name.isdigit() and int(each.name) & 0xFFFF == end and _uses_fast_dds(each)
    ]
    return candidates[0] if len(candidates) == 1 else None


def _uses_fast_dds(process: Path) -> bool:
    try:
        maps = (process / 'maps').read_text(errors='replace')
    except OSError:  # another user's
        return False
    return 'libfastrtps' in maps or 'libfastdds' in maps


def _threads(process: int) -> list[int]:
    try:
        return [int(each.name) for each in (PROC / str(process) / 'task').iterdir()]
    except OSError:
        return []


def _open_state(process: int, thread: int) -> int:
    return os.open(PROC / str(process) / 'task' / str(thread) / 'stat', os.O_RDONLY | os.O_CLOEXEC)
