"""The inputs of an arm without ROS: messages of a bag, many at a time, in order of log time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.dataset.playback.choice import Choice
from lk_dataset_ros.dataset.playback.latched import depths_of, last_before
from lk_dataset_ros.dataset.playback.timeline import Timeline
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch

#: Place of the topic, log time in ns, serialized message.
Entry = tuple[int, int, bytes]

#: What is read at once: so many messages, or so many bytes.
_MESSAGES: Final = 4096
_BYTES: Final = 8 * 1024 * 1024


class OfflineInputs:
    """Topics of a bag from a start on.

    Args:
        bag: The recording.
        topics: What is taken of it.
        start_s: Where to begin, from the bag's first message, s.
        duration_s: How much is taken, s; infinity for all.

    Raises:
        KeyNotFoundError: If a topic is not there.
        ComponentError: If nothing lies behind the start.

    Attributes:
        topics: What is known of each.
        start_ns: Where it begins.
        total: How many messages there are, the latched state included.
        span_ns: From the first to the last message behind the start.
    """

    def __init__(
        self,
        bag: str | PathLike[str],
        topics: Sequence[str],
        start_s: float = 0.0,
        duration_s: float = math.inf,
    ) -> None:
        self._dataset = dataset = Dataset.load(bag)
        self._database = next(each for each in dataset.databases if each.can_read)
        present = dataset.topics()
        for name in topics:
            if name not in present:
                raise KeyNotFoundError(
                    f'there is no {name} in {bag}; there is {", ".join(present) or "nothing"}'
                )
        self.topics = {name: present[name] for name in topics}
        choice = Choice(self.topics, ({name: name for name in topics},))
        timeline = Timeline([dataset], choice, {}, is_sent=False, window_bytes=0)
        duration_ns = 0 if math.isinf(duration_s) else max(round(duration_s * NS_PER_S), 1)
        timeline.set_range(round(start_s * NS_PER_S), duration_ns, 0)
        self.start_ns, self._stop_ns = timeline.start_ns, timeline.end_ns + 1
        self._state = self._latched(timeline.bag_ns[0] if timeline.bag_ns else 0)
        self._read_heads()

    def _latched(self, first_ns: int) -> list[Entry]:
        """Return what a late subscriber gets first: last messages of latched topics."""
        state = [
            (time_ns, place, message.cdr)
            for place, name in enumerate(self.topics)
            if (depth := depths_of(self.topics).get(name, 0))
            for time_ns, message in last_before(
                self._dataset, name, self.start_ns, depth, first_ns, is_sent=False
            )
        ]
        # It is sent at the start, oldest first.
        return [(place, self.start_ns, cdr) for _, place, cdr in sorted(state, key=_time_of)]

    def _read_heads(self) -> None:
        heads = [self._dataset.heads(name, self.start_ns, self._stop_ns) for name in self.topics]
        times = np.concatenate([np.empty(0, np.int64), *(each.log_time_ns for each in heads)])
        sizes = np.concatenate([np.empty(0, np.int64), *(each.size for each in heads)])
        places = np.repeat(np.arange(len(heads)), [len(each) for each in heads])
        order = np.argsort(times, kind='stable')
        self._times, sizes, places = times[order], sizes[order], places[order]
        self.total = len(self._state) + len(times)
        self.span_ns = int(self._times[-1] - self._times[0]) if len(times) else 0
        self._ends = _ends(self._times, sizes)
        #: Times at which several topics have a message: their order is that of the bag.
        shared = (self._times[1:] == self._times[:-1]) & (places[1:] != places[:-1])
        self._shared = self._times[1:][shared]

    def windows(self) -> Iterator[list[Entry]]:
        """Yield the latched state, then the messages, some thousands at a time."""
        if self._state:
            yield self._state
        first = 0
        for end in self._ends:
            stop_ns = int(self._times[end - 1]) + 1
            yield self._window(int(self._times[first]), stop_ns)
            first = end

    def _window(self, start_ns: int, stop_ns: int) -> list[Entry]:
        low, high = np.searchsorted(self._shared, [start_ns, stop_ns])
        if low != high:
            places = {name: place for place, name in enumerate(self.topics)}
            return [
                (places[each.key], each.log_time_ns, each.cdr)
                for each in self._dataset.iterate_serialized(list(self.topics), start_ns, stop_ns)
            ]
        entries: list[Entry] = []
        in_order = len(self.topics) == 1
        for place, name in enumerate(self.topics):
            for batch, times in self._database.batches(name, start_ns, stop_ns):
                listed = times.tolist()
                in_order = in_order and not (entries and listed and listed[0] < entries[-1][1])
                in_order = in_order and bool((times[1:] >= times[:-1]).all())
                entries += zip([place] * len(listed), listed, _messages(batch), strict=True)
        return entries if in_order else sorted(entries, key=_log_time_of)

    def close(self) -> None:
        """Close the bag."""
        self._dataset.close()


def _time_of(entry: tuple[int, int, bytes]) -> int:
    return entry[0]


def _log_time_of(entry: Entry) -> int:
    return entry[1]


def _ends(times: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[int]:
    """Return where windows end; messages of the same time are in one."""
    ends: list[int] = []
    first, bytes_before = 0, np.concatenate([[0], np.cumsum(sizes)])
    while first < len(times):
        full = int(np.searchsorted(bytes_before, bytes_before[first] + _BYTES))
        last = min(max(full, first + 1), first + _MESSAGES, len(times)) - 1
        first = int(np.searchsorted(times, times[last], 'right'))
        ends.append(first)
    return ends


def _messages(batch: Batch) -> list[bytes]:
    """Copy the messages out of a batch."""
    if not len(batch):
        return []
    begin, end = batch.start, batch.start + batch.length
    low, high = int(begin.min()), int(end.max())
    data: Any = batch.buffer.data
    if high - low <= 2 * int(batch.length.sum()):
        # Pieces of `bytes` are cut faster than those of a view.
        data = data[low:high].tobytes()
        return [
            data[a:b] for a, b in zip((begin - low).tolist(), (end - low).tolist(), strict=True)
        ]
    return [bytes(data[a:b]) for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
