"""Messages of one topic as they arrived together, still in the memory they were taken into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.dataset.databases.mcap_files.writer import PREFIX
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.records import SerializedMessage

#: What a middleware says that does not number its messages.
NO_SEQUENCE: Final = 2**64 - 1
#: How a publisher is identified.
GID: Final = np.dtype('V16')


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Messages of one topic, in the order in which they were taken.

    Attributes:
        key: Topic name.
        batch: Their bytes, with `PREFIX` bytes of room before each, which a database may use.
        log_time_ns: int64, (n,): when each was received.
        publish_time_ns: int64, (n,): when each was sent.
        sequence: uint64, (n,): place of each among the messages of its publisher, from 1;
            `NO_SEQUENCE` where the middleware does not tell.
        publisher: 16 bytes, (n,): which publisher sent it.
    """

    key: str
    batch: Batch
    log_time_ns: NDArray[np.int64]
    publish_time_ns: NDArray[np.int64]
    sequence: NDArray[np.uint64]
    publisher: NDArray[np.void]

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.log_time_ns)

    @property
    def size(self) -> int:
        """Serialized bytes of all messages."""
        return int(self.batch.length.sum())

    def chosen(self, which: NDArray[np.bool_] | slice) -> Arrivals:
        """Return some of the messages; their bytes are not copied."""
        batch = Batch(self.batch.buffer, self.batch.start[which], self.batch.length[which])
        return Arrivals(
            self.key,
            batch,
            self.log_time_ns[which],
            self.publish_time_ns[which],
            self.sequence[which],
            self.publisher[which],
        )

    def copied(self) -> Arrivals:
        """Return the same in memory of its own, no larger than needed."""
        start = np.cumsum(self.batch.length + PREFIX) - self.batch.length
        size = int(self.batch.length.sum()) + PREFIX * len(self)
        begin = int(self.batch.start[0]) - PREFIX if len(self) else 0
        if begin >= 0 and (self.batch.start - begin == start).all():
            buffer = self.batch.buffer[begin : begin + size].copy()
        else:
            buffer = np.zeros(size, np.uint8)
            for place, cdr in zip(start.tolist(), self.messages(), strict=True):
                buffer[place : place + len(cdr)] = np.frombuffer(cdr, np.uint8)
        return Arrivals(
            self.key,
            Batch(buffer, start, self.batch.length.copy()),
            self.log_time_ns.copy(),
            self.publish_time_ns.copy(),
            self.sequence.copy(),
            self.publisher.copy(),
        )

    def messages(self) -> Iterator[bytes]:
        """Yield the serialized messages."""
        starts, lengths = self.batch.start.tolist(), self.batch.length.tolist()
        view = memoryview(self.batch.buffer)  # type: ignore[arg-type]
        for start, length in zip(starts, lengths, strict=True):
            yield bytes(view[start : start + length])


def arrival_of(message: SerializedMessage) -> Arrivals:
    """Return one message as it would have arrived from a middleware that numbers nothing."""
    cdr = np.frombuffer(message.cdr, np.uint8)
    buffer = np.concatenate([np.zeros(PREFIX, np.uint8), cdr])
    return Arrivals(
        message.key,
        Batch(buffer, np.array([PREFIX]), np.array([len(cdr)])),
        np.array([message.log_time_ns], np.int64),
        np.array([message.publish_time_ns], np.int64),
        np.array([message.sequence], np.uint64),
        np.zeros(1, GID),
    )
