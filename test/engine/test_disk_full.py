"""A disk that gets full: the bag is closed properly, and what is missing is told."""

from __future__ import annotations

import errno
import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.databases.mcap_files.output import Output
from lk_dataset_ros.dataset.databases.rosbag2 import file_writer, metadata
from lk_dataset_ros.errors import BagWriteError
from lk_dataset_ros.message import Batch, builtin_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = McapDatabase.batch_prefix
WRITE_ATOMICALLY = metadata.write_atomically
SCHEMA = builtin_schema('std_msgs/msg/String')


class Disk:
    """A disk of some size; files on it are real, but take no more than it has."""

    def __init__(self, size: int, error: int = errno.ENOSPC) -> None:
        self.size = size
        self.error = error
        self.files: list[LimitedFile] = []
        self.others = 0

    @property
    def used(self) -> int:
        """Bytes on it."""
        there = [each.path for each in self.files if each.path.exists()]
        return sum(path.stat().st_size for path in there) + self.others

    def open(self, path: Path) -> LimitedFile:
        """Open a new file."""
        self.take(0)
        file = LimitedFile(self, path)
        self.files.append(file)
        return file

    def take(self, size: int) -> None:
        """Refuse what does not fit."""
        if self.used + size > self.size:
            raise OSError(self.error, 'No space left on device')

    def write_text(self, path: Path, text: str, *, sync: bool) -> None:
        """Stand for `metadata.write_atomically`."""
        del sync
        self.take(len(text))
        path.write_text(text)
        self.others += len(text)


