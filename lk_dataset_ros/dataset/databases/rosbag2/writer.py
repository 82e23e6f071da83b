"""Write a rosbag2 bag: MCAP files one after the other, and their `metadata.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.dataset.databases.mcap_files.output import is_full
from lk_dataset_ros.dataset.databases.rosbag2 import metadata
from lk_dataset_ros.dataset.databases.rosbag2.file_writer import FileWriter, WriterOptions
from lk_dataset_ros.dataset.records import Topic
from lk_dataset_ros.errors import (
    BagExistsError,
    BagTimeError,
    BagWriteError,
    KeyNotFoundError,
    MessageTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.records import SerializedMessage
    from lk_dataset_ros.message import Batch, Schema

#: No time is later.
FOREVER_NS: Final = 2**64
#: On a full disk so much is freed at once, and twice as much each time it was not enough.
_ROOM: Final = 8 * 1024


class BagWriter:
    """A bag being written.

    When the disk is full, what is in whole chunks stays, the rest is let go and counted, and the
    bag takes no more messages; closing it finishes it, if need be in the room of its last chunks.

    Args:
        path: Of the folder that is made.
        options: How it is written.

    Raises:
        BagExistsError: If something is there.
        BagWriteError: If nothing can be made there.

    Attributes:
        unwritten: Messages that were taken, or came too late, and are not in the bag.
    """

    def __init__(self, path: Path, options: WriterOptions | None = None) -> None:
        self.unwritten = 0
        self._path = path
        self._options = options or WriterOptions()
        self._topics: dict[str, Topic] = {}
        self._made = 0
        #: Why nothing more is taken.
        self._failure = ''
        #: The part of `unwritten` that an error has told.
        self._told = 0
        #: Files that are finished, with their messages by topic.
        self._finished: list[tuple[metadata.BagFile, dict[str, int]]] = []
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise BagExistsError(f'{path} exists; a bag never overwrites anything') from error
        except OSError as error:
            raise BagWriteError(f'{path} cannot be made: {error.strerror}') from error
        self._file: FileWriter | None = None
        try:
            self._file = self._next_file()
        except OSError as error:
            path.rmdir()
            raise BagWriteError(f'{path} cannot be made: {error.strerror}') from error

    def _next_file(self) -> FileWriter:
        name = f'{self._path.name}_{self._made}.mcap'
        file = FileWriter(self._path / name, self._options, self._topics.values())
        self._made += 1
        return file

    @property
    def file_name(self) -> str:
        """Name of the file that is written now."""
        return '' if self._file is None else self._file.name

    @property
    def file_bytes(self) -> int:
        """Bytes of the file that is written now, the chunk in progress included."""
        return 0 if self._file is None else self._file.size

    @property
    def file_span_ns(self) -> tuple[int, int] | None:
        """First and last log time in the file that is written now, None without messages."""
        return None if self._file is None else self._file.span_ns

    def topics(self) -> dict[str, Topic]:
        """Return the topics declared so far, with the messages in the files that are kept."""
        parts = [counts for _, counts in self._finished]
        if self._file is not None:
            parts.append(self._file.counts)
        return {
            key: Topic(key, topic.schema, topic.qos, sum(counts.get(key, 0) for counts in parts))
            for key, topic in self._topics.items()
        }

    def declare(self, key: str, schema: Schema, qos: str) -> None:
        """Register schema and channel."""
        known = self._topics.get(key)
        if known is not None:
            if known.schema.name != schema.name:
                raise MessageTypeError(
                    f'{key} is {known.schema.name}, it cannot take {schema.name}'
                )
            return
        topic = Topic(key, schema, qos)
        self._try(0, lambda file: file.declare(topic))
        self._topics[key] = topic

    def write(self, message: SerializedMessage) -> None:
        """Add a message."""
        self._check_key(message.key)
        for time_ns in (message.log_time_ns, message.publish_time_ns):
            if not 0 <= time_ns < FOREVER_NS:
                raise BagTimeError(
                    f'{message.key}: a bag cannot hold the time {time_ns} ns; it starts at 0'
                )
        self._try(1, lambda file: file.write(message))

    def write_batch(
        self,
        key: str,
        batch: Batch,
        log_time_ns: NDArray[np.int64],
        publish_time_ns: NDArray[np.int64],
        sequence: NDArray[np.integer[Any]],
    ) -> None:
        """Add messages that have `McapWriter`'s prefix before each."""
        self._check_key(key)
        if not len(batch):
            return
        earliest = int(min(log_time_ns.min(), publish_time_ns.min()))
        if earliest < 0:
            raise BagTimeError(f'{key}: a bag cannot hold the time {earliest} ns; it starts at 0')
        self._try(
            len(batch),
            lambda file: file.write_batch(key, batch, log_time_ns, publish_time_ns, sequence),
        )

    def _check_key(self, key: str) -> None:
        if key not in self._topics:
            raise KeyNotFoundError(f'{key} was not declared')

    def add_metadata(self, name: str, data: Mapping[str, str]) -> None:
        """Add a metadata record to the file that is written now.

        On a full disk it is kept, too: closing makes room for what tells of the losses.
        """
        if self._failure and self._file is not None:
            self._file.add_metadata_at_end(name, data)
            return
        self._try(0, lambda file: file.add_metadata(name, data))

    def flush(self, *, sync: bool | None = None) -> None:
        """Complete the chunk in progress and hand all to the system, or to the disk."""
        is_synced = self._options.sync if sync is None else sync
        self._try(0, lambda file: file.flush(sync=is_synced))

    def split(self) -> str:
        """Finish the file and begin the next one; return its name."""
        self._try(0, self._finish_file)
        assert self._file is not None
        self._put_away(self._file)
        try:
            self._file = self._next_file()
        except OSError as error:
            raise self._failed(error, 0) from error
        most = self._options.max_files
        while most and len(self._finished) >= most:
            oldest, _ = self._finished.pop(0)
            try:
                (self._path / oldest.path).unlink(missing_ok=True)
            except OSError as error:
                raise BagWriteError(
                    f'{self._path / oldest.path} cannot be removed: {error.strerror}'
                ) from error
        return self._file.name

    def close(self) -> None:
        """Finish the file, and write `metadata.yaml`.

        Raises:
            BagWriteError: If it cannot be finished, or if it is, but messages are missing that
                no error has told of.
        """
        try:
            self._finish_bag()
        except OSError as error:
            self._failed(error, 0)
            raise BagWriteError(
                f'{self._path} cannot be finished: {error.strerror}; lk recover finishes it once '
                'there is room'
            ) from error
        finally:
            if self._file is not None:
                self._put_away(self._file)
        if self.unwritten > self._told:
            raise self._loss()

    def _finish_bag(self) -> None:
        room = _ROOM
        while True:
            try:
                if self._file is not None:
                    self._finish_file(self._file)
                self._write_metadata()
            except OSError as error:
                # What is finished has to make room for `metadata.yaml`.
                if not is_full(error) or not self._free(error, room):
                    raise
                room *= 2
            else:
                return

    def _finish_file(self, file: FileWriter) -> None:
        """Finish a file; on a full disk the last of its chunks make room for that."""
        room = _ROOM
        while True:
            try:
                file.finish()
            except OSError as error:
                if not is_full(error) or not self._free(error, room):
                    raise
                if self._file is None:
                    return
                room *= 2
            else:
                return

    def _free(self, error: OSError, size: int) -> bool:
        """Make room by giving back what is in the file; tell whether there was something."""
        file = self._file
        if file is None:
            return False
        self._failure = error.strerror or str(error)
        unwritten = file.settle()
        self.unwritten += unwritten
        if unwritten:
            # Without what was still to be written the end may fit.
            return True
        lost = file.give_back(size)
        if lost is not None:
            self.unwritten += lost
        elif self._finished:
            # Not even the summary of an empty file fits: the files before it are the bag.
            self._file = None
            file.remove()
        return lost is not None or self._file is None

    def _write_metadata(self) -> None:
        files = [file for file, _ in self._finished]
        if self._file is not None:
            files.append(self._file.information())
        information = metadata.information_of(
            files, list(self.topics().values()), custom_data=self._options.custom_data
        )
        metadata.write_atomically(
            self._path / metadata.METADATA,
            metadata.dump({metadata.OUTER_KEY: information}),
            sync=self._options.sync,
        )

    def _put_away(self, file: FileWriter) -> None:
        file.close()
        self._finished.append((file.information(), file.counts))
        self._file = None

    def _try(self, count: int, do: Callable[[FileWriter], None]) -> None:
        """Do something with the file; an error of the system ends the writing.

        Args:
            count: Messages that are lost if nothing more is taken.
            do: What is to be done.
        """
        if self._failure or self._file is None:
            self.unwritten += count
            raise self._loss()
        try:
            do(self._file)
        except OSError as error:
            raise self._failed(error, 0) from error
        if self._failure:
            # A file was finished, but some of it had to make room.
            raise self._loss()

    def _failed(self, error: OSError, count: int) -> BagWriteError:
        self._failure = error.strerror or str(error)
        self.unwritten += count
        if self._file is not None:
            self.unwritten += self._file.settle()
        return self._loss()

    def _loss(self) -> BagWriteError:
        """Make the error that tells what is missing."""
        self._told = self.unwritten
        kept = sum(topic.count for topic in self.topics().values())
        return BagWriteError(
            f'{self._path} cannot be written: {self._failure}; {self.unwritten} messages are not '
            f'in it, {kept} are'
        )
