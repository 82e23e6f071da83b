"""The records of an MCAP file: layouts, parsing, decompression, every length checked."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import lz4.frame
import zstandard

from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Buffer = bytes | memoryview

MAGIC = b'\x89MCAP0\r\n'
#: Decompress in pieces of this size, so that a lying header cannot make us allocate.
PIECE = 4 * 1024 * 1024

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = range(0x01, 0x08)
ATTACHMENT, METADATA, DATA_END = 0x09, 0x0C, 0x0F
RECORD = struct.Struct('<BQ')
MESSAGE_HEAD = struct.Struct('<HIQQ')
CHUNK_HEAD = struct.Struct('<QQQI')


class McapSchema(NamedTuple):
    """A schema record."""

    name: str
    encoding: str
    data: bytes


class McapChannel(NamedTuple):
    """A channel record."""

    topic: str
    schema_id: int
    message_encoding: str
    metadata: dict[str, str]


class McapMessage(NamedTuple):
    """A message record; `position` orders messages of equal log time as they stand in the file."""

    log_time: int
    position: tuple[int, int]
    channel_id: int
    sequence: int
    publish_time: int
    data: bytes


def parse_message(
    data: Any, start: int, length: int, position: tuple[int, int], path: Path
) -> McapMessage:
    """Return the message record of a length at a place."""
    if length < MESSAGE_HEAD.size:
        raise BagFormatError(f'{path}: a message record at {position} is shorter than its header')
    channel, sequence, log_time, publish_time = MESSAGE_HEAD.unpack_from(data, start)
    payload = bytes(data[start + MESSAGE_HEAD.size : start + length])
    return McapMessage(log_time, position, channel, sequence, publish_time, payload)


def read_blob(data: Any, at: int) -> tuple[bytes, int]:
    """Return bytes with their length before them, and where they end."""
    (length,) = struct.unpack_from('<I', data, at)
    end = at + 4 + length
    if end > len(data):
        raise IndexError(f'a length of {length} exceeds what is there')
    return bytes(data[at + 4 : end]), end


def read_text(data: Any, at: int) -> tuple[str, int]:
    """Return a text with its length before it, and where it ends."""
    blob, end = read_blob(data, at)
    return blob.decode(), end


def read_map(data: Any, at: int) -> tuple[dict[str, str], int]:
    """Return names and values with their size before them, and where they end."""
    entries, end = read_blob(data, at)
    found: dict[str, str] = {}
    place = 0
    while place < len(entries):
        name, place = read_text(entries, place)
        found[name], place = read_text(entries, place)
    return found, end


def read_schema(body: Any) -> tuple[int, McapSchema]:
    """Return id and content of a schema record."""
    (key,) = struct.unpack_from('<H', body)
    name, at = read_text(body, 2)
    encoding, at = read_text(body, at)
    data, _ = read_blob(body, at)
    return key, McapSchema(name, encoding, data)


def read_channel(body: Any) -> tuple[int, McapChannel]:
    """Return id and content of a channel record."""
    key, schema_id = struct.unpack_from('<HH', body)
    topic, at = read_text(body, 4)
    encoding, at = read_text(body, at)
    metadata, _ = read_map(body, at)
    return key, McapChannel(topic, schema_id, encoding, metadata)


def read_metadata(data: Any, at: int) -> tuple[str, dict[str, str]] | None:
    """Return name and content of the metadata record at a place; None if there is none."""
    try:
        opcode, length = RECORD.unpack_from(data, at)
        start = at + RECORD.size
        if opcode != METADATA or start + length > len(data):
            return None
        body = data[start : start + length]
        name, place = read_text(body, 0)
        return name, read_map(body, place)[0]
    except (struct.error, UnicodeDecodeError, IndexError, OverflowError):
        return None


def _decompress_zstd(packed: Buffer, size: int) -> bytes:
    pieces: list[bytes] = []
    total = 0
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        while total <= size and (piece := reader.read(min(PIECE, size - total + 1))):
            pieces.append(piece)
            total += len(piece)
    return b''.join(pieces)


def _decompress_lz4(packed: Buffer, size: int) -> bytes:
    decompressor = lz4.frame.LZ4FrameDecompressor()
    pieces: list[bytes] = []
    total, feed = 0, packed
    while total <= size and not decompressor.eof:
        piece = decompressor.decompress(feed, max_length=min(PIECE, size - total + 1))
        feed = b''
        if not piece and decompressor.needs_input:
            break
        pieces.append(piece)
        total += len(piece)
    return b''.join(pieces)


def _decompress_none(packed: Buffer, size: int) -> Buffer:
    del size
    return packed


DECOMPRESS: dict[str, Callable[[Buffer, int], Buffer]] = {
    'zstd': _decompress_zstd,
    'lz4': _decompress_lz4,
    '': _decompress_none,
}


def decompress_into(out: memoryview, compression: str, packed: Buffer) -> int:
    """Decompress into a buffer; return how many bytes there were, or one more than fit."""
    if compression != 'zstd':
        data = DECOMPRESS[compression](packed, len(out))
        size = min(len(data), len(out))
        out[:size] = data[:size]
        return len(data)
    filled = 0
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        while filled < len(out) and (count := reader.readinto(out[filled:])):
            filled += count
        return filled + len(reader.read(1))


def wrong_checksum(where: str) -> BagFormatError:
    """Make the error of a chunk whose checksum is wrong."""
    return BagFormatError(f'{where} is damaged (its checksum is wrong)')
