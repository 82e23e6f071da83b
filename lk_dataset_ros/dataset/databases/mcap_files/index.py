"""What is in an MCAP file and where: from its summary, or from a scan where there is none."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from isal.isal_zlib import crc32
from mcap.exceptions import McapError
from mcap.reader import SeekingReader

from lk_dataset_ros.dataset.databases.mcap_files.batches import (
    index_offsets,
    message_index_at,
    messages_at,
)
from lk_dataset_ros.dataset.databases.mcap_files.chunks import records_of
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    RECORD,
    SCHEMA,
    Buffer,
    McapChannel,
    McapSchema,
    parse_message,
    read_blob,
    read_text,
)
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    import mmap

    from lk_dataset_ros.dataset.databases.mcap_files.batches import Found
    from lk_dataset_ros.dataset.databases.mcap_files.chunks import Chunk, ChunkReader


class ChunkRef(NamedTuple):
    """Where a chunk is.

    Attributes:
        start_time: First log time.
        end_time: Last log time.
        offset: Where its record starts.
        index_offsets: Where the message index of each channel is; None if that is not known.
    """

    start_time: int
    end_time: int
    offset: int
    index_offsets: dict[int, int] | None = None


@dataclass
class Index:
    """What is in a file.

    Attributes:
        schemas: Schemas by id.
        channels: Channels by id.
        counts: Number of messages by channel id.
        chunks: Its chunks.
        loose: Offset and length of message records that stand outside of chunks.
        start_time: First log time, None without messages.
        end_time: Last log time.
    """

    schemas: dict[int, McapSchema] = field(default_factory=dict)
    channels: dict[int, McapChannel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: list[ChunkRef] = field(default_factory=list)
    loose: list[tuple[int, int]] = field(default_factory=list)
    start_time: int | None = None
    end_time: int | None = None

    def note(self, channel: int, count: int, first: int, last: int) -> None:
        """Count messages of a channel."""
        self.counts[channel] = self.counts.get(channel, 0) + count
        self.start_time = first if self.start_time is None else min(first, self.start_time)
        self.end_time = last if self.end_time is None else max(last, self.end_time)


def read_summary(data: mmap.mmap) -> Index | None:
    """Index a file by its summary; None if it has none that can be believed."""
    if data[-len(MAGIC) :] != MAGIC or len(data) < 2 * len(MAGIC):
        return None
    if not _is_summary_intact(data):
        return None
    try:
        data.seek(0)
        summary = SeekingReader(cast('IO[bytes]', data)).get_summary()
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
    index = Index(
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
            ChunkRef(
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


def _is_summary_intact(data: mmap.mmap) -> bool:
    """Check footer and summary CRC: one flipped bit there would lose messages silently."""
    at = len(data) - len(MAGIC) - RECORD.size - 20
    if at < len(MAGIC):
        return False
    opcode, length = RECORD.unpack_from(data, at)
    start, _, crc = struct.unpack_from('<QQI', data, at + RECORD.size)
    if opcode != FOOTER or length != 20 or not len(MAGIC) <= start <= at:
        return False
    return not crc or crc32(data[start : at + RECORD.size + 16]) == crc


class Scan:
    """Indexes a file by going over all its records.

    Args:
        reader: The file's chunks.

    Attributes:
        index: What was found.
        warning: Where the file is cut, or empty.
    """

    def __init__(self, reader: ChunkReader) -> None:
        self.index = Index()
        self.warning = ''
        self._reader = reader
        self._data = reader.file
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
                self._chunk(position, body + length)
            elif whole and opcode == MESSAGE:
                self.index.loose.append((body, length))
                found = parse_message(self._data, body, length, (body, 0), reader.path)
                self.index.note(found.channel_id, 1, found.log_time, found.log_time)
            elif whole:
                self._definition(opcode, self._data[body : body + length], position)
            if not whole or opcode == 0:
                self._cut_at(position)
                break
            position = body + length

    def _cut_at(self, position: int) -> None:
        self.warning = (
            f'{self._reader.path} is cut or damaged at byte {position} of {len(self._data)}: '
            'what stands before is used'
        )

    def _chunk(self, offset: int, end: int) -> None:
        chunk = self._reader.chunk(offset)
        if chunk is None:
            return
        data = self._reader.unpack(chunk)
        indexes = None if chunk.is_cut else self._indexed(chunk, data, end)
        if indexes is None:
            for opcode, start, length in records_of(data):
                if opcode == MESSAGE:
                    found = parse_message(data, start, length, (offset, start), self._reader.path)
                    self.index.note(found.channel_id, 1, found.log_time, found.log_time)
                else:
                    self._definition(opcode, data[start : start + length], offset)
        self.index.chunks.append(ChunkRef(chunk.start_ns, chunk.stop_ns, offset, indexes))

    def _indexed(self, chunk: Chunk, data: Buffer, position: int) -> dict[int, int] | None:
        """Take the messages from the indexes behind a chunk, if these list all there are."""
        places: dict[int, int] = {}
        found: dict[int, Found] = {}
        buffer = np.frombuffer(data, np.uint8)
        while (listed := message_index_at(self._data, position)) is not None:
            channel, end = listed
            offsets = index_offsets(self._data, position, channel)
            if offsets is None or channel in places:
                return None
            messages = messages_at(buffer, offsets, np.full(len(offsets), len(data)), channel)
            if messages is None:
                return None
            places[channel], found[channel] = position, messages
            position = end
        if not self._covered(list(found.values()), data, chunk.offset):
            return None
        for channel, each in found.items():
            if len(each.log_time):
                first, last = int(each.log_time.min()), int(each.log_time.max())
                self.index.note(channel, len(each.log_time), first, last)
        return places

    def _covered(self, found: list[Found], data: Buffer, offset: int) -> bool:
        """Read what stands between the listed messages; tell whether no message is there."""
        head = RECORD.size + MESSAGE_HEAD.size
        none = np.empty(0, np.int64)
        starts = np.concatenate([none, *(each.start - head for each in found)])
        ends = np.concatenate([none, *(each.start + each.length for each in found)])
        order = np.argsort(starts, kind='stable')
        starts = np.append(starts[order], len(data))
        ends = np.concatenate([[0], ends[order]])
        if (ends > starts).any():
            return False
        definitions: list[tuple[int, Any]] = []
        for gap in np.flatnonzero(starts > ends).tolist():
            position, stop = int(ends[gap]), int(starts[gap])
            for opcode, start, length in records_of(data, position, stop):
                if opcode == MESSAGE:
                    return False
                definitions.append((opcode, data[start : start + length]))
                position = start + length
            if position != stop:
                return False
        for opcode, body in definitions:
            self._definition(opcode, body, offset)
        return True

    def _definition(self, opcode: int, body: Buffer, offset: int) -> None:
        try:
            if opcode == SCHEMA:
                key, at = struct.unpack_from('<H', body)[0], 2
                name, at = read_text(body, at)
                encoding, at = read_text(body, at)
                data, at = read_blob(body, at)
                self.index.schemas[key] = McapSchema(name, encoding, data)
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
                self.index.channels[key] = McapChannel(topic, schema_id, encoding, metadata)
                self.index.counts.setdefault(key, 0)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            raise BagFormatError(
                f'{self._reader.path}: the record at byte {offset} is damaged ({error})'
            ) from error
