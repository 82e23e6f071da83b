"""A whole MCAP file, put together of parts of a damaged one and of what is missing there."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.records import Attachment, AttachmentIndex, Channel, ChunkIndex, MetadataIndex, Schema

from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.chunk_record import ENTRY_SIZE, chunk_record
from lk_dataset_ros.dataset.databases.mcap_files.packing import packer
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    CHANNEL,
    SCHEMA,
    read_channel,
    read_schema,
)
from lk_dataset_ros.dataset.databases.mcap_files.summary import Summary, record_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.dataset.databases.mcap_files.chunks import Chunk
    from lk_dataset_ros.dataset.databases.mcap_files.index import Index
    from lk_dataset_ros.dataset.databases.mcap_files.records import McapChannel, McapSchema

_ENTRY: Final = struct.Struct('<QQ')


class Kept(NamedTuple):
    """Bytes of the damaged file that are kept as they are."""

    start: int
    stop: int


class Assembly:
    """What a whole file consists of, up to the end of its data.

    Attributes:
        steps: Parts of the damaged file, and bytes.
        size: Bytes of the whole file so far.
        summary: What it will tell of itself at its end.
    """

    def __init__(self) -> None:
        self.steps: list[Kept | bytes] = []
        self.size = 0
        self.summary = Summary()

    def keep(self, start: int, stop: int) -> int:
        """Keep a part of the file; return by how much it moves."""
        moved = self.size - start
        last = self.steps[-1] if self.steps else None
        if isinstance(last, Kept) and last.stop == start:
            self.steps[-1] = Kept(last.start, stop)
        else:
            self.steps.append(Kept(start, stop))
        self.size += stop - start
        return moved

    def insert(self, data: bytes) -> None:
        """Write something that the damaged file has not."""
        self.steps.append(data)
        self.size += len(data)

    def define(self, opcode: int, body: Any) -> None:
        """Take a schema or a channel into the summary; other records are none of its business."""
        if opcode == SCHEMA:
            self._define_schema(*read_schema(body))
        elif opcode == CHANNEL:
            self._define_channel(*read_channel(body))

    def define_again(self, known: Index) -> None:
        """Write definitions that are lost in the data, but stand in the old summary."""
        again = [
            self._define_schema(key, schema)
            for key, schema in known.schemas.items()
            if key not in self.summary.schemas
        ]
        again += [
            self._define_channel(key, channel)
            for key, channel in known.channels.items()
            if key not in self.summary.channels
        ]
        if again:
            self.insert(b''.join(again))

    def _define_schema(self, key: int, found: McapSchema) -> bytes:
        schema = Schema(id=key, data=found.data, encoding=found.encoding, name=found.name)
        self.summary.schemas[key] = schema
        return record_bytes(schema)

    def _define_channel(self, key: int, found: McapChannel) -> bytes:
        channel = Channel(
            id=key,
            schema_id=found.schema_id,
            topic=found.topic,
            message_encoding=found.message_encoding,
            metadata=found.metadata,
        )
        self.summary.channels[key] = channel
        return record_bytes(channel)

    def list_metadata(self, name: str, length: int) -> None:
        """Take a metadata record that comes next into the summary."""
        index = MetadataIndex(offset=self.size, length=length, name=name)
        self.summary.metadata.append(index)

    def list_attachment(self, body: bytes, length: int) -> None:
        """Take an attachment that comes next into the summary."""
        found = Attachment.read(ReadDataStream(io.BytesIO(body)))
        index = AttachmentIndex(
            offset=self.size,
            length=length,
            create_time=found.create_time,
            log_time=found.log_time,
            data_size=len(found.data),
            name=found.name,
            media_type=found.media_type,
        )
        self.summary.attachments.append(index)

    def list_chunk(
        self,
        chunk: Chunk,
        offset: int,
        *,
        indexes_length: int,
        places: Mapping[int, int],
        counts: Mapping[int, int],
        span: tuple[int, int],
    ) -> None:
        """Take a chunk that is kept into the summary.

        Args:
            chunk: As it is in the damaged file.
            offset: Where it is in the whole file.
            indexes_length: Bytes of its message indexes.
            places: Where these are in the whole file, by channel.
            counts: Messages by channel.
            span: First and last log time of its messages; those in its head may be damaged.
        """
        listing = ChunkIndex(
            chunk_length=chunk.end - chunk.offset,
            chunk_start_offset=offset,
            compression=chunk.compression,
            compressed_size=len(chunk.packed),
            message_end_time=span[1],
            message_index_length=indexes_length,
            message_index_offsets=dict(places),
            message_start_time=span[0],
            uncompressed_size=chunk.size,
        )
        self.summary.note_chunk(listing, counts)

    def add_chunk(self, compression: str, records: bytes, entries: Mapping[int, bytes]) -> None:
        """Write a new chunk.

        Args:
            compression: As files call it.
            records: Its records.
            entries: By channel the time and the offset of each message.
        """
        pack = packer(compression or 'none', 'default')  # type: ignore[arg-type]
        packed = records if pack is None else pack(records)
        record = chunk_record(
            self.size,
            compression,
            len(packed),
            size=len(records),
            crc=crc32(records),
            span=span_of_entries(entries),
            entries=entries,
        )
        self.insert(record.head + packed + record.indexes)
        self.summary.note_chunk(record.listing, counts_of_entries(entries))


def entry(log_time_ns: int, offset: int) -> bytes:
    """Return what a message index says of a message."""
    return _ENTRY.pack(log_time_ns, offset)


def counts_of_entries(entries: Mapping[int, bytes]) -> dict[int, int]:
    """Return the messages by channel."""
    return {channel: len(each) // ENTRY_SIZE for channel, each in entries.items()}


def span_of_entries(entries: Mapping[int, bytes]) -> tuple[int, int]:
    """Return first and last log time, zeros without messages."""
    times = [time_ns for each in entries.values() for time_ns, _ in _ENTRY.iter_unpack(each)]
    return (min(times), max(times)) if times else (0, 0)
