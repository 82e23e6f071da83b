"""A rosbag2 bag in MCAP files: written for `ros2 bag info/play`, read from anywhere."""

from __future__ import annotations

import dataclasses
import heapq
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mcap.writer import CompressionType, Writer

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases import _rosbag2
from lk_dataset_ros.dataset.databases._mcap_file import McapFile
from lk_dataset_ros.dataset.records import SerializedMessage, Topic
from lk_dataset_ros.errors import (
    BagExistsError,
    BagFormatError,
    BagNotFoundError,
    BagTimeError,
    BagWriteError,
    KeyNotFoundError,
    MessageTypeError,
)
from lk_dataset_ros.message import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch

Compression = Literal['none', 'lz4', 'zstd']
_COMPRESSION = {
    'none': CompressionType.NONE,
    'lz4': CompressionType.LZ4,
    'zstd': CompressionType.ZSTD,
}
_FOREVER = 2**64


class McapDatabase(Database):
    """A rosbag2 bag.

    Args:
        path: For reading a bag's directory or a bare `.mcap` file; for writing a directory that
            is made.
        mode: `r` reads, `w` writes a new bag; by default what is there is read, and what is not
            is written.
        compression: Of the chunks, when writing.
        chunk_size: Bytes after which a chunk is handed to the file, when writing.

    Raises:
        BagNotFoundError: If there is nothing to read.
        BagExistsError: If there is something where a new bag should be.
        BagFormatError: If it is not a bag.
        BagWriteError: If the directory cannot be made.
    """

    is_persistent = True
    can_seek_time = True

    def __init__(
        self,
        path: str | PathLike[str],
        mode: Literal['r', 'w'] | None = None,
        *,
        compression: Compression = 'zstd',
        chunk_size: int = 1024 * 1024,
    ) -> None:
        self.path = Path(path)
        self._reader: _BagReader | None = None
        self._writer: _BagWriter | None = None
        if mode is None:
            mode = 'r' if self.path.exists() else 'w'
        if mode == 'r':
            self._reader = _BagReader(self.path)
        else:
            self._writer = _BagWriter(self.path, compression, chunk_size)

    @property
    def name(self) -> str:
        """The bag's path."""
        return str(self.path)

    @property
    def can_read(self) -> bool:  # type: ignore[override]
        """A bag can be read once it is written."""
        return self._reader is not None or self._writer is None

    @property
    def can_write(self) -> bool:  # type: ignore[override]
        """A bag is written once."""
        return self._writer is not None

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the files although they can be read."""
        return self._reader.warnings if self._reader is not None else []

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name."""
        if self._writer is not None:
            return self._writer.topics()
        return self._read().topics

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type."""
        self.check_writable()
        assert self._writer is not None
        self._writer.declare(key, schema, qos)

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key."""
        self.check_writable()
        assert self._writer is not None
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        self._writer.write(SerializedMessage(key, cdr, log_time_ns, sent_ns, sequence))

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time."""
        self.check_readable()
        chosen = self.keys() if keys is None else [self.topic(key).name for key in keys]
        first = 0 if start_ns is None else start_ns
        yield from self._read().iterate(
            set(chosen), first, _FOREVER if stop_ns is None else stop_ns
        )

    def batches(
        self, key: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Yield a key's serialized messages in batches, straight out of the chunks."""
        self.check_readable()
        first = 0 if start_ns is None else start_ns
        streams = self._read().batches(key, first, _FOREVER if stop_ns is None else stop_ns)
        yield from super().batches(key, start_ns, stop_ns) if streams is None else streams

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        self.check_readable()
        return self._read().time_range_ns

    def close(self) -> None:
        """Finish the bag: last chunk, summary, `metadata.yaml`."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.close()

    def _read(self) -> _BagReader:
        if self._reader is None:
            self._reader = _BagReader(self.path)
        return self._reader


class _BagReader:
    """The files of a bag as one."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise BagNotFoundError(f'there is no bag at {path}')
        self.warnings: list[str] = []
        paths = [path]
        if path.is_dir():
            paths, warning = _rosbag2.files_of_bag(path)
            self.warnings += [warning] if warning else []
        self._files: list[McapFile] = []
        #: Topic of each usable channel, by file.
        self._channels: list[dict[int, str]] = []
        try:
            for each in paths:
                self._files.append(McapFile(each))
            self.topics = self._collect()
        except OSError as error:
            self.close()
            raise BagFormatError(f'{path} cannot be read: {error.strerror or error}') from error
        except BaseException:
            self.close()
            raise
        self.warnings += [file.warning for file in self._files if file.warning]

    def _collect(self) -> dict[str, Topic]:
        """Collect the topics; a channel that is no ROS 2 topic is left out with a warning."""
        topics: dict[str, Topic] = {}
        for file in self._files:
            usable: dict[int, str] = {}
            for number, channel in sorted(file.channels.items()):
                name = channel.topic
                known = topics.get(name)
                try:
                    schema = _schema_of(file, number)
                    if known is not None and known.schema.name != schema.name:
                        raise BagFormatError(
                            f'{file.path}: topic {name} is {known.schema.name} and {schema.name}'
                        )
                except BagFormatError as error:
                    self.warnings.append(f'{error}: it is left out')
                    continue
                usable[number] = name
                count = file.counts.get(number, 0)
                if known is not None:
                    topics[name] = dataclasses.replace(known, count=known.count + count)
                else:
                    qos = channel.metadata.get('offered_qos_profiles', '')
                    topics[name] = Topic(name, schema, qos, count)
            self._channels.append(usable)
        return topics

    def iterate(self, keys: set[str], start_ns: int, stop_ns: int) -> Iterator[SerializedMessage]:
        """Yield messages of all files in order of log time."""

        def from_file(file: McapFile, usable: dict[int, str]) -> Iterator[SerializedMessage]:
            names = {number: topic for number, topic in usable.items() if topic in keys}
            for each in file.messages(names, start_ns, stop_ns):
                yield SerializedMessage(
                    names[each.channel_id],
                    each.data,
                    each.log_time,
                    each.publish_time,
                    each.sequence,
                )

        streams = [
            from_file(file, usable)
            for file, usable in zip(self._files, self._channels, strict=True)
        ]
        yield from heapq.merge(*streams, key=lambda message: message.log_time_ns)

    def batches(
        self, key: str, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]] | None:
        """Return the batches of all files; None if one of them has to be walked."""
        streams = [
            file.batches(number, start_ns, stop_ns)
            for file, usable in zip(self._files, self._channels, strict=True)
            for number, topic in usable.items()
            if topic == key
        ]
        if len(streams) > len(self._files) or None in streams:
            return None
        return chain.from_iterable(each for each in streams if each is not None)

    @property
    def time_range_ns(self) -> tuple[int, int] | None:
        """First and last log time, or None if there is no message."""
        ranges = [file.time_range for file in self._files if file.time_range]
        if not ranges:
            return None
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _schema_of(file: McapFile, number: int) -> Schema:
    channel = file.channels[number]
    where = f'{file.path}: topic {channel.topic}'
    if channel.message_encoding != 'cdr':
        raise BagFormatError(f'{where} has encoding {channel.message_encoding!r}; cdr is read')
    schema = file.schemas.get(channel.schema_id)
    if schema is None:
        raise BagFormatError(f'{where} has no schema')
    try:
        text = schema.data.decode()
    except UnicodeDecodeError as error:
        raise BagFormatError(f'{where} has a schema that is not text') from error
    type_hash = channel.metadata.get('topic_type_hash', '')
    return Schema(schema.name, text, schema.encoding, type_hash)