class LimitedFile(io.FileIO):
    """A file on such a disk: takes what fits, and then nothing, as the system does it."""

    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(path, 'xb')
        self.disk, self.path = disk, path

    def write(self, data: Any) -> int:
        """Write as much as fits."""
        room = self.disk.size - self.disk.used
        if room <= 0 and len(data):
            self.disk.take(1)
        return super().write(memoryview(data)[:room]) or 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Let bags be written to a small disk."""
    small = Disk(200_000)
    monkeypatch.setattr(file_writer, 'open_output', small.open)
    monkeypatch.setattr(metadata, 'write_atomically', small.write_text)
    yield small
    assert all(each.closed for each in small.files)


def write(database: McapDatabase, number: int, count: int = 20) -> None:
    """Write a batch of messages of 131 bytes each in the file; the time says which."""
    stride = 100 + PREFIX
    buffer = np.zeros(stride * count, np.uint8)
    buffer.reshape(count, stride)[:, PREFIX:] = np.random.default_rng(number).integers(
        1, 255, (count, 100)
    )
    start = PREFIX + stride * np.arange(count)
    times = number * 1000 + np.arange(count)
    database.write_batch('/a', Batch(buffer, start, np.full(count, 100)), times, times, times)


def check(path: Path) -> list[int]:
    """Read a closed bag with three readers; return the log times."""
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        times = bag.timestamps('/a').tolist() if '/a' in bag.topics() else []
    told = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert told['message_count'] == len(times)
    found = []
    for each in told['files']:
        with (path / each['path']).open('rb') as file:
            reader = make_reader(file, validate_crcs=True)
            part = [message.log_time for _, _, message in reader.iter_messages()]
            summary = reader.get_summary()
            assert summary is not None
            assert summary.statistics is not None
            assert summary.statistics.message_count == len(part) == each['message_count']
            inside = {one.name: one.metadata for one in reader.iter_metadata()}
            copy = yaml.safe_load(inside['rosbag2']['serialized_metadata'])
            assert copy['message_count'] == len(part)
            found += part
    assert found == times
    assert {each['path'] for each in told['files']} == {each.name for each in path.glob('*.mcap')}
    with AnyReader([path]) as reader2:
        assert [time_ns for _, time_ns, _ in reader2.messages()] == times
    return times


def fill(database: McapDatabase, flush_every: int, first: int = 0) -> tuple[int, str]:
    """Write batches until that fails; return how many messages were given, and the error."""
    given = 0
    for number in range(first, first + 500):
        given += 20
        try:
            write(database, number)
            if number % flush_every == flush_every - 1:
                database.flush()
        except BagWriteError as error:
            return given, str(error)
    raise AssertionError('the disk did not get full')


def numbers_in(error: str) -> tuple[int, int]:
    """Return the messages that an error says are missing, and are there."""
    found = re.search(r'(\d+) messages are not in it, (\d+) are', error)
    assert found, error
    return int(found[1]), int(found[2])


def close(database: McapDatabase) -> None:
    """Close; what had to make room for the summary is told by an error that is right."""
    missing = database.unwritten
    try:
        database.close()
    except BagWriteError as error:
        assert numbers_in(str(error))[0] == database.unwritten > missing  # noqa: PT017
    else:
        assert database.unwritten == missing


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
@pytest.mark.parametrize('chunk_size', [500, 20_000, 10_000_000])
@pytest.mark.parametrize('flush_every', [1, 7, 10_000])
def test_a_full_disk_leaves_a_good_bag(
    disk: Disk, tmp_path: Path, compression: Any, chunk_size: int, flush_every: int
) -> None:
    """Promise: the bag is whole, ends before what is missing, and the numbers add up."""
    path = tmp_path / 'bag'
    database = McapDatabase(path, 'w', compression=compression, chunk_size=chunk_size)
    database.declare('/a', SCHEMA)
    database.add_metadata('before', {'a': 'b'})
    if chunk_size == flush_every * 1000 == 10_000_000:
        # Nothing is written before the end.
        for number in range(100):
            write(database, number)
        given, told = 2000, ''
        with pytest.raises(BagWriteError, match='No space left on device; 2000 messages are not'):
            database.close()
    else:
        given, told = fill(database, flush_every)
        missing, there = numbers_in(told)
        assert missing + there == given
        assert database.unwritten == missing
        close(database)
    times = check(path)
    assert len(times) + database.unwritten == given
    assert times == [number // 20 * 1000 + number % 20 for number in range(len(times))]
    assert disk.used <= disk.size
    if told:
        # No more is given back than the summary needs.
        assert len(times) * 131 > 110_000 - 2 * chunk_size
    with McapDatabase(path, 'r') as bag:
        assert ('before', {'a': 'b'}) in bag.metadata()


def test_after_that_nothing_is_taken(disk: Disk, tmp_path: Path) -> None:
    """Promise: each later write is refused with the numbers so far, also when there is room."""
    database = McapDatabase(tmp_path / 'bag', 'w', compression='none', chunk_size=1000)
    database.declare('/a', SCHEMA)
    given, _ = fill(database, 1)
    missing = database.unwritten + 20
    disk.size *= 2
    with pytest.raises(BagWriteError, match=f'; {missing} messages are not in it'):
        write(database, 900)
    for refused in (database.flush, database.split):
        with pytest.raises(BagWriteError, match='No space left'):
            refused()
    database.close()
    assert len(check(tmp_path / 'bag')) + missing == given + 20


@pytest.mark.parametrize('error', [errno.EDQUOT, errno.EFBIG])
def test_a_quota_is_a_full_disk(disk: Disk, tmp_path: Path, error: int) -> None:
    """Promise: a quota and the largest possible file end a bag as a full disk does."""
    disk.error = error
    database = McapDatabase(tmp_path / 'bag', 'w', compression='none', chunk_size=1000)
    database.declare('/a', SCHEMA)
    fill(database, 1)
    close(database)
    check(tmp_path / 'bag')


@pytest.mark.parametrize('room', [0, 300, 1500, 40_000])
def test_a_split_on_a_full_disk(disk: Disk, tmp_path: Path, room: int) -> None:
    """Promise: where the next file does not fit, the files so far are the bag."""
    path = tmp_path / 'bag'
    disk.size = 10_000_000
    database = McapDatabase(path, 'w', compression='none', chunk_size=1000)
    database.declare('/a', SCHEMA)
    for number in range(50):
        write(database, number)
    database.flush()
    disk.size = disk.used + room
    try:
        database.split()
        fill(database, 1, 50)
    except BagWriteError as error:
        assert 'No space left' in str(error)  # noqa: PT017
    close(database)
    times = check(path)
    assert len(times) >= 1000 - 20 * (room < 20_000) * 50
    if room == 40_000:
        assert times[:1000] == [n // 20 * 1000 + n % 20 for n in range(1000)]
    assert disk.used <= disk.size


def test_a_file_without_room_for_its_end_goes(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: where not even an empty file can be finished, the files before it are the bag."""
    path = tmp_path / 'bag'
    disk.size = 10_000_000
    database = McapDatabase(path, 'w', compression='none')
    database.declare('/a', SCHEMA)
    write(database, 0)
    database.split()
    database.split()
    write(database, 1)
    disk.size = disk.used + 100
    # As if the file that goes had left room enough for it.
    monkeypatch.setattr(metadata, 'write_atomically', WRITE_ATOMICALLY)
    with pytest.raises(BagWriteError, match='20 messages are not in it, 20 are'):
        database.close()
    assert check(path) == list(range(20))
    assert sorted(each.name for each in path.glob('*.mcap')) == ['bag_0.mcap', 'bag_1.mcap']


