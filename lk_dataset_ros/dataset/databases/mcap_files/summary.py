"""The summary at the end of an MCAP file: what is in it, and where."""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    AttachmentIndex,
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from lk_dataset_ros.dataset.databases.mcap_files.batches import entries_in
from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.records import MAGIC

if TYPE_CHECKING:
    from collections.abc import Mapping


class Summary:
    """What is told of a file behind its data.

    Attributes:
        schemas: By id.
        channels: By id.
        chunks: The chunks that are whole, in order.
        metadata: The metadata records.
        attachments: The attachments.
        counts: Messages by channel.
        start_ns: First log time, None without messages.
        end_ns: Last log time.
    """

    def __init__(self) -> None:
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.chunks: list[ChunkIndex] = []
        self.metadata: list[MetadataIndex] = []
        self.attachments: list[AttachmentIndex] = []
        self.counts: dict[int, int] = {}
        self.start_ns: int | None = None
        self.end_ns = 0

    def note_chunk(self, chunk: ChunkIndex, counts: Mapping[int, int]) -> None:
        """Take a chunk in, with the number of its messages by channel."""
        self.chunks.append(chunk)
        for channel, count in counts.items():
            self.counts[channel] = self.counts.get(channel, 0) + count
        if counts:
            self.note_span(chunk.message_start_time, chunk.message_end_time)

    def note_span(self, first_ns: int, last_ns: int) -> None:
        """Take first and last time of messages in."""
        self.start_ns = first_ns if self.start_ns is None else min(self.start_ns, first_ns)
        self.end_ns = max(self.end_ns, last_ns)

    def forget_last_chunk(self) -> ChunkIndex:
        """Take the last chunk out again, and return it."""
        chunk = self.chunks.pop()
        for channel, count in counts_of(chunk).items():
            self.counts[channel] -= count
        self.start_ns, self.end_ns = None, 0
        for each in self.chunks:
            self.note_span(each.message_start_time, each.message_end_time)
        return chunk

    def end_of_file(self, position: int) -> bytes:
        """Return everything behind the data, for data that end at a position.

        That is the end of the data, the summary, the footer, and the last magic bytes.
        """
        data_end = record_bytes(DataEnd(0))
        start = position + len(data_end)
        builder = RecordBuilder()
        offsets: list[SummaryOffset] = []
        groups: list[tuple[Opcode, list[Any]]] = [
            (Opcode.SCHEMA, list(self.schemas.values())),
            (Opcode.CHANNEL, list(self.channels.values())),
            (Opcode.STATISTICS, [self._statistics()]),
            (Opcode.CHUNK_INDEX, list(self.chunks)),
            (Opcode.ATTACHMENT_INDEX, list(self.attachments)),
            (Opcode.METADATA_INDEX, list(self.metadata)),
        ]
        for opcode, records in groups:
            first = builder.count
            for record in records:
                record.write(builder)
            offsets.append(SummaryOffset(opcode, start + first, builder.count - first))
        offsets_start = start + builder.count
        for offset in offsets:
            offset.write(builder)
        data: bytes = builder.end()  # type: ignore[no-untyped-call]
        foot = struct.pack('<BQQQ', Opcode.FOOTER, 20, start, offsets_start)
        footer = Footer(start, offsets_start, crc32(foot, crc32(data)))
        return b''.join((data_end, data, record_bytes(footer), MAGIC))

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=len(self.attachments),
            channel_count=len(self.channels),
            channel_message_counts=dict(self.counts),
            chunk_count=len(self.chunks),
            message_count=sum(self.counts.values()),
            message_end_time=self.end_ns,
            message_start_time=self.start_ns or 0,
            metadata_count=len(self.metadata),
            schema_count=len(self.schemas),
        )


def counts_of(chunk: ChunkIndex) -> dict[int, int]:
    """Return the messages of a chunk by channel, by the room that its message indexes take."""
    places = sorted(chunk.message_index_offsets.items(), key=itemgetter(1))
    behind = chunk.chunk_start_offset + chunk.chunk_length + chunk.message_index_length
    ends = [place for _, place in places[1:]] + [behind]
    return {
        channel: max(entries_in(end - place), 0)
        for (channel, place), end in zip(places, ends, strict=True)
    }


def record_bytes(record: Any) -> bytes:
    """Return a record of the `mcap` library as it stands in a file."""
    builder = RecordBuilder()
    record.write(builder)
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
