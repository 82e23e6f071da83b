"""Pickle files of datasets: plain inside, written whole, refused when they name anything."""

from __future__ import annotations

import collections
import copyreg
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros import Dataset
from lk_dataset_ros.dataset import PickleDatabase
from lk_dataset_ros.dataset.databases import _pickle_file
from lk_dataset_ros.errors import (
    BagExistsError,
    BagNotFoundError,
    BagTimeError,
    BagWriteError,
    DatasetFormatError,
    LkError,
)
from lk_dataset_ros.message import builtin_schema

INT32 = builtin_schema('std_msgs/msg/Int32')


class Evil:
    """Runs something of the attacker's when a plain `pickle.load` meets it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


class Kind:
    """A class of somebody's."""


# Test modules are imported without a package; pickle looks its classes up by module.
Kind.__module__ = 'test_pickle_database'
sys.modules.setdefault('test_pickle_database', sys.modules[__name__])


class Persistent(pickle.Pickler):
    """Writes a persistent id."""

    def persistent_id(self, obj: Any) -> Any:
        return 'somewhere/else' if obj == 'away' else None


def content_of(kit: Any) -> dict[str, Any]:
    """Return what a sound file holds."""
    path = kit.folder / 'sound.pkl'
    kit.memory(kit.drive(4)).to_pickle(path)
    found = pickle.loads(path.read_bytes())
    path.unlink()
    return found


def file_of(kit: Any, content: Any, protocol: int = 4) -> Any:
    """Write a pickle by the standard library; return its path."""
    path = kit.folder / 'made.pkl'
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.fixture
def sound(kit: Any) -> bytes:
    """Return the bytes of a sound file."""
    return pickle.dumps(content_of(kit), 4)


def refusal(path: Any) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(DatasetFormatError) as caught:
        Dataset.load(path)
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_is_plain_builtins(kit: Any) -> None:
    """Promise: anybody's `pickle.load` reads the file; it holds dict, list, str, bytes, int."""
    content = content_of(kit)
    assert (content['format'], content['version']) == ('lk_dataset_ros.dataset', 1)
    (topic,) = content['topics']
    assert {type(value) for value in topic.values()} == {str, bytes}
    times = np.frombuffer(topic['log_time_ns'], '<i8').tolist()
    assert times == [time_ns for _, _, time_ns in kit.drive(4)]
    sizes = np.frombuffer(topic['size'], '<i8')
    first = topic['cdr'][: sizes[0]]
    typestore_message = kit.typestore.deserialize_cdr(first, topic['type'])
    kit.assert_same(kit.drive(1)[0][1], typestore_message)


@pytest.mark.parametrize(
    ('evil', 'named'),
    [
        (Evil(os.system, 'touch /tmp/lk_pwned'), 'posix.system'),
        (Evil(eval, '1'), 'builtins.eval'),
        (collections.OrderedDict(), 'collections.OrderedDict'),
        (np.arange(3), 'numpy'),
        (np.float64(1), 'numpy'),
        ({1, 2}, 'EMPTY_SET'),
        (bytearray(b'x'), 'BYTEARRAY8'),
        (1.5, 'BINFLOAT'),
        (Kind, 'test_pickle_database.Kind'),
        (pickle.loads, '_pickle.loads'),
    ],
)
@pytest.mark.parametrize('place', ['alone', 'topic', 'last'])
@pytest.mark.parametrize('protocol', [4, 5])
def test_what_names_anything_is_refused(
    kit: Any, evil: Any, named: str, place: str, protocol: int
) -> None:
    """Promise: a pickle that names a function, a class or an array is refused, naming it."""
    content: Any = content_of(kit)
    if place == 'alone':
        content = evil
    elif place == 'topic':
        content['topics'][0]['qos'] = evil
    else:
        content['later'] = evil
    if named == 'BYTEARRAY8' and protocol == 4:
        named = 'builtins.bytearray'
    assert named in refusal(file_of(kit, content, protocol))
    assert not Path('/tmp/lk_pwned').exists()


