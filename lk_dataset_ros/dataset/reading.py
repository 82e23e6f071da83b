"""What can be read from the databases behind a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.selection import checked_list, checked_whole
from lk_dataset_ros.dataset.time import bound_ns
from lk_dataset_ros.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
    from lk_dataset_ros.message import Columns


class Reading:
    """The reading half of a `Dataset`: everything comes from the first database that can be read.

    Attributes:
        databases: What is behind the front.
    """

    databases: tuple[Database, ...]

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
        raise CapabilityError(f'no database of this dataset can be read now: {self._names}')

    @property
    def _names(self) -> str:
        return ', '.join(database.name for database in self.databases)

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
        """Return one message of a key, the last one when no index is given.

        Raises:
            KeyNotFoundError: If the key is not there.
            IndexError: If there is no message of that index.
            DatasetError: If the index is no integer.
        """
        return self._source.read(key, None if index is None else checked_whole('index', index))

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
        start: Any = None,
        stop: Any = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        every: int = 1,
    ) -> Columns:
        """Return a key's messages as arrays, one per field path.

        Args:
            key: Topic name.
            fields: Field paths that are wanted; all when left out. Others are not copied.
            start: First log time, float seconds or a ROS time.
            stop: First log time that is left out.
            start_ns: First log time in nanoseconds, instead of `start`.
            stop_ns: In nanoseconds, instead of `stop`.
            every: Take every n-th message, the first one included.

        Raises:
            KeyNotFoundError: If the key is not there, or its type has no such field.
            DatasetError: If `fields` is no list, or `every` is not positive.
        """
        return self._source.columns(
            key,
            fields=checked_list('fields', fields),
            start_ns=bound_ns('start', start, start_ns),
            stop_ns=bound_ns('stop', stop, stop_ns),
            every=checked_whole('every', every, least=1),
        )

    def column_batches(
        self,
        key: str,
        *,
        fields: Sequence[str] | None = None,
        start: Any = None,
        stop: Any = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> Iterator[Columns]:
        """Yield a key's messages as columns of bounded size, for what exceeds the memory.

        Args:
            key: Topic name.
            fields: As in `columns`.
            start: As in `columns`.
            stop: As in `columns`.
            start_ns: As in `columns`.
            stop_ns: As in `columns`.
            max_bytes: Serialized bytes of the messages in one of the columns; a single message
                may be larger.
        """
        return self._source.column_batches(
            key,
            fields=checked_list('fields', fields),
            start_ns=bound_ns('start', start, start_ns),
            stop_ns=bound_ns('stop', stop, stop_ns),
            max_bytes=checked_whole('max_bytes', max_bytes, least=1),
        )

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes of a key's messages, decoding none."""
        return self._source.heads(
            key, bound_ns('start', None, start_ns), bound_ns('stop', None, stop_ns)
        )

    def iterate(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[tuple[str, Any, int]]:
        """Yield `(key, message, log time in ns)` in order of log time."""
        return self._source.iterate(
            checked_list('keys', keys),
            bound_ns('start', None, start_ns),
            bound_ns('stop', None, stop_ns),
        )

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield serialized messages in order of log time."""
        return self._source.iterate_serialized(
            checked_list('keys', keys),
            bound_ns('start', None, start_ns),
            bound_ns('stop', None, stop_ns),
        )

    def __getitem__(self, key: str) -> list[Any]:
        """Return all messages of a key."""
        return self.read_all(key)

    def __contains__(self, key: object) -> bool:
        """Tell whether a key is there."""
        return key in self.keys()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self.keys())

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self.keys())
