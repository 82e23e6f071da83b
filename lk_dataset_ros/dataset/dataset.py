"""The front end: one dataset, any number of databases behind it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Literal

from lk_dataset_ros.dataset.databases import McapDatabase, MemoryDatabase
from lk_dataset_ros.dataset.time import to_ns
from lk_dataset_ros.errors import CapabilityError, LkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
    from lk_dataset_ros.message import Columns, Schema

_LOG = logging.getLogger('lk_dataset_ros.Dataset')


class Dataset:
    """Messages by key (a topic name) and time.

    Made like a logger: writes go to every database behind it that can be written, reads come
    from the first that can be read.

        >>> dataset = Dataset.create('memory')
        >>> dataset.write('/count', new_message('std_msgs/msg/Int32'), timestamp=1.5)
        >>> dataset.timestamps('/count').tolist()
        [1500000000]

    Args:
        databases: What is behind the front; a `MemoryDatabase` when none is given.
    """

    def __init__(self, *databases: Database) -> None:
        self.databases: tuple[Database, ...] = databases or (MemoryDatabase(),)

    @classmethod
    def create(
        cls, kind: Literal['memory', 'mcap'], path: str | PathLike[str] | None = None
    ) -> Dataset:
        """Make a new dataset over one database.

        Args:
            kind: `memory`, or `mcap` for a rosbag2 bag.
            path: Where, for a kind that is stored; it must not exist.

        Raises:
            BagExistsError: If there is something at the path.
            ValueError: If the kind is unknown, or a path is missing.
        """
        if kind == 'memory':
            return cls(MemoryDatabase())
        if kind == 'mcap':
            if path is None:
                raise ValueError('a dataset of kind mcap needs a path')
            return cls(McapDatabase(path, 'w'))
        raise ValueError(f'there is no kind of database {kind!r}; there is memory, mcap')

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Dataset:
        """Open what is at a path: a rosbag2 directory or a bare `.mcap` file.

        Raises:
            BagNotFoundError: If there is nothing.
            BagFormatError: If it cannot be read.
        """
        dataset = cls(McapDatabase(path, 'r'))
        for warning in dataset.warnings:
            _LOG.warning(warning)
        return dataset

    @property
    def name(self) -> str:
        """What messages call this dataset."""
        return self.databases[0].name

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the content, such as a cut file."""
        return self._source.warnings

    @property
    def _source(self) -> Database:
        for database in self.databases:
            if database.can_read:
                return database
        raise CapabilityError(f'no database of this dataset can be read now: {self!r}')

    def empty(self) -> Dataset:
        """Make an empty dataset in memory."""
        return Dataset(MemoryDatabase())

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type, for types that are not common ROS 2 types."""
        self._for_each(lambda database: database.declare(key, schema, qos))

    def write(
        self, key: str, value: Any, timestamp: Any = None, *, timestamp_ns: int | None = None
    ) -> None:
        """Store a message in every database.

        Args:
            key: Topic name.
            value: A message object.
            timestamp: Float seconds or a ROS time.
            timestamp_ns: Nanoseconds, instead; the time of day when neither is given.

        Raises:
            MessageTypeError: If the message is not of the key's type.
            LkError: If no database took it.
        """
        if timestamp is not None:
            timestamp_ns = to_ns(timestamp)
        time_ns = time.time_ns() if timestamp_ns is None else timestamp_ns
        self._for_each(lambda database: database.write(key, value, timestamp_ns=time_ns))

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key in every database."""
        self._for_each(
            lambda database: database.write_serialized(
                key, cdr, log_time_ns, publish_time_ns, sequence
            )
        )

    def _for_each(self, action: Any) -> None:
        """Do something with each database; a failing one does not stop the others."""
        failed: list[LkError] = []
        writable = [database for database in self.databases if database.can_write]
        for database in writable:
            try:
                action(database)
            except LkError as error:
                failed.append(error)
        if not writable:
            raise CapabilityError(f'no database of this dataset can be written: {self!r}')
        if len(failed) == len(writable):
            raise failed[0]
        for each in failed:
            _LOG.error('%s', each)

    def keys(self) -> list[str]:
        """Return the keys."""
        return self._source.keys()

    def topics(self) -> dict[str, Topic]:
        """Return type, QoS and message count of each key."""
        return self._source.topics()

    def topic(self, key: str) -> Topic:
        """Return what is known of a key.

        Raises:
            KeyNotFoundError: If the key is not there.
        """
        return self._source.topic(key)

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        return self._source.time_range_ns()

    def read(self, key: str, index: int | None = None) -> Any:
        """Return one message of a key, the last one when no index is given."""
        return self._source.read(key, index)

    def read_all(self, key: str) -> list[Any]:
        """Return all messages of a key in time order."""
        return self._source.read_all(key)

    def timestamps(self, key: str) -> NDArray[np.int64]:
        """Return the log times of a key's messages, int64 nanoseconds, shape (n,)."""
        return self._source.timestamps(key)

    def columns(
        self,
        key: str,
        *,
        fields: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        every: int = 1,
    ) -> Columns:
        """Return a key's messages as arrays, one per field path.

        Args:
            key: Topic name.
            fields: Field paths that are wanted; all when left out. Others are not copied.
            start_ns: First log time.
            stop_ns: First log time that is left out.
            every: Take every n-th message, the first one included.
        """
        return self._source.columns(
            key, fields=fields, start_ns=start_ns, stop_ns=stop_ns, every=every
        )

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes of a key's messages, decoding none."""
        return self._source.heads(key, start_ns, stop_ns)

    def iterate(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[tuple[str, Any, int]]:
        """Yield `(key, message, log time in ns)` in order of log time."""
        return self._source.iterate(keys, start_ns, stop_ns)

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield serialized messages in order of log time."""
        return self._source.iterate_serialized(keys, start_ns, stop_ns)

    def compare(self, other: Dataset, **options: Any) -> DatasetComparison:
        """Compare with another dataset; see `lk_dataset_ros.comparison.compare`."""
        from lk_dataset_ros.comparison import compare  # noqa: PLC0415

        return compare(self, other, **options)

    def diffdiff(
        self, other: Dataset, path: str | PathLike[str] = 'diffdiff.txt', **options: Any
    ) -> DatasetComparison:
        """Compare with another dataset and write the text file of all the differences."""
        from lk_dataset_ros.comparison import diffdiff  # noqa: PLC0415

        return diffdiff(self, other, path, **options)

    def flush(self) -> None:
        """Hand everything written so far to the storages."""
        for database in self.databases:
            database.flush()

    def close(self) -> None:
        """Finish every database."""
        for database in self.databases:
            database.close()

    def __getitem__(self, key: str) -> list[Any]:
        """Return all messages of a key."""
        return self.read_all(key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Write a message at the time of day."""
        self.write(key, value)

    def __contains__(self, key: object) -> bool:
        """Tell whether a key is there."""
        return key in self.keys()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self.keys())

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self.keys())

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Tell keys, types and counts."""
        names = ', '.join(database.name for database in self.databases)
        readable = [database for database in self.databases if database.can_read]
        if not readable:
            return f'<Dataset {names}>'
        topics = ', '.join(
            f'{topic.name} {topic.schema.name} {topic.count}'
            for topic in readable[0].topics().values()
        )
        return f'<Dataset {names}: {topics or "empty"}>'