class _BagWriter:
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
        self._mcap = Writer(
            self._output, chunk_size=chunk_size, compression=_COMPRESSION[compression]
        )
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
            if not 0 <= time_ns < _FOREVER:
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
        self._counts[message.key] += 1
        time_ns = message.log_time_ns
        self._start_ns = time_ns if self._start_ns is None else min(self._start_ns, time_ns)
        self._end_ns = max(self._end_ns, time_ns)

    def close(self) -> None:
        """Write what is left, the summary and `metadata.yaml`."""
        start_ns = self._start_ns or 0
        file = _rosbag2.BagFile(
            self._file_name,
            start_ns,
            self._end_ns - start_ns if self._start_ns is not None else 0,
            sum(self._counts.values()),
        )
        information = _rosbag2.information_of([file], list(self.topics().values()))
        try:
            self._mcap.add_metadata('rosbag2', {'serialized_metadata': _rosbag2.dump(information)})
            self._mcap.finish()  # type: ignore[no-untyped-call]
            self._output.close()
            # The file has its own copy without the outer key: `ros2 bag play` wants it so.
            _rosbag2.write_atomically(
                self._path / _rosbag2.METADATA, _rosbag2.dump({_rosbag2.OUTER_KEY: information})
            )
        except OSError as error:
            raise BagWriteError(f'{self._path} cannot be finished: {error.strerror}') from error
