"""The front end: one dataset, any number of databases behind it."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset import plain, selection
from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases import MemoryDatabase, PickleDatabase, registry
from lk_dataset_ros.dataset.fan_out import FanOut
from lk_dataset_ros.dataset.reading import Reading
from lk_dataset_ros.dataset.time import NS_PER_S, bound_ns
from lk_dataset_ros.errors import CapabilityError, DatasetError, MessageTypeError
from lk_dataset_ros.message import Schema, builtin_schema, codec_for, type_name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from lk_dataset_ros.comparison import DatasetComparison
    from lk_dataset_ros.dataset.fan_out import Failure
    from lk_dataset_ros.dataset.training.features import Selection
    from lk_dataset_ros.message import Column

_LOG = logging.getLogger('lk_dataset_ros.Dataset')


class Dataset(Reading):
    """Messages by key (a topic name) and time.

    Made like a logger: writes go to every database behind it that can be written, reads come
    from the first that can be read. A database that fails is reported, once per kind of failure,
    and remembered in `failures`; the others go on.

        >>> dataset = Dataset.create('memory')
        >>> dataset.write('/count', new_message('std_msgs/msg/Int32'), timestamp=1.5)
        >>> dataset.timestamps('/count').tolist()
        [1500000000]

    Args:
        databases: What is behind the front; a `MemoryDatabase` when none is given.

    Raises:
        DatasetError: If one is no database.
    """

    def __init__(self, *databases: Database) -> None:
        for each in databases:
            if not isinstance(each, Database):
                raise DatasetError(
                    f'{each!r} is no database; Dataset.load opens what is at a path'
                )
        self.databases: tuple[Database, ...] = databases or (MemoryDatabase(),)
        self._fan_out = FanOut()
        self._declared: dict[str, tuple[Schema, str]] = {}
        #: Keys that each database has taken.
        self._taken: list[set[str]] = [set() for _ in self.databases]

    @classmethod
    def create(
        cls, kind: str, location: str | PathLike[str] | None = None, **options: Any
    ) -> Dataset:
        """Make a new dataset over one database.

        Args:
            kind: `memory`, `pickle`, `mcap` (a rosbag2 bag), `reductstore`, `foxglove`, or one
                that another package brings.
            location: A path where nothing is yet, or a URL; `memory` has none.
            options: Of the kind, such as `compression` of `mcap`.

        Raises:
            BagExistsError: If there is something at the path.
            DatasetError: If the kind or an option is unknown, or the location is missing.
            CapabilityError: If another package's database cannot be loaded.
        """
        return cls(registry.make(kind, location, **options))

    @classmethod
    def load(cls, location: str | PathLike[str], **options: Any) -> Dataset:
        """Open what is at a path or URL, with the first kind of database that recognises it.

        Args:
            location: A rosbag2 folder, an `.mcap`, `.db3` or `.pkl` file, a URL.
            options: Of the kind of database.

        Raises:
            BagNotFoundError: If there is nothing at the path.
            DatasetFormatError: If no kind of database recognises it.
            LkError: If it cannot be read.
        """
        dataset = cls(registry.open_existing(location, **options))
        for warning in dataset.warnings:
            _LOG.warning('%s', warning)
        return dataset

    @staticmethod
    def from_dict(
        content: Mapping[str, Mapping[str, Any]], *, into: Dataset | None = None
    ) -> Dataset:
        """Make a dataset of plain Python and NumPy; `lk_dataset_ros.dataset.plain` has the form.

        Raises:
            DatasetFormatError: If the structure is not that of a dataset.
            MessageTypeError: If a message does not fit its type.
        """
        return plain.from_dict(content, Dataset() if into is None else into)

    def empty(self) -> Dataset:
        """Make an empty dataset in memory."""
        return Dataset(MemoryDatabase())

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What failed with one database while others went on, one entry per kind of failure."""
        return self._fan_out.failures

    def declare(self, key: str, schema: Schema | str, qos: str = '') -> None:
        """Announce a key and its type.

        `write` does so by itself for common ROS 2 types.

        Args:
            key: Topic name.
            schema: Definition of the type, or the name of a common ROS 2 type.
            qos: Offered QoS profiles as rosbag2 writes them.

        Raises:
            DatasetError: If the key is no text.
            MessageTypeError: If the type is not known, or the key is there with another one.
        """
        if not isinstance(key, str) or not key:
            raise DatasetError(f'key is {key!r}; give a topic name such as /odom')
        if not isinstance(schema, (Schema, str)):
            raise MessageTypeError(f'{schema!r} is no type; give a Schema, or a name')
        known = schema if isinstance(schema, Schema) else builtin_schema(schema)
        self._writing('declare', lambda index: self._declare(index, key, known, qos))
        self._declared.setdefault(key, (known, qos))

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
            BagTimeError: If the time is none, or beyond 64 bits.
            Exception: What the first database raised, if none took it.
        """
        time_ns = bound_ns('timestamp', timestamp, timestamp_ns)
        known = self._declared.get(key) or self._known(key)
        if known is None:
            self.declare(key, builtin_schema(type_name_of(value)))
            known = self._declared[key]
        # Encoded once, whatever the number of databases.
        cdr = codec_for(known[0]).encode(value)
        self.write_serialized(key, cdr, time.time_ns() if time_ns is None else time_ns)

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key in every database."""

        def write(index: int) -> None:
            database = self.databases[index]
            if key not in self._taken[index] and key in self._declared:
                self._declare(index, key, *self._declared[key])
            database.write_serialized(key, cdr, log_time_ns, publish_time_ns, sequence)

        self._writing('write', write)

    def write_columns(
        self, key: str, columns: Mapping[str, Column | NDArray[Any]], **options: Any
    ) -> None:
        """Encode many messages of a declared key at once and store them in every database.

        Args:
            key: Topic name.
            columns: `Columns`, or arrays by field path, first axis = message.
            options: `log_time_ns`, `publish_time_ns`, `sequence`; see `Database.write_columns`.
        """

        def write(index: int) -> None:
            if key not in self._taken[index] and key in self._declared:
                self._declare(index, key, *self._declared[key])
            self.databases[index].write_columns(key, columns, **options)

        self._writing('write', write)

    def _declare(self, index: int, key: str, schema: Schema, qos: str) -> None:
        self.databases[index].declare(key, schema, qos)
        self._taken[index].add(key)

    def _known(self, key: str) -> tuple[Schema, str] | None:
        """Return what a database has known of a key before it came behind this front."""
        for database in self.databases:
            if not database.can_write:
                continue
            with contextlib.suppress(Exception):  # One that fails is reported when written to.
                topic = database.topics()[key]
                self._declared[key] = (topic.schema, topic.qos)
                return self._declared[key]
        return None

    def _writing(self, action: str, call: Callable[[int], object]) -> None:
        writable = [index for index, database in enumerate(self.databases) if database.can_write]
        if not writable:
            raise CapabilityError(
                f'no database of this dataset can be written: {self._names}; '
                'Dataset.create makes a new one'
            )
        self._fan_out.each(action, self.databases, writable, call)

    def to_pytorch_dataset(self, inputs: Selection, outputs: Selection, **options: Any) -> Any:
        """Pair inputs with outputs for torch; see `training.to_pytorch_dataset`."""
        from lk_dataset_ros.dataset.training import to_pytorch_dataset  # noqa: PLC0415

        return to_pytorch_dataset(self, inputs, outputs, **options)

    def to_dataloader(self, inputs: Selection, outputs: Selection, **options: Any) -> Any:
        """Pair inputs with outputs as a torch DataLoader; see `training.to_dataloader`."""
        from lk_dataset_ros.dataset.training import to_dataloader  # noqa: PLC0415

        return to_dataloader(self, inputs, outputs, **options)

    def combine(
        self, *others: Dataset, prefixes: Sequence[str] | None = None, into: Dataset | None = None
    ) -> Dataset:
        """Put this and other datasets into one, in order of log time.

        A key that several of them have becomes one, if its type is the same.

            both = Dataset.combine(left, right, prefixes=['/left', '/right'])

        Args:
            others: The other datasets.
            prefixes: What to put before the keys of each dataset, '' for nothing.
            into: Where to; a new dataset in memory when left out.

        Raises:
            MessageTypeError: If a key has different types; nothing has been written then.
            DatasetError: If there is not one prefix for each dataset.
        """
        datasets = [self, *others]
        for each in others:
            _check_dataset('combine', each)
        return selection.combine(datasets, prefixes, _target(into, datasets))

    def slice(
        self,
        start: Any = None,
        stop: Any = None,
        *,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        latched: bool = False,
        into: Dataset | None = None,
    ) -> Dataset:
        """Return what lies within a span of log time.

        Args:
            start: First log time, float seconds or a ROS time; the first there is if left out.
            stop: First log time that is left out; takes all to the end if left out.
            keys: Keys that are taken, all when left out.
            start_ns: Nanoseconds, instead of `start`.
            stop_ns: Nanoseconds, instead of `stop`.
            latched: Keep what was sent before the start on keys with durability transient local
                and a subscriber that comes at the start would still get (`/tf_static`); it gets
                the start as log time.
            into: Where to; a new dataset in memory when left out.

        Raises:
            KeyNotFoundError: If a key is not there.
            DatasetError: If it stops before it starts.
        """
        first_ns, end_ns = bound_ns('start', start, start_ns), bound_ns('stop', stop, stop_ns)
        target = _target(into, [self])
        return selection.slice_of(self, keys, first_ns, end_ns, latched=latched, into=target)

    def sample(
        self,
        n: int | None = None,
        *,
        every: int | None = None,
        seed: int | None = None,
        keys: Sequence[str] | None = None,
        into: Dataset | None = None,
    ) -> Dataset:
        """Return some messages of each key, in order of time.

        Args:
            n: How many of each key, taken at random, none twice; all where there are fewer.
            every: Every n-th of each key instead, the first one included.
            seed: The same seed takes the same messages.
            keys: Keys that are taken, all when left out.
            into: Where to; a new dataset in memory when left out.

        Raises:
            KeyNotFoundError: If a key is not there.
            DatasetError: If neither or both of `n` and `every` are given, or one is no count.
        """
        if every is None and n is not None:
            target = _target(into, [self])
            return selection.random_sample(self, keys, n, seed=seed, into=target)
        if every is None or n is not None or seed is not None:
            raise DatasetError('give n (random messages, perhaps with a seed) or every, not both')
        return selection.every_nth(self, keys, every, into=_target(into, [self]))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return everything as plain Python and NumPy; `lk_dataset_ros.dataset.plain` has it."""
        return plain.to_dict(self)

    def to_pickle(self, path: str | PathLike[str]) -> None:
        """Write everything to a new `.pkl` file; `Dataset.load` reads it.

        Raises:
            BagExistsError: If there is something at the path.
            BagWriteError: If it cannot be written; then there is nothing.
        """
        pickled = PickleDatabase(path, 'w')
        self.combine(into=Dataset(pickled))
        pickled.close()

    def compare(self, other: Dataset, **options: Any) -> DatasetComparison:
        """Compare with another dataset; see `lk_dataset_ros.comparison.compare`."""
        from lk_dataset_ros.comparison import compare  # noqa: PLC0415

        _check_dataset('compare', other)
        return compare(self, other, **options)

    def diffdiff(
        self, other: Dataset, path: str | PathLike[str] = 'diffdiff.txt', **options: Any
    ) -> DatasetComparison:
        """Compare with another dataset and write the text file of all the differences."""
        from lk_dataset_ros.comparison import diffdiff  # noqa: PLC0415

        _check_dataset('diffdiff', other)
        return diffdiff(self, other, path, **options)

    def flush(self) -> None:
        """Hand everything written so far to the storages.

        Raises:
            Exception: What the first one raised, if all failed.
        """
        self._all('flush', lambda index: self.databases[index].flush())

    def close(self) -> None:
        """Finish every database, whatever happens to another one.

        Raises:
            Exception: What the first one raised, if all failed.
        """
        self._all('close', lambda index: self.databases[index].close())

    def _all(self, action: str, call: Callable[[int], object]) -> None:
        self._fan_out.each(action, self.databases, range(len(self.databases)), call)

    def __setitem__(self, key: str, value: Any) -> None:
        """Write a message at the time of day."""
        self.write(key, value)

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
        """Tell keys, types, counts and duration, as far as they can be read."""
        content = ''
        # A text for the debugger must come whatever state the databases are in.
        with contextlib.suppress(Exception):
            topics = self._source.topics().values()
            content = ', '.join(f'{each.name} {each.schema.name} {each.count}' for each in topics)
            content = f': {content or "empty"}'
            span = self._source.time_range_ns()
            if span is not None:
                content += f'; {(span[1] - span[0]) / NS_PER_S:.3f} s'
        return f'<Dataset {self._names}{content}>'


def _target(into: Dataset | None, sources: Sequence[Dataset]) -> Dataset:
    if into is None:
        return Dataset()
    _check_dataset('into', into)
    if any(
        mine is theirs for each in sources for mine in into.databases for theirs in each.databases
    ):
        names = ', '.join(database.name for database in into.databases)
        raise DatasetError(f'{names} cannot be copied into itself')
    return into


def _check_dataset(what: str, value: Any) -> None:
    if not isinstance(value, Dataset):
        raise DatasetError(f'{what}: {value!r} is no Dataset; Dataset.load opens a bag')
