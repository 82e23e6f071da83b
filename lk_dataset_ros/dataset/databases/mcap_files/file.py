"""Read one MCAP file: by its summary where there is one, by a scan where there is none.

Everything read is untrusted: every length is checked against what is there before it is used. A
file that was cut (a killed recorder, a broken copy) gives everything up to the cut, the readable
part of a compressed chunk included.
"""

from __future__ import annotations

import contextlib
import heapq
import mmap
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.databases.mcap_files.batches import heads_of
from lk_dataset_ros.dataset.databases.mcap_files.chunks import ChunkReader
from lk_dataset_ros.dataset.databases.mcap_files.index import read_summary
from lk_dataset_ros.dataset.databases.mcap_files.records import (
    MAGIC,
    McapChannel,
    McapMessage,
    McapSchema,
    parse_message,
    read_metadata,
)
from lk_dataset_ros.dataset.databases.mcap_files.scan import Scan
from lk_dataset_ros.dataset.databases.mcap_files.topic import TopicReader
from lk_dataset_ros.errors import BagFormatError
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.databases.mcap_files.index import Index
    from lk_dataset_ros.dataset.records import Heads


class McapFile:
    """One MCAP file, open for reading.

    Args:
        path: The file.

    Raises:
        BagFormatError: If it is not an MCAP file.

    Attributes:
        warning: What is wrong with the file although it can be read, or empty.
    """

    def __init__(self, path: Path) -> None:
        self.warning = ''
        with path.open('rb') as file:
            head = file.read(len(MAGIC))
            if head != MAGIC:
                raise BagFormatError(f'{path} is not an MCAP file (it starts with {head!r})')
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._chunks = ChunkReader(path, self._data)
        self._topics: TopicReader | None = None
        try:
            self._index = self._find()
            self._topics = TopicReader(self._chunks, self._index)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """What messages call the file; that of a packed one is told later."""
        return self._chunks.path

    @path.setter
    def path(self, path: Path) -> None:
        self._chunks.path = path

    def _find(self) -> Index:
        index = read_summary(self._data)
        if index is None:
            scan = Scan(self._chunks)
            index, self.warning = scan.index, scan.warning
        return index

    @property
    def schemas(self) -> dict[int, McapSchema]:
        """Schemas by id."""
        return self._index.schemas

    @property
    def channels(self) -> dict[int, McapChannel]:
        """Channels by id."""
        return self._index.channels

    @property
    def counts(self) -> dict[int, int]:
        """Number of messages by channel id."""
        return self._index.counts

    @property
    def time_range(self) -> tuple[int, int] | None:
        """First and last log time, or None for a file without messages."""
        if self._index.start_time is None or self._index.end_time is None:
            return None
        return self._index.start_time, self._index.end_time

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return name and content of the metadata records that can be read."""
        found = (read_metadata(self._data, at) for at in self._index.metadata)
        return [each for each in found if each is not None]

    def close(self) -> None:
        """Close the file."""
        if self._topics is not None:
            self._topics.close()
        # Somebody may still read what the view has handed out: the map goes with its last user.
        with contextlib.suppress(BufferError):
            self._chunks.view.release()
            self._data.close()

    def messages(
        self, channel_ids: Collection[int], start_ns: int, stop_ns: int
    ) -> Iterator[McapMessage]:
        """Yield the messages of some channels in order of log time.

        Args:
            channel_ids: The channels.
            start_ns: First log time.
            stop_ns: First log time that is left out.
        """
        wanted = set(channel_ids)
        heap: list[McapMessage] = [
            message
            for offset, length in self._index.loose
            if (message := self._message(offset, length)).channel_id in wanted
            and start_ns <= message.log_time < stop_ns
        ]
        heapq.heapify(heap)
        within = [
            ref
            for ref in self._index.chunks
            if ref.end_time >= start_ns and ref.start_time < stop_ns
        ]
        for ref in sorted(within, key=lambda each: each[:3]):
            while heap and heap[0].log_time < ref.start_time:
                yield heapq.heappop(heap)
            is_listed = ref.index_offsets is not None
            chunk = (self._chunks.whole if is_listed else self._chunks.chunk)(ref.offset)
            if chunk is None:
                continue
            for message in self._chunks.messages_in(chunk, self._chunks.unpack(chunk)):
                if not ref.start_time <= message.log_time <= ref.end_time:
                    raise BagFormatError(
                        f'{chunk.where} has a message of the time {message.log_time} ns; the '
                        f'summary says that it has {ref.start_time} to {ref.end_time} ns'
                    )
                if message.channel_id in wanted and start_ns <= message.log_time < stop_ns:
                    heapq.heappush(heap, message)
            self._chunks.forget(chunk.offset, chunk.end)
        while heap:
            yield heapq.heappop(heap)

    def batches(
        self, channel: int, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]] | None:
        """Yield the messages of a channel in batches, in order of the file.

        Returns:
            None where the file has messages outside of chunks, or chunks without a whole index.
        """
        assert self._topics is not None
        parts = self._topics.read(channel, start_ns, stop_ns, copy_out=True)
        if parts is None:
            return None
        in_file = self._check_length, self._chunks.drop
        return (
            (Batch(buffer, found.start, found.length, *lasting), found.log_time)
            for buffer, found in parts
            for lasting in [in_file if self._topics.is_in_file(buffer) else ()]
        )

    def _check_length(self) -> None:
        """Refuse to read on in a file that was cut: the system would kill the process."""
        if self._data.size() < len(self._data):
            raise BagFormatError(f'{self.path} was cut while it was read')

    def heads(self, channel: int, start_ns: int, stop_ns: int) -> Iterator[Heads] | None:
        """Yield times, sequence numbers and sizes of a channel; None as for `batches`."""
        assert self._topics is not None
        parts = self._topics.read(channel, start_ns, stop_ns, copy_out=False)
        return None if parts is None else (heads_of(buffer, found) for buffer, found in parts)

    def _message(self, offset: int, length: int) -> McapMessage:
        return parse_message(self._data, offset, length, (offset, 0), self._chunks.path)
