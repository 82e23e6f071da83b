"""Compress the chunks of an MCAP file, in threads, while the next ones come together."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import lz4.frame
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Compression = Literal['none', 'lz4', 'zstd']
Level = Literal['fastest', 'fast', 'default', 'slow', 'slowest']

COMPRESSIONS: Final[tuple[Compression, ...]] = ('none', 'lz4', 'zstd')
LEVELS: Final[tuple[Level, ...]] = ('fastest', 'fast', 'default', 'slow', 'slowest')
#: The levels of rosbag2_storage_mcap, but for the defaults, which are those of the libraries.
_ZSTD: Final[dict[Level, int]] = dict(zip(LEVELS, (-5, -3, 3, 5, 19), strict=True))
_LZ4: Final[dict[Level, int]] = dict(zip(LEVELS, (-1, 0, 0, 10, 12), strict=True))

_THREADS: Final = min(4, os.cpu_count() or 1)
#: A smaller chunk is compressed at once: handing it to a thread costs as much.
_SMALL: Final = 64 * 1024
#: The contexts of each thread: a new one for every chunk would cost as much as a small chunk.
_contexts = threading.local()


class Chunk(NamedTuple):
    """The records of a chunk, and what is told of them.

    Attributes:
        parts: The records, in pieces; compressed they are one.
        size: Their bytes, before compression.
        crc: Their checksum, 0 for none.
        span: First and last log time.
        entries: By channel the time and the offset of each message, as they stand in the file.
    """

    parts: list[Any]
    size: int
    crc: int
    span: tuple[int, int]
    entries: dict[int, bytes]


class ChunkPacker:
    """Compresses chunks in threads, and gives them back in their order.

    Args:
        compression: The kind.
        level: How hard it tries.

    Attributes:
        name: What a file calls the compression.
        waiting_bytes: Of the chunks that were put in and not yet taken out, before compression.
    """

    def __init__(self, compression: Compression, level: Level) -> None:
        self.name = '' if compression == 'none' else compression
        self.waiting_bytes = 0
        self._pack = packer(compression, level)
        self._running: deque[tuple[Chunk, Future[bytes]]] = deque()
        self._threads: ThreadPoolExecutor | None = None

    def put(self, chunk: Chunk) -> Iterator[Chunk]:
        """Take a chunk, and yield those that are ready, perhaps not yet this one.

        A piece of it that somebody else owns is copied, or yielded before this returns.
        """
        if self._pack is None:
            yield chunk
            return
        data = chunk.parts[0]
        if len(chunk.parts) > 1 or not isinstance(data, bytearray):
            data = b''.join(chunk.parts)
        if chunk.size < _SMALL and not self._running:
            yield chunk._replace(parts=[self._pack(data)])
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, 'lk-mcap')
        self.waiting_bytes += chunk.size
        self._running.append((chunk, self._threads.submit(self._pack, data)))
        yield from self.take(2 * _THREADS)

    def take(self, left: int = 0) -> Iterator[Chunk]:
        """Yield chunks in their order until only so many are left."""
        while len(self._running) > left:
            chunk, future = self._running.popleft()
            self.waiting_bytes -= chunk.size
            yield chunk._replace(parts=[future.result()])

    def close(self) -> None:
        """Let go of the chunks that were not taken out, and end the threads."""
        self._running.clear()
        self.waiting_bytes = 0
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None


def packer(compression: Compression, level: Level) -> Callable[[Any], bytes] | None:
    """Return what compresses a chunk, None where nothing does.

    Args:
        compression: The kind.
        level: How hard it tries.
    """
    if compression == 'none':
        return None
    if compression == 'lz4':
        strength = _LZ4[level]
        return lambda data: lz4.frame.compress(data, compression_level=strength)
    return lambda data: _context(_ZSTD[level]).compress(data)


def _context(level: int) -> zstandard.ZstdCompressor:
    kept: dict[int, zstandard.ZstdCompressor] | None = getattr(_contexts, 'zstd', None)
    if kept is None:
        kept = _contexts.zstd = {}
    if level not in kept:
        kept[level] = zstandard.ZstdCompressor(level=level)
    return kept[level]
