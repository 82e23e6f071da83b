"""A message that is kept for as long as anybody may want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

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
