"""The newest messages only: bounded by number, bytes and seconds."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.databases.mcap_files.writer import PREFIX

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.recording.arrivals import Arrivals


class Ring:
    """Keeps what is newest, over all topics, and forgets what is older.

    Args:
        count: Most messages; 0 is no bound.
        size: Most bytes; 0 is no bound.
        span_ns: Most time between the oldest and the newest; 0 is no bound.
    """

    def __init__(self, count: int, size: int, span_ns: int) -> None:
        self._most = count
        self._most_bytes = size
        self._span_ns = span_ns
        self._kept: deque[Arrivals] = deque()
        self._newest_ns = -(2**63)
        self.count = 0
        self.size = 0

    def put(self, arrivals: Arrivals) -> list[tuple[str, int]]:
        """Keep messages; return how many of which topic had to go for them."""
        # Their memory is shared with messages that are not kept: a copy bounds what is held.
        self._kept.append(arrivals.copied())
        self.count += len(arrivals)
        self.size += _size(arrivals)
        self._newest_ns = max(self._newest_ns, int(arrivals.log_time_ns.max()))
        forgotten: list[tuple[str, int]] = []
        while self._kept and (gone := self._too_many(self._kept[0])):
            oldest = self._kept.popleft()
            rest = oldest.chosen(slice(gone, None))
            forgotten.append((oldest.key, gone))
            self.count -= gone
            self.size -= _size(oldest)
            if len(rest):
                self.size += _size(rest)
                self._kept.appendleft(rest)
        return forgotten

    def _too_many(self, oldest: Arrivals) -> int:
        """Return how many of the oldest messages have to go."""
        gone = 0
        if self._most and self.count > self._most:
            gone = min(self.count - self._most, len(oldest))
        if self._most_bytes and self.size > self._most_bytes:
            freed = np.cumsum(oldest.batch.length + PREFIX)
            needed = self.size - self._most_bytes
            gone = max(gone, min(int(np.searchsorted(freed, needed)) + 1, len(oldest)))
        if self._span_ns:
            old = oldest.log_time_ns < self._newest_ns - self._span_ns
            gone = max(gone, int(np.flatnonzero(old)[-1]) + 1 if old.any() else 0)
        return gone

    def empty(self) -> list[Arrivals]:
        """Return all that is kept, oldest first, and keep nothing."""
        kept = list(self._kept)
        self._kept.clear()
        self.count = self.size = 0
        return kept


def _size(arrivals: Arrivals) -> int:
    return arrivals.size + PREFIX * len(arrivals)
