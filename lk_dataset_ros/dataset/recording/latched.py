"""What a subscriber that comes late would still get: the last message of each publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.recording.arrivals import Arrivals

#: Publishers of one topic whose last message is kept.
MAX_PUBLISHERS = 256


class Latched:
    """The state of latched topics: the last message of each publisher of each topic."""

    def __init__(self) -> None:
        self._last: dict[str, dict[bytes, Arrivals]] = {}

    def put(self, arrivals: Arrivals) -> None:
        """Take note of messages of a latched topic."""
        last = self._last.setdefault(arrivals.key, {})
        names = [each.tobytes() for each in arrivals.publisher]
        for name, place in {name: place for place, name in enumerate(names)}.items():
            last.pop(name, None)
            last[name] = arrivals.chosen(slice(place, place + 1)).copied()
        while len(last) > MAX_PUBLISHERS:
            del last[next(iter(last))]

    def state(self) -> list[Arrivals]:
        """Return the messages, topic by topic, in the order in which they came."""
        return [each for last in self._last.values() for each in last.values()]

    def forget(self) -> None:
        """Start with nothing."""
        self._last.clear()


def at(arrivals: Arrivals, log_time_ns: int) -> Arrivals:
    """Return messages as if they had been received at a time."""
    copied = arrivals.copied()
    copied.log_time_ns[:] = np.int64(log_time_ns)
    return copied
