"""Write an MCAP file: message by message, or very many messages at once.

The bytes are those that the `mcap` library writes (whose records are used for all but messages);
its writer takes one message at a time, and most of its time goes into that.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import lz4.frame
import numpy as np
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    CHUNK,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    RECORD,
)
from lk_dataset_ros.message import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch

Compression = Literal['none', 'lz4', 'zstd']
#: Bytes that `add_messages` needs in front of each message.
PREFIX: Final = 31
_THREADS: Final = min(4, os.cpu_count() or 1)
_HEAD = struct.Struct('<BQHIQQ')
_HEADS = np.dtype(
    {
        'names': ['opcode', 'length', 'channel', 'sequence', 'log_time', 'publish_time'],
        'formats': ['u1', '<u8', '<u2', '<u4', '<u8', '<u8'],
        'offsets': [0, 1, 9, 11, 15, 23],
        'itemsize': PREFIX,
    }
)
#: What the file calls each compression, and what does it.
COMPRESSIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    'none': ('', lambda data: data),
    'lz4': ('lz4', lz4.frame.compress),
    'zstd': ('zstd', zstandard.compress),
}


class McapWriter:
    """Writes an MCAP file with chunks, indexes, checksums and a summary.

    Args:
        output: Where to.
        compression: Of the chunks.
        chunk_size: Bytes after which a chunk is complete.
    """

    def __init__(
        self,
        output: IO[bytes],
        *,
        compression: Compression = 'zstd',
        chunk_size: int = 1024 * 1024,
    ) -> None:
        self._output = output
        self._position = 0
        self._name, self._compress = COMPRESSIONS[compression]
        self._chunk_size = chunk_size
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._chunk_indexes: list[ChunkIndex] = []
        self._metadata_indexes: list[MetadataIndex] = []
        self._counts: dict[int, int] = {}
        self._start_ns: int | None = None
        self._end_ns = 0
        #: Chunks that are being compressed: size, span of time and message indexes.
        self._running: deque[
            tuple[Future[tuple[Any, int]], int, tuple[int, int], dict[int, bytes]]
        ] = deque()
        self._threads: ThreadPoolExecutor | None = None
        #: The chunk in progress: its records, and time and offset of its messages by channel.
        self._chunk = bytearray()
        self._listed: dict[int, array[int]] = {}
        self._chunk_start_ns = self._chunk_end_ns = 0

    def start(self, profile: str, library: str) -> None:
        """Write the head of the file."""
        self._write(MAGIC)
        self._write(_record(Header(profile, library)))

    def register_schema(self, name: str, encoding: str, data: bytes) -> int:
        """Add a schema and return its id."""
        schema = Schema(id=len(self._schemas) + 1, name=name, encoding=encoding, data=data)
        self._schemas.append(schema)
        self._chunk += _record(schema)
        self._end_chunk_if_full()
        return schema.id

    def register_channel(
        self, topic: str, message_encoding: str, schema_id: int, metadata: Mapping[str, str]
    ) -> int:
        """Add a channel and return its id."""
        number = len(self._channels) + 1
        channel = Channel(
            id=number,
            topic=topic,
            message_encoding=message_encoding,
            metadata=dict(metadata),
            schema_id=schema_id,
        )
        self._channels.append(channel)
        self._chunk += _record(channel)
        self._end_chunk_if_full()
        return number

    def add_message(
        self, channel: int, log_time_ns: int, data: bytes, publish_time_ns: int, sequence: int
    ) -> None:
        """Add a message."""
        if not self._listed:
            self._chunk_start_ns = self._chunk_end_ns = log_time_ns
        elif log_time_ns < self._chunk_start_ns:
            self._chunk_start_ns = log_time_ns
        elif log_time_ns > self._chunk_end_ns:
            self._chunk_end_ns = log_time_ns
        listed = self._listed.get(channel)
        if listed is None:
            listed = self._listed[channel] = array('Q')
        listed.extend((log_time_ns, len(self._chunk)))
        self._chunk += _HEAD.pack(
            MESSAGE, 22 + len(data), channel, sequence, log_time_ns, publish_time_ns
        )
        self._chunk += data
        self._end_chunk_if_full()

    def add_messages(
        self,
        channel: int,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.uint32],
    ) -> None:
        """Add messages that lie one after the other with `PREFIX` bytes before each.

        These bytes, and so the buffer, are written to. Chunks are compressed in several threads
        while the caller goes on; the buffer must not be changed until `flush` or `finish`, unless
        nothing is compressed.
        """
        if not len(batch):
            return
        self._end_chunk()
        begin = batch.start - PREFIX
        heads, in_place = _heads_in(batch, begin)
        heads['opcode'], heads['channel'] = MESSAGE, channel
        heads['length'] = batch.length + (PREFIX - RECORD.size)
        heads['sequence'], heads['log_time'] = sequence, log_time_ns
        heads['publish_time'] = publish_time_ns
        if not in_place:
            windows_of(batch.buffer, PREFIX)[begin] = heads.view(f'V{PREFIX}')
        ends = batch.start + batch.length
        first = 0
        while first < len(batch):
            full = int(begin[first]) + self._chunk_size - len(self._chunk)
            last = min(int(np.searchsorted(ends, full, 'right')) + 1, len(batch))
            span = slice(int(begin[first]), int(ends[last - 1]))
            data: Any = memoryview(batch.buffer)[span]  # type: ignore[arg-type]
            shift = span.start - len(self._chunk)
            if self._chunk:
                # Schemas and channels that were registered since the last chunk.
                data, self._chunk = bytes(self._chunk) + data.tobytes(), bytearray()
            times = log_time_ns[first:last]
            entries = np.stack([times, begin[first:last] - shift], axis=1).astype('<u8')
            self._put(data, (int(times.min()), int(times.max())), {channel: entries.tobytes()})
            first = last

    def add_metadata(self, name: str, data: Mapping[str, str]) -> None:
        """Add a metadata record."""
        self._drain(0)
        record = _record(Metadata(name=name, metadata=dict(data)))
        self._metadata_indexes.append(
            MetadataIndex(offset=self._position, length=len(record), name=name)
        )
        self._write(record)

    def flush(self) -> None:
        """Complete the chunk in progress, if it has messages, and hand all to the system."""
        self._end_chunk()
        self._drain(0)
        self._output.flush()

    def finish(self) -> None:
        """Write what is left, and the summary; the output is not closed."""
        self._end_chunk()
        self._drain(0)
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        self._write(_record(DataEnd(0)))
        start = self._position
        summary = RecordBuilder()
        offsets: list[SummaryOffset] = []
        groups: list[tuple[Opcode, list[Any]]] = [
            (Opcode.SCHEMA, list(self._schemas)),
            (Opcode.CHANNEL, list(self._channels)),
            (Opcode.STATISTICS, [self._statistics()]),
            (Opcode.CHUNK_INDEX, list(self._chunk_indexes)),
            (Opcode.ATTACHMENT_INDEX, []),
            (Opcode.METADATA_INDEX, list(self._metadata_indexes)),
        ]
        for opcode, records in groups:
            first = summary.count
            for record in records:
                record.write(summary)
            offsets.append(SummaryOffset(opcode, start + first, summary.count - first))
        offsets_start = start + summary.count
        for offset in offsets:
            offset.write(summary)
        data: bytes = summary.end()  # type: ignore[no-untyped-call]
        foot = struct.pack('<BQQQ', Opcode.FOOTER, 20, start, offsets_start)
        self._write(data)
        self._write(_record(Footer(start, offsets_start, crc32(foot, crc32(data)))))
        self._write(MAGIC)
        self._output.flush()

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=dict(self._counts),
            chunk_count=len(self._chunk_indexes),
            message_count=sum(self._counts.values()),
            message_end_time=self._end_ns,
            message_start_time=self._start_ns or 0,
            metadata_count=len(self._metadata_indexes),
            schema_count=len(self._schemas),
        )

    def _end_chunk_if_full(self) -> None:
        if len(self._chunk) > self._chunk_size:
            self._end_chunk()

    def _end_chunk(self) -> None:
        """Complete the chunk in progress; one without messages is kept for the next."""
        if self._listed:
            data, self._chunk = self._chunk, bytearray()
            listed, self._listed = self._listed, {}
            entries = {channel: each.tobytes() for channel, each in listed.items()}
            self._put(data, (self._chunk_start_ns, self._chunk_end_ns), entries)
            self._drain(0)

    def _put(self, data: Any, span: tuple[int, int], entries: dict[int, bytes]) -> None:
        """Write a chunk, or have it compressed in a thread and write it later."""
        if not self._name:
            self._write_chunk(data, len(data), crc32(data), span, entries)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=_THREADS)
        future = self._threads.submit(lambda: (self._compress(data), crc32(data)))
        self._running.append((future, len(data), span, entries))
        self._drain(2 * _THREADS)

    def _drain(self, left: int) -> None:
        """Write chunks in their order until only so many are being compressed."""
        while len(self._running) > left:
            future, size, span, entries = self._running.popleft()
            packed, checksum = future.result()
            self._write_chunk(packed, size, checksum, span, entries)

    def _write_chunk(
        self,
        packed: Any,
        size: int,
        checksum: int,
        span: tuple[int, int],
        entries: Mapping[int, bytes],
    ) -> None:
        """Write a chunk, its message indexes, and note both for the summary."""
        name = self._name.encode()
        head = struct.pack('<QQQII', *span, size, checksum, len(name)) + name
        offset = self._position
        self._write(RECORD.pack(CHUNK, len(head) + 8 + len(packed)) + head)
        self._write(struct.pack('<Q', len(packed)))
        self._write(packed)
        chunk_length, indexes_start = self._position - offset, self._position
        index_offsets: dict[int, int] = {}
        for channel, each in entries.items():
            index_offsets[channel] = self._position
            self._counts[channel] = self._counts.get(channel, 0) + len(each) // 16
            self._write(struct.pack('<BQHI', MESSAGE_INDEX, 6 + len(each), channel, len(each)))
            self._write(each)
        self._start_ns = span[0] if self._start_ns is None else min(self._start_ns, span[0])
        self._end_ns = max(self._end_ns, span[1])
        self._chunk_indexes.append(
            ChunkIndex(
                chunk_length=chunk_length,
                chunk_start_offset=offset,
                compression=self._name,
                compressed_size=len(packed),
                message_end_time=span[1],
                message_index_length=self._position - indexes_start,
                message_index_offsets=index_offsets,
                message_start_time=span[0],
                uncompressed_size=size,
            )
        )

    def _write(self, data: Any) -> None:
        self._output.write(data)
        self._position += len(data)


def _heads_in(batch: Batch, begin: NDArray[np.int64]) -> tuple[NDArray[Any], bool]:
    """Return the heads of messages, and whether they are in the buffer itself."""
    distance = (batch.size or 0) + PREFIX
    if batch.size is None or not (np.diff(begin) == distance).all():
        return np.zeros(len(begin), _HEADS), False
    return np.ndarray((len(begin),), _HEADS, batch.buffer, int(begin[0]), (distance,)), True


def _record(record: Any) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
