"""Feed arms many inputs at once, in lockstep: the plain case, by `src/exchange.c`."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any, Final

from rclpy.impl.implementation_singleton import rclpy_implementation

from lk_dataset_ros.ros.serving import Kept, library, pointers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.ros.arms.job import OutputJob
    from lk_dataset_ros.ros.arms.lockstep import Item
    from lk_dataset_ros.ros.arms.station import Station

#: Longest time that Python, who writes and reports, has no turn, s.
_TURN_S: Final = 0.05


class _Input(ctypes.Structure):
    """`lk_input`."""

    _fields_ = [
        ('bytes', ctypes.c_char_p),
        ('length', ctypes.c_uint64),
        ('topic', ctypes.c_uint64),
    ]


class Exchange:
    """Sends inputs to all arms, each when all have answered the one before.

    What it does is what `Lockstep` does one by one, where all answers are sure: every input is
    answered by as many messages as declared, and none is owed for an older one.

    Args:
        stations: The arms; they are ready.
        outputs: What the arms give.
        piece_s: An answer that takes longer is left to the caller, s.
    """

    def __init__(
        self, stations: Sequence[Station], outputs: Sequence[OutputJob], piece_s: float
    ) -> None:
        self._piece_ns = int(piece_s * 1e9)
        self._context = stations[0].context.handle
        self._outputs = outputs
        self._is_reversed = False
        self._kept = Kept()
        self._call = library().lk_exchange
        # Of an input that may remain without an answer, silence has to be waited for.
        self.topics: dict[str, int] = {}
        for topic in stations[0].feeds:
            answers = [each for each in outputs if each.answers == topic]
            if answers and all(0 < each.least == each.most for each in answers):
                self.topics[topic] = len(self.topics)
        self._owed = (ctypes.c_uint64 * (len(self.topics) * len(outputs)))(
            *(
                each.least if each.answers == topic else 0
                for topic in self.topics
                for each in outputs
            )
        )
        self._ends: dict[tuple[str, ...], tuple[Any, Any, Any]] = {}

    def is_possible(self, stations: Sequence[Station]) -> bool:
        """Tell whether arms owe nothing, so that whatever comes next answers what comes next."""
        return bool(self.topics) and not any(
            owed.debts for each in stations for owed in each.answers.owed.values()
        )

    def run(self, stations: Sequence[Station], items: Sequence[Item]) -> tuple[int, float]:
        """Send as many inputs as possible, of topics that are in `topics`.

        All but the last are answered and closed when it returns; that may still lack answers.

        Returns:
            How many were sent, and how long ago the last one was, s.

        Raises:
            RuntimeError: If the middleware fails.
        """
        wait_set, publishers, subscriptions = self._ends_of(stations)
        inputs = (_Input * len(items))(
            *[_Input(each.cdr, len(each.cdr), self.topics[each.topic]) for each in items]
        )
        sent_ns = (ctypes.c_int64 * (len(items) * len(stations)))()
        count: int = self._call(
            ctypes.c_void_p(wait_set.pointer),
            len(stations),
            len(self.topics),
            len(self._outputs),
            publishers,
            subscriptions,
            self._owed,
            inputs,
            len(items),
            self._is_reversed,
            self._piece_ns,
            int(_TURN_S * 1e9),
            sent_ns,
            self._kept.pointer,
        )
        if count < 0:
            raise RuntimeError(f'the arms cannot be fed: rcl says {-1 - count}')
        ended_ns = time.time_ns()
        # Nobody is always the first.
        self._is_reversed ^= bool(count % 2)
        self._note(stations, items[:count], sent_ns)
        last_ns = max(sent_ns[(count - 1) * len(stations) : count * len(stations)])
        return count, max(ended_ns - last_ns, 0) * 1e-9

    def _note(self, stations: Sequence[Station], items: Sequence[Item], sent_ns: Any) -> None:
        """Take note of what has happened, in its order."""
        came: list[list[tuple[int, int, bytes]]] = [[] for _ in items]
        for number, at, received_ns, cdr in self._kept:
            came[at].append((number, received_ns, cdr))
        arms, outputs, now_ns = len(stations), len(self._outputs), time.time_ns()
        for at, item in enumerate(items):
            for arm, station in enumerate(stations):
                if at:
                    station.answers.close()
                station.note_sent(item.topic, item.cdr, item.time_ns, sent_ns[at * arms + arm])
            for number, received_ns, cdr in came[at]:
                station = stations[number // outputs]
                station.keep(station.hearings[number % outputs], cdr, received_ns or now_ns)
        for station in stations:
            station.write_old()

    def _ends_of(self, stations: Sequence[Station]) -> tuple[Any, Any, Any]:
        labels = tuple(each.label for each in stations)
        if labels not in self._ends:
            hearings = [
                next(each for each in station.hearings if each.topic == output.topic)
                for station in stations
                for output in self._outputs
            ]
            self._ends[labels] = (
                rclpy_implementation.WaitSet(len(hearings), 0, 0, 0, 0, 0, self._context),
                pointers(
                    [
                        station.feeds[topic].publisher.handle
                        for station in stations
                        for topic in self.topics
                    ]
                ),
                pointers([each.subscription.handle for each in hearings]),
            )
        return self._ends[labels]

    def close(self) -> None:
        """Let go of the wait sets."""
        for wait_set, _, _ in self._ends.values():
            wait_set.destroy_when_not_in_use()
        self._ends = {}
        self._kept.close()
