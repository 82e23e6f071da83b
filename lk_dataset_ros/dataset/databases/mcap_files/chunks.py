"""The chunks of an MCAP file: their heads, unpacked and checked; nothing in them is believed."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import zstandard

from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    CHUNK,
    CHUNK_HEAD,
    DECOMPRESS,
    MESSAGE,
    RECORD,
    Buffer,
    McapMessage,
    decompress_into,
    parse_message,
    read_text,
    wrong_checksum,
)
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

#: From the start of an uncompressed chunk to its records.
UNCOMPRESSED_HEAD = RECORD.size + CHUNK_HEAD.size + 4 + 8
#: A chunk that says it is larger is unpacked piece by piece: memory is taken for what is there.
TRUSTED_BYTES = 256 * 1024 * 1024
#: Pages of a file larger than this are given back once they are read.
LARGE_FILE = 128 * 1024 * 1024
#: So many bytes of the file are given back at once.
_FORGOTTEN_BYTES = 8 * 1024 * 1024
#: The system maps so much around a page that is read, of what it has in its cache.
_AROUND = 64 * 1024
_UNPACKING = (zstandard.ZstdError, RuntimeError, MemoryError, EOFError)


class Chunk(NamedTuple):
    """A chunk as its own head tells it.

    Attributes:
        offset: Where its record starts.
        compression: `zstd`, `lz4` or empty.
        packed: Its records as they stand in the file.
        size: Bytes of the records, unpacked.
        crc: Their checksum, 0 if there is none.
        is_cut: The file ends inside it.
        where: What messages call it.
        start_ns: First log time, as it says.
        stop_ns: Last log time.
    """

    offset: int
    compression: str
    packed: memoryview
    size: int
    crc: int
    is_cut: bool
    where: str
    start_ns: int
    stop_ns: int

    @property
    def end(self) -> int:
        """Where its records end in the file."""
        head = UNCOMPRESSED_HEAD + len(self.compression)
        return self.offset + head + len(self.packed)


class ChunkReader:
    """Reads the chunks of a file.

    Args:
        path: The file.
        data: The same, mapped.
    """

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.file = data
        self.view = memoryview(data)
        #: Offsets of chunks whose checksum was compared.
        self._checked: set[int] = set()
        #: First and last byte of what was read and not yet given back.
        self._passed = (0, 0)

    def chunk(self, offset: int) -> Chunk | None:
        """Return the chunk at an offset; None where the file ends inside its head.

        Raises:
            BagFormatError: If there is none, or its lengths contradict each other.
        """
        where = f'{self.path}: the chunk at byte {offset}'
        body = offset + RECORD.size
        if body > len(self.file):
            return None
        try:
            opcode, record_length = RECORD.unpack_from(self.file, offset)
            first, last, size, crc = CHUNK_HEAD.unpack_from(self.file, body)
            compression, at = read_text(self.file, body + CHUNK_HEAD.size)
            (length,) = struct.unpack_from('<Q', self.file, at)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            if body + CHUNK_HEAD.size + 12 + 8 >= len(self.file):
                return None
            raise BagFormatError(f'{where} is damaged ({error})') from error
        is_cut = body + record_length > len(self.file)
        packed = self.view[at + 8 : at + 8 + length]
        if opcode != CHUNK or at + 8 + length > body + record_length:
            raise BagFormatError(f'{where} is damaged (its lengths contradict each other)')
        if compression not in DECOMPRESS:
            raise BagFormatError(f'{where} has unknown compression {compression!r}')
        if not compression and not is_cut and length != size:
            raise BagFormatError(f'{where} has {length} bytes, its header says {size}')
        return Chunk(offset, compression, packed, size, crc, is_cut, where, first, last)

    def whole(self, offset: int) -> Chunk:
        """Return the chunk at an offset that the summary lists.

        Raises:
            BagFormatError: If it is not there, or the file ends inside it.
        """
        chunk = self.chunk(offset)
        if chunk is None or chunk.is_cut:
            raise BagFormatError(
                f'{self.path}: the chunk at byte {offset} is cut although the summary lists it'
            )
        return chunk

    def unpack(self, chunk: Chunk) -> Buffer:
        """Return a chunk's records; those of a cut chunk as far as they go.

        Records that are not compressed are not copied: they are a view of the file.
        """
        try:
            data = DECOMPRESS[chunk.compression](chunk.packed, chunk.size)
        except _UNPACKING as error:
            if chunk.is_cut:
                return b''
            raise BagFormatError(f'{chunk.where} does not decompress ({error})') from error
        if not chunk.is_cut:
            self._check(chunk, data, len(data))
        return data

    def unpack_into(self, chunk: Chunk, out: NDArray[np.uint8]) -> None:
        """Unpack a chunk that is whole into a buffer of its size."""
        try:
            size = decompress_into(memoryview(out), chunk.compression, chunk.packed)  # type: ignore[arg-type]
        except _UNPACKING as error:
            raise BagFormatError(f'{chunk.where} does not decompress ({error})') from error
        self._check(chunk, out, size)

    def check_in_file(self, chunk: Chunk) -> None:
        """Compare the checksum of a chunk that is not compressed."""
        self._check(chunk, chunk.packed, len(chunk.packed))

    def _check(self, chunk: Chunk, data: Any, size: int) -> None:
        if size != chunk.size:
            raise BagFormatError(f'{chunk.where} has {size} bytes, its header says {chunk.size}')
        if chunk.crc and chunk.offset not in self._checked:
            if crc32(data) != chunk.crc:
                raise wrong_checksum(chunk.where)
            self._checked.add(chunk.offset)

    def forget(self, start: int, stop: int) -> None:
        """Give pages of a large file back that were read.

        They stay in the system's cache, but no longer count as memory of this process. What is
        read again is fetched again.
        """
        first, last = self._passed
        if first <= start and stop - first <= _FORGOTTEN_BYTES:
            self._passed = first, max(last, stop)
            return
        self._passed = start, stop
        self.drop(first, last)

    def drop(self, start: int, stop: int) -> None:
        """Give pages of a large file back at once."""
        if stop > start and len(self.file) >= LARGE_FILE and hasattr(mmap, 'MADV_DONTNEED'):
            begin = max(start - _AROUND, 0) // mmap.PAGESIZE * mmap.PAGESIZE
            end = min(stop + _AROUND, len(self.file))
            self.file.madvise(mmap.MADV_DONTNEED, begin, end - begin)

    def messages_in(self, chunk: Chunk, data: Buffer) -> Iterator[McapMessage]:
        """Yield the messages in the records of a chunk."""
        for opcode, start, length in self.records_in(chunk, data):
            if opcode == MESSAGE:
                yield parse_message(data, start, length, (chunk.offset, start), self.path)

    def records_in(self, chunk: Chunk, data: Buffer) -> Iterator[tuple[int, int, int]]:
        """Yield opcode, start and length of the records of a chunk.

        Raises:
            BagFormatError: If a chunk that is whole ends inside a record.
        """
        end = 0
        for opcode, start, length in records_of(data):
            yield opcode, start, length
            end = start + length
        if end != len(data) and not chunk.is_cut:
            raise BagFormatError(
                f'{chunk.where} is damaged (a record at {end} of its {len(data)} bytes exceeds it)'
            )


def records_of(
    data: Buffer, position: int = 0, end: int | None = None
) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, start and length of the records in a chunk, or in a part of it."""
    stop = len(data) if end is None else end
    while position + RECORD.size <= stop:
        opcode, length = RECORD.unpack_from(data, position)
        start = position + RECORD.size
        if start + length > stop:
            return
        yield opcode, start, length
        position = start + length
