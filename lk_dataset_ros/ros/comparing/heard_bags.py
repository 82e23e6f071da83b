"""What was heard of both sides, in bags on disk whose oldest parts go when there is no room."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset import DataRecorder, McapDatabase, SerializedMessage
from lk_dataset_ros.errors import BagWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lk_dataset_ros.comparison.pairing.incremental import Settled
    from lk_dataset_ros.message import Schema

SIDES: Final = ('original', 'compiled')
#: Parts that the bags are made of when they are full.
_PARTS: Final = 8
#: Bytes that may wait for the disk, for each bag.
_CACHE_BYTES: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class _Part:
    """A bag of each side, which begin and end at the same pair."""

    folder: Path
    recorders: dict[str, DataRecorder] = field(default_factory=dict)
    closing: threading.Thread | None = None

    @property
    def size(self) -> int:
        return sum(each.size + each.cache_bytes_used for each in self.recorders.values())

    @property
    def dropped(self) -> int:
        return sum(
            stats.dropped
            for each in self.recorders.values()
            for stats in each.get_stats().values()
        )

    def close(self) -> None:
        for each in self.recorders.values():
            each.close()

    def close_apart(self) -> None:
        self.closing = threading.Thread(target=self.close, name='closing', daemon=True)
        self.closing.start()

    def wait(self) -> None:
        if self.closing is not None:
            self.closing.join()

    def on_disk(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob('*') if path.is_file())


class HeardBags:
    """Writes pairs into two bags, the messages of both under the original's name.

    A pair is written when it is settled: both bags hold the same messages at any time, and so do
    their parts. When the parts are larger than allowed, the oldest are deleted.

    Args:
        folder: Where to; what this has written there is deleted by `reset`.
        max_bytes: What the bags may take, about.
        log: Where trouble goes.

    Raises:
        BagWriteError: If nothing can be written there.
    """

    def __init__(self, folder: Path, max_bytes: int, log: Any) -> None:
        self.folder = folder
        self._max_bytes, self._log = max_bytes, log
        self._topics: dict[str, Schema] = {}
        self._parts: list[_Part] = []
        self._next = 0
        self._forgotten = 0
        self._lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        part = _Part(self.folder / f'{self._next:06d}')
        self._next += 1
        try:
            part.folder.mkdir(parents=True)
        except OSError as error:
            raise BagWriteError(
                f'{part.folder} cannot be made: {error.strerror or error}'
            ) from error
        for side in SIDES:
            recorder = DataRecorder(
                McapDatabase(part.folder / side, 'w'),
                log=self._log,
                cache_bytes=_CACHE_BYTES,
                when_full='drop_newest',
                repeat_latched=False,
            )
            for topic, schema in self._topics.items():
                recorder.add_input(topic, schema)
            part.recorders[side] = recorder
        self._parts.append(part)

    def add(self, topic: str, schema: Schema) -> None:
        """Take a topic from now on."""
        with self._lock:
            self._topics[topic] = schema
            for recorder in self._parts[-1].recorders.values():
                recorder.add_input(topic, schema)

    def write(self, topic: str, settled: Settled) -> None:
        """Write a pair, or a message without one."""
        with self._lock:
            part = self._parts[-1]
            for side, each in zip(SIDES, (settled.original, settled.compiled), strict=True):
                if each is not None:
                    part.recorders[side].record(
                        SerializedMessage(
                            topic, each.cdr, each.log_time_ns, each.publish_time_ns, each.sequence
                        )
                    )
            if part.size > self._max_bytes / _PARTS:
                self._cut()

    def _cut(self) -> None:
        part = self._parts[-1]
        self._begin()
        part.close_apart()
        while len(self._parts) > _PARTS:
            # Compressed, more of them may fit.
            for each in self._parts[:-1]:
                each.wait()
            if sum(each.on_disk() for each in self._parts) <= self._max_bytes:
                return
            self._delete(self._parts.pop(0))
            self._forgotten += 1

    def _delete(self, part: _Part) -> None:
        part.wait()
        shutil.rmtree(part.folder, ignore_errors=True)

    @property
    def forgotten(self) -> int:
        """Parts that were deleted to make room."""
        return self._forgotten

    @property
    def dropped(self) -> int:
        """Messages that could not be written in time."""
        with self._lock:
            return sum(each.dropped for each in self._parts)

    @property
    def problem(self) -> str:
        """Why nothing is written any more, or empty."""
        with self._lock:
            errors = [each.error for each in self._recorders()]
        return next((str(error) for error in errors if error is not None), '')

    def _recorders(self) -> Iterator[DataRecorder]:
        for part in self._parts:
            yield from part.recorders.values()

    def link(self, folder: Path) -> None:
        """Finish what was written up to now and link it into `folder/original` and `/compiled`.

        Raises:
            BagWriteError: If that cannot be done.
        """
        with self._lock:
            self._begin()
            self._parts[-2].close_apart()
            finished = self._parts[:-1]
            for part in finished:
                part.wait()
            try:
                for side in SIDES:
                    (folder / side).mkdir(parents=True)
                    for part in finished:
                        for file in sorted((part.folder / side).glob('*.mcap')):
                            _link(file, folder / side / f'{part.folder.name}_{file.name}')
            except OSError as error:
                raise BagWriteError(f'{folder} cannot be written: {error.strerror}') from error

    def reset(self) -> None:
        """Delete what was written, and begin anew."""
        with self._lock:
            old, self._parts = self._parts, []
            self._forgotten = 0
            self._begin()
            for part in old:
                if part.closing is None:
                    part.close()
                self._delete(part)

    def close(self) -> None:
        """Finish the bags."""
        with self._lock:
            for part in self._parts:
                if part.closing is None:
                    part.close()
                part.wait()


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(file, target)
