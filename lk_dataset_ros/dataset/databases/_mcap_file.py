"""Read one MCAP file: by its summary where there is one, by a scan where there is none.

Everything read is untrusted: every length is checked against what is there before it is used. A
file that was cut (a killed recorder, a broken copy) gives everything up to the cut, the readable
part of a compressed chunk included.
"""

from __future__ import annotations

import contextlib
import heapq
import mmap
import struct
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NamedTuple, cast

import numpy as np
import zstandard
from mcap.exceptions import McapError
from mcap.reader import SeekingReader

from lk_dataset_ros.dataset.databases._mcap_batches import (
    Checks,
    Found,
    Pending,
    index_offsets,
    messages_at,
)
from lk_dataset_ros.dataset.databases._mcap_records import (
    CHANNEL,
    CHUNK,
    CHUNK_HEAD,
    DATA_END,
    DECOMPRESS,
    FOOTER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    RECORD,
    SCHEMA,
    Buffer,
    McapChannel,
    McapMessage,
    McapSchema,
    parse_message,
    read_blob,
    read_text,
    wrong_checksum,
)
from lk_dataset_ros.errors import BagFormatError

#: Bytes of chunks that are decoded at once.
BATCH_BYTES = 64 * 1024 * 1024
#: The same for chunks that are read in the file itself, and need no memory.
IN_FILE_BYTES = 1024 * 1024 * 1024
#: From the start of an uncompressed chunk to its records.
UNCOMPRESSED_HEAD = RECORD.size + CHUNK_HEAD.size + 4 + 8

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch


class _ChunkRef(NamedTuple):
    start_time: int
    end_time: int
    offset: int
    #: Where the message index of each channel is; None if that is not known.
    index_offsets: dict[int, int] | None = None


