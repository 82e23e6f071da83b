"""What is in an MCAP file and where, as its summary tells it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from operator import itemgetter
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from mcap.exceptions import McapError
from mcap.reader import SeekingReader

from lk_dataset_ros.dataset.databases.mcap_files.batches import entries_in
from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    FOOTER,
    MAGIC,
    MESSAGE_HEAD,
    RECORD,
    McapChannel,
    McapSchema,
)

if TYPE_CHECKING:
    import mmap

    from mcap.summary import Summary

#: Of a message without payload.
_MESSAGE_BYTES = RECORD.size + MESSAGE_HEAD.size


class ChunkRef(NamedTuple):
    """Where a chunk is.

    Attributes:
        start_time: First log time.
        end_time: Last log time.
        offset: Where its record starts.
        index_offsets: Where the message index of each channel is; None if that is not known.
        indexes_end: Where the last message index ends.
    """

    start_time: int
    end_time: int
    offset: int
    index_offsets: dict[int, int] | None = None
    indexes_end: int = 0

    def listed(self) -> dict[int, int]:
        """Return how many messages of each channel there are, by the room that its index takes.

        Nothing is read for it. It is -1 where the index cannot be one.
        """
        by_place = sorted((self.index_offsets or {}).items(), key=itemgetter(1))
        ends = [place for _, place in by_place[1:]] + [self.indexes_end]
        return {
            channel: entries_in(end - place)
            for (channel, place), end in zip(by_place, ends, strict=False)
        }


@dataclass
class Index:
    """What is in a file.

    Attributes:
        schemas: Schemas by id.
        channels: Channels by id.
        counts: Number of messages by channel id.
        chunks: Its chunks.
        loose: Offset and length of message records that stand outside of chunks.
        metadata: Where metadata records start.
        start_time: First log time, None without messages.
        end_time: Last log time.
    """

    schemas: dict[int, McapSchema] = field(default_factory=dict)
    channels: dict[int, McapChannel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: list[ChunkRef] = field(default_factory=list)
    loose: list[tuple[int, int]] = field(default_factory=list)
    metadata: list[int] = field(default_factory=list)
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
    if not is_summary_intact(data):
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
                each.chunk_start_offset + each.chunk_length + each.message_index_length,
            )
            for each in summary.chunk_indexes
        ],
        metadata=[each.offset for each in summary.metadata_indexes],
    )
    if statistics.message_count:
        index.start_time = statistics.message_start_time
        index.end_time = statistics.message_end_time
    if not set(index.counts) <= set(index.channels) or not _is_plausible(summary):
        return None
    return index


def _is_plausible(summary: Summary) -> bool:
    """Tell whether the numbers of a summary, which need not be protected, fit together."""
    assert summary.statistics is not None
    counts = summary.statistics.channel_message_counts
    chunks = summary.chunk_indexes
    start, end = summary.statistics.message_start_time, summary.statistics.message_end_time
    total = sum(counts.values())
    return (
        total == summary.statistics.message_count
        and total * _MESSAGE_BYTES <= sum(each.uncompressed_size for each in chunks)
        and len({each.chunk_start_offset for each in chunks}) == len(chunks)
        and all(
            each.message_index_offsets.keys() <= counts.keys()
            and start <= each.message_start_time
            and each.message_end_time <= end
            for each in chunks
            if each.message_index_offsets
        )
    )


def is_summary_intact(data: mmap.mmap) -> bool:
    """Check footer and summary CRC: one flipped bit there would lose messages silently."""
    at = len(data) - len(MAGIC) - RECORD.size - 20
    if at < len(MAGIC):
        return False
    opcode, length = RECORD.unpack_from(data, at)
    start, _, crc = struct.unpack_from('<QQI', data, at + RECORD.size)
    if opcode != FOOTER or length != 20 or not len(MAGIC) <= start <= at:
        return False
    return not crc or crc32(data[start : at + RECORD.size + 16]) == crc