def test_what_tells_of_the_losses_is_kept(disk: Disk, tmp_path: Path) -> None:
    """Promise: metadata records are in the bag, those from before the disk was full and after."""
    path = tmp_path / 'bag'
    database = McapDatabase(path, 'w', compression='none', chunk_size=1000)
    database.declare('/a', SCHEMA)
    disk.size = 1_000_000
    for number in range(50):
        write(database, number)
    database.flush()
    # Behind the chunks that will have to make room.
    database.add_metadata('before', {'a': 'b'})
    disk.size = disk.used
    with pytest.raises(BagWriteError):
        write(database, 51)
    database.add_metadata('after', {'lost': '20', 'x': 'y' * 5000})
    close(database)
    assert 500 < len(check(path)) < 1000
    with McapDatabase(path, 'r') as bag:
        found = dict(bag.metadata())
    assert (found['before'], found['after']['lost']) == ({'a': 'b'}, '20')


def test_a_disk_that_fails_otherwise_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: where not even the end can be written, the error says so and names the cure."""
    database = McapDatabase(tmp_path / 'bag', 'w', chunk_size=1000)
    database.declare('/a', SCHEMA)
    for number in range(5):
        write(database, number)
    database.flush()

    def fail(self: Output, parts: Any) -> None:
        raise OSError(errno.EIO, 'Input/output error')

    with monkeypatch.context() as broken:
        broken.setattr(Output, 'write', fail)
        with pytest.raises(BagWriteError, match='Input/output error; 20 messages are not in it'):
            write(database, 6)
        with pytest.raises(BagWriteError, match=r'cannot be finished: Input/output .*lk recover'):
            database.close()
    database.close()
    with McapDatabase(tmp_path / 'bag', 'r') as bag:
        assert bag.topics()['/a'].count == 100


def test_a_torn_write_is_cut_off() -> None:
    """Promise: pieces that cannot all be written leave nothing behind."""

    class Torn(io.BytesIO):
        def write(self, data: Any) -> int:
            if len(data) > 3:
                super().write(bytes(data[:2]))
                raise OSError(errno.ENOSPC, 'No space left on device')
            return super().write(data)

    file = Torn()
    output = Output(file)
    output.write([b'abc', b'd'])
    with pytest.raises(OSError, match='No space'):
        output.write([b'ef', b'ghijk'])
    assert (file.getvalue(), output.position, file.tell()) == (b'abcd', 4, 4)


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: without room for the first file there is an error, and no folder is left."""

    def refuse(path: Path) -> Any:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(file_writer, 'open_output', refuse)
    with pytest.raises(BagWriteError, match='bag cannot be made: No space left'):
        McapDatabase(tmp_path / 'bag', 'w')
    assert list(tmp_path.iterdir()) == []
