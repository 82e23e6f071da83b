"""Columns of bags: what is read when, in which bounds, and the way back."""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

import numpy as np
import pytest

from lk_dataset_ros import Columns, Dataset, McapDatabase, MemoryDatabase
from lk_dataset_ros.dataset import PickleDatabase
from lk_dataset_ros.dataset.databases.mcap_files import topic
from lk_dataset_ros.errors import BagFormatError, DatasetError, KeyNotFoundError
from lk_dataset_ros.message import builtin_schema
from lk_dataset_ros.testing.conformance import assert_same_columns

S = 1_000_000_000


@pytest.fixture
def images(kit: Any) -> list[Any]:
    """Return messages with a heavy field."""
    found = []
    for index in range(10):
        message = kit.message('sensor_msgs/msg/Image')
        message.header.stamp.sec = index
        message.width, message.height, message.step = 100, 60, 100
        message.data = np.full(6000, index, np.uint8)
        found.append(('/image', message, index * S))
    return found


def test_numbers_stay_in_the_file_until_they_are_asked_for(kit: Any) -> None:
    """Only what is asked for is copied; a second field brings the rest; all are the same."""
    items = kit.drive(200)
    packed = Dataset.load(kit.bag('zstd', items)).columns('/odom')
    with Dataset.load(kit.bag('plain', items, compression='none', chunk_size=60_000)) as dataset:
        columns = dataset.columns('/odom')
    # The bag is closed; its columns last.
    waiting = len(columns._later)
    assert columns.stamp_ns.tolist() == [100 * S + index * S // 10 for index in range(200)]
    assert waiting > 10
    np.testing.assert_array_equal(
        columns['pose.pose.position.x'].values, packed['pose.pose.position.x'].values
    )
    assert len(columns._later) == waiting - 1
    columns['pose.covariance']
    assert not columns._later
    assert_same_columns(columns, packed)


def test_a_field_that_changes_its_length_is_whole(kit: Any) -> None:
    """Numbers that wait in the file and numbers of another shape become one ragged column."""
    items = []
    for index in range(60):
        message = kit.message('sensor_msgs/msg/JointState')
        message.position = np.full(3 if index < 40 else 2, float(index))
        items.append(('/joints', message, index))
    path = kit.bag('plain', items, compression='none', chunk_size=2500)
    with Dataset.load(path) as dataset, pytest.MonkeyPatch.context() as patch:
        patch.setattr(topic, 'IN_FILE_MESSAGES', 20)
        columns = dataset.columns('/joints')
    lengths = np.diff(columns['position'].offsets).tolist()
    assert lengths == [3] * 40 + [2] * 20
    assert columns['position'].row(10).tolist() == [10.0] * 3
    assert columns['position'].row(50).tolist() == [50.0] * 2


def test_columns_that_wait_can_be_pickled(kit: Any) -> None:
    """A copy has everything, whatever was read before."""
    path = kit.bag('plain', kit.drive(100), compression='none')
    columns = Dataset.load(path).columns('/odom')
    copied = pickle.loads(pickle.dumps(columns))
    assert_same_columns(copied, columns)
    np.testing.assert_array_equal(copied.stamp_ns, columns.stamp_ns)


def test_a_file_that_is_cut_meanwhile_is_an_error(kit: Any) -> None:
    """Reading on in a mapped file that was cut would kill the process; it is refused instead."""
    path = kit.bare('plain.mcap', kit.drive(300), compression='none', chunk_size=60_000)
    columns = Dataset.load(path).columns('/odom')
    os.truncate(path, 5000)
    with pytest.raises(BagFormatError, match=r'plain\.mcap was cut while it was read'):
        columns['pose.pose.position.x']


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_heavy_fields_are_read_when_they_are_asked_for(
    kit: Any, images: list[Any], compression: str
) -> None:
    """An image's pixels are named but not copied, unless they are asked for."""
    path = kit.bag('images', images, compression=compression)
    with Dataset.load(path) as dataset:
        columns = dataset.columns('/image', every=3)
        asked = dataset.columns('/image', fields=['data'])
    assert columns.heavy == ['data']
    assert 'data' in columns
    assert columns['header.stamp.sec'].values.tolist() == [0, 3, 6, 9]
    assert columns['data'].values[:, 0].tolist() == [0, 3, 6, 9]
    assert columns.heavy == []
    assert asked['data'].values[:, -1].tolist() == list(range(10))


def test_batches_of_columns_are_bounded_and_complete(kit: Any, images: list[Any]) -> None:
    """Streaming gives all messages, pixels too, in columns of bounded size."""
    with Dataset.load(kit.bag('images', images, chunk_size=20_000)) as dataset:
        whole = dataset.columns('/image', fields=['data', 'header'])
        parts = list(dataset.column_batches('/image', max_bytes=15_000))
    assert [len(part.log_time_ns) for part in parts] == [2] * 5
    assert all(part.heavy == [] for part in parts)
    joined = np.concatenate([part['data'].values for part in parts])
    np.testing.assert_array_equal(joined, whole['data'].values)
    times = np.concatenate([part.log_time_ns for part in parts])
    np.testing.assert_array_equal(times, whole.log_time_ns)


@pytest.mark.parametrize('order', [range(20), [5, 3, 9, 0, 1, 7, 2, 8, 4, 6]])
def test_every_nth_is_counted_in_order_of_time(
    kit: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order in the file: the n-th by log time."""
    items = [('/n', kit.message('std_msgs/msg/Int32'), time_ns) for time_ns in order]
    for _, message, time_ns in items:
        message.data = time_ns
    monkeypatch.setattr(topic, 'GROUP_BYTES', 1)
    with Dataset.load(kit.bag('bag', items, chunk_size=100)) as dataset:
        for every in (1, 2, 3, 7):
            found = dataset.columns('/n', every=every)
            assert found['data'].values.tolist() == sorted(order)[::every]
            assert found.log_time_ns.tolist() == sorted(order)[::every]
        with pytest.raises(ValueError, match='every is 0'):
            dataset.columns('/n', every=0)


def test_a_message_stands_for_all_below_it(kit: Any) -> None:
    """`fields=['pose.pose']` gives all its fields; what the type does not have is refused."""
    with Dataset.load(kit.bag('bag', kit.drive(5))) as dataset:
        columns = dataset.columns('/odom', fields=['pose.pose.position', 'child_frame_id'])
        assert list(columns) == ['child_frame_id', *(f'pose.pose.position.{a}' for a in 'xyz')]
        with pytest.raises(KeyNotFoundError, match=r'no field pose\.pose\.w; pose\.pose has posi'):
            dataset.columns('/odom', fields=['pose.pose.w'])
        with pytest.raises(KeyNotFoundError, match=r'no field pose\.x; there is pose\.'):
            dataset.columns('/odom')['pose.x']


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
def test_a_bag_without_summary_is_read_by_its_message_indexes(kit: Any, compression: str) -> None:
    """A killed recorder's file gives the same columns, counts and times."""
    items = kit.drive(200)
    items[1::2] = [('/other', message, time_ns) for _, message, time_ns in items[1::2]]
    path = kit.bare('whole.mcap', items, compression=compression, chunk_size=10_000)
    whole = Dataset.load(path)
    data = path.read_bytes()
    (start,) = struct.unpack_from('<Q', data, len(data) - 8 - 20)
    path.with_name('cut.mcap').write_bytes(data[:start])
    cut = Dataset.load(path.with_name('cut.mcap'))
    assert cut.databases[0]._read()._files[0]._index.chunks[3].index_offsets is not None
    for key in ('/odom', '/other'):
        assert cut.topic(key).count == whole.topic(key).count == 100
        assert_same_columns(cut.columns(key), whole.columns(key))
    assert cut.time_range_ns() == whole.time_range_ns()


def test_an_index_that_misses_messages_loses_none(kit: Any) -> None:
    """Without summary, an index is believed only if it lists every message of its chunk."""
    path = kit.bare('bag.mcap', kit.drive(50), compression='none', chunk_size=10_000)
    data = bytearray(path.read_bytes())
    # The first message index record: say it lists one message less.
    place = data.index(struct.pack('<BQH', 7, 0, 1)[:1] + b'', 0)
    while True:
        opcode, length, channel, size = struct.unpack_from('<BQHI', data, place)
        if opcode == 7 and channel == 1 and length == size + 6 and size and size % 16 == 0:
            break
        place = data.index(b'\x07', place + 1)
    at = place + 15
    data[at : at + 16] = data[at + 16 : at + 32]
    (start,) = struct.unpack_from('<Q', data, len(data) - 8 - 20)
    path.write_bytes(data[:start])
    with Dataset.load(path) as dataset:
        assert len(dataset.columns('/odom').log_time_ns) == 50
        assert len(dataset['/odom']) == 50


@pytest.mark.parametrize('kind', ['memory', 'pickle', 'none', 'lz4', 'zstd'])
def test_columns_are_written_to_every_database(kit: Any, kind: Any) -> None:
    """What was read as columns is written as columns, bytes and times the same."""
    source = kit.memory(kit.drive(300))
    columns = source.columns('/odom')
    path = kit.folder / ('written.pkl' if kind == 'pickle' else 'written')
    database: Any = MemoryDatabase()
    if kind == 'pickle':
        database = PickleDatabase(path, 'w')
    elif kind != 'memory':
        database = McapDatabase(path, 'w', compression=kind, chunk_size=30_000)
    dataset = Dataset(database)
    dataset.declare('/odom', builtin_schema('nav_msgs/msg/Odometry'))
    sent = columns.log_time_ns - 5
    dataset.write_columns(
        '/odom', columns, publish_time_ns=sent, sequence=np.arange(300, dtype=np.uint32)
    )
    if kind != 'memory':
        dataset.close()
        dataset = Dataset.load(path)
    assert_same_columns(dataset.columns('/odom'), columns)
    theirs = [message.cdr for message in source.iterate_serialized()]
    assert [message.cdr for message in dataset.iterate_serialized()] == theirs
    heads = dataset.heads('/odom')
    np.testing.assert_array_equal(heads.publish_time_ns, sent)
    np.testing.assert_array_equal(heads.sequence, np.arange(300))


def test_columns_and_single_messages_mix(kit: Any) -> None:
    """A bag may be written in both ways by turns; everything is there, in order of time."""
    items = kit.drive(30)
    columns = kit.memory(items[10:20]).columns('/odom')
    path = kit.folder / 'mixed'
    with Dataset.create('mcap', path) as dataset:
        for key, message, time_ns in items[:10]:
            dataset.write(key, message, timestamp_ns=time_ns)
        dataset.write_columns('/odom', columns)
        for key, message, time_ns in items[20:]:
            dataset.write(key, message, timestamp_ns=time_ns)
    assert_same_columns(Dataset.load(path).columns('/odom'), kit.memory(items).columns('/odom'))


def test_columns_without_times_are_refused(kit: Any) -> None:
    """Arrays alone do not say when; counts that differ are told."""
    dataset = Dataset()
    dataset.declare('/n', builtin_schema('std_msgs/msg/Int32'))
    with pytest.raises(DatasetError, match='/n: columns without times need log_time_ns'):
        dataset.write_columns('/n', {'data': np.arange(3)})
    with pytest.raises(DatasetError, match='3 log times, 2 publish times'):
        dataset.write_columns(
            '/n', {'data': np.arange(3)}, log_time_ns=np.arange(3), publish_time_ns=np.arange(2)
        )
    with pytest.raises(KeyNotFoundError, match='there is no /m'):
        dataset.write_columns('/m', {'data': np.arange(3)}, log_time_ns=np.arange(3))
    dataset.write_columns('/n', {'data': np.arange(3)}, log_time_ns=np.arange(3))
    assert isinstance(dataset.columns('/n'), Columns)
    assert dataset.columns('/n')['data'].values.tolist() == [0, 1, 2]
