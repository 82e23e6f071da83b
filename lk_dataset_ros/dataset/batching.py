"""Batches of serialized messages: made from single ones, thinned out, cut to size."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.time import times_array
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.records import SerializedMessage

    TimedBatch = tuple[Batch, NDArray[np.int64]]

#: Buffers that are kept to be used again.
_KEPT = 3
#: Bytes of serialized messages that are decoded at once.
BATCH_BYTES = 32 * 1024 * 1024


def batches_of(where: str, messages: Iterable[SerializedMessage]) -> Iterator[TimedBatch]:
    """Yield messages in batches, each with its log times.

    Args:
        where: What errors call the place that they come from.
        messages: The messages.
    """
    part: list[SerializedMessage] = []
    size = 0
    for message in messages:
        part.append(message)
        size += len(message.cdr)
        if size > BATCH_BYTES:
            yield _batch_of(where, part)
            part, size = [], 0
    if part:
        yield _batch_of(where, part)


def _batch_of(where: str, messages: list[SerializedMessage]) -> TimedBatch:
    length = np.array([len(message.cdr) for message in messages], np.int64)
    buffer = np.frombuffer(b''.join([message.cdr for message in messages]), np.uint8)
    start = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64)
    times = times_array(where, [message.log_time_ns for message in messages])
    return Batch(buffer, start, length), times


def cut(batch: Batch, times: NDArray[np.int64], max_bytes: int) -> Iterator[TimedBatch]:
    """Yield parts of a batch of at most so many serialized bytes, of one message at least."""
    ends = np.cumsum(batch.length)
    first = 0
    while first < len(batch):
        before = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, before + max_bytes, 'right')), first + 1)
        part = slice(first, last)
        yield replace(batch, start=batch.start[part], length=batch.length[part]), times[part]
        first = last


class Thinning:
    """Takes every n-th message out of batches, and notices if they were not in order of time.

    Attributes:
        every: Every how many messages one is taken, the first included.
        is_in_order: The log times have not gone backwards so far.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.is_in_order = True

    def of(self, batches: Iterable[TimedBatch]) -> Iterator[TimedBatch]:
        """Yield what is taken of each batch."""
        seen, latest = 0, None
        for batch, times in batches:
            if self.every == 1:
                yield batch, times
                continue
            if len(times):
                early = latest is not None and bool(times[0] < latest)
                if early or bool((times[1:] < times[:-1]).any()):
                    self.is_in_order = False
                    return
                latest = times[-1]
            taken = slice(-seen % self.every, None, self.every)
            seen += len(times)
            yield (
                replace(batch, start=batch.start[taken], length=batch.length[taken]),
                times[taken],
            )


class Buffers:
    """Memory for what is unpacked, used again once nobody looks at it any more.

    Fresh memory costs a page fault every 4 KiB, which takes as long as decompressing does.
    """

    def __init__(self) -> None:
        self._buffers: list[NDArray[np.uint8]] = []

    def take(self, size: int) -> NDArray[np.uint8]:
        """Return a buffer of at least so many bytes that nobody else holds."""
        for buffer in self._buffers:
            # Held by the list, by `buffer`, and by the call itself: nobody else.
            if len(buffer) >= size and sys.getrefcount(buffer) <= 3:
                return buffer
        fresh = np.empty(size, np.uint8)
        self._buffers = [each for each in self._buffers[-_KEPT:] if sys.getrefcount(each) > 3]
        self._buffers.append(fresh)
        return fresh
