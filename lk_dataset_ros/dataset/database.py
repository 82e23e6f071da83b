"""The contract of a database: a storage that a dataset writes to or reads from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from lk_dataset_ros.dataset.batching import Buffers, Thinning, batches_of, cut
from lk_dataset_ros.dataset.records import Heads
from lk_dataset_ros.dataset.time import times_array, to_ns
from lk_dataset_ros.errors import (
    CapabilityError,
    DatasetError,
    KeyNotFoundError,
    MessageFormatError,
)
from lk_dataset_ros.message import (
    ColumnBuilder,
    Columns,
    Encoder,
    builtin_schema,
    codec_for,
    type_name_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from lk_dataset_ros.dataset.records import SerializedMessage, Topic
    from lk_dataset_ros.message import Batch, Column, Schema


#: A bag may lie about how many messages it has; more than these are not prepared for.
MAX_EXPECTED = 2**28
#: Bytes of messages that are encoded and written at once: about a chunk of a bag.
WRITTEN_BYTES = 1024 * 1024


class Database(ABC):
    """Base of all databases.

    A subclass says what it can do (`can_read`, `can_write`, `is_persistent`, `is_live`,
    `can_seek_time`) and implements `topics`, `declare`, `write_serialized` and
    `iterate_serialized`; the rest follows from these and may be overridden by something faster.
    """

    #: Name under which `Dataset.create` knows it.
    kind: ClassVar[str] = ''

    can_read: bool = True
    can_write: bool = True
    #: What is written survives the process.
    is_persistent: bool = False
    #: What is written is shown at once to somebody else.
    is_live: bool = False
    #: Reading a span of time costs less than reading everything.
    can_seek_time: bool = False
    #: Bytes before each message of a batch that `write_batch` writes to.
    batch_prefix: ClassVar[int] = 0

    @classmethod
    def recognises(cls, location: str) -> bool:
        """Tell whether what is at a location (a path or a URL) is of this kind."""
        del location
        return False

    @classmethod
    def open(cls, location: str, mode: Literal['r', 'w'], **options: Any) -> Database:
        """Open what is at a location for reading, or make something new there.

        Args:
            location: A path or a URL.
            mode: `r` or `w`.
            options: Of this kind of database.
        """
        del mode, options
        raise CapabilityError(f'{cls.__name__} has no location: it cannot be opened at {location}')

    @property
    def name(self) -> str:
        """What messages call this database."""
        return type(self).__name__

    @property
    def warnings(self) -> list[str]:
        """What a reader should know about the content, such as a cut file."""
        return []

    @abstractmethod
    def topics(self) -> dict[str, Topic]:
        """Return the topics by name, with the number of messages stored."""

    @abstractmethod
    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key before `write_serialized`; the same declaration twice is no error.

        Raises:
            MessageTypeError: If the key is there with another type.
        """

    @abstractmethod
    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key."""

    @abstractmethod
    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time; `start_ns` is included, `stop_ns` is not.

        Raises:
            KeyNotFoundError: If a key is not there.
        """

    def write_batch(
        self,
        key: str,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.uint32],
    ) -> None:
        """Store many serialized messages of a declared key.

        Args:
            key: Topic name.
            batch: The messages, each with `batch_prefix` bytes before it.
            log_time_ns: When each was received, shape (n,).
            publish_time_ns: When each was sent.
            sequence: The publisher's counters.
        """
        ends = (batch.start + batch.length).tolist()
        heads = (each.tolist() for each in (log_time_ns, publish_time_ns, sequence))
        for start, end, log, sent, number in zip(batch.start.tolist(), ends, *heads, strict=True):
            self.write_serialized(key, batch.buffer[start:end].tobytes(), log, sent, number)

    def write_columns(
        self,
        key: str,
        columns: Mapping[str, Column | NDArray[Any]],
        *,
        log_time_ns: NDArray[np.int64] | None = None,
        publish_time_ns: NDArray[np.int64] | None = None,
        sequence: NDArray[np.uint32] | None = None,
    ) -> None:
        """Encode many messages of a declared key at once, and store them.

        Args:
            key: Topic name.
            columns: `Columns`, or arrays by field path, first axis = message. Fields that are not
                there have their default.
            log_time_ns: When each was received, int64, (n,); those of `Columns` if left out.
            publish_time_ns: When each was sent; as received if left out.
            sequence: The publisher's counters; 0 if left out.

        Raises:
            KeyNotFoundError: If the key is not declared, or its type has no such field.
            MessageTypeError: If values do not fit a field.
            DatasetError: If there are no times, or not one for each message.
        """
        if log_time_ns is None and isinstance(columns, Columns):
            log_time_ns = columns.log_time_ns
        if log_time_ns is None:
            raise DatasetError(f'{key}: columns without times need log_time_ns')
        if not isinstance(columns, Mapping):
            raise DatasetError(f'{key}: {columns!r} is no Columns; give arrays by field path')
        log = _whole_numbers(key, 'log_time_ns', log_time_ns, np.int64)
        count = len(log)
        sent = log
        if publish_time_ns is not None:
            sent = _whole_numbers(key, 'publish_time_ns', publish_time_ns, np.int64)
        numbers = np.zeros(count, np.uint32)
        if sequence is not None:
            numbers = _whole_numbers(key, 'sequence', sequence, np.uint32)
        if not len(sent) == len(numbers) == count:
            raise DatasetError(
                f'{key}: {count} log times, {len(sent)} publish times and '
                f'{len(numbers)} sequence numbers are not one for each message'
            )
        encoder = Encoder(columns, codec_for(self.topic(key).schema), count)
        buffers, first = Buffers(), 0
        while first < count:
            last = encoder.last(first, WRITTEN_BYTES, self.batch_prefix)
            size = encoder.size(first, last, self.batch_prefix)
            buffer = buffers.take(size)[:size]
            buffer[:] = 0
            part = slice(first, last)
            batch = encoder.encode(first, last, buffer, self.batch_prefix)
            self.write_batch(key, batch, log[part], sent[part], numbers[part])
            first = last
            # Both hold the buffer, which could not be used again.
            del buffer, batch

    def flush(self) -> None:
        """Hand everything written so far to the storage."""

    def close(self) -> None:
        """Finish; closing twice is no error."""

    def keys(self) -> list[str]:
        """Return the keys in order of declaration."""
        return list(self.topics())

    def topic(self, key: str) -> Topic:
        """Return what is known of a key.

        Raises:
            KeyNotFoundError: If the key is not there.
        """
        topics = self.topics()
        if key not in topics:
            raise KeyNotFoundError(
                f'there is no {key} in {self.name}; there is {", ".join(topics) or "nothing"}'
            )
        return topics[key]

    def write(self, key: str, value: Any, timestamp: Any = None, *, timestamp_ns: int) -> None:
        """Store a message object.

        Args:
            key: Topic name.
            value: A message: of a class from a bag's schema, rosbags' or rclpy's.
            timestamp: Seconds or a ROS time; wins over `timestamp_ns`.
            timestamp_ns: Nanoseconds.

        Raises:
            MessageTypeError: If the message is not of the key's type.
        """
        time_ns = timestamp_ns if timestamp is None else to_ns(timestamp)
        known = self.topics().get(key)
        if known is None:
            schema = builtin_schema(type_name_of(value))
            self.declare(key, schema)
        else:
            schema = known.schema
        self.write_serialized(key, codec_for(schema).encode(value), time_ns)

    def iterate(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[tuple[str, Any, int]]:
        """Yield `(key, message, log time in ns)` in order of log time."""
        codecs = {
            name: codec_for(topic.schema)
            for name, topic in self.topics().items()
            if keys is None or name in keys
        }
        for record in self.iterate_serialized(keys, start_ns, stop_ns):
            yield record.key, codecs[record.key].decode(record.cdr), record.log_time_ns

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        times = [message.log_time_ns for message in self.iterate_serialized()]
        return (times[0], times[-1]) if times else None

    def read_all(self, key: str) -> list[Any]:
        """Return all messages of a key in time order."""
        return [message for _, message, _ in self.iterate([key])]

    def read(self, key: str, index: int | None = None) -> Any:
        """Return one message of a key, the last one when no index is given.

        Raises:
            KeyNotFoundError: If the key is not there.
            IndexError: If there is no message of that index.
        """
        count = self.topic(key).count
        position = count - 1 if index is None else index + count if index < 0 else index
        if not 0 <= position < count:
            raise IndexError(f'{key} has {count} messages; there is no message {index}')
        for current, (_, message, _) in enumerate(self.iterate([key])):
            if current == position:
                return message
        raise IndexError(f'{key} has fewer messages than its index says')

    def timestamps(self, key: str) -> NDArray[np.int64]:
        """Return the log times of a key's messages, int64 nanoseconds, shape (n,)."""
        times = [item.log_time_ns for item in self.iterate_serialized([key])]
        return times_array(f'{self.name}: {key}', times)

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes of a key's messages, decoding none."""
        found = [
            (each.log_time_ns, each.publish_time_ns, each.sequence, len(each.cdr))
            for each in self.iterate_serialized([key], start_ns, stop_ns)
        ]
        log, sent, sequence, size = zip(*found, strict=True) if found else ((), (), (), ())
        where = f'{self.name}: {key}'
        return Heads(
            times_array(where, log),
            times_array(where, sent),
            np.array(sequence, np.uint32),
            np.array(size, np.int64),
        )

    def batches(
        self, key: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Yield a key's serialized messages in batches, each with its log times.

        The buffer of a batch may be used again for the next one: copy what has to last.
        """
        where = f'{self.name}: {key}'
        yield from batches_of(where, self.iterate_serialized([key], start_ns, stop_ns))

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

        Fields that take more than 4 KiB of a message (an image's pixels) are not copied: they are
        read when they are asked for, here in `fields` or later in the columns.

        Args:
            key: Topic name.
            fields: Field paths that are wanted, a message's standing for all below it; all when
                left out.
            start_ns: First log time.
            stop_ns: First log time that is left out.
            every: Take every n-th message, the first one included.

        Raises:
            KeyNotFoundError: If the key is not there, or its type has no such field.
            MessageFormatError: If a message is not of the key's type.
            ValueError: If `every` is not positive.
        """
        if every < 1:
            raise ValueError(f'every {every}-th message cannot be taken; 1 and more can')
        thinning = Thinning(every)
        columns = self._columns(key, fields, start_ns, stop_ns, thinning)
        if thinning.is_in_order:
            return columns
        return self._columns(key, fields, start_ns, stop_ns, Thinning(1)).every(every)

    def _columns(
        self,
        key: str,
        fields: Sequence[str] | None,
        start_ns: int | None,
        stop_ns: int | None,
        thinning: Thinning,
    ) -> Columns:
        topic = self.topic(key)
        batches = self.batches(key, start_ns, stop_ns)
        try:
            return Columns.from_batches(
                thinning.of(batches),
                codec_for(topic.schema),
                fields,
                expected=-(-min(topic.count, MAX_EXPECTED) // thinning.every),
                load=lambda paths: self.columns(
                    key, fields=paths, start_ns=start_ns, stop_ns=stop_ns, every=thinning.every
                ),
            )
        except MessageFormatError as error:
            raise MessageFormatError(f'{self.name}, {key}: {error}') from error

    def column_batches(
        self,
        key: str,
        *,
        fields: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> Iterator[Columns]:
        """Yield a key's messages as columns of bounded size, for what exceeds the memory.

        Args:
            key: Topic name.
            fields: Field paths that are wanted; all when left out, the heavy ones included.
            start_ns: First log time.
            stop_ns: First log time that is left out.
            max_bytes: Serialized bytes of the messages in one of the columns; a single message
                may be larger.

        Yields:
            Columns in the order in which the messages are stored, each in order of log time.
        """
        codec = codec_for(self.topic(key).schema)
        builder, size = ColumnBuilder(codec, fields), 0
        try:
            for batch, times in self.batches(key, start_ns, stop_ns):
                for part, part_times in cut(batch, times, max_bytes):
                    part_size = int(part.length.sum())
                    if size and size + part_size > max_bytes:
                        yield Columns.from_builder(builder)
                        builder, size = ColumnBuilder(codec, fields), 0
                    builder.add(part, part_times)
                    size += part_size
        except MessageFormatError as error:
            raise MessageFormatError(f'{self.name}, {key}: {error}') from error
        if size:
            yield Columns.from_builder(builder)

    def check_readable(self) -> None:
        """Raise a CapabilityError if this database cannot be read."""
        if not self.can_read:
            raise CapabilityError(f'{self.name} cannot be read')

    def check_writable(self) -> None:
        """Raise a CapabilityError if this database cannot be written."""
        if not self.can_write:
            raise CapabilityError(f'{self.name} cannot be written')

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


def _whole_numbers(key: str, name: str, values: Any, dtype: type[np.integer[Any]]) -> NDArray[Any]:
    """Return a row of integers that a caller gave; nothing is rounded, nothing wraps around."""
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in 'iu'):
        raise DatasetError(f'{key}: {name} is no row of integers, but {found.dtype} {found.shape}')
    limits = np.iinfo(dtype)
    if found.size and not limits.min <= int(found.min()) <= int(found.max()) <= limits.max:
        raise DatasetError(
            f'{key}: {name} goes from {found.min()} to {found.max()}; '
            f'{limits.min} to {limits.max} are possible'
        )
    return found.astype(dtype, copy=False)
