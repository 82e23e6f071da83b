"""What is played, in order: several bags on one line of time, from any position on."""

from __future__ import annotations

import heapq
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.dataset.playback.latched import last_before
from lk_dataset_ros.dataset.playback.sent import SENT_WINDOW_NS, sent_ns
from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.playback.choice import Choice

#: Time on the line and what comes then; None where a new round of a loop begins.
Entry = tuple[int, 'SerializedMessage | None']

#: A round of a loop that takes no time lasts this long, ns.
SHORTEST_ROUND_NS: Final = NS_PER_S
#: Python's own share of a message in memory, bytes.
_OBJECT_BYTES: Final = 300

_time_of = itemgetter(0)


class Timeline:
    """The messages of datasets on one line of time.

    Args:
        datasets: What is played.
        choice: Which topics.
        latched: Transient-local topics among them, with the depth of each.
        is_sent: Order and times of sending, not of receiving.
        window_bytes: Bytes of messages that may wait for others that were sent before them.

    Attributes:
        bag_ns: First and last log time of the datasets, or None if they are empty.
        start_ns: Where playing begins.
        end_ns: Where it ends; messages at this time are played.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        choice: Choice,
        latched: Mapping[str, int],
        *,
        is_sent: bool,
        window_bytes: int,
    ) -> None:
        self._parts = [
            (dataset, names)
            for dataset, names in zip(datasets, choice.names, strict=True)
            if names
        ]
        self._latched = latched
        self._is_sent = is_sent
        self._window_bytes = window_bytes
        spans = [span for each in datasets if (span := each.time_range_ns()) is not None]
        self.bag_ns = (
            (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None
        )
        self._first_ns = 0
        if self.bag_ns is not None:
            self._first_ns = self.bag_ns[0] - (SENT_WINDOW_NS if is_sent else 0)
        self.start_ns = self.end_ns = self._from_ns = self._first_ns
        self.set_range(0, 0, 0)

    @property
    def period_ns(self) -> int:
        """Recorded time of one round of a loop."""
        return (self.end_ns - self.start_ns) or SHORTEST_ROUND_NS

    def set_range(self, offset_ns: int, duration_ns: int, until_ns: int) -> None:
        """Choose what is played: from an offset on, for a duration, or until a time.

        Raises:
            ComponentError: If nothing lies in there; nothing changes then.
        """
        if self.bag_ns is None:
            return
        first_ns, last_ns = self.bag_ns
        start_ns = first_ns + offset_ns
        if start_ns > last_ns:
            raise ComponentError(
                f'start offset is {offset_ns / NS_PER_S:g} s, but what is played lasts '
                f'{(last_ns - first_ns) / NS_PER_S:g} s'
            )
        if not offset_ns:
            # No silence before the first message.
            found = next(self._messages(self._first_ns, last_ns), None)
            start_ns = first_ns if found is None else found[0]
        end_ns = last_ns
        if duration_ns:
            end_ns = min(end_ns, start_ns + duration_ns)
        if until_ns:
            end_ns = min(end_ns, until_ns)
        if end_ns < start_ns:
            raise ComponentError(f'until is {until_ns} ns; the playback begins at {start_ns} ns')
        self.start_ns, self.end_ns = start_ns, end_ns
        # Without memory for the order of sending, the first message need not be the earliest.
        self._from_ns = start_ns if offset_ns else self._first_ns

    def check_position(self, time_ns: int) -> None:
        """Refuse a time that is not played.

        Raises:
            ComponentError: Naming what is.
        """
        if not self.start_ns <= time_ns <= self.end_ns:
            raise ComponentError(
                f'{time_ns} ns is not played; {self.start_ns} to {self.end_ns} ns are'
            )

    def entries(self, position_ns: int, *, loop: bool) -> Iterator[Entry]:
        """Yield all that comes from a position on: the latched state first, then messages.

        Args:
            position_ns: Time on the line.
            loop: Go on at the start behind the end, without end. A round begins with an entry
                without message, and its times are those of the first round plus whole periods.
        """
        yield from self._round(position_ns)
        shift_ns = 0
        while loop and self.bag_ns is not None:
            shift_ns += self.period_ns
            yield self.start_ns + shift_ns, None
            is_empty = True
            for time_ns, message in self._round(self.start_ns):
                yield time_ns + shift_ns, message
                is_empty = False
            if is_empty:
                return

    def _round(self, position_ns: int) -> Iterator[Entry]:
        from_ns = self._from_ns if position_ns == self.start_ns else position_ns
        return chain(self._state(from_ns), self._messages(from_ns, self.end_ns))

    def _state(self, position_ns: int) -> Iterator[Entry]:
        """Yield the last messages of latched topics before a position, oldest first."""
        if self.bag_ns is None:
            return
        state: list[tuple[int, SerializedMessage]] = []
        for name, depth in self._latched.items():
            of_topic = [
                (time_ns, _renamed(message, name))
                for dataset, names in self._parts
                for key, given in names.items()
                if given == name
                for time_ns, message in last_before(
                    dataset, key, position_ns, depth, self.bag_ns[0], is_sent=self._is_sent
                )
            ]
            state += sorted(of_topic, key=_time_of)[-depth:]
        for _, message in sorted(state, key=_time_of):
            yield position_ns, message

    def _messages(self, position_ns: int, end_ns: int) -> Iterator[Entry]:
        """Yield the messages from a position to an end, both included."""
        if position_ns > end_ns:
            return iter(())
        streams = [
            self._of_dataset(dataset, names, position_ns, end_ns) for dataset, names in self._parts
        ]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=_time_of)

    def _of_dataset(
        self, dataset: Dataset, names: Mapping[str, str], position_ns: int, end_ns: int
    ) -> Iterator[Entry]:
        stop_ns = end_ns + 1 + (SENT_WINDOW_NS if self._is_sent else 0)
        is_whole = self.bag_ns is None or stop_ns > self.bag_ns[1]
        messages = dataset.iterate_serialized(
            list(names), position_ns, None if is_whole else stop_ns
        )
        if any(key != name for key, name in names.items()):
            messages = (_renamed(each, names[each.key]) for each in messages)
        if self._is_sent:
            return self._as_sent(messages, position_ns, end_ns)
        return ((each.log_time_ns, each) for each in messages)

    def _as_sent(
        self, messages: Iterable[SerializedMessage], position_ns: int, end_ns: int
    ) -> Iterator[Entry]:
        """Yield messages in the order in which they were sent."""
        waiting: list[tuple[int, int, SerializedMessage]] = []
        waiting_bytes, last_ns = 0, position_ns
        for number, message in enumerate(messages):
            time_ns = sent_ns(message)
            if position_ns <= time_ns <= end_ns:
                heapq.heappush(waiting, (time_ns, number, message))
                waiting_bytes += size_of((0, message))
            settled_ns = message.log_time_ns - SENT_WINDOW_NS
            # Memory goes before order, and time does not run back.
            while waiting and (waiting[0][0] <= settled_ns or waiting_bytes > self._window_bytes):
                time_ns, _, first = heapq.heappop(waiting)
                waiting_bytes -= size_of((0, first))
                last_ns = max(last_ns, time_ns)
                yield last_ns, first
        while waiting:
            time_ns, _, first = heapq.heappop(waiting)
            last_ns = max(last_ns, time_ns)
            yield last_ns, first


def size_of(entry: Entry) -> int:
    """Return what an entry takes in memory, bytes."""
    return _OBJECT_BYTES if entry[1] is None else _OBJECT_BYTES + len(entry[1].cdr)


def _renamed(message: SerializedMessage, name: str) -> SerializedMessage:
    return message if message.key == name else SerializedMessage(name, *message[1:])
