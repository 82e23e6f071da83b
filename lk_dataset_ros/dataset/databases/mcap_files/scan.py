"""Find what is in an MCAP file without a believable summary, by going over its records."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.databases.mcap_files.index import ChunkRef, Index
from lk_dataset_ros.dataset.databases.mcap_files.indexed import Indexed, indexed
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    ATTACHMENT,
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    HEADER,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    METADATA,
    RECORD,
    SCHEMA,
    Buffer,
    parse_message,
    read_channel,
    read_schema,
)
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.databases.mcap_files.chunks import ChunkReader

#: Of a message index: channel and bytes of its entries.
_INDEX_BODY = struct.Struct('<HI')
_IN_DATA = (SCHEMA, CHANNEL, MESSAGE, CHUNK, ATTACHMENT, METADATA)


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
        #: First and last time in the chunk that is scanned.
        self._span: tuple[int, int] | None = None
        self._reader = reader
        self._data = reader.file
        position, size = len(MAGIC), len(self._data)
        previous = 0
        while True:
            if position + RECORD.size > size:
                self._cut_at(position)
                break
            opcode, length = RECORD.unpack_from(self._data, position)
            body = position + RECORD.size
            whole = body + length <= size
            if opcode == DATA_END and length == 4 and whole:
                break
            expected = whole and self._is_expected(opcode, previous, body, length)
            if opcode == CHUNK:
                self._chunk(position, body + length)
            elif expected and opcode == MESSAGE:
                self.index.loose.append((body, length))
                found = parse_message(self._data, body, length, (body, 0), reader.path)
                self.index.note(found.channel_id, 1, found.log_time, found.log_time)
            elif expected:
                self._definition(opcode, self._data[body : body + length], position)
            if not whole or opcode in (0, DATA_END, FOOTER):
                self._cut_at(position)
                break
            if not expected:
                self._warn(
                    f'{reader.path} may lack messages: the record at byte {position} has the '
                    f'opcode {opcode}, which does not belong there, and is left out'
                )
            reader.forget(position, min(body + length, size))
            position, previous = body + length, opcode
        for lost in sorted(self.index.counts.keys() - self.index.channels.keys()):
            self._warn(
                f'{reader.path} has {self.index.counts[lost]} messages of the channel {lost}, '
                'which it does not define: they are left out'
            )

    def _is_expected(self, opcode: int, previous: int, body: int, length: int) -> bool:
        """Tell whether a record may stand in the data section behind another one."""
        if opcode == HEADER:
            return previous == 0
        if opcode == MESSAGE_INDEX:
            return self._is_index(previous, body, length)
        return opcode in _IN_DATA and not (
            opcode == MESSAGE and self._is_index(previous, body, length)
        )

    def _is_index(self, previous: int, body: int, length: int) -> bool:
        """Tell whether a record has the form and the place of a message index."""
        if previous not in (CHUNK, MESSAGE_INDEX) or length < _INDEX_BODY.size:
            return False
        _, size = _INDEX_BODY.unpack_from(self._data, body)
        return bool(length == _INDEX_BODY.size + size)

    def _cut_at(self, position: int) -> None:
        self._warn(
            f'{self._reader.path} is cut or damaged at byte {position} of {len(self._data)}: '
            'what stands before is used'
        )

    def _warn(self, text: str) -> None:
        # What follows one damage is mostly caused by it.
        self.warning = self.warning or text

    def _note(self, channel: int, count: int, first: int, last: int) -> None:
        self.index.note(channel, count, first, last)
        span = self._span or (first, last)
        self._span = (min(span[0], first), max(span[1], last))

    def _chunk(self, offset: int, end: int) -> None:
        chunk = self._reader.chunk(offset)
        if chunk is None:
            return
        data = self._reader.unpack(chunk)
        self._span = None
        found = None if chunk.is_cut else indexed(self._data, data, end)
        if found is not None:
            self._take(found, offset)
        else:
            for opcode, start, length in self._reader.records_in(chunk, data):
                if opcode == MESSAGE:
                    one = parse_message(data, start, length, (offset, start), self._reader.path)
                    self._note(one.channel_id, 1, one.log_time, one.log_time)
                else:
                    self._definition(opcode, data[start : start + length], offset)
        # The times in the chunk's head are under no checksum.
        first, last = self._span or (chunk.start_ns, chunk.stop_ns)
        places, indexes_end = (None, 0) if found is None else (found.places, found.end)
        self.index.chunks.append(ChunkRef(first, last, offset, places, indexes_end))

    def _take(self, found: Indexed, offset: int) -> None:
        for opcode, body in found.definitions:
            self._definition(opcode, body, offset)
        for channel, each in found.messages.items():
            if len(each.log_time):
                first, last = int(each.log_time.min()), int(each.log_time.max())
                self._note(channel, len(each.log_time), first, last)

    def _definition(self, opcode: int, body: Buffer, offset: int) -> None:
        try:
            if opcode == METADATA:
                self.index.metadata.append(offset)
            elif opcode == SCHEMA:
                key, schema = read_schema(body)
                self.index.schemas[key] = schema
            elif opcode == CHANNEL:
                key, channel = read_channel(body)
                self.index.channels[key] = channel
                self.index.counts.setdefault(key, 0)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            raise BagFormatError(
                f'{self._reader.path}: the record at byte {offset} is damaged ({error})'
            ) from error
