"""Tell whether the subscribers on this machine have dealt with what they were sent.

DDS does not say when a callback has run, nor how many messages a subscriber keeps. But a process
that got a message is busy until it has dealt with it: the thread that receives wakes the one that
runs callbacks before it sleeps. When all threads of a process sleep at the same moment, and one of
them has run since the messages were sent, nothing is left to do. (A callback that itself sleeps
looks the same: acknowledgements have to be waited for as well.)

Threads also sleep while they wait for a lock. Who holds it runs, or wants to: another one of the
process, or one of our own middleware's, since the memory that messages go through is shared.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
#: Names of the threads of Fast DDS.
_MIDDLEWARE: Final = 'dds.'


@dataclass(slots=True)
class _Thread:
    """Open files that tell of a thread."""

    #: Its `stat`, and where in it the state stands.
    state: int
    place: int
    #: Its `schedstat`: how long it has run, and how often; None where the kernel does not count.
    runs: int | None

    def close(self) -> None:
        """Look no more."""
        os.close(self.state)
        if self.runs is not None:
            os.close(self.runs)


class LocalSubscribers:
    """Watches the processes that subscribe to some topics.

    Their numbers are in the identities that Fast DDS gives to endpoints; with another middleware,
    another machine or another container, nothing is watched.

    Args:
        node: The node that publishes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._threads: dict[int, _Thread] = {}
        #: State and place of each thread, ours at the end; and the files of those that are watched
        #: which tell how often they have run.
        self._states: list[tuple[int, int]] = []
        self._runs: list[int] = []
        #: What these said when all were idle last.
        self._had_run: list[bytes] = []
        self._busiest: tuple[int, int] | None = None
        self._depth = RELIABLE_DEPTH
        self._outdated: list[_Thread] = []
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
        known, threads = self._threads, dict[int, _Thread]()
        for process in processes or ():
            for number in _threads(process):
                with suppress(OSError, ValueError):  # it has ended
                    threads[number] = known.get(number) or _open(process, number)
        watched = list(threads.values())
        if watched:
            own = os.getpid()
            for number in _threads(own):
                with suppress(OSError, ValueError):
                    if number not in threads and _name(own, number).startswith(_MIDDLEWARE):
                        threads[number] = known.get(number) or _open(own, number)
        # Another thread may be reading: files are closed when it has long been done with them.
        for each in self._outdated:
            each.close()
        self._outdated = [each for number, each in known.items() if number not in threads]
        self._runs = [each.runs for each in watched if each.runs is not None]
        self._states = [(each.state, each.place) for each in threads.values()]
        self._threads, self._is_watching = threads, processes is not None

    def are_idle(self) -> bool | None:
        """Tell whether no thread of the watched processes runs, or wants to.

        Returns:
            Whether that is so; None if none of them has run since it was so before: who was sent
            something meanwhile has not got it.
        """
        read, busiest = os.pread, self._busiest
        try:
            if busiest is not None and read(busiest[0], 1, busiest[1]) not in _IDLE:
                return False
            runs = [read(file, _HEAD, 0) for file in self._runs]
            for each in self._states:
                if read(each[0], 1, each[1]) not in _IDLE:
                    self._busiest = each
                    return False
            # One that was seen asleep may have run before that, or after, and have woken another
            # that had been looked at: then it has run by now.
            if runs != [read(file, _HEAD, 0) for file in self._runs]:
                return False
        except OSError:  # a thread has ended
            self._busiest = None
            self._states = [each for each in self._states if _is_readable(each[0])]
            self._runs = [each for each in self._runs if _is_readable(each)]
            return False
        if runs and runs == self._had_run:
            return None
        self._had_run = runs
        return True

    def close(self) -> None:
        """Watch no more."""
        self._is_watching = False
        for each in (*self._threads.values(), *self._outdated):
            each.close()
        self._threads, self._outdated = {}, []
        self._states, self._runs, self._busiest = [], [], None

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


def _name(process: int, thread: int) -> str:
    return (PROC / str(process) / 'task' / str(thread) / 'comm').read_text(errors='replace')


def _open(process: int, thread: int) -> _Thread:
    """Open what tells of a thread.

    Raises:
        OSError: If it has ended.
    """
    folder = PROC / str(process) / 'task' / str(thread)
    state = os.open(folder / 'stat', os.O_RDONLY | os.O_CLOEXEC)
    try:
        place = os.pread(state, _HEAD, 0).rindex(b')') + 2
    except (OSError, ValueError):
        os.close(state)
        raise
    runs: int | None = None
    with suppress(OSError):  # a kernel without it
        runs = os.open(folder / 'schedstat', os.O_RDONLY | os.O_CLOEXEC)
    return _Thread(state, place, runs)
