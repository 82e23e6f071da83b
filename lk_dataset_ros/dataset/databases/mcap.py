"""A rosbag2 bag: written as MCAP for `ros2 bag info/play`, read in every form there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases.mcap_files.laying import PREFIX
from lk_dataset_ros.dataset.databases.mcap_files.packing import (
    COMPRESSIONS,
    LEVELS,
    Compression,
    Level,
)
from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.databases.rosbag2.bag_file import MAGICS
from lk_dataset_ros.dataset.databases.rosbag2.file_writer import WriterOptions
from lk_dataset_ros.dataset.databases.rosbag2.own_record import OWN_RECORD
from lk_dataset_ros.dataset.databases.rosbag2.reader import BagReader
from lk_dataset_ros.dataset.databases.rosbag2.writer import FOREVER_NS, BagWriter
from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch, Schema


class McapDatabase(Database):
    """A rosbag2 bag.

    Bags of ROS 2 Foxy to Lyrical are read: MCAP or sqlite3, split or not, with whole files or
    single messages compressed, with or without `metadata.yaml`.

    Args:
        path: For reading a bag's directory or one of its files (`.mcap`, `.db3`, `.mcap.zstd`,
            `.db3.zstd`); for writing a directory that is made.
        mode: `r` reads, `w` writes a new bag; by default what is there is read, and what is not
            is written.
        compression: Of the chunks, when writing.
        compression_level: How hard it tries, from `fastest` to `slowest`.
        chunk_size: Bytes after which a chunk is handed to the file, when writing.
        checksums: Whether chunks get one, when writing; damage goes unnoticed without.
        sync: Let `flush`, `split` and `close` wait until all is on the disk itself.
        custom_data: Names and values that are kept in `metadata.yaml`.
        max_files: Of the files that `split` makes keep the last n; 0 keeps all.
        types: For reading a bag without definitions inside (sqlite3 before ROS 2 Iron) whose
            types are not ROS 2's own: `.msg` or `.idl` files, or folders that are searched for
            them, such as a workspace's `src`.

    Raises:
        DatasetError: If an option is none of its values.
        BagNotFoundError: If there is nothing to read.
        BagExistsError: If there is something where a new bag should be.
        BagFormatError: If it is not a bag.
        MessageTypeError: If one of `types` is not there or no definition.
        BagWriteError: If the directory cannot be made.
    """

    kind = 'mcap'
    batch_prefix = PREFIX
    is_persistent = True
    can_seek_time = True

    @classmethod
    def recognises(cls, location: str) -> bool:
        """Tell whether a path is a bag's folder, or a file of MCAP or SQLite, packed or not."""
        path = Path(location)
        try:
            if path.is_dir():
                names = [each.name for each in path.iterdir()]
                return metadata.METADATA in names or any(map(_has_bag_suffix, names))
            if not path.is_file():
                return False
            with path.open('rb') as file:
                magic = file.read(16)
        except (OSError, ValueError):
            return False
        return _has_bag_suffix(path.name) or magic.startswith(MAGICS)

    @classmethod
    def open(cls, location: str, mode: Literal['r', 'w'], **options: Any) -> McapDatabase:
        """Open a bag; the options are those of the constructor."""
        return cls(location, mode, **options)

    def __init__(
        self,
        path: str | PathLike[str],
        mode: Literal['r', 'w'] | None = None,
        *,
        compression: Compression = 'zstd',
        compression_level: Level = 'default',
        chunk_size: int = 1024 * 1024,
        checksums: bool = True,
        sync: bool = False,
        custom_data: Mapping[str, str] | None = None,
        max_files: int = 0,
        types: Sequence[str | PathLike[str]] = (),
    ) -> None:
        self.path = Path(path)
        self._types = (types,) if isinstance(types, (str, Path)) else tuple(types)
        self._unwritten = 0
        self._reader: BagReader | None = None
        self._writer: BagWriter | None = None
        _check_choice('compression', compression, COMPRESSIONS)
        _check_choice('compression_level', compression_level, LEVELS)
        _check_number('chunk_size', chunk_size, 1, 'bytes')
        _check_number('max_files', max_files, 0, 'a number of files')
        kept = _checked_texts('custom_data', custom_data or {})
        if mode not in (None, 'r', 'w'):
            raise DatasetError(f'mode is {mode!r}; r reads and w writes a new bag')
        if mode is None:
            mode = 'r' if self.path.exists() else 'w'
        if mode == 'r':
            self._reader = BagReader(self.path, self._types)
        else:
            options = WriterOptions(
                compression, compression_level, chunk_size, checksums, sync, kept, max_files
            )
            self._writer = BagWriter(self.path, options)

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
        self._write().declare(key, schema, qos)

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key."""
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        self._write().write(SerializedMessage(key, cdr, log_time_ns, sent_ns, sequence))

    def write_batch(
        self,
        key: str,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.integer[Any]],
    ) -> None:
        """Store many serialized messages of a declared key.

        They wait in the chunk in progress with those of other keys, until it is full or flushed.
        The `batch_prefix` bytes before each are written to; the buffer is free afterwards.
        """
        self._write().write_batch(key, batch, log_time_ns, publish_time_ns, sequence)

    def flush(self, *, sync: bool | None = None) -> None:
        """Complete the chunk in progress and hand everything written so far to the system.

        Args:
            sync: Wait until it is on the disk itself; as the database was made if left out.
        """
        if self._writer is not None:
            self._writer.flush(sync=sync)

    def split(self) -> str:
        """Finish the file and begin the next one, in which all topics are declared again.

        With `max_files` the oldest files are removed.

        Returns:
            The name of the new file.

        Raises:
            BagWriteError: If the file cannot be finished, or none can be made.
        """
        return self._write().split()

    @property
    def file_name(self) -> str:
        """Name of the file that is written now."""
        return self._write().file_name

    @property
    def file_bytes(self) -> int:
        """Bytes of the file that is written now, the chunk in progress included."""
        return self._write().file_bytes

    @property
    def file_span_ns(self) -> tuple[int, int] | None:
        """First and last log time in the file that is written now, None without messages."""
        return self._write().file_span_ns

    @property
    def unwritten(self) -> int:
        """Messages that were given and are not in the bag, since the disk was full."""
        return self._unwritten if self._writer is None else self._writer.unwritten

    def add_metadata(self, name: str, data: Mapping[str, str]) -> None:
        """Add an MCAP metadata record to the file that is written now.

        Args:
            name: Of the record; `rosbag2` is the bag's own.
            data: Names and values.
        """
        if not isinstance(name, str) or not name or name in ('rosbag2', OWN_RECORD):
            raise DatasetError(f'a metadata record cannot be named {name!r}')
        self._write().add_metadata(name, _checked_texts(f'metadata {name}', data))

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return name and content of the MCAP metadata records of all files, in order."""
        self.check_readable()
        return self._read().metadata()

    @property
    def custom_data(self) -> dict[str, str]:
        """Names and values that are kept in `metadata.yaml`."""
        self.check_readable()
        return self._read().custom_data

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
            set(chosen), first, FOREVER_NS if stop_ns is None else stop_ns
        )

    def batches(
        self, key: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Yield a key's serialized messages in batches, straight out of the chunks."""
        self.check_readable()
        first = 0 if start_ns is None else start_ns
        streams = self._read().batches(key, first, FOREVER_NS if stop_ns is None else stop_ns)
        yield from super().batches(key, start_ns, stop_ns) if streams is None else streams

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes of a key's messages, decoding none."""
        self.check_readable()
        self.topic(key)
        first = 0 if start_ns is None else start_ns
        found = self._read().heads(key, first, FOREVER_NS if stop_ns is None else stop_ns)
        return super().heads(key, start_ns, stop_ns) if found is None else found

    def timestamps(self, key: str) -> NDArray[np.int64]:
        """Return the log times of a key's messages, int64 nanoseconds, shape (n,)."""
        return self.heads(key).log_time_ns

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        self.check_readable()
        return self._read().time_range_ns

    def close(self) -> None:
        """Finish the bag: last chunk, summary, `metadata.yaml`."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                writer.close()
            finally:
                self._unwritten = writer.unwritten
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.close()

    def _write(self) -> BagWriter:
        self.check_writable()
        assert self._writer is not None
        return self._writer

    def _read(self) -> BagReader:
        if self._reader is None:
            self._reader = BagReader(self.path, self._types)
        return self._reader


def _has_bag_suffix(name: str) -> bool:
    return name.endswith(metadata.SUFFIXES)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise DatasetError(f'{name} is {value!r}; {", ".join(choices)} are possible')


def _check_number(name: str, value: Any, least: int, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DatasetError(f'{name} is {value!r}; give {what}, {least} or more')


def _checked_texts(name: str, data: Mapping[str, str]) -> dict[str, str]:
    try:
        found = dict(data)
    except (TypeError, ValueError) as error:
        raise DatasetError(f'{name} is {data!r}; give names and values') from error
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise DatasetError(f'{name}: {key!r} is {value!r}; names and values are texts')
    return found
