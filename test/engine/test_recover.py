"""`lk recover`: every whole message is kept, other tools read the result, nothing is destroyed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from lk_dataset_ros.cli.main import main
from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.databases.rosbag2 import file_recovery
from lk_dataset_ros.dataset.databases.rosbag2.recovery import recover
from lk_dataset_ros.errors import (
    BagExistsError,
    BagFormatError,
    BagNotFoundError,
    BagWriteError,
    LkError,
)

if TYPE_CHECKING:
    import io
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    'ignore::ResourceWarning', 'ignore::pytest.PytestUnraisableExceptionWarning'
)

Row = tuple[str, int, int, int, bytes]


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the disk."""
    monkeypatch.setattr('os.fsync', lambda _: None)


def by_mcap(path: Path) -> list[Row]:
    """Read a file with the mcap library, checksums compared, by its summary and without."""
    rows: list[list[Row]] = []
    for kind in (make_reader, NonSeekingReader):
        with path.open('rb') as file:
            reader = kind(file, validate_crcs=True)  # type: ignore[operator]
            found = [
                (channel.topic, each.log_time, each.publish_time, each.sequence, each.data)
                for _, channel, each in reader.iter_messages(log_time_order=False)
            ]
            rows.append(found)
    with path.open('rb') as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == len(rows[0])
    if summary.statistics.message_count:
        times = [row[1] for row in rows[0]]
        assert summary.statistics.message_start_time == min(times)
        assert summary.statistics.message_end_time == max(times)
    assert sorted(rows[0]) == sorted(rows[1])
    return sorted(rows[0], key=lambda row: row[1])


def by_us(path: Path) -> list[Row]:
    """Read whatever our reader makes of a bag."""
    with McapDatabase(path, 'r') as bag:
        return [
            (each.key, each.log_time_ns, each.publish_time_ns, each.sequence, each.cdr)
            for each in bag.iterate_serialized()
        ]


def warnings_of(path: Path) -> list[str]:
    """Return what our reader has to say of a bag."""
    with McapDatabase(path, 'r') as bag:
        return bag.warnings


def fill(database: McapDatabase, kit: Any, numbers: range) -> None:
    """Write messages of two topics; chunks end after each fourth number."""
    for number in numbers:
        for key in ('/a', '/b'):
            message = kit.message('std_msgs/msg/String', data=f'{key} {number} ' + 'x' * number)
            database.write(key, message, timestamp_ns=50 + number)
        if number % 4 == 3:
            database.flush()


def killed(kit: Any, name: str = 'bag', splits: int = 0, **options: Any) -> Path:
    """Return a bag as a killed recorder leaves it."""
    path: Path = kit.folder / f'{name}_running'
    database = McapDatabase(path, 'w', **options)
    for part in range(splits + 1):
        if part:
            database.split()
        fill(database, kit, range(part * 12, part * 12 + 12))
    left: Path = kit.folder / name
    shutil.copytree(path, left)
    database.close()
    for number in range(splits + 1):
        (left / f'{name}_running_{number}.mcap').rename(left / f'{name}_{number}.mcap')
    return left


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
def test_a_file_cut_at_every_byte_is_recovered(kit: Any, compression: Any) -> None:
    """Promise: cut anywhere in the last chunk or behind it, a bag becomes whole with all that its reader could read of it.

    The mcap library, with and without summary, and rosbags read the same; a second recovery
    finds nothing to do.
    """
    source = killed(kit, compression=compression)
    content = (source / 'bag_0.mcap').read_bytes()
    whole = by_us(source)
    assert len(whole) == 24
    bag = kit.folder / 'cut'
    file = bag / 'cut_0.mcap'
    recover(source)
    with (source / 'bag_0.mcap').open('rb') as opened:
        summary = make_reader(opened).get_summary()
    assert summary is not None
    offsets = [each.chunk_start_offset for each in summary.chunk_indexes]
    assert len(offsets) == 3
    # Every byte of it; some of what is before.
    for length in [*range(8, offsets[-1], 29), *range(offsets[-1], len(content) + 1)]:
        shutil.rmtree(bag, ignore_errors=True)
        bag.mkdir()
        file.write_bytes(content[:length])
        before = by_us(file)
        result = recover(bag)
        assert result.metadata_written
        after = by_mcap(file)
        assert after == whole[: len(after)]
        assert len(after) >= len(before), f'cut at {length}'
        assert (result.messages, by_us(bag), warnings_of(bag)) == (len(after), after, [])
        rest = bag / 'cut_0.mcap.rest'
        if rest.exists():
            assert content[:length].endswith(rest.read_bytes())
        if length % 40 == 0 or length == len(content):
            with Reader(bag) as reader:
                assert reader.message_count == len(after)
                assert [time_ns for _, time_ns, _ in reader.messages()] == [r[1] for r in after]
            kept = {each: each.read_bytes() for each in bag.iterdir()}
            again = recover(bag)
            assert ([each.problems for each in again.files], again.metadata_written) == (
                [()],
                False,
            )
            assert kept == {each: each.read_bytes() for each in bag.iterdir()}
    assert len(after) == 24


