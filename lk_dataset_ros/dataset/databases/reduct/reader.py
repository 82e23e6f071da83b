"""Reading an entry of ReductStore page by page, back into the order of the messages."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lk_dataset_ros.dataset.databases.reduct.names import entry_of
from lk_dataset_ros.dataset.databases.reduct.records import LAST_US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.dataset.databases.reduct.connection import Connection
    from lk_dataset_ros.dataset.databases.reduct.records import StoredTopic
    from lk_dataset_ros.dataset.records import SerializedMessage

PAGE_BYTES = 8 * 1024 * 1024
_PAGE_RECORDS = 2048
_FIRST_PAGE_RECORDS = 32


class Found(NamedTuple):
    """A message that was found, ordered by time and writing.

    Attributes:
        order: `(log time, ordinal of writing, microsecond of the record)`.
        size: Serialized bytes, also where only the head was asked for.
        message: The message.
    """

    order: tuple[int, int, int]
    size: int
    message: SerializedMessage


@dataclass(slots=True)
class Reader:
    """The messages of a topic in a span of time.

    Each page is a query of its own, so no query has to wait for a slow reader.

    Attributes:
        connection: To the bucket.
        topic: Whose messages.
        start_ns: First log time.
        stop_ns: First log time that is left out.
        head: Leave out the contents.
        page_bytes: Bytes to be held at a time.
        foreign: Records seen so far that are no messages of the topic.
        is_complete: The whole entry was read.
    """

    connection: Connection
    topic: StoredTopic
    start_ns: int | None = None
    stop_ns: int | None = None
    head: bool = False
    page_bytes: int = PAGE_BYTES
    foreign: int = 0
    is_complete: bool = False

    def __iter__(self) -> Iterator[Found]:
        """Yield what is found, in order.

        Records lie behind their messages by up to the topic's shift: a message waits until the
        records have come that far.
        """
        waiting: list[Found] = []
        for slot_us, found in self._records():
            if found is not None:
                heapq.heappush(waiting, found)
            safe_ns = (slot_us + 1 - self.topic.shift_us) * 1000
            while waiting and waiting[0].order[0] < safe_ns:
                yield heapq.heappop(waiting)
        while waiting:
            yield heapq.heappop(waiting)
        self.is_complete = self.start_ns is None and self.stop_ns is None

    def _records(self) -> Iterator[tuple[int, Found | None]]:
        """Yield each record's time, and its message if it is one that is wanted."""
        entry, limit = entry_of(self.topic.key), _FIRST_PAGE_RECORDS
        start_us = max(0, (self.start_ns or 0) // 1000)
        stop_us = LAST_US
        if self.stop_ns is not None:
            stop_us = min((self.stop_ns - 1) // 1000 + self.topic.shift_us + 1, LAST_US)
        while start_us < stop_us:
            page = self.connection.page(entry, start_us, stop_us, head=self.head, limit=limit)
            for record in page:
                told = record.message(self.topic.key)
                shift_us = 0 if told is None else record.slot_us - told[0] // 1000
                if told is None or shift_us > self.topic.shift_us:
                    self.foreign += 1
                    continue
                time_ns, ordinal, message = told
                is_wanted = (self.start_ns is None or time_ns >= self.start_ns) and (
                    self.stop_ns is None or time_ns < self.stop_ns
                )
                order = (time_ns, ordinal, record.slot_us)
                yield record.slot_us, Found(order, record.size, message) if is_wanted else None
            if len(page) < limit:
                return
            start_us = page[-1].slot_us + 1
            mean_bytes = 0 if self.head else sum(record.size for record in page) // len(page)
            fitting = self.page_bytes // max(1, mean_bytes)
            limit = max(1, min(4 * limit, _PAGE_RECORDS, fitting))
