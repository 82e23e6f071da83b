"""A dataset in one pickle file, for what is small enough to be held in memory."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.dataset.database import Database
from lk_dataset_ros.dataset.databases import _pickle_file
from lk_dataset_ros.dataset.databases._pickle_file import PackedTopic
from lk_dataset_ros.dataset.databases.memory import MemoryDatabase
from lk_dataset_ros.dataset.records import Heads, SerializedMessage, Topic
from lk_dataset_ros.dataset.time import checked_ns
from lk_dataset_ros.errors import BagExistsError, BagWriteError
from lk_dataset_ros.message import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Schema


class PickleDatabase(Database):
    """A `.pkl` file.

    What is written is kept in memory; `flush` and `close` write the whole file anew, so that
    whenever the process is killed there is the old file or the new one. Reading never runs what
    a pickle may name: a file that names anything is refused.

    Args:
        path: The file.
        mode: `r` reads it; `w` writes a new one, which is there from the first `flush` on.

    Raises:
        BagNotFoundError: If there is nothing to read.
        BagExistsError: If there is something where a new file should be.
        BagWriteError: If there is no folder for it.
        DatasetFormatError: If it is not the pickle of a dataset.
    """

    kind = 'pickle'
    is_persistent = True
    can_seek_time = True

    @classmethod
    def recognises(cls, location: str) -> bool:
        """Tell whether a path is a file named `.pkl`, or one that starts like ours."""
        path = Path(location)
        return _is_file(path) and (path.suffix == '.pkl' or _pickle_file.is_one(path))

    @classmethod
    def open(cls, location: str, mode: Literal['r', 'w'], **options: Any) -> PickleDatabase:
        """Open a file; there are no options."""
        return cls(location, mode, **options)

    def __init__(self, path: str | PathLike[str], mode: Literal['r', 'w'] = 'r') -> None:
        self.path = Path(path)
        self._loaded: _Loaded | None = None
        self._memory = MemoryDatabase()
        self._is_open = mode == 'w'
        self._is_stored = False
        self._has_changed = True
        if mode == 'r':
            self._loaded = _Loaded(_pickle_file.load(self.path))
        elif self.path.exists() or self.path.is_symlink():
            raise BagExistsError(f'{self.path} exists; a new dataset never overwrites anything')
        elif not self.path.parent.is_dir():
            raise BagWriteError(f'{self.path} cannot be written: its folder is not there')

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    @property
    def can_write(self) -> bool:  # type: ignore[override]
        """A file is written once, until it is closed."""
        return self._is_open

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name."""
        return self._memory.topics() if self._loaded is None else dict(self._loaded.topics)

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type."""
        self.check_writable()
        self._memory.declare(key, schema, qos)
        self._has_changed = True

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Keep a serialized message of a declared key."""
        self.check_writable()
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        self._memory.write_serialized(
            key, cdr, checked_ns(log_time_ns), checked_ns(sent_ns), sequence & 0xFFFFFFFF
        )
        self._has_changed = True

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time, those of one time in order of writing."""
        if self._loaded is None:
            return self._memory.iterate_serialized(keys, start_ns, stop_ns)
        chosen = self.keys() if keys is None else [self.topic(key).name for key in keys]
        return self._loaded.iterate(list(dict.fromkeys(chosen)), start_ns, stop_ns)

    def batches(
        self, key: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Yield a key's serialized messages, straight out of what was loaded."""
        if self._loaded is None:
            yield from self._memory.batches(key, start_ns, stop_ns)
            return
        self.topic(key)
        loaded = self._loaded[key]
        rows = loaded.rows(start_ns, stop_ns)
        if len(rows):
            buffer = np.frombuffer(loaded.packed.cdr, np.uint8)
            batch = Batch(buffer, loaded.start[rows], loaded.packed.size[rows])
            yield batch, loaded.packed.log_time_ns[rows]

    def timestamps(self, key: str) -> NDArray[np.int64]:
        """Return the log times of a key's messages, int64 nanoseconds, shape (n,)."""
        return self.heads(key).log_time_ns

    def heads(self, key: str, start_ns: int | None = None, stop_ns: int | None = None) -> Heads:
        """Return times, sequence numbers and sizes of a key's messages, decoding none."""
        if self._loaded is None:
            return self._memory.heads(key, start_ns, stop_ns)
        self.topic(key)
        rows, packed = self._loaded[key].rows(start_ns, stop_ns), self._loaded[key].packed
        return Heads(
            packed.log_time_ns[rows],
            packed.publish_time_ns[rows],
            packed.sequence[rows],
            packed.size[rows],
        )

    def time_range_ns(self) -> tuple[int, int] | None:
        """Return first and last log time, or None if there is no message."""
        if self._loaded is None:
            return self._memory.time_range_ns()
        times = [each.packed.log_time_ns for each in self._loaded.values() if len(each.start)]
        if not times:
            return None
        return min(int(each.min()) for each in times), max(int(each.max()) for each in times)

    def flush(self) -> None:
        """Write everything so far to the file.

        Raises:
            BagWriteError: If it cannot be written; the file is as it was before.
        """
        if not self._is_open or not self._has_changed:
            return
        if not self._is_stored and self.path.exists():
            raise BagExistsError(f'{self.path} exists; a new dataset never overwrites anything')
        _pickle_file.save(self.path, _packed(self._memory), replace=self._is_stored)
        self._is_stored, self._has_changed = True, False

    def close(self) -> None:
        """Write the file; what was written can still be read."""
        self.flush()
        self._is_open = False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _packed(memory: MemoryDatabase) -> list[PackedTopic]:
    """Return what is in memory in the form of the file."""
    messages: dict[str, list[SerializedMessage]] = {key: [] for key in memory.topics()}
    places: dict[str, list[int]] = {key: [] for key in messages}
    for place, message in enumerate(memory.iterate_serialized()):
        messages[message.key].append(message)
        places[message.key].append(place)
    return [
        PackedTopic(
            key,
            topic.schema,
            topic.qos,
            np.array([each.log_time_ns for each in messages[key]], np.int64),
            np.array([each.publish_time_ns for each in messages[key]], np.int64),
            np.array([each.sequence for each in messages[key]], np.uint32),
            np.array([len(each.cdr) for each in messages[key]], np.int64),
            np.array(places[key], np.int64),
            b''.join([each.cdr for each in messages[key]]),
        )
        for key, topic in memory.topics().items()
    ]


