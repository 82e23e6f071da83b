"""Write an MCAP file: message by message, or very many messages at once.

The bytes are those that the `mcap` library writes (whose records are used for all but messages);
its writer takes one message at a time, and most of its time goes into that. Only large messages
differ: they end a chunk that is half full.
"""

from __future__ import annotations

import struct
from array import array
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from mcap.records import Channel, Header, Metadata, MetadataIndex, Schema

from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.chunk_record import ENTRY_SIZE, chunk_record
from lk_dataset_ros.dataset.databases.mcap_files.laying import PREFIX, laid
from lk_dataset_ros.dataset.databases.mcap_files.output import Output
from lk_dataset_ros.dataset.databases.mcap_files.packing import (
    Chunk,
    ChunkPacker,
    Compression,
    Level,
)
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    MAGIC,
    MESSAGE,
)
from lk_dataset_ros.dataset.databases.mcap_files.summary import Summary, record_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch

__all__ = ['PREFIX', 'Compression', 'Level', 'McapWriter']

_HEAD: Final = struct.Struct('<BQHIQQ')
#: Batches up to this many messages are taken message by message.
_FEW: Final = 12
#: A message of this size is not copied, where it makes the chunk in progress at least half full.
_LARGE: Final = 32 * 1024


class McapWriter:
    """Writes an MCAP file with chunks, indexes, checksums and a summary.

    A chunk is written whole or not at all: after an error (a full disk) the file ends behind the
    last whole chunk, and `finish` still makes a good file of it.

    Args:
        output: Where to; it has to be possible to cut it, or an error leaves a part of a chunk.
        compression: Of the chunks.
        level: How hard compression tries.
        chunk_size: Bytes after which a chunk is complete.
        checksums: Whether the chunks have some.
    """

    def __init__(
        self,
        output: IO[bytes],
        *,
        compression: Compression = 'zstd',
        level: Level = 'default',
        chunk_size: int = 1024 * 1024,
        checksums: bool = True,
    ) -> None:
        self._output = Output(output)
        self._packer = ChunkPacker(compression, level)
        self._chunk_size = chunk_size
        self._checksums = checksums
        self._summary = Summary()
        self._metadata: list[tuple[str, dict[str, str]]] = []
        self._data_end: int | None = None
        #: The chunk in progress: its records, and time and offset of its messages by channel.
        self._chunk = bytearray()
        self._listed: dict[int, array[int]] = {}
        self._first_ns = self._last_ns = 0

    @property
    def size(self) -> int:
        """Bytes so far, those not yet written and not yet compressed included."""
        return self._output.position + self._packer.waiting_bytes + len(self._chunk)

    @property
    def written(self) -> dict[int, int]:
        """Messages by channel, those that are in the file."""
        return dict(self._summary.counts)

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last log time in the file, None without messages."""
        start_ns = self._summary.start_ns
        return None if start_ns is None else (start_ns, self._summary.end_ns)

    def start(self, profile: str, library: str) -> None:
        """Write the head of the file."""
        self._output.write([MAGIC + record_bytes(Header(profile, library))])

    def register_schema(self, name: str, encoding: str, data: bytes) -> int:
        """Add a schema and return its id."""
        number = len(self._summary.schemas) + 1
        schema = Schema(id=number, name=name, encoding=encoding, data=data)
        self._summary.schemas[number] = schema
        self._chunk += record_bytes(schema)
        self._end_chunk_if_full()
        return number

    def register_channel(
        self, topic: str, message_encoding: str, schema_id: int, metadata: Mapping[str, str]
    ) -> int:
        """Add a channel and return its id."""
        number = len(self._summary.channels) + 1
        channel = Channel(
            id=number,
            topic=topic,
            message_encoding=message_encoding,
            metadata=dict(metadata),
            schema_id=schema_id,
        )
        self._summary.channels[number] = channel
        self._chunk += record_bytes(channel)
        self._end_chunk_if_full()
        return number

    def add_message(
        self, channel: int, log_time_ns: int, data: Any, publish_time_ns: int, sequence: int
    ) -> None:
        """Add a message, given as bytes or a view of them."""
        chunk, size = self._chunk, len(data)
        self._widen(log_time_ns, log_time_ns)
        self._list_of(channel).extend((log_time_ns, len(chunk)))
        chunk += _HEAD.pack(MESSAGE, 22 + size, channel, sequence, log_time_ns, publish_time_ns)
        if size >= _LARGE and 2 * (len(chunk) + size) > self._chunk_size:
            self._end_chunk(data)
        else:
            chunk += data
            self._end_chunk_if_full()

    def add_messages(
        self,
        channel: int,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.integer[Any]],
    ) -> None:
        """Add messages that lie one after the other with `PREFIX` bytes before each.

        These bytes are written to; the buffer can be used again when this returns. What completes
        a chunk is written out of the buffer, without a copy; the rest waits in the chunk in
        progress.

        Args:
            channel: Of all of them.
            batch: The messages; where they do not lie one after the other they are copied.
            log_time_ns: When each was received, shape (n,).
            publish_time_ns: When each was sent, shape (n,).
            sequence: The publisher's counters, modulo 2^32, shape (n,).
        """
        count = len(batch)
        if count <= _FEW:
            self._add_few(channel, batch, log_time_ns, publish_time_ns, sequence)
            return
        data, begin, end = laid(batch, channel, log_time_ns, publish_time_ns, sequence)
        entries = np.empty((count, 2), '<u8')
        entries[:, 0] = log_time_ns
        first, stop = 0, int(end[-1])
        while first < count:
            start = int(begin[first])
            room = self._chunk_size - len(self._chunk)
            last = count
            if stop - start > room:
                last = min(int(np.searchsorted(end, start + room, 'right')) + 1, count)
            part = slice(first, last)
            times = log_time_ns[part]
            self._widen(int(times.min()), int(times.max()))
            entries[part, 1] = begin[part] + (len(self._chunk) - start)
            self._list_of(channel).frombytes(entries[part].tobytes())
            piece = data[start : int(end[last - 1])]
            if len(piece) > room:
                self._end_chunk(piece)
            else:
                self._chunk += piece
            first = last

    def _add_few(
        self, channel: int, batch: Batch, log: Any, sent: Any, sequence: NDArray[Any]
    ) -> None:
        view = batch.buffer.data
        columns = (batch.start, batch.length, log, sent, sequence)
        for start, length, log_ns, sent_ns, number in zip(
            *(each.tolist() for each in columns), strict=True
        ):
            data = view[start : start + length]
            self.add_message(channel, log_ns, data, sent_ns, number & 0xFFFFFFFF)

    def add_metadata(self, name: str, data: Mapping[str, str]) -> None:
        """Add a metadata record."""
        self._write_chunks(self._packer.take())
        self._write_metadata(name, dict(data))

    def _write_metadata(self, name: str, data: dict[str, str]) -> None:
        record = record_bytes(Metadata(name=name, metadata=data))
        index = MetadataIndex(offset=self._output.position, length=len(record), name=name)
        self._output.write([record])
        self._summary.metadata.append(index)
        self._metadata.append((name, data))

    def flush(self, *, sync: bool = False) -> None:
        """Complete the chunk in progress, if it has messages, and hand all to the system.

        Args:
            sync: Wait until it is on the disk.
        """
        self._end_chunk()
        self._write_chunks(self._packer.take())
        self._output.flush(sync=sync)

    def finish(
        self, last: Sequence[tuple[str, Mapping[str, str]]] = (), *, sync: bool = False
    ) -> None:
        """Write what is left, and the summary; the output is not closed.

        Where that fails it can be tried again, after `give_back`.

        Args:
            last: Name and content of metadata records that tell what was written.
            sync: Wait until it is on the disk.
        """
        self._end_chunk()
        self._write_chunks(self._packer.take())
        self._packer.close()
        position = end = self._output.position
        listed = self._summary.metadata
        before = len(listed)
        records: list[bytes] = []
        for name, data in last:
            records.append(record_bytes(Metadata(name=name, metadata=dict(data))))
            listed.append(MetadataIndex(offset=end, length=len(records[-1]), name=name))
            end += len(records[-1])
        try:
            self._output.write([*records, self._summary.end_of_file(end)])
        except BaseException:
            del listed[before:]
            raise
        self._data_end = position
        self._output.flush(sync=sync)

    def forget_unwritten(self) -> None:
        """Let go of all messages that are not in the file."""
        self._packer.close()
        self._chunk, self._listed = bytearray(), {}

    def give_back(self, size: int) -> bool:
        """Take chunks at the end out of the file again, and its summary if there is one.

        Metadata behind them are written anew, which needs room, too.

        Args:
            size: Bytes of chunks that should come free by it, at least.

        Returns:
            Whether a chunk was left to be taken out.
        """
        chunks = self._summary.chunks
        had = bool(chunks)
        end = cut = self._output.position if self._data_end is None else self._data_end
        self._data_end = None
        while chunks and end - cut < size:
            cut = self._summary.forget_last_chunk().chunk_start_offset
        kept = sum(each.offset < cut for each in self._summary.metadata)
        again = self._metadata[kept:]
        del self._summary.metadata[kept:], self._metadata[kept:]
        self._output.cut(cut)
        for name, data in again:
            self._write_metadata(name, data)
        return had

    def _list_of(self, channel: int) -> array[int]:
        listed = self._listed.get(channel)
        if listed is None:
            listed = self._listed[channel] = array('Q')
        return listed

    def _widen(self, first_ns: int, last_ns: int) -> None:
        """Take the times of messages into the span of the chunk in progress."""
        if not self._listed:
            self._first_ns, self._last_ns = first_ns, last_ns
            return
        self._first_ns = min(self._first_ns, first_ns)
        self._last_ns = max(self._last_ns, last_ns)

    def _end_chunk_if_full(self) -> None:
        if len(self._chunk) > self._chunk_size:
            self._end_chunk()

    def _end_chunk(self, piece: Any = b'') -> None:
        """Complete the chunk in progress; one without messages is kept for the next.

        Args:
            piece: The last records of the chunk, already listed, which lie elsewhere.
        """
        if not self._listed:
            return
        parts: list[Any] = [each for each in (self._chunk, piece) if len(each)]
        entries = {channel: each.tobytes() for channel, each in self._listed.items()}
        span = self._first_ns, self._last_ns
        self._chunk, self._listed = bytearray(), {}
        size = sum(map(len, parts))
        crc = 0
        if self._checksums:
            for part in parts:
                crc = crc32(part, crc)
        self._write_chunks(self._packer.put(Chunk(parts, size, crc, span, entries)))

    def _write_chunks(self, chunks: Iterator[Chunk]) -> None:
        """Write chunks, the message indexes behind each, and note both for the summary."""
        for parts, size, crc, span, entries in chunks:
            record = chunk_record(
                self._output.position,
                self._packer.name,
                sum(map(len, parts)),
                size=size,
                crc=crc,
                span=span,
                entries=entries,
            )
            self._output.write([record.head, *parts, record.indexes])
            counts = {channel: len(each) // ENTRY_SIZE for channel, each in entries.items()}
            self._summary.note_chunk(record.listing, counts)
