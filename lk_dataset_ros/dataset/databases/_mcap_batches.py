"""The messages of a channel out of MCAP chunks, without a Python loop over messages."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lk_dataset_ros.dataset.databases._mcap_records import (
    MESSAGE,
    MESSAGE_HEAD,
    RECORD,
    Buffer,
    wrong_checksum,
)
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

_MESSAGE_INDEX = 0x07
_INDEX_HEAD = struct.Struct('<BQHI')
_ENTRY = np.dtype([('log_time', '<u8'), ('offset', '<u8')])
_HEAD = np.dtype(
    {
        'names': ['opcode', 'length', 'channel', 'log_time'],
        'formats': ['u1', '<u8', '<u2', '<u8'],
        'offsets': [0, 1, 9, 15],
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
    opcode, _, found, size = _INDEX_HEAD.unpack_from(data, position)
    end = position + _INDEX_HEAD.size + size
    if opcode != _MESSAGE_INDEX or found != channel or size % _ENTRY.itemsize or end > len(data):
        return None
    entries = np.frombuffer(data, _ENTRY, size // _ENTRY.itemsize, position + _INDEX_HEAD.size)
    if len(entries) and int(entries['offset'].max()) > len(data) * 2**16:
        return None
    return np.sort(entries['offset'].astype(np.int64))


def messages_at(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], channel: int
) -> Found | None:
    """Look at the message records of a chunk; None if an offset leads to anything else.

    Args:
        buffer: The chunk's records.
        offsets: int64, (n,): where its message records start, ascending.
        channel: The channel that they should be of.
    """
    if not len(offsets):
        return Found(*(np.empty(0, np.int64) for _ in range(3)))
    if int(offsets[-1]) + _HEAD.itemsize > len(buffer):
        return None
    heads = np.ndarray((len(buffer) - _HEAD.itemsize + 1,), f'V{_HEAD.itemsize}', buffer, 0, (1,))
    head = heads[offsets].view(_HEAD)
    length = head['length'].astype(np.int64) - MESSAGE_HEAD.size
    right = (head['opcode'] == MESSAGE) & (head['channel'] == channel)
    right &= (length >= 0) & (length <= len(buffer) - offsets - _HEAD.itemsize)
    if not right.all() or int(head['log_time'].max()) >= 2**63:
        return None
    return Found(offsets + _HEAD.itemsize, length, head['log_time'].astype(np.int64))


class Checks:
    """Compares checksums in a thread of its own, while the messages are decoded already.

    What was decoded from a damaged chunk is never handed out: `finish` comes before the end.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._running: list[tuple[Future[int], int, str]] = []

    def add(self, data: Buffer, crc: int, where: str) -> None:
        """Compare the checksum of a chunk."""
        self._running.append((self._thread.submit(zlib.crc32, data), crc, where))

    def finish(self) -> None:
        """Wait for all; raise a BagFormatError for the first chunk that is damaged."""
        for future, crc, where in self._running:
            if future.result() != crc:
                raise wrong_checksum(where)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class Pending:
    """Messages found in chunks that will become one batch."""

    def __init__(self) -> None:
        self._parts: list[Buffer] = []
        self.found: list[Found] = []
        self.size = 0
        self.in_file = False

    def add(self, data: Buffer, found: Found, *, in_file: bool) -> None:
        """Add what was found in a chunk."""
        self._parts.append(data)
        self.found.append(found)
        self.size += len(data)
        self.in_file = in_file

    def batch(
        self, file: memoryview, start_ns: int, stop_ns: int
    ) -> tuple[Batch, NDArray[np.int64]]:
        """Make the batch of what lies within a span of time."""
        joined = file if self.in_file else b''.join(self._parts)
        start, length, times = (np.concatenate(each) for each in zip(*self.found, strict=True))
        if len(times) and not (start_ns <= times.min() and times.max() < stop_ns):
            inside = (times >= start_ns) & (times < stop_ns)
            start, length, times = start[inside], length[inside], times[inside]
        return Batch(np.frombuffer(joined, np.uint8), start, length), times