@pytest.mark.parametrize(
    ('data', 'named'),
    [
        (b'cos\nsystem\n.', 'os.system'),
        (b'(ios\nsystem\n.', 'os.system'),
        (b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.', 'os.system'),
        (b'Psome/object\n.', 'some/object'),
        (b'\x80\x04\x8c\x04away\x51.', 'away'),
        (b'\x80\x02\x82\x07.', 'extension code 7'),
        (b'\x80\x02\x83\x07\x01.', 'extension code 263'),
        (b'\x80\x04K\x01K\x02\x93.', 'STACK_GLOBAL'),
        (b'\x80\x04K\x01Q.', "persistent object '1'"),
        (b'\x80\x05\x97.', 'NEXT_BUFFER'),
        (b'I5\n.', 'INT'),
        (b'\x80\x04\x8a\x01\x05.', 'LONG1'),
    ],
)
def test_every_way_of_naming_is_refused(kit: Any, data: bytes, named: str) -> None:
    """Promise: old and new operations that name, instantiate or refer are refused by name."""
    assert named in refusal(file_of(kit, data))


def test_a_registered_extension_is_refused(kit: Any) -> None:
    """Promise: an extension code that this process has in its cache is refused all the same."""
    copyreg.add_extension('os', 'getcwd', 0x1234)
    try:
        data = b'\x80\x02\x83\x34\x12)R.'
        assert pickle.loads(data) == os.getcwd()  # noqa: PTH109 - What an unguarded loader does.
        assert 'extension code 4660' in refusal(file_of(kit, data))
    finally:
        copyreg.remove_extension('os', 'getcwd', 0x1234)


def test_persistent_ids_are_refused(kit: Any) -> None:
    """Promise: a reference to something outside the file is refused, naming it."""
    buffer = io.BytesIO()
    Persistent(buffer, 4).dump({'format': 'away'})
    assert 'somewhere/else' in refusal(file_of(kit, buffer.getvalue()))


def test_a_file_cut_anywhere_is_refused(kit: Any, sound: bytes) -> None:
    """Promise: every shorter beginning of a file is a DatasetFormatError."""
    for length in [*range(400), *range(400, len(sound), 37), len(sound) - 1]:
        refusal(file_of(kit, sound[:length]))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_flipped_bytes_are_refused_or_harmless(
    kit: Any, sound: bytes, data: st.DataObject
) -> None:
    """Promise: a damaged file is a dataset that can be read or an LkError, never anything else."""
    raw = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1) | st.integers(0, 400))
        raw[place] = data.draw(st.integers(0, 255))
    try:
        with PickleDatabase(file_of(kit, bytes(raw))) as database:
            for _ in database.iterate_serialized():
                pass
            for key in database.topics():
                database.heads(key)
                database.columns(key)
    except LkError as error:
        assert '\n' not in str(error)  # noqa: PT017


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
def test_random_bytes_are_refused(tmp_path_factory: Any, data: bytes) -> None:
    """Promise: whatever stands in a file, it is refused with a DatasetFormatError."""
    path = tmp_path_factory.getbasetemp() / 'random.pkl'
    path.write_bytes(b'\x80\x04' + data)
    with pytest.raises(DatasetFormatError):
        PickleDatabase(path)


def test_lying_lengths_do_not_allocate(kit: Any) -> None:
    """Promise: a length of 2^60 bytes is refused without making room for them."""
    import tracemalloc

    for data in (
        b'\x80\x04\x8e' + struct.pack('<Q', 2**60) + b'x.',
        b'\x80\x04B' + struct.pack('<I', 2**32 - 1) + b'x.',
        b'\x80\x04\x95' + struct.pack('<Q', 2**60) + b'].',
        b'\x80\x04\x8d' + struct.pack('<Q', 2**60) + b'x.',
        b'\x80\x04' + b'r' + struct.pack('<I', 2**31) + b'.',
        b'\x80\x04]j' + struct.pack('<I', 2**31) + b'.',
    ):
        path = file_of(kit, data)
        tracemalloc.start()
        refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000


@pytest.mark.parametrize(
    'data',
    [
        b'\x80\x04' + b']' * 200_000 + b'a' * 199_999 + b'.',
        b'\x80\x04' + b'(' * 200_000 + b'.',
        b'\x80\x04' + b'}K\x01' * 100_000 + b'.',
        b'\x80\x04]\x94' + b'(h\x00h\x00e' * 300_000 + b'.',
    ],
    ids=['lists', 'marks', 'dicts', 'memo'],
)
def test_bombs_are_refused(kit: Any, data: bytes) -> None:
    """Promise: deep nesting and endless repetition are refused before anything is built."""
    assert 'nests or repeats' in refusal(file_of(kit, data))


def test_a_memo_bomb_stays_small(kit: Any) -> None:
    """Promise: lists of lists of lists that would be 2^40 items when walked are not walked."""
    content: Any = []
    for _ in range(40):
        content = [content, content]
    assert 'not of a dataset' in refusal(file_of(kit, content))
    sound = content_of(kit)
    sound['topics'] = content
    assert 'a topic that does not consist of' in refusal(file_of(kit, sound))


