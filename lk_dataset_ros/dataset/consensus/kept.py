"""A message that is kept for as long as anybody may want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.dataset.recording import PREFIX, Arrivals
from lk_dataset_ros.dataset.recording.arrivals import GID
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.dataset.records import SerializedMessage

#: What a message takes besides its bytes, about.
HEAD_BYTES: Final = 256


class Kept:
    """One message; windows that overlap share it.

    Attributes:
        message: What came.
        size: Bytes that it takes in memory, about.
        holders: Windows, and the ring, that have it.
        is_written: It is in the bag.
    """

    __slots__ = ('holders', 'is_written', 'message', 'size')

    def __init__(self, message: SerializedMessage) -> None:
        self.message = message
        self.size = len(message.cdr) + HEAD_BYTES
        self.holders = 0
        self.is_written = False

    @property
    def time_ns(self) -> int:
        """When it came."""
        return self.message.log_time_ns


def release(kept: Kept, on_free: Callable[[Kept], None]) -> None:
    """Let go of a message; hand on one that nobody holds any more."""
    kept.holders -= 1
    if not kept.holders and not kept.is_written:
        on_free(kept)


def together(messages: Sequence[SerializedMessage]) -> Arrivals:
    """Return messages of one topic, in order, as if they had come at once."""
    length = np.array([len(each.cdr) for each in messages], np.int64)
    prefix = bytes(PREFIX)
    buffer = bytearray(b''.join(part for each in messages for part in (prefix, each.cdr)))
    return Arrivals(
        messages[0].key,
        Batch(np.frombuffer(buffer, np.uint8), np.cumsum(length + PREFIX) - length, length),
        np.array([each.log_time_ns for each in messages], np.int64),
        np.array([each.publish_time_ns for each in messages], np.int64),
        np.array([each.sequence for each in messages], np.uint64),
        np.zeros(len(messages), GID),
    )
