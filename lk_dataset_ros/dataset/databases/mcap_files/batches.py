"""The messages of a channel out of MCAP chunks, without a Python loop over messages.

A thread unpacks and checks the next chunks while the last ones are decoded: decompression and
checksums run outside of Python's lock.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from lk_dataset_ros.dataset.databases.mcap_files.records import (
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    RECORD,
)
from lk_dataset_ros.dataset.records import Heads
from lk_dataset_ros.message import runs_of, windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

_Work = TypeVar('_Work')
_Done = TypeVar('_Done')
#: How many pieces of work are done ahead.
_AHEAD = 4
_WORKERS = min(4, os.cpu_count() or 1)
#: Messages up to this size are copied out of a chunk that holds mostly others.
_SMALL = 16 * 1024
_INDEX_HEAD = struct.Struct('<BQHI')
_INDEX_BODY = _INDEX_HEAD.size - RECORD.size
_ENTRY = np.dtype([('log_time', '<u8'), ('offset', '<u8')])
_HEAD = np.dtype(
    {
        # `start` and `end` overlap the three before: two words instead of three fields to compare.
        'names': ['opcode', 'length', 'channel', 'log_time', 'start', 'end'],
        # Lengths and times beyond 2^63 show as negative.
        'formats': ['u1', '<i8', '<u2', '<i8', '<u8', '<u8'],
        'offsets': [0, 1, 9, 15, 0, 3],
        'itemsize': RECORD.size + MESSAGE_HEAD.size,
    }
)


class Found(NamedTuple):
    """Messages inside a buffer.

    Attributes:
        start: int64, (n,): where each payload starts.
        length: int64, (n,): its bytes.
        log_time: int64, (n,): when it was recorded.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    log_time: NDArray[np.int64]


def index_offsets(data: Any, position: int, channel: int) -> NDArray[np.int64] | None:
    """Return the offsets that a message index record lists; None if it is not one.

    Args:
        data: The file.
        position: Where the record starts.
        channel: The channel that it should be of.
    """
    if position + _INDEX_HEAD.size > len(data):
        return None
    opcode, length, found, size = _INDEX_HEAD.unpack_from(data, position)
    end = position + _INDEX_HEAD.size + size
    if opcode != MESSAGE_INDEX or found != channel or end > len(data):
        return None
    if length != _INDEX_BODY + size or size % _ENTRY.itemsize:
        return None
    entries = np.frombuffer(data, _ENTRY, size // _ENTRY.itemsize, position + _INDEX_HEAD.size)
    # A number beyond 2^63 shows as negative, and is refused where the messages are looked at.
    offsets = entries['offset'].astype(np.int64)
    return offsets if (offsets[1:] >= offsets[:-1]).all() else np.sort(offsets)


def messages_at(
    buffer: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    limit: NDArray[np.int64],
    channel: int,
) -> Found | None:
    """Look at message records; None if an offset leads to anything else.

    Args:
        buffer: What holds the records.
        offsets: int64, (n,), ascending: where they start.
        limit: Where the chunk of each ends.
        channel: The channel that they should be of.
    """
    count = len(offsets)
    if not count:
        return Found(*(np.empty(0, np.int64) for _ in range(3)))
    if int((limit - offsets).min()) < _HEAD.itemsize or int(offsets.min()) < 0:
        return None
    length, log_time = np.empty(count, np.int64), np.empty(count, np.int64)
    runs = runs_of(offsets)
    for first, end, distance in [(0, count, 0)] if runs is None else runs:
        if runs is None:
            heads = windows_of(buffer, _HEAD.itemsize)[offsets].view(_HEAD)
        else:
            place = int(offsets[first])
            heads = np.ndarray((end - first,), _HEAD, buffer, place, (distance,))
        if not (heads['start'] == heads['start'][0]).all() or not (
            (heads['end'] == heads['end'][0]).all()
        ):
            # Not all of one size: look at each field.
            if not ((heads['opcode'] == MESSAGE) & (heads['channel'] == channel)).all():
                return None
            length[first:end] = heads['length']
        elif heads['opcode'][0] != MESSAGE or heads['channel'][0] != channel:
            return None
        else:
            length[first:end] = heads['length'][0]
        log_time[first:end] = heads['log_time']
    length -= MESSAGE_HEAD.size
    right = int(length.min()) >= 0 and bool((length <= limit - offsets - _HEAD.itemsize).all())
    if not right or int(log_time.min()) < 0:
        return None
    start = offsets + _HEAD.itemsize
    # One listed twice, or in the middle of another, stands for one that is not listed.
    if bool((start[:-1] + length[:-1] > offsets[1:]).any()):
        return None
    return Found(start, length, log_time)


def entries_in(size: int) -> int:
    """Return how many messages a message index record of a size lists; -1 if none has it."""
    count, rest = divmod(size - _INDEX_HEAD.size, _ENTRY.itemsize)
    return -1 if rest or count < 0 else count


def message_index_at(data: Any, position: int) -> tuple[int, int] | None:
    """Return the channel of a message index record and where it ends; None if there is none."""
    if position + _INDEX_HEAD.size > len(data):
        return None
    opcode, length, channel, _ = _INDEX_HEAD.unpack_from(data, position)
    end = position + RECORD.size + length
    return (channel, end) if opcode == MESSAGE_INDEX and end <= len(data) else None


def heads_of(buffer: NDArray[np.uint8], found: Found) -> Heads:
    """Return what stands before the payloads of messages in a chunk."""
    head = np.dtype([('sequence', '<u4'), ('log_time', '<u8'), ('publish_time', '<u8')])
    at = found.start - head.itemsize
    values = windows_of(buffer, head.itemsize)[at].view(head)
    return Heads(
        found.log_time,
        values['publish_time'].astype(np.int64),
        values['sequence'].astype(np.uint32),
        found.length,
    )


def ahead(work: Iterable[_Work], do: Callable[[_Work], _Done]) -> Iterator[_Done]:
    """Yield what is done with each piece of work, in order, the next ones done in a thread."""
    running: deque[Future[_Done]] = deque()
    with ThreadPoolExecutor(max_workers=_WORKERS) as thread:
        try:
            for each in work:
                running.append(thread.submit(do, each))
                if len(running) > _AHEAD:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def is_sparse(found: Found, size: int) -> bool:
    """Tell whether messages should be copied out of a buffer of so many bytes."""
    total = int(found.length.sum())
    return total * 2 < size and total <= _SMALL * len(found.start)


def copied_out(buffer: NDArray[np.uint8], found: Found) -> tuple[NDArray[np.uint8], Found]:
    """Return messages copied side by side, and where they are now."""
    length = found.length
    size = int(length[0]) if len(length) else 0
    if len(length) and (length == size).all():
        flat = np.empty(0, np.uint8)
        if size:
            flat = windows_of(buffer, size)[found.start].view(np.uint8)
    else:
        spans = zip(found.start.tolist(), (found.start + length).tolist(), strict=True)
        flat = np.concatenate([buffer[a:b] for a, b in spans] or [np.empty(0, np.uint8)])
    return flat, Found(np.cumsum(length) - length, length, found.log_time)


def joined(found: list[Found]) -> Found:
    """Return what was found in several parts as one."""
    return Found(*(np.concatenate(each) for each in zip(*found, strict=True)))