@dataclass
class _Index:
    """What is in a file, from its summary or from a scan."""

    schemas: dict[int, McapSchema] = field(default_factory=dict)
    channels: dict[int, McapChannel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: list[_ChunkRef] = field(default_factory=list)
    #: Offsets of message records that stand outside of chunks.
    loose: list[tuple[int, int]] = field(default_factory=list)
    start_time: int | None = None
    end_time: int | None = None


class McapFile:
    """One MCAP file, open for reading.

    Args:
        path: The file.

    Raises:
        BagFormatError: If it is not an MCAP file.

    Attributes:
        warning: What is wrong with the file although it can be read, or empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warning = ''
        self._file = path.open('rb')
        try:
            head = self._file.read(len(MAGIC))
            if head != MAGIC:
                raise BagFormatError(f'{path} is not an MCAP file (it starts with {head!r})')
            self._data = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            self._view = memoryview(self._data)
        except BaseException:
            self._file.close()
            raise
        try:
            self._index = self._read_summary() or self._scan()
        except BaseException:
            self.close()
            raise

    @property
    def schemas(self) -> dict[int, McapSchema]:
        """Schemas by id."""
        return self._index.schemas

    @property
    def channels(self) -> dict[int, McapChannel]:
        """Channels by id."""
        return self._index.channels

    @property
    def counts(self) -> dict[int, int]:
        """Number of messages by channel id."""
        return self._index.counts

    @property
    def time_range(self) -> tuple[int, int] | None:
        """First and last log time, or None for a file without messages."""
        if self._index.start_time is None or self._index.end_time is None:
            return None
        return self._index.start_time, self._index.end_time

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        # Somebody may still read what the view has handed out: the map goes with its last user.
        with contextlib.suppress(BufferError):
            self._view.release()
            self._data.close()

    def messages(
        self, channel_ids: Collection[int], start_ns: int, stop_ns: int
    ) -> Iterator[McapMessage]:
        """Yield the messages of some channels in order of log time.

        Args:
            channel_ids: The channels.
            start_ns: First log time.
            stop_ns: First log time that is left out.
        """
        wanted = set(channel_ids)
        heap: list[McapMessage] = [
            message
            for offset, length in self._index.loose
            if (message := self._message(offset, length)).channel_id in wanted
            and start_ns <= message.log_time < stop_ns
        ]
        heapq.heapify(heap)
        chunks = self._chunks_within(start_ns, stop_ns)
        for chunk in sorted(chunks, key=lambda each: each[:3]):
            while heap and heap[0].log_time < chunk.start_time:
                yield heapq.heappop(heap)
            for message in self._messages_in(self._chunk_data(chunk.offset), chunk.offset):
                if message.channel_id in wanted and start_ns <= message.log_time < stop_ns:
                    heapq.heappush(heap, message)
        while heap:
            yield heapq.heappop(heap)

    def batches(
        self, channel: int, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]] | None:
        """Yield the messages of a channel in batches, in order of the file.

        Returns:
            None where the file has messages outside of chunks, or chunks without index.
        """
        chunks = self._chunks_within(start_ns, stop_ns)
        if self._index.loose or any(chunk.index_offsets is None for chunk in chunks):
            return None
        ordered = sorted(chunks, key=lambda each: each.offset)
        return self._batches(ordered, channel, start_ns, stop_ns)

    def _batches(
        self, chunks: list[_ChunkRef], channel: int, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        with Checks() as checks:
            yield from self._unchecked_batches(chunks, channel, start_ns, stop_ns, checks)
            checks.finish()

    def _unchecked_batches(
        self,
        chunks: list[_ChunkRef],
        channel: int,
        start_ns: int,
        stop_ns: int,
        checks: Checks,
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        pending = Pending()
        for chunk in chunks:
            assert chunk.index_offsets is not None
            if channel not in chunk.index_offsets:
                continue
            data = self._chunk_data(chunk.offset, checks)
            in_file = isinstance(data, memoryview)
            full = pending.size > (IN_FILE_BYTES if in_file else BATCH_BYTES)
            if pending.found and (pending.in_file != in_file or full):
                yield pending.batch(self._view, start_ns, stop_ns)
                pending = Pending()
            # What is not compressed is read in the file itself; nothing is copied.
            shift = chunk.offset + UNCOMPRESSED_HEAD if in_file else pending.size
            pending.add(data, self._find(chunk, data, channel, shift), in_file=in_file)
        if pending.found:
            yield pending.batch(self._view, start_ns, stop_ns)

    def _find(self, chunk: _ChunkRef, data: Buffer, channel: int, shift: int) -> Found:
        """Find a channel's messages in a chunk: by its index, or by a walk where that lies."""
        assert chunk.index_offsets is not None
        offsets = index_offsets(self._data, chunk.index_offsets[channel], channel)
        found = None
        if offsets is not None:
            found = messages_at(np.frombuffer(data, np.uint8), offsets, channel)
        if found is None:
            walked = [
                (message.position[1] + MESSAGE_HEAD.size, len(message.data), message.log_time)
                for message in self._messages_in(data, chunk.offset)
                if message.channel_id == channel
            ]
            found = Found(*np.array(walked, np.int64).reshape(-1, 3).T)
        return Found(found.start + shift, found.length, found.log_time)

    def _read_summary(self) -> _Index | None:
        """Index the file by its summary; None if it has none that can be believed."""
        if self._data[-len(MAGIC) :] != MAGIC or len(self._data) < 2 * len(MAGIC):
            return None
        if not self._is_summary_intact():
            return None
        try:
            self._data.seek(0)
            summary = SeekingReader(cast('IO[bytes]', self._data)).get_summary()
        except (McapError, ValueError, struct.error, OverflowError, MemoryError):
            return None
        if summary is None or summary.statistics is None:
            return None
        statistics = summary.statistics
        chunked = sum(len(index.message_index_offsets) > 0 for index in summary.chunk_indexes)
        if statistics.message_count and not chunked:
            return None
        if len(summary.chunk_indexes) != statistics.chunk_count:
            return None
        index = _Index(
            schemas={
                key: McapSchema(schema.name, schema.encoding, schema.data)
                for key, schema in summary.schemas.items()
            },
            channels={
                key: McapChannel(
                    channel.topic, channel.schema_id, channel.message_encoding, channel.metadata
                )
                for key, channel in summary.channels.items()
            },
            counts=dict(statistics.channel_message_counts),
            chunks=[
                _ChunkRef(
                    each.message_start_time,
                    each.message_end_time,
                    each.chunk_start_offset,
                    each.message_index_offsets,
                )
                for each in summary.chunk_indexes
            ],
        )
        if statistics.message_count:
            index.start_time = statistics.message_start_time
            index.end_time = statistics.message_end_time
        if not set(index.counts) <= set(index.channels):
            return None
        return index

    def _is_summary_intact(self) -> bool:
        """Check footer and summary CRC: one flipped bit there would lose messages silently."""
        at = len(self._data) - len(MAGIC) - RECORD.size - 20
        if at < len(MAGIC):
            return False
        opcode, length = RECORD.unpack_from(self._data, at)
        start, _, crc = struct.unpack_from('<QQI', self._data, at + RECORD.size)
        if opcode != FOOTER or length != 20 or not len(MAGIC) <= start <= at:
            return False
        return not crc or zlib.crc32(self._data[start : at + RECORD.size + 16]) == crc

    def _scan(self) -> _Index:
        """Index the file by walking over all its records."""
        index = _Index()
        position, size = len(MAGIC), len(self._data)
        while True:
            if position + RECORD.size > size:
                self._cut_at(position)
                break
            opcode, length = RECORD.unpack_from(self._data, position)
            body = position + RECORD.size
            whole = body + length <= size
            if opcode in (DATA_END, FOOTER) and whole:
                break
            if opcode == CHUNK:
                self._scan_chunk(index, position)
            elif whole and opcode == MESSAGE:
                index.loose.append((body, length))
                self._note(index, self._message(body, length))
            elif whole:
                self._scan_definition(index, opcode, self._data[body : body + length], position)
            if not whole or opcode == 0:
                self._cut_at(position)
                break
            position = body + length
        return index

    def _cut_at(self, position: int) -> None:
        self.warning = (
            f'{self.path} is cut or damaged at byte {position} of {len(self._data)}: '
            'what stands before is used'
        )

    def _scan_chunk(self, index: _Index, offset: int) -> None:
        data = self._chunk_data(offset)
        for opcode, start, length in _records_of(data):
            if opcode == MESSAGE:
                self._note(index, parse_message(data, start, length, (offset, start), self.path))
            else:
                self._scan_definition(index, opcode, data[start : start + length], offset)
        first, last = (
            struct.unpack_from('<QQ', self._data, offset + RECORD.size)
            if (offset + RECORD.size + 16 <= len(self._data))
            else (0, 0)
        )
        index.chunks.append(_ChunkRef(first, last, offset))

    def _scan_definition(self, index: _Index, opcode: int, body: Buffer, offset: int) -> None:
        try:
            if opcode == SCHEMA:
                key, at = struct.unpack_from('<H', body)[0], 2
                name, at = read_text(body, at)
                encoding, at = read_text(body, at)
                data, at = read_blob(body, at)
                index.schemas[key] = McapSchema(name, encoding, data)
            elif opcode == CHANNEL:
                key, schema_id = struct.unpack_from('<HH', body)
                topic, at = read_text(body, 4)
                encoding, at = read_text(body, at)
                entries, at = read_blob(body, at)
                metadata: dict[str, str] = {}
                place = 0
                while place < len(entries):
                    name, place = read_text(entries, place)
                    metadata[name], place = read_text(entries, place)
                index.channels[key] = McapChannel(topic, schema_id, encoding, metadata)
                index.counts.setdefault(key, 0)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            raise BagFormatError(
                f'{self.path}: the record at byte {offset} is damaged ({error})'
            ) from error

    def _note(self, index: _Index, message: McapMessage) -> None:
        index.counts[message.channel_id] = index.counts.get(message.channel_id, 0) + 1
        first, last = index.start_time, index.end_time
        time = message.log_time
        index.start_time = time if first is None else min(first, time)
        index.end_time = time if last is None else max(last, time)

    def _message(self, offset: int, length: int) -> McapMessage:
        return parse_message(self._data, offset, length, (offset, 0), self.path)

    def _chunks_within(self, start_ns: int, stop_ns: int) -> list[_ChunkRef]:
        return [
            chunk
            for chunk in self._index.chunks
            if chunk.end_time >= start_ns and chunk.start_time < stop_ns
        ]

    def _messages_in(self, data: Buffer, offset: int) -> Iterator[McapMessage]:
        """Yield the messages in the data of the chunk at an offset."""
        for opcode, start, length in _records_of(data):
            if opcode == MESSAGE:
                yield parse_message(data, start, length, (offset, start), self.path)

    def _chunk_head(
        self, offset: int, where: str
    ) -> tuple[str, memoryview, int, int, bool] | None:
        """Return compression, packed records, their size and CRC, and whether they are cut.

        None where the file ends inside the head.
        """
        body = offset + RECORD.size
        try:
            opcode, record_length = RECORD.unpack_from(self._data, offset)
            _, _, size, crc = CHUNK_HEAD.unpack_from(self._data, body)
            compression, at = read_text(self._data, body + CHUNK_HEAD.size)
            (length,) = struct.unpack_from('<Q', self._data, at)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            if body + CHUNK_HEAD.size + 12 + 8 >= len(self._data):
                return None
            raise BagFormatError(f'{where} is damaged ({error})') from error
        if opcode != CHUNK or at + 8 + length > body + record_length:
            raise BagFormatError(f'{where} is damaged (its lengths contradict each other)')
        is_cut = body + record_length > len(self._data)
        return compression, self._view[at + 8 : at + 8 + length], size, crc, is_cut

    def _chunk_data(self, offset: int, checks: Checks | None = None) -> Buffer:
        """Return a chunk's records; those of a cut chunk as far as they go.

        Records that are not compressed are not copied: they are a view of the file. Their
        checksum is compared at once, or later by `checks`.
        """
        where = f'{self.path}: the chunk at byte {offset}'
        head = self._chunk_head(offset, where)
        if head is None:
            return b''
        compression, packed, size, crc, is_cut = head
        if compression not in DECOMPRESS:
            raise BagFormatError(f'{where} has unknown compression {compression!r}')
        try:
            data = DECOMPRESS[compression](packed, size)
        except (zstandard.ZstdError, RuntimeError, MemoryError, EOFError) as error:
            if is_cut:
                return b''
            raise BagFormatError(f'{where} does not decompress ({error})') from error
        if is_cut:
            return data
        if len(data) != size:
            raise BagFormatError(f'{where} has {len(data)} bytes, its header says {size}')
        if crc and checks is not None:
            checks.add(data, crc, where)
        elif crc and zlib.crc32(data) != crc:
            raise wrong_checksum(where)
        return data


def _records_of(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, start and length of the records in a chunk's data."""
    position = 0
    while position + RECORD.size <= len(data):
        opcode, length = RECORD.unpack_from(data, position)
        start = position + RECORD.size
        if start + length > len(data):
            # Only a cut chunk ends inside a record; a whole one was checked by its CRC.
            return
        yield opcode, start, length
        position = start + length
