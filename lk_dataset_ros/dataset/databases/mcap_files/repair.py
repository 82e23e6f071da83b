"""Find what of a cut or damaged MCAP file can be kept, and what has to be written anew."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from mcap.exceptions import McapError
from mcap.records import Header, Metadata

from lk_dataset_ros.dataset.databases.mcap_files.assembly import (
    Assembly,
    Kept,
    counts_of_entries,
    entry,
    span_of_entries,
)
from lk_dataset_ros.dataset.databases.mcap_files.batches import message_index_at
from lk_dataset_ros.dataset.databases.mcap_files.checksum import crc32
from lk_dataset_ros.dataset.databases.mcap_files.chunk_record import message_indexes
from lk_dataset_ros.dataset.databases.mcap_files.chunks import records_of
from lk_dataset_ros.dataset.databases.mcap_files.index import is_summary_intact, read_summary
from lk_dataset_ros.dataset.databases.mcap_files.indexed import indexed
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    ATTACHMENT,
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    HEADER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    METADATA,
    RECORD,
    SCHEMA,
    read_metadata,
)
from lk_dataset_ros.dataset.databases.mcap_files.summary import Summary, record_bytes
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator, Mapping

    from lk_dataset_ros.dataset.databases.mcap_files.batches import Found
    from lk_dataset_ros.dataset.databases.mcap_files.chunks import Chunk, ChunkReader
    from lk_dataset_ros.dataset.databases.mcap_files.index import Index
    from lk_dataset_ros.dataset.databases.mcap_files.records import Buffer

#: Opcodes from here on are of others, and none of our business.
_PRIVATE: Final = 0x80
#: Bytes that are looked at, at once.
_PIECE: Final = 16 * 1024 * 1024
_FOOTER_BODY: Final = 20
_DATA_END_SIZE: Final = RECORD.size + 4
#: Name of the metadata record in which rosbag2 tells of the file as a whole.
_TOLD: Final = 'rosbag2'


class Repair:
    """Looks through a damaged file, and puts a whole one together.

    Args:
        reader: The chunks of the damaged file.

    Attributes:
        whole: The whole file, up to the end of its data.
        problems: What is wrong with the file; empty if there is nothing to repair.
        left_out: Bytes of the file's data that are not kept, nor the messages in them.
        rescued: Messages out of a chunk that is cut.
        records: Name and content of its metadata records.
    """

    def __init__(self, reader: ChunkReader) -> None:
        self.whole = Assembly()
        self.problems: list[str] = []
        self.left_out = 0
        self.rescued = 0
        self.records: list[tuple[str, dict[str, str]]] = []
        self._reader = reader
        self._file = reader.file
        self._loose = False
        self._known = read_summary(reader.file)
        self._landmarks = [] if self._known is None else _landmarks(self._known, reader.file)
        self.whole.keep(0, len(MAGIC))
        self._walk()
        self._check_summary()

    @property
    def is_at_end(self) -> bool:
        """Whether it takes no more than another end to repair the file."""
        return not any(isinstance(step, Kept) for step in self.whole.steps[1:])

    def end(self, tell: Callable[[Summary], Mapping[str, str]]) -> bytes:
        """Return what stands behind the steps: the last metadata and the summary.

        Args:
            tell: Returns what rosbag2's metadata record says of the file.
        """
        if any(name == _TOLD for name, _ in self.records):
            # A recorder before ROS 2 Iron: by its record readers know how it writes QoS.
            return self.whole.summary.end_of_file(self.whole.size)
        record = record_bytes(Metadata(name=_TOLD, metadata=dict(tell(self.whole.summary))))
        self.whole.list_metadata(_TOLD, len(record))
        return record + self.whole.summary.end_of_file(self.whole.size + len(record))

    def _walk(self) -> None:
        position, size = len(MAGIC), len(self._file)
        if not self._has_header():
            self.whole.insert(record_bytes(Header('ros2', 'lk_dataset_ros')))
        while True:
            if position + RECORD.size > size:
                self._cut(position)
                return
            opcode, length = RECORD.unpack_from(self._file, position)
            end = position + RECORD.size + length
            if opcode == DATA_END and length == 4 and end <= size:
                self._check_data(position)
                return
            if opcode == CHUNK:
                after = self._chunk(position, min(end, size))
                if after is None:
                    return
                end = after
            elif end > size or opcode in (0, FOOTER, DATA_END):
                resumed = self._landmark_after(position)
                if resumed is None:
                    self._cut(position)
                    return
                reason = f'the record at byte {position} is damaged and left out'
                self._leave_out(position, resumed, reason)
                end = resumed
            else:
                self._record(opcode, position, end)
            self._reader.forget(position, end)
            position = end

    def _has_header(self) -> bool:
        if len(self._file) < len(MAGIC) + RECORD.size:
            return False
        opcode, length = RECORD.unpack_from(self._file, len(MAGIC))
        return bool(opcode == HEADER and len(MAGIC) + RECORD.size + length <= len(self._file))

    def _check_data(self, end: int) -> None:
        """Compare the checksum over all data, which few writers make."""
        (expected,) = struct.unpack_from('<I', self._file, end + RECORD.size)
        found = 0
        if expected:
            for start in range(0, end, _PIECE):
                found = crc32(self._reader.view[start : min(start + _PIECE, end)], found)
        if found != expected:
            self.problems.append('the checksum over all its data is wrong')

    def _cut(self, position: int) -> None:
        size = len(self._file)
        self.problems.append(f'it is cut or damaged at byte {position} of {size}')
        self.left_out += size - position

    def _landmark_after(self, position: int) -> int | None:
        """Return the next place at which the old summary says that there is a record."""
        return next((place for place in self._landmarks if place > position), None)

    def _leave_out(self, start: int, stop: int, reason: str) -> None:
        self.problems.append(reason)
        self.left_out += stop - start

    def _record(self, opcode: int, start: int, end: int) -> None:
        """Keep a record outside of chunks, or leave it out."""
        body = self._reader.view[start + RECORD.size : end]
        try:
            if opcode in (SCHEMA, CHANNEL):
                self.whole.define(opcode, body)
            elif opcode == MESSAGE:
                channel, _, log_time, _ = MESSAGE_HEAD.unpack_from(body)
                self.whole.summary.counts[channel] = self.whole.summary.counts.get(channel, 0) + 1
                self.whole.summary.note_span(log_time, log_time)
                self._loose = True
            elif opcode == METADATA:
                if not self._metadata(start, end):
                    return
            elif opcode == ATTACHMENT:
                self.whole.list_attachment(bytes(body), end - start)
            elif opcode != HEADER and opcode < _PRIVATE:
                raise BagFormatError(f'opcode {opcode} does not belong there')
        except (struct.error, ValueError, IndexError, McapError) as error:
            reason = f'the record at byte {start} is damaged ({error}) and left out'
            self._leave_out(start, end, reason)
            return
        self.whole.keep(start, end)

    def _metadata(self, start: int, end: int) -> bool:
        found = read_metadata(self._file, start)
        if found is None:
            raise BagFormatError('no text')
        name, entries = found
        if name == _TOLD and 'serialized_metadata' in entries:
            # It is written anew.
            return False
        self.records.append(found)
        self.whole.list_metadata(name, end - start)
        return True

    def _chunk(self, start: int, end: int) -> int | None:
        """Keep a chunk; return where to go on, None at the end of the file."""
        resumed = self._landmark_after(start)
        try:
            chunk = self._reader.chunk(start)
            if chunk is None:
                self._cut(start)
                return None
            resumed = None if not chunk.is_cut else resumed
            data = self._reader.unpack(chunk)
            if chunk.is_cut and resumed is None:
                self._cut(start)
                self._rescue(chunk, data)
                return None
            if resumed is not None:
                raise BagFormatError(f'{chunk.where} is damaged (it exceeds the file)')
            return self._whole_chunk(chunk, data, end)
        except (BagFormatError, struct.error, UnicodeDecodeError, IndexError) as error:
            after = self._behind_indexes(end if resumed is None else resumed)
            self._leave_out(start, after, f'{_reason(error)}: it is left out')
            if self._known is not None:
                self.whole.define_again(self._known)
            return after

    def _whole_chunk(self, chunk: Chunk, data: Buffer, end: int) -> int:
        found = indexed(self._file, data, end)
        if found is not None:
            for opcode, body in found.definitions:
                self.whole.define(opcode, body)
            moved = self.whole.keep(chunk.offset, found.end)
            self.whole.list_chunk(
                chunk,
                chunk.offset + moved,
                indexes_length=found.end - end,
                places={channel: place + moved for channel, place in found.places.items()},
                counts={channel: len(each.start) for channel, each in found.messages.items()},
                span=_span_of(found.messages),
            )
            return found.end
        entries, _ = self._listed(chunk, data, self._reader.records_in(chunk, data))
        self.problems.append(f'the chunk at byte {chunk.offset} has no whole index: it gets one')
        moved = self.whole.keep(chunk.offset, end)
        indexes, places = message_indexes(end + moved, entries)
        self.whole.insert(indexes)
        self.whole.list_chunk(
            chunk,
            chunk.offset + moved,
            indexes_length=len(indexes),
            places=places,
            counts=counts_of_entries(entries),
            span=span_of_entries(entries),
        )
        return self._behind_indexes(end)

    def _behind_indexes(self, position: int) -> int:
        """Return where the message indexes at a place end."""
        while (listed := message_index_at(self._file, position)) is not None:
            position = listed[1]
        return position

    def _listed(
        self, chunk: Chunk, data: Buffer, records: Iterator[tuple[int, int, int]]
    ) -> tuple[dict[int, bytes], int]:
        """List the messages among the records of a chunk, and where the last record ends."""
        entries: dict[int, bytearray] = {}
        end = 0
        for opcode, start, length in records:
            if chunk.is_cut and opcode not in (SCHEMA, CHANNEL, MESSAGE):
                break
            if opcode == MESSAGE:
                if length < MESSAGE_HEAD.size:
                    raise BagFormatError(f'{chunk.where} has a message shorter than its header')
                channel, _, log_time, _ = MESSAGE_HEAD.unpack_from(data, start)
                listed = entries.setdefault(channel, bytearray())
                listed += entry(log_time, start - RECORD.size)
            else:
                self.whole.define(opcode, data[start : start + length])
            end = start + length
        return {channel: bytes(each) for channel, each in entries.items()}, end

    def _rescue(self, chunk: Chunk, data: Buffer) -> None:
        """Write the messages that are whole in a chunk that is cut as a chunk of their own."""
        entries, end = self._listed(chunk, data, records_of(data))
        if entries:
            self.whole.add_chunk(chunk.compression, bytes(data[:end]), entries)
            self.rescued = sum(counts_of_entries(entries).values())

    def _check_summary(self) -> None:
        """Compare what was found with what the file says of itself."""
        lost = self.whole.summary.counts.keys() - self.whole.summary.channels.keys()
        for channel in sorted(lost):
            self.problems.append(
                f'{self.whole.summary.counts[channel]} messages are of the channel {channel}, whose '
                'definition is lost: they cannot be read'
            )
        if self.problems:
            return
        known = self._known
        if known is None:
            # A file without chunks has a summary that readers have little use for.
            if not (self._loose and is_summary_intact(self._file)):
                self.problems.append('it has no summary, or one that is damaged')
            return
        counts = {channel: count for channel, count in known.counts.items() if count}
        offsets = [each.offset for each in known.chunks]
        found = [each.chunk_start_offset for each in self.whole.summary.chunks]
        if self._loose or counts != self.whole.summary.counts or sorted(offsets) != found:
            self.problems.append('its summary does not list what is in it')


def _landmarks(known: Index, data: mmap.mmap) -> list[int]:
    """Return where a summary says that chunks begin and the data end."""
    (start,) = struct.unpack_from('<Q', data, len(data) - len(MAGIC) - _FOOTER_BODY)
    return sorted([*(each.offset for each in known.chunks), start - _DATA_END_SIZE])


def _reason(error: Exception) -> str:
    """Return what an error of a chunk says, without the path before it."""
    text = str(error)
    return text[text.find('the chunk at') :] if 'the chunk at' in text else text


def _span_of(messages: Mapping[int, Found]) -> tuple[int, int]:
    times = [each.log_time for each in messages.values() if len(each.log_time)]
    if not times:
        return 0, 0
    return min(int(each.min()) for each in times), max(int(each.max()) for each in times)