def changed(**changes: Any) -> Any:
    """Return a change of the first topic."""

    def change(content: dict[str, Any]) -> None:
        content['topics'][0].update(changes)

    return change


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda content: content.update(version=2), 'has version 2; version 1 is read'),
        (lambda content: content.update(version=True), 'NEWTRUE'),
        (lambda content: content.update(version='1'), 'version'),
        (lambda content: content.update(format='other'), 'not of a dataset'),
        (lambda content: content.update(topics={}), 'no list of topics'),
        (lambda content: content['topics'].append(1), 'does not consist of'),
        (lambda content: content['topics'].append(content['topics'][0]), 'same key twice'),
        (lambda content: content['topics'][0].pop('qos'), 'does not consist of'),
        (changed(more=1), 'does not consist of'),
        (changed(key=b'/odom'), 'key is no text'),
        (changed(type='Odometry'), 'not a message type'),
        (changed(cdr='text'), 'cdr is no bytes'),
        (changed(cdr=b''), 'sizes'),
        (changed(size=b'1234567'), 'bytes'),
        (changed(size=struct.pack('<4q', 1, 2, 3, 2**62)), 'sizes'),
        (changed(size=struct.pack('<4q', -1, 2, 3, 4)), 'sizes'),
        (changed(log_time_ns=b''), 'log_time_ns has 0 bytes, which are not 4 values'),
        (changed(sequence=b'1' * 32), 'sequence'),
        (changed(place=b'1' * 8), 'place'),
    ],
)
def test_a_wrong_structure_is_refused(kit: Any, change: Any, reason: str) -> None:
    """Promise: version, keys, types and sizes are checked; the refusal says which is wrong."""
    content = content_of(kit)
    change(content)
    assert reason in refusal(file_of(kit, content))


@pytest.mark.parametrize('odd', [2**62, -1, -(2**63)])
def test_sizes_that_only_add_up_are_refused(kit: Any, odd: int) -> None:
    """Promise: negative sizes, and sizes that wrap around, are refused although the sum fits."""
    content = content_of(kit)
    whole = len(content['topics'][0]['cdr'])
    sizes = [odd, -odd, 0, whole] if odd < 0 else [odd, odd, odd, odd + whole]
    content['topics'][0]['size'] = struct.pack('<4Q', *(size % 2**64 for size in sizes))
    assert 'sizes' in refusal(file_of(kit, content))


def test_what_is_no_file_is_refused(kit: Any) -> None:
    """Promise: nothing, a folder, a pipe: an LkError, and no waiting."""
    with pytest.raises(BagNotFoundError):
        PickleDatabase(kit.folder / 'none.pkl')
    with pytest.raises(DatasetFormatError):
        PickleDatabase(kit.folder)
    with pytest.raises(DatasetFormatError):
        PickleDatabase('/dev/null')


def test_nothing_is_overwritten(kit: Any) -> None:
    """Promise: a new dataset never replaces a file, nor one that comes there meanwhile."""
    path = kit.folder / 'x.pkl'
    late = PickleDatabase(path, 'w')
    path.write_text('mine')
    for write in (lambda: PickleDatabase(path, 'w'), late.flush, late.close):
        with pytest.raises(BagExistsError):
            write()
    assert path.read_text() == 'mine'
    assert [each.name for each in kit.folder.iterdir()] == ['x.pkl']