@pytest.mark.parametrize('options', [{'use_chunking': False}, {'chunk_size': 300}])
def test_files_of_others_cut_at_every_byte(kit: Any, options: dict[str, Any]) -> None:
    """Promise: the same for the mcap library's files, also where messages are in no chunk."""
    items = [
        (key, kit.message('std_msgs/msg/String', data=f'{key} {number}'), 50 + number)
        for number in range(6)
        for key in ('/a', '/b')
    ]
    source = kit.bare('whole.mcap', items, **options)
    content, whole = source.read_bytes(), by_us(source)
    file = kit.folder / 'cut.mcap'
    for length in range(8, len(content) + 1, 3):
        file.write_bytes(content[:length])
        before = by_us(file)
        assert not recover(file).metadata_written
        after = by_mcap(file)
        assert after == whole[: len(after)]
        assert len(after) >= len(before)
        assert all(not each.problems for each in recover(file).files)
        for rest in kit.folder.glob('*.rest'):
            rest.unlink()


def test_a_killed_recorder_of_several_files(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: of a split bag the last file gets its end, and all of them metadata.yaml."""
    bag = killed(kit, splits=2, custom_data={'robot': 'r2'})
    before = {name: (bag / name).read_bytes() for name in ('bag_0.mcap', 'bag_1.mcap')}
    torn = bag / 'bag_2.mcap'
    torn.write_bytes(torn.read_bytes()[:-40])
    read = by_us(bag)
    assert main(['recover', str(bag)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ['bag_0.mcap: is whole, 24 messages', 'bag_1.mcap: is whole, 24 messages']
    assert any(line.startswith('bag_2.mcap: it is cut or damaged at byte') for line in lines)
    assert any(line.startswith('bag_2.mcap: repaired, 24 messages') for line in lines)
    assert lines[-1] == f'{bag}: 72 messages of 2 topics in 3 files; metadata.yaml written'
    assert before == {name: (bag / name).read_bytes() for name in before}
    told = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert told['relative_file_paths'] == ['bag_0.mcap', 'bag_1.mcap', 'bag_2.mcap']
    assert [each['message_count'] for each in told['files']] == [24, 24, 24]
    assert told['custom_data'] == {'robot': 'r2'}
    assert (told['version'], told['storage_identifier']) == (9, 'mcap')
    assert by_us(bag) == read
    with AnyReader([bag]) as reader:
        assert len(list(reader.messages())) == 72
    with (bag / 'bag_2.mcap').open('rb') as file:
        records = {each.name: each.metadata for each in make_reader(file).iter_metadata()}
    inside = yaml.safe_load(records['rosbag2']['serialized_metadata'])
    assert (inside['message_count'], inside['relative_file_paths']) == (24, ['bag_2.mcap'])
    assert inside['custom_data'] == {'robot': 'r2'}


def test_a_bag_that_is_whole_is_left_alone(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: nothing is written to what is in order."""
    bag = kit.bag('bag', kit.drive(20))
    kept = {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in bag.iterdir()}
    assert main(['recover', str(bag)]) == 0
    assert capsys.readouterr().out == (
        f'bag_0.mcap: is whole, 20 messages\n{bag}: 20 messages of 1 topic\n'
    )
    assert kept == {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in bag.iterdir()}


@pytest.mark.parametrize('damage', ['missing', 'torn', 'empty', 'counts', 'file'])
def test_wrong_metadata_is_written_anew(kit: Any, damage: str) -> None:
    """Promise: metadata.yaml that is missing, torn or wrong is made of the files."""
    bag = kit.bag('bag', kit.drive(20))
    path = bag / 'metadata.yaml'
    right = path.read_text()
    wrong = {
        'torn': right[: len(right) // 2] + '\n  ]: {',
        'empty': '',
        'counts': right.replace('message_count: 20', 'message_count: 19'),
        'file': right.replace('bag_0.mcap', 'other_0.mcap'),
    }
    path.unlink() if damage == 'missing' else path.write_text(wrong[damage])
    assert recover(bag).metadata_written
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(right)
    assert (bag / 'metadata.yaml.damaged').exists() == (damage in ('torn', 'empty'))


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_flipped_bits_cost_their_chunk_only(kit: Any, compression: Any) -> None:
    """Promise: one damaged place costs one chunk at most; the damaged file is kept."""
    source = kit.folder / 'source'
    with McapDatabase(source, 'w', compression=compression) as database:
        fill(database, kit, range(24))
    content = (source / 'source_0.mcap').read_bytes()
    whole = by_us(source)
    dice = random.Random(3)
    file = kit.folder / 'bent.mcap'
    for _ in range(300):
        damaged = bytearray(content)
        place = dice.randrange(8, len(damaged))
        damaged[place] ^= 1 << dice.randrange(8)
        file.write_bytes(damaged)
        result = recover(file)
        after = by_mcap(file)
        missing = [row for row in whole if row not in after]
        assert len(missing) <= 8, f'{place}: {result}'
        changed = [row for row in after if row not in whole]
        # Only chunks have checksums: nothing else may change a message.
        assert not changed
        assert warnings_of(file) == []
        beside = [each for each in kit.folder.glob('bent.mcap.*') if each != file]
        if missing:
            assert result.files[0].problems
            assert any(
                each.read_bytes() == damaged or bytes(damaged).endswith(each.read_bytes())
                for each in beside
            )
        for each in beside:
            each.unlink()


def test_heavy_damage_never_escapes_the_error_root(kit: Any) -> None:
    """Promise: whatever a file holds, it becomes whole or is an LkError; the bytes are kept."""
    content = (killed(kit, compression='zstd') / 'bag_0.mcap').read_bytes()
    dice = random.Random(5)
    file = kit.folder / 'bent.mcap'
    for _ in range(200):
        damaged = bytearray(content[: dice.randint(8, len(content))])
        for _ in range(dice.randint(1, 20)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        file.write_bytes(damaged)
        try:
            recover(file)
        except LkError as error:
            assert file.read_bytes() == damaged, error  # noqa: PT017
        else:
            by_us(file)
        for each in kit.folder.glob('bent.mcap.*'):
            each.unlink()


def test_a_copy_leaves_the_bag_as_it_is(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: with -o the bag is not touched, and the copy is whole; it replaces nothing."""
    bag = killed(kit, splits=1)
    (bag / 'bag_1.mcap').write_bytes((bag / 'bag_1.mcap').read_bytes()[:-40])
    kept = {each: each.read_bytes() for each in bag.iterdir()}
    read = by_us(bag)
    out = kit.folder / 'deep' / 'copy'
    assert main(['recover', str(bag), '-o', str(out)]) == 0
    assert f'{out}: 48 messages of 2 topics in 2 files' in capsys.readouterr().out
    assert kept == {each: each.read_bytes() for each in bag.iterdir()}
    assert sorted(each.name for each in out.iterdir()) == [
        'copy_0.mcap',
        'copy_1.mcap',
        'metadata.yaml',
    ]
    assert (by_us(out), warnings_of(out)) == (read, [])
    with AnyReader([out]) as reader:
        assert len(list(reader.messages())) == 48
    single = kit.folder / 'single.mcap'
    recover(bag / 'bag_1.mcap', single)
    assert len(by_mcap(single)) == 24
    for target in (out, single):
        with pytest.raises(BagExistsError, match='nothing is overwritten'):
            recover(bag, target)
    with pytest.raises(BagFormatError, match=r'cannot hold a copy of .*, which is a folder'):
        recover(bag, kit.folder / 'x.mcap')
    with pytest.raises(BagFormatError, match=r'cannot hold a copy of .*, which is a .mcap file'):
        recover(bag / 'bag_1.mcap', kit.folder / 'x')
    assert sorted(each.name for each in kit.folder.iterdir() if each.name.startswith('.')) == []


def test_a_bag_in_the_writing_is_not_touched(kit: Any) -> None:
    """Promise: a file that its recorder still writes to is refused; a copy can be made."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w') as database:
        fill(database, kit, range(12))
        content = (path / 'bag_0.mcap').read_bytes()
        with pytest.raises(BagWriteError, match='is being written: stop its recorder first'):
            recover(path)
        assert (path / 'bag_0.mcap').read_bytes() == content
        assert recover(path, kit.folder / 'copy').messages == 24
    assert not recover(path).metadata_written


def test_a_full_disk_leaves_the_file_as_it_was(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: where the new end does not fit, the old one is put back."""
    bag = killed(kit)
    file = bag / 'bag_0.mcap'
    file.write_bytes(file.read_bytes()[:-30])
    before = {each: each.read_bytes() for each in bag.iterdir()}
    calls = []

    def fail_once(handle: io.BufferedRandom) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, 'No space left on device')
        handle.flush()

    monkeypatch.setattr(file_recovery, '_to_disk', fail_once)
    with pytest.raises(BagWriteError, match='cannot be recovered: No space left on device'):
        recover(bag)
    assert before == {each: each.read_bytes() for each in bag.iterdir()}


@pytest.mark.parametrize('content', [b'', b'\x89MC', b'nothing of the kind'])
def test_files_that_hold_nothing(kit: Any, content: bytes) -> None:
    """Promise: such a file alone is an error; among others it is set aside."""
    bag = killed(kit)
    (bag / 'bag_1.mcap').write_bytes(content)
    with pytest.raises(BagFormatError, match='there is nothing to recover'):
        recover(bag / 'bag_1.mcap')
    result = recover(bag)
    assert (result.messages, result.set_aside) == (24, ('bag_1.mcap',))
    assert (bag / 'bag_1.mcap.damaged').read_bytes() == content
    assert warnings_of(bag) == []
    with pytest.raises(BagNotFoundError):
        recover(kit.folder / 'nowhere')
    (kit.folder / 'empty').mkdir()
    with pytest.raises(BagFormatError, match='not a bag'):
        recover(kit.folder / 'empty')
    (kit.folder / 'old.db3').write_bytes(b'SQLite format 3\0')
    with pytest.raises(BagFormatError, match='lk convert makes a new bag'):
        recover(kit.folder / 'old.db3')


def test_attachments_and_metadata_are_kept(kit: Any) -> None:
    """Promise: what else is in a file is listed in the new summary."""
    path = kit.folder / 'a.mcap'
    with path.open('wb') as output:
        writer = Writer(output)
        writer.start('ros2', 'test')
        writer.add_attachment(3, 4, 'name', 'text/plain', b'content')
        writer.add_metadata('mine', {'a': 'b'})
        schema = writer.register_schema('std_msgs/msg/Int8', 'ros2msg', b'int8 data')
        channel = writer.register_channel('/a', 'cdr', schema)
        writer.add_message(channel, 1, b'\0\1\0\0\5', 2, 3)
        writer.finish()
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    recover(path)
    with path.open('rb') as file:
        reader = make_reader(file)
        (attachment,) = list(reader.iter_attachments())
        assert (attachment.name, attachment.data, attachment.log_time) == ('name', b'content', 4)
        records = {each.name: each.metadata for each in reader.iter_metadata()}
        assert records['mine'] == {'a': 'b'}
    assert by_mcap(path) == [('/a', 1, 2, 3, b'\0\1\0\0\5')]


KILLED = """
import os, sys
import numpy as np
from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.message import Batch, builtin_schema
database = McapDatabase(sys.argv[1], 'w', compression=sys.argv[2], chunk_size=20_000)
database.declare('/a', builtin_schema('std_msgs/msg/String'))
number = 0
while True:
    buffer = np.zeros(131 * 50, np.uint8)
    start = 31 + 131 * np.arange(50)
    times = number + np.arange(50)
    database.write_batch('/a', Batch(buffer, start, np.full(50, 100)), times, times, times)
    number += 50
    if number % 200 == 0:
        database.flush()
        print(number, flush=True)
    if number % 2000 == 0:
        database.split()
"""


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_a_process_killed_in_the_writing(kit: Any, compression: str) -> None:
    """Promise: after kill -9 everything that was flushed is there, and the bag is made whole."""
    path = kit.folder / 'bag'
    process = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(path), compression],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(kit.repository), *sys.path])},
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if int(line) >= 5000:
                process.send_signal(signal.SIGKILL)
                break
        flushed = [int(line), *(int(each) for each in process.stdout if each.endswith('\n'))][-1]
    before = [row[1] for row in by_us(path)]
    assert before == list(range(len(before)))
    assert len(before) >= flushed
    assert recover(path).messages == len(before)
    assert ([row[1] for row in by_us(path)], warnings_of(path)) == (before, [])
    with AnyReader([path]) as reader:
        assert reader.message_count == len(before)
