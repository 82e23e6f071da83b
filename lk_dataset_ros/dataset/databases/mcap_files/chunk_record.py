"""The head of a chunk record, and the message indexes behind it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from mcap.records import ChunkIndex

from lk_dataset_ros.dataset.databases.mcap_files.records import (
    CHUNK,
    CHUNK_HEAD,
    MESSAGE_INDEX,
    RECORD,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of an entry of a message index: time and offset of a message.
ENTRY_SIZE = 16


class ChunkRecord(NamedTuple):
    """What stands around the records of a chunk.

    Attributes:
        head: Bytes before them.
        indexes: Bytes behind them.
        listing: What the summary tells of the chunk.
    """

    head: bytes
    indexes: bytes
    listing: ChunkIndex


def chunk_record(
    offset: int,
    compression: str,
    packed_size: int,
    *,
    size: int,
    crc: int,
    span: tuple[int, int],
    entries: Mapping[int, bytes],
) -> ChunkRecord:
    """Make head and message indexes of a chunk.

    Args:
        offset: Where the chunk begins in the file.
        compression: As the file calls it, empty without.
        packed_size: Bytes of its records in the file.
        size: Bytes of its records, unpacked.
        crc: Their checksum, 0 for none.
        span: First and last log time.
        entries: By channel the time and the offset of each message, as they stand in the file.
    """
    name = compression.encode()
    length = CHUNK_HEAD.size + 4 + len(name) + 8 + packed_size
    head = b''.join(
        (
            RECORD.pack(CHUNK, length),
            CHUNK_HEAD.pack(*span, size, crc),
            struct.pack('<I', len(name)),
            name,
            struct.pack('<Q', packed_size),
        )
    )
    indexes, index_offsets = message_indexes(offset + RECORD.size + length, entries)
    listing = ChunkIndex(
        chunk_length=RECORD.size + length,
        chunk_start_offset=offset,
        compression=compression,
        compressed_size=packed_size,
        message_end_time=span[1],
        message_index_length=len(indexes),
        message_index_offsets=index_offsets,
        message_start_time=span[0],
        uncompressed_size=size,
    )
    return ChunkRecord(head, indexes, listing)


def message_indexes(position: int, entries: Mapping[int, bytes]) -> tuple[bytes, dict[int, int]]:
    """Return message index records that begin at a position, and where each is, by channel."""
    records: list[bytes] = []
    places: dict[int, int] = {}
    for channel, each in entries.items():
        places[channel] = position
        record = struct.pack('<BQHI', MESSAGE_INDEX, 6 + len(each), channel, len(each)) + each
        records.append(record)
        position += len(record)
    return b''.join(records), places