def test_a_race_for_the_name_is_lost_without_harm(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: a file that appears while ours is being written is not replaced."""
    path = kit.folder / 'x.pkl'
    database = PickleDatabase(path, 'w')
    save = _pickle_file.save

    def slow(*arguments: Any, **options: Any) -> None:
        path.write_text('mine')
        save(*arguments, **options)

    monkeypatch.setattr(_pickle_file, 'save', slow)
    with pytest.raises(BagWriteError, match='exists'):
        database.close()
    assert path.read_text() == 'mine'
    assert [each.name for each in kit.folder.iterdir()] == ['x.pkl']


@pytest.mark.parametrize('call', ['replace', 'fsync', 'chmod'])
def test_a_failing_disk_leaves_the_old_file(
    kit: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Promise: whatever fails while writing anew, the file is as it was, and nothing is left."""
    path = kit.folder / 'x.pkl'
    database = PickleDatabase(path, 'w')
    database.declare('/n', INT32)
    database.write_serialized('/n', b'\0\1\0\0\1\0\0\0', 1)
    database.flush()
    before = path.read_bytes()
    database.write_serialized('/n', b'\0\1\0\0\2\0\0\0', 2)

    def fail(*_: Any) -> None:
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(_pickle_file.os, call, fail)
        with pytest.raises(BagWriteError, match='No space left'):
            database.flush()
        assert path.read_bytes() == before
        assert [each.name for each in kit.folder.iterdir()] == ['x.pkl']
    database.close()
    assert [message.data for message in Dataset.load(path)['/n']] == [1, 2]


def test_flush_without_news_does_not_write(kit: Any) -> None:
    """Promise: flushing twice writes once; closing after a flush writes nothing more."""
    path = kit.folder / 'x.pkl'
    database = PickleDatabase(path, 'w')
    database.declare('/n', INT32)
    database.flush()
    inode = path.stat().st_ino
    database.flush()
    database.close()
    assert path.stat().st_ino == inode
    assert path.stat().st_mode & 0o777 == 0o644


def test_no_folder_is_refused_before_anything_is_written(kit: Any) -> None:
    """Promise: a path whose folder is missing is refused when the dataset is made."""
    with pytest.raises(BagWriteError, match='folder'):
        PickleDatabase(kit.folder / 'no' / 'x.pkl', 'w')


def test_times_beyond_64_bits_are_refused(kit: Any) -> None:
    """Promise: a time that the file cannot hold is refused when written, the rest is kept."""
    with PickleDatabase(kit.folder / 'x.pkl', 'w') as database:
        database.declare('/n', INT32)
        for time_ns in (2**63, -(2**63) - 1):
            with pytest.raises(BagTimeError):
                database.write_serialized('/n', b'', time_ns)
        for time_ns in (2**63 - 1, -(2**63)):
            database.write_serialized('/n', b'', time_ns)
    with PickleDatabase(kit.folder / 'x.pkl') as database:
        assert database.timestamps('/n').tolist() == [-(2**63), 2**63 - 1]
        assert len(list(database.iterate_serialized(start_ns=2**63))) == 0
        assert len(list(database.iterate_serialized(stop_ns=2**70))) == 2
        assert len(list(database.iterate_serialized(start_ns=-(2**70)))) == 2


def test_equal_times_keep_their_order_over_keys(kit: Any) -> None:
    """Promise: messages of one time come in the order of writing, over all keys, when reloaded."""
    keys = ['/a', '/b', '/c']
    order = [keys[number * 7 % 3] for number in range(30)]
    with PickleDatabase(kit.folder / 'x.pkl', 'w') as database:
        for key in keys:
            database.declare(key, INT32)
        for number, key in enumerate(order):
            database.write_serialized(key, b'%d' % number, 5)
    with PickleDatabase(kit.folder / 'x.pkl') as database:
        assert [each.key for each in database.iterate_serialized()] == order


def test_large_messages_are_not_copied_for_columns(kit: Any) -> None:
    """Promise: columns look straight into the loaded bytes."""
    kit.memory(kit.drive(3)).to_pickle(kit.folder / 'x.pkl')
    with PickleDatabase(kit.folder / 'x.pkl') as database:
        ((batch, _),) = database.batches('/odom')
        ((again, _),) = database.batches('/odom')
    assert np.shares_memory(batch.buffer, again.buffer)


def test_the_operations_of_a_large_file_are_few(kit: Any) -> None:
    """Promise: the file of 5000 messages takes no more operations than that of one."""
    counts = []
    for number, count in enumerate((1, 5000)):
        path = kit.folder / f'{number}.pkl'
        dataset = Dataset()
        dataset.declare('/n', INT32)
        for each in range(count):
            dataset.write_serialized('/n', b'\0\1\0\0\1\0\0\0', each)
        dataset.to_pickle(path)
        counts.append(sum(1 for _ in pickletools.genops(path.read_bytes())))
    assert abs(counts[1] - counts[0]) < 5


def test_a_killed_process_leaves_the_old_file(kit: Any) -> None:
    """Promise: a process that dies while the file is written anew leaves the one before."""
    path = kit.folder / 'x.pkl'
    script = """
import os, sys
from lk_dataset_ros.dataset import PickleDatabase
from lk_dataset_ros.message import builtin_schema
database = PickleDatabase(sys.argv[1], 'w')
database.declare('/n', builtin_schema('std_msgs/msg/Int32'))
database.write_serialized('/n', b'\\0\\1\\0\\0\\1\\0\\0\\0', 1)
database.flush()
database.write_serialized('/n', b'\\0\\1\\0\\0\\2\\0\\0\\0', 2)
os.fsync = lambda _: os._exit(9)
database.flush()
"""
    done = subprocess.run([sys.executable, '-c', script, path], timeout=60)
    assert done.returncode == 9
    assert len(list(kit.folder.iterdir())) == 2
    assert [message.data for message in Dataset.load(path)['/n']] == [1]
