"""Write a rosbag2 bag: one MCAP file and its `metadata.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.databases.mcap_files.writer import Compression, McapWriter
from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.records import Topic
from lk_dataset_ros.errors import (
    BagExistsError,
    BagTimeError,
    BagWriteError,
    KeyNotFoundError,
    MessageTypeError,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.records import SerializedMessage
    from lk_dataset_ros.message import Batch, Schema

#: No time is later.
FOREVER_NS = 2**64


class BagWriter:
    """A bag being written, in one file."""

    def __init__(self, path: Path, compression: Compression, chunk_size: int) -> None:
        self._path = path
        self._file_name = f'{path.name}_0.mcap'
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise BagExistsError(f'{path} exists; a bag never overwrites anything') from error
        except OSError as error:
            raise BagWriteError(f'{path} cannot be made: {error.strerror}') from error
        self._output = (path / self._file_name).open('wb')
        self._mcap = McapWriter(self._output, chunk_size=chunk_size, compression=compression)
        self._mcap.start(profile='ros2', library='lk_dataset_ros')
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._channels: dict[str, int] = {}
        self._topics: dict[str, tuple[Schema, str]] = {}
        self._counts: dict[str, int] = {}
        self._start_ns: int | None = None
        self._end_ns = 0

    def topics(self) -> dict[str, Topic]:
        """Return the topics declared so far."""
        return {
            key: Topic(key, schema, qos, self._counts[key])
            for key, (schema, qos) in self._topics.items()
        }

    def declare(self, key: str, schema: Schema, qos: str) -> None:
        """Register schema and channel."""
        known = self._topics.get(key)
        if known is not None:
            if known[0].name != schema.name:
                raise MessageTypeError(f'{key} is {known[0].name}, it cannot take {schema.name}')
            return
        definition = (schema.name, schema.encoding, schema.text)
        if definition not in self._schemas:
            self._schemas[definition] = self._mcap.register_schema(
                schema.name, schema.encoding, schema.text.encode()
            )
        metadata = {'offered_qos_profiles': qos, 'topic_type_hash': schema.type_hash}
        self._channels[key] = self._mcap.register_channel(
            key, 'cdr', self._schemas[definition], metadata
        )
        self._topics[key] = (schema, qos)
        self._counts[key] = 0

    def write(self, message: SerializedMessage) -> None:
        """Add a message."""
        channel = self._channels.get(message.key)
        if channel is None:
            raise KeyNotFoundError(f'{message.key} was not declared')
        for time_ns in (message.log_time_ns, message.publish_time_ns):
            if not 0 <= time_ns < FOREVER_NS:
                raise BagTimeError(
                    f'{message.key}: a bag cannot hold the time {time_ns} ns; it starts at 0'
                )
        try:
            self._mcap.add_message(
                channel,
                message.log_time_ns,
                message.cdr,
                message.publish_time_ns,
                message.sequence & 0xFFFFFFFF,
            )
        except OSError as error:
            raise BagWriteError(f'{self._path} cannot be written: {error.strerror}') from error
        self._count(message.key, 1, message.log_time_ns, message.log_time_ns)

    def write_batch(
        self,
        key: str,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.uint32],
    ) -> None:
        """Add messages that have `McapWriter`'s prefix before each."""
        channel = self._channels.get(key)
        if channel is None:
            raise KeyNotFoundError(f'{key} was not declared')
        if not len(batch):
            return
        earliest = int(min(log_time_ns.min(), publish_time_ns.min()))
        if earliest < 0:
            raise BagTimeError(f'{key}: a bag cannot hold the time {earliest} ns; it starts at 0')
        try:
            self._mcap.add_messages(channel, batch, log_time_ns, publish_time_ns, sequence)
        except OSError as error:
            raise BagWriteError(f'{self._path} cannot be written: {error.strerror}') from error
        self._count(key, len(batch), int(log_time_ns.min()), int(log_time_ns.max()))

    def _count(self, key: str, count: int, first_ns: int, last_ns: int) -> None:
        self._counts[key] += count
        self._start_ns = first_ns if self._start_ns is None else min(self._start_ns, first_ns)
        self._end_ns = max(self._end_ns, last_ns)

    def flush(self) -> None:
        """Complete the chunk in progress and hand all to the system."""
        try:
            self._mcap.flush()
        except OSError as error:
            raise BagWriteError(f'{self._path} cannot be written: {error.strerror}') from error

    def close(self) -> None:
        """Write what is left, the summary and `metadata.yaml`."""
        start_ns = self._start_ns or 0
        file = metadata.BagFile(
            self._file_name,
            start_ns,
            self._end_ns - start_ns if self._start_ns is not None else 0,
            sum(self._counts.values()),
        )
        information = metadata.information_of([file], list(self.topics().values()))
        try:
            self._mcap.add_metadata('rosbag2', {'serialized_metadata': metadata.dump(information)})
            self._mcap.finish()
            self._output.close()
            # The file has its own copy without the outer key: `ros2 bag play` wants it so.
            metadata.write_atomically(
                self._path / metadata.METADATA, metadata.dump({metadata.OUTER_KEY: information})
            )
        except OSError as error:
            raise BagWriteError(f'{self._path} cannot be finished: {error.strerror}') from error
