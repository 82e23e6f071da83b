"""Read the files of a bag as one."""

from __future__ import annotations

import dataclasses
import heapq
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.databases.rosbag2.bag_file import open_file
from lk_dataset_ros.dataset.databases.rosbag2.definitions import Definitions, as_event
from lk_dataset_ros.dataset.databases.rosbag2.own_record import own_record
from lk_dataset_ros.dataset.databases.rosbag2.packed import (
    ZSTD_MAGIC,
    MessageUnpacker,
    Scratch,
)
from lk_dataset_ros.dataset.databases.rosbag2.sqlite3_file import Sqlite3File
from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
from lk_dataset_ros.errors import BagFormatError, BagNotFoundError, LkError, MessageTypeError
from lk_dataset_ros.message import Schema, full_type_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.databases.rosbag2.bag_file import BagFile
    from lk_dataset_ros.message import Batch

#: Names by which recorders say that they had no definition of a type.
_UNKNOWN = ('', 'unknown')
#: Messages that room is made for at once, whatever a bag says.
_EXPECTED = 2**24


class BagReader:
    """The files of a bag as one.

    Args:
        path: A bag's directory or one file.
        types: Files and folders with definitions of types, for bags that have none inside.

    Raises:
        BagNotFoundError: If there is nothing.
        BagFormatError: If it cannot be read.

    Attributes:
        topics: The topics by name.
        warnings: What is wrong with the files although they can be read.
    """

    def __init__(self, path: Path, types: Sequence[str | PathLike[str]] = ()) -> None:
        if not path.exists():
            raise BagNotFoundError(f'there is no bag at {path}')
        self.path = path
        self._definitions = Definitions(types)
        self._scratch = Scratch()
        self._files: list[BagFile] = []
        #: Topic of each usable channel, by file.
        self._channels: list[dict[int, str]] = []
        try:
            self._content = metadata.content_of(path)
            self.warnings: list[str] = list(self._content.warnings)
            self._open_files()
            self.topics = self._collect()
        except OSError as error:
            self.close()
            if isinstance(error, LkError):
                raise
            raise BagFormatError(f'{path} cannot be read: {error.strerror or error}') from error
        except BaseException:
            self.close()
            raise
        self._scratch.forget()

    def _open_files(self) -> None:
        """Open the files; of several, those that can be."""
        first_error: BagFormatError | None = None
        for each in self._content.files:
            try:
                self._files.append(open_file(each, self._scratch))
            except BagFormatError as error:
                first_error = first_error or error
                self.warnings.append(f'{error}: this file is left out')
        if first_error is not None and not self._files:
            raise first_error
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
                    schema = self._schema_of(file, number)
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

    def _schema_of(self, file: BagFile, number: int) -> Schema:
        channel = file.channels[number]
        where = f'{file.path}: topic {channel.topic}'
        if channel.message_encoding != 'cdr':
            raise BagFormatError(f'{where} has encoding {channel.message_encoding!r}; cdr is read')
        listed, listed_hash = self._content.types.get(channel.topic, ('', ''))
        type_hash = channel.metadata.get('topic_type_hash', '') or listed_hash
        schema = file.schemas.get(channel.schema_id)
        if schema is None or (not schema.data and schema.encoding in _UNKNOWN):
            name = listed if schema is None else schema.name
            return self._known(where, name, type_hash, file)
        try:
            text = schema.data.decode()
        except UnicodeDecodeError as error:
            raise BagFormatError(f'{where} has a schema that is not text') from error
        text = as_event(schema.name, text)
        return Schema(_full(schema.name), text, schema.encoding, type_hash)

    def _known(self, where: str, name: str, type_hash: str, file: BagFile) -> Schema:
        """Return the definition of a type that the file does not define."""
        if not name:
            raise BagFormatError(f'{where} has no schema')
        distro = file.distro if isinstance(file, Sqlite3File) else ''
        found = self._definitions.find(name, type_hash, self._content.distro or distro)
        if found is None:
            raise BagFormatError(
                f'{where} is {name}, which the bag does not define (types=[...] may name its '
                '.msg file or package)'
            )
        return found

    def iterate(self, keys: set[str], start_ns: int, stop_ns: int) -> Iterator[SerializedMessage]:
        """Yield messages of all files in order of log time; a file is read when its time comes."""
        waiting = sorted(
            (file.time_range[0], place)
            for place, file in enumerate(self._files)
            if file.time_range is not None
            and file.time_range[1] >= start_ns
            and file.time_range[0] < stop_ns
        )
        waiting.reverse()
        #: Next message of each file that is being read: log time, place of the file, both.
        heap: list[tuple[int, int, SerializedMessage, Iterator[SerializedMessage]]] = []

        def advance(place: int, stream: Iterator[SerializedMessage]) -> None:
            message = next(stream, None)
            if message is not None:
                heapq.heappush(heap, (message.log_time_ns, place, message, stream))

        while heap or waiting:
            while waiting and (not heap or waiting[-1][0] <= heap[0][0]):
                _, place = waiting.pop()
                advance(place, self._of_file(place, keys, start_ns, stop_ns))
            if heap:
                _, place, message, stream = heapq.heappop(heap)
                yield message
                advance(place, stream)

    def _of_file(
        self, place: int, keys: set[str], start_ns: int, stop_ns: int
    ) -> Iterator[SerializedMessage]:
        file, usable = self._files[place], self._channels[place]
        names = {number: topic for number, topic in usable.items() if topic in keys}
        unpacker = self._unpacker(file)
        for each in file.messages(names, start_ns, stop_ns):
            data = each.data if unpacker is None else unpacker.one(each.data)
            yield SerializedMessage(
                names[each.channel_id], data, each.log_time, each.publish_time, each.sequence
            )

    def _unpacker(self, file: BagFile) -> MessageUnpacker | None:
        packed = self._content.packed_messages
        return None if packed is False else MessageUnpacker(file.path, always=packed is True)

    def batches(
        self, key: str, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]] | None:
        """Return the batches of all files; None if one of them has to be walked."""
        streams: list[Iterator[tuple[Batch, NDArray[np.int64]]]] = []
        for file, number in self._channels_of(key):
            stream = file.batches(number, start_ns, stop_ns)
            if stream is None or self._is_shared(key):
                return None
            unpacker = self._unpacker(file)
            streams.append(stream if unpacker is None else unpacker.batches(stream))
        return chain.from_iterable(streams)

    def heads(self, key: str, start_ns: int, stop_ns: int) -> Heads | None:
        """Return the heads of all files; None if the messages have to be looked at."""
        streams: list[Iterator[Heads]] = []
        for file, number in self._channels_of(key):
            found = None if self._is_packed(file) else file.heads(number, start_ns, stop_ns)
            if found is None or self._is_shared(key):
                return None
            streams.append(found)
        if not streams:
            return None
        # Into arrays that are large enough, where the bag does not lie: parts of them, each small,
        # would take as much once more, and go back to the system slowly.
        kinds = (np.int64, np.int64, np.uint32, np.int64)
        expected = min(self.topics[key].count, _EXPECTED)
        columns: list[NDArray[Any]] = [np.empty(expected, kind) for kind in kinds]
        count = 0
        for part in chain.from_iterable(streams):
            end = count + len(part)
            if end > len(columns[0]):
                columns = [
                    np.concatenate([each[:count], np.empty(end, each.dtype)]) for each in columns
                ]
            arrays = (part.log_time_ns, part.publish_time_ns, part.sequence, part.size)
            for column, values in zip(columns, arrays, strict=True):
                column[count:end] = values
            count = end
        log, sent, sequence, size = (each[:count] for each in columns)
        if bool((log[1:] >= log[:-1]).all()):
            return Heads(log, sent, sequence, size)
        order = np.argsort(log, kind='stable')
        return Heads(log[order], sent[order], sequence[order], size[order])

    def _is_packed(self, file: BagFile) -> bool:
        """Tell whether messages are compressed: by the first one if nothing else tells."""
        if self._content.packed_messages is not None:
            return self._content.packed_messages
        first = next(file.messages(list(file.channels), 0, 2**63), None)
        return first is not None and first.data.startswith(ZSTD_MAGIC)

    def _channels_of(self, key: str) -> list[tuple[BagFile, int]]:
        return [
            (file, number)
            for file, usable in zip(self._files, self._channels, strict=True)
            for number, topic in usable.items()
            if topic == key
        ]

    def _is_shared(self, key: str) -> bool:
        """Tell whether several channels of one file hold a key: their order is in a walk only."""
        return any(list(usable.values()).count(key) > 1 for usable in self._channels)

    @property
    def time_range_ns(self) -> tuple[int, int] | None:
        """First and last log time, or None if there is no message."""
        ranges = [file.time_range for file in self._files if file.time_range]
        if not ranges:
            return None
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return name and content of the metadata records of all files, in order."""
        return [each for file in self._files for each in file.metadata()]

    @property
    def custom_data(self) -> dict[str, str]:
        """What a user keeps with the bag; without `metadata.yaml` what the files tell of it."""
        return dict(self._content.custom_data or own_record(self.metadata()).custom_data)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
        self._scratch.forget()


def _full(name: str) -> str:
    """Return the full form of a type name that old recorders shortened."""
    try:
        return full_type_name(name)
    except MessageTypeError:
        return name
