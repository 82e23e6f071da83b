"""Read the messages of one topic of an MCAP file in batches, by the message indexes.

Chunks are unpacked and checked by a thread while the last ones are looked at. Records that are not
compressed are decoded where they are, in the file.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.batching import Buffers
from lk_dataset_ros.dataset.databases.mcap_files.batches import (
    Found,
    ahead,
    copied_out,
    index_offsets,
    is_sparse,
    joined,
    messages_at,
)
from lk_dataset_ros.dataset.databases.mcap_files.chunks import (
    TRUSTED_BYTES,
    UNCOMPRESSED_HEAD,
    Chunk,
)
from lk_dataset_ros.dataset.databases.mcap_files.records import MESSAGE_HEAD
from lk_dataset_ros.dataset.time import times_array
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.databases.mcap_files.chunks import ChunkReader
    from lk_dataset_ros.dataset.databases.mcap_files.index import ChunkRef, Index

    Part = tuple[NDArray[np.uint8], Found]
    Unpacked = tuple[NDArray[np.uint8], list[int]]

#: Bytes of chunks that are unpacked and decoded at once.
GROUP_BYTES = 4 * 1024 * 1024
#: The same for chunks that are read in the file itself, and how many messages are enough.
IN_FILE_BYTES = 16 * 1024 * 1024
IN_FILE_MESSAGES = 32768
#: The first group is small: what is learned from it makes the others fast.
FIRST_MESSAGES = 1024
#: A file whose chunks unpack to no more than this keeps those that hold several topics.
KEPT_BYTES = 128 * 1024 * 1024


class TopicReader:
    """Finds the messages of a channel.

    Args:
        reader: The file's chunks.
        index: What is in the file.
    """

    def __init__(self, reader: ChunkReader, index: Index) -> None:
        self._reader = reader
        self._index = index
        self._bytes = np.frombuffer(reader.file, np.uint8)
        self._buffers = Buffers()
        self._chunks: dict[int, Chunk] = {}
        #: Unpacked chunks by offset.
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._kept.clear()
        self._chunks.clear()
        self._bytes = np.empty(0, np.uint8)

    def is_in_file(self, buffer: NDArray[np.uint8]) -> bool:
        """Tell whether a buffer is the file itself."""
        return buffer is self._bytes

    def read(
        self, channel: int, start_ns: int, stop_ns: int, *, copy_out: bool
    ) -> Iterator[Part] | None:
        """Yield buffers and the messages found in each, in order of the file.

        Args:
            channel: The channel.
            start_ns: First log time.
            stop_ns: First log time that is left out.
            copy_out: Copy messages out of chunks that hold mostly others; their heads are lost.

        Returns:
            None where there are messages outside of chunks, or chunks without a whole index.
        """
        chunks = [
            chunk
            for chunk in self._index.chunks
            if chunk.end_time >= start_ns and chunk.start_time < stop_ns
        ]
        if self._index.loose or any(chunk.index_offsets is None for chunk in chunks):
            return None
        # An index that misses messages would lose them silently.
        listed = [each.get(channel, 0) for each in self._listed.values()]
        if min(listed, default=0) < 0 or sum(listed) != self._index.counts.get(channel, 0):
            return None
        chunks.sort(key=lambda each: each.offset)
        holding = [
            (chunk, entries)
            for chunk in chunks
            if (entries := self._listed[chunk.offset].get(channel, 0))
        ]
        return self._read(holding, channel, (start_ns, stop_ns), copy_out)

    def _read(
        self,
        chunks: list[tuple[ChunkRef, int]],
        channel: int,
        span: tuple[int, int],
        copy_out: bool,
    ) -> Iterator[Part]:
        for group, buffers in ahead(self._groups(chunks), self._unpack):
            parts = self._find(group, buffers, channel, copy_out)
            for buffer, found in parts:
                if len(found.start):
                    yield buffer, _within(found, *span)
            for chunk in group:
                self._reader.forget(chunk.offset, chunk.end)

    def _chunk(self, ref: ChunkRef) -> Chunk:
        known = self._chunks.get(ref.offset)
        if known is None:
            known = self._chunks[ref.offset] = self._reader.whole(ref.offset)
        return known

    def _groups(self, chunks: list[tuple[ChunkRef, int]]) -> Iterator[list[Chunk]]:
        """Yield chunks that are unpacked together: of one compression, not too much at once."""
        group: list[Chunk] = []
        size = messages = 0
        most = FIRST_MESSAGES
        for ref, entries in chunks:
            chunk = self._chunk(ref)
            limit = GROUP_BYTES if chunk.compression else IN_FILE_BYTES
            is_full = size + chunk.size > limit or messages >= most
            if group and (is_full or group[-1].compression != chunk.compression):
                yield group
                group, size, messages = [], 0, 0
                most = IN_FILE_MESSAGES
            group.append(chunk)
            size += chunk.size
            messages += entries
        if group:
            yield group

    def _unpack(self, group: list[Chunk]) -> tuple[list[Chunk], list[Unpacked]]:
        """Unpack and check chunks; runs in a thread.

        Returns:
            The chunks, and where their records are: several in one buffer, or each in its own.
        """
        if not group[0].compression:
            for chunk in group:
                self._reader.check_in_file(chunk)
            return group, [(self._bytes, [each.offset + UNCOMPRESSED_HEAD for each in group])]
        if self._is_shared(group):
            return group, [(self._kept_records(chunk), [0]) for chunk in group]
        sizes = [chunk.size for chunk in group]
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        if sum(sizes) > TRUSTED_BYTES:
            return group, [(np.frombuffer(self._reader.unpack(group[0]), np.uint8), [0])]
        buffer = self._buffers.take(sum(sizes))[: sum(sizes)]
        for chunk, start in zip(group, starts, strict=True):
            self._reader.unpack_into(chunk, buffer[start : start + chunk.size])
        return group, [(buffer, starts)]

    def _kept_records(self, chunk: Chunk) -> NDArray[np.uint8]:
        """Return the records of a chunk that holds several topics, each of which may be wanted."""
        data = self._kept.get(chunk.offset)
        if data is None:
            data = np.empty(chunk.size, np.uint8)
            self._reader.unpack_into(chunk, data)
            self._kept[chunk.offset] = data
        return data

    def _find(
        self, group: list[Chunk], buffers: list[Unpacked], channel: int, copy_out: bool
    ) -> list[Part]:
        """Find the messages of a channel in unpacked chunks."""
        parts: list[Part] = []
        first = 0
        for buffer, starts in buffers:
            chunks = group[first : first + len(starts)]
            first += len(starts)
            data, found = self._found_in(buffer, chunks, starts, channel)
            sparse = copy_out and not self.is_in_file(data) and is_sparse(found, len(data))
            parts.append(copied_out(data, found) if sparse else (data, found))
        size = sum(len(buffer) for buffer, _ in parts)
        if len(parts) < 2 or not copy_out or size > GROUP_BYTES:
            return parts
        begins = np.cumsum([0, *(len(buffer) for buffer, _ in parts)]).tolist()
        shifted = [
            found._replace(start=found.start + begin)
            for (_, found), begin in zip(parts, begins, strict=False)
        ]
        return [(np.concatenate([buffer for buffer, _ in parts]), joined(shifted))]

    def _found_in(
        self, buffer: NDArray[np.uint8], group: list[Chunk], starts: list[int], channel: int
    ) -> Part:
        """Find a channel's messages: by the indexes, or by a walk where one lies."""
        offsets: list[NDArray[np.int64]] = []
        limits: list[NDArray[np.int64]] = []
        for chunk, start in zip(group, starts, strict=True):
            ref = self._refs[chunk.offset]
            assert ref.index_offsets is not None
            listed = index_offsets(self._reader.file, ref.index_offsets[channel], channel)
            if listed is None or len(listed) != self._listed[chunk.offset][channel]:
                break
            offsets.append(listed + start)
            limits.append(np.full(len(listed), start + chunk.size))
        else:
            found = messages_at(buffer, np.concatenate(offsets), np.concatenate(limits), channel)
            if found is not None:
                return buffer, found
        walked = [
            self._walk(buffer[start : start + chunk.size], chunk, start, channel)
            for chunk, start in zip(group, starts, strict=True)
        ]
        found = joined(walked)
        expected = sum(self._listed[chunk.offset][channel] for chunk in group)
        if len(found.start) != expected:
            raise BagFormatError(
                f'{self._reader.path}: the message indexes from byte {group[0].offset} on list '
                f'{expected} messages of channel {channel}; there are {len(found.start)}'
            )
        return buffer, found

    def _walk(self, data: NDArray[np.uint8], chunk: Chunk, shift: int, channel: int) -> Found:
        records = memoryview(data)  # type: ignore[arg-type]
        rows = [
            (message.position[1] + MESSAGE_HEAD.size + shift, len(message.data), message.log_time)
            for message in self._reader.messages_in(chunk, records)
            if message.channel_id == channel
        ]
        start, length, times = zip(*rows, strict=True) if rows else ((), (), ())
        log_time = times_array(chunk.where, times)
        return Found(np.array(start, np.int64), np.array(length, np.int64), log_time)

    def _is_shared(self, group: list[Chunk]) -> bool:
        """Tell whether chunks hold several topics and all of the file fits into memory."""
        return self._is_small and any(
            len(self._refs[each.offset].index_offsets or ()) > 1 for each in group
        )

    @cached_property
    def _is_small(self) -> bool:
        sizes = (self._chunk(ref).size for ref in self._index.chunks)
        return all(total <= KEPT_BYTES for total in accumulate(sizes))

    @cached_property
    def _listed(self) -> dict[int, dict[int, int]]:
        """How many messages of each channel there are, by the offset of the chunk."""
        return {ref.offset: ref.listed() for ref in self._index.chunks}

    @cached_property
    def _refs(self) -> dict[int, ChunkRef]:
        """What the index says of the chunk at an offset."""
        return {ref.offset: ref for ref in self._index.chunks}


def _within(found: Found, start_ns: int, stop_ns: int) -> Found:
    """Return the messages within a span of time."""
    times = found.log_time
    if start_ns <= times.min() and times.max() < stop_ns:
        return found
    inside = (times >= start_ns) & (times < stop_ns)
    return Found(*(each[inside] for each in found))