class _LoadedTopic:
    """A topic of a file, with its order of time."""

    def __init__(self, packed: PackedTopic) -> None:
        self.packed = packed
        self.start = (np.cumsum(packed.size) - packed.size).astype(np.int64)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Rows in order of log time, those of one time in order of writing."""
        return np.lexsort((self.packed.place, self.packed.log_time_ns))

    def rows(self, start_ns: int | None, stop_ns: int | None) -> NDArray[np.int64]:
        """Return the rows of a span of time, in order."""
        times = self.packed.log_time_ns[self.order]
        first = 0 if start_ns is None else _place_of(start_ns, times)
        end = len(times) if stop_ns is None else _place_of(stop_ns, times)
        return self.order[first : max(first, end)]


def _place_of(time_ns: int, times: NDArray[np.int64]) -> int:
    # A bound beyond 64 bits would make NumPy compare as floats.
    if time_ns > 2**63 - 1:
        return len(times)
    return int(np.searchsorted(times, np.int64(max(time_ns, -(2**63)))))


class _Loaded(dict[str, _LoadedTopic]):
    """What a file holds, by key."""

    def __init__(self, packed: list[PackedTopic]) -> None:
        super().__init__({each.key: _LoadedTopic(each) for each in packed})
        self.topics = {
            each.key: Topic(each.key, each.schema, each.qos, len(each.size)) for each in packed
        }

    def iterate(
        self, keys: list[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[SerializedMessage]:
        """Yield the messages of some keys in order of log time."""
        rows = [self[key].rows(start_ns, stop_ns) for key in keys]
        chosen = [self[key].packed for key in keys]
        if not chosen:
            return
        pairs = list(zip(chosen, rows, strict=True))
        times = np.concatenate([each.log_time_ns[row] for each, row in pairs])
        places = np.concatenate([each.place[row] for each, row in pairs])
        owner = np.repeat(np.arange(len(keys)), [len(row) for row in rows])
        order = np.lexsort((places, times))
        row_of = np.concatenate(rows)[order]
        for number, row in zip(owner[order].tolist(), row_of.tolist(), strict=True):
            packed, start = chosen[number], int(self[keys[number]].start[row])
            yield SerializedMessage(
                packed.key,
                packed.cdr[start : start + int(packed.size[row])],
                int(packed.log_time_ns[row]),
                int(packed.publish_time_ns[row]),
                int(packed.sequence[row]),
            )
