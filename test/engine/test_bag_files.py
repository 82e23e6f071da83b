"""A bag in the writing: small batches, several files, metadata records, what flush promises."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from lk_dataset_ros.dataset import McapDatabase, SerializedMessage
from lk_dataset_ros.errors import BagTimeError, CapabilityError, DatasetError, KeyNotFoundError
from lk_dataset_ros.message import Batch, builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = McapDatabase.batch_prefix
TYPE = 'std_msgs/msg/UInt8MultiArray'
SCHEMA = builtin_schema(TYPE)
QOS = """\
- history: keep_last
  depth: 10
  reliability: reliable
  durability: volatile
  deadline: {sec: 0, nsec: 0}
  lifespan: {sec: 0, nsec: 0}
  liveliness: automatic
  liveliness_lease_duration: {sec: 0, nsec: 0}
  avoid_ros_namespace_conventions: false
"""


def payload(size: int, value: int = 0) -> bytes:
    """Serialize a message of so many bytes of data."""
    from lk_dataset_ros.message import new_message

    message = new_message(TYPE)
    message.data = np.full(size, value % 251, np.uint8)
    return codec_for(SCHEMA).encode(message)


def batch_of(payloads: list[bytes], gap: int = 0) -> Batch:
    """Lay messages out with the prefix before each, and with gaps between them if wanted."""
    parts, start, place = [], [], 0
    for each in payloads:
        parts += [bytes(PREFIX), each, b'\xee' * gap]
        start.append(place + PREFIX)
        place += PREFIX + len(each) + gap
    buffer = np.frombuffer(bytearray(b''.join(parts)), np.uint8)
    length = np.array([len(each) for each in payloads], np.int64)
    return Batch(buffer, np.array(start, np.int64), length)


def write(database: McapDatabase, key: str, payloads: list[bytes], first_ns: int = 0) -> None:
    """Write messages as one batch, 10 ns apart, numbered by their time."""
    times = first_ns + 10 * np.arange(len(payloads))
    database.write_batch(key, batch_of(payloads), times, times + 1, times.astype(np.uint64) // 10)


def facts(path: Path) -> list[tuple[str, int, bytes]]:
    """Return topic, log time and bytes of all messages, by our reader."""
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        return [(each.key, each.log_time_ns, each.cdr) for each in bag.iterate_serialized()]


def chunks_in(path: Path) -> list[Any]:
    """Return the chunk indexes of a file."""
    with path.open('rb') as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    return summary.chunk_indexes


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
def test_small_batches_wait_in_one_chunk(kit: Any, compression: Any) -> None:
    """Promise: batches of several topics share a chunk, until it is full or flushed."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w', compression=compression) as database:
        for key in ('/a', '/b'):
            database.declare(key, SCHEMA)
        for number in range(40):
            for size, key in ((20, '/a'), (3, '/b')):
                write(database, key, [payload(100, number)] * size, number * 1000)
        database.flush()
        write(database, '/a', [payload(100)] * 20, 90_000)
    assert len(chunks_in(path / 'bag_0.mcap')) == 2
    assert len(facts(path)) == 40 * 23 + 20


@given(
    parts=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.lists(st.integers(0, 40), max_size=40),
            st.sampled_from([0, 0, 5]),
            st.booleans(),
        ),
        max_size=8,
    ),
    compression=st.sampled_from(['none', 'lz4', 'zstd']),
    chunk_size=st.sampled_from([1, 300, 3000, 100_000]),
    scale=st.sampled_from([0, 1, 2000]),
)
def test_any_batches_are_those_messages(
    parts: list[Any], compression: Any, chunk_size: int, scale: int, tmp_path_factory: Any
) -> None:
    """Promise: whatever size, gaps, chunks, flushes: every message is there, the buffer is free.

    The second opinion is the mcap library's reader, checksums included.
    """
    path = tmp_path_factory.mktemp('any') / 'bag'
    expected = []
    with McapDatabase(path, 'w', compression=compression, chunk_size=chunk_size) as database:
        for key in ('/0', '/1'):
            database.declare(key, SCHEMA)
        time_ns = 0
        for channel, sizes, gap, flushes in parts:
            payloads = [payload(size * scale if scale else 7, time_ns + size) for size in sizes]
            batch = batch_of(payloads, gap)
            times = time_ns + np.arange(len(payloads))
            database.write_batch(f'/{channel}', batch, times, times * 2, times.astype(np.uint64))
            expected += [
                (f'/{channel}', int(at), int(at) * 2, int(at), each)
                for at, each in zip(times, payloads, strict=True)
            ]
            time_ns += len(payloads)
            # The owner may use it again at once.
            batch.buffer[:] = 0x55
            if flushes:
                database.flush()
    with (path / 'bag_0.mcap').open('rb') as file:
        read = [
            (channel.topic, each.log_time, each.publish_time, each.sequence, each.data)
            for _, channel, each in make_reader(file, validate_crcs=True).iter_messages()
        ]
    assert read == expected
    with McapDatabase(path, 'r') as bag:
        assert sum(len(bag.heads(key)) for key in bag.topics()) == len(expected)


def test_large_messages_end_a_chunk_of_their_own(kit: Any) -> None:
    """Promise: an image is neither copied into a chunk nor bound to others in it."""
    path = kit.folder / 'bag'
    large, small = payload(900_000), payload(10)
    with McapDatabase(path, 'w', compression='none') as database:
        for key in ('/a', '/b'):
            database.declare(key, SCHEMA)
        for number in range(5):
            write(database, '/a', [large], number * 100)
            write(database, '/b', [small] * 2, number * 100 + 50)
    assert len(chunks_in(path / 'bag_0.mcap')) == 6
    assert [len(each[2]) for each in facts(path)] == [len(large), *[len(small)] * 2] * 5


def test_what_is_flushed_survives(kit: Any) -> None:
    """Promise: after flush a reader of the file finds everything, the recorder still running."""
    path = kit.folder / 'bag'
    database = McapDatabase(path, 'w')
    database.declare('/a', SCHEMA)
    for number in range(4):
        write(database, '/a', [payload(10)] * 5, number * 1000)
        if number == 2:
            database.flush(sync=True)
    with McapDatabase(path, 'r') as bag:
        assert bag.topics()['/a'].count == 15
    database.close()
    assert len(facts(path)) == 20


def test_flush_reaches_the_disk_where_asked(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: `sync` of the database, or of one flush, waits for the disk; else nothing does."""
    synced = []
    monkeypatch.setattr('os.fsync', synced.append)
    for always in (False, True):
        with McapDatabase(kit.folder / f'bag_{always}', 'w', sync=always) as database:
            database.declare('/a', SCHEMA)
            write(database, '/a', [payload(10)])
            for sync, expected in ((None, always), (True, True), (False, False)):
                synced.clear()
                database.flush(sync=sync)
                assert bool(synced) == expected
            synced.clear()
        assert bool(synced) == always


def test_a_split_bag_is_one_bag(kit: Any) -> None:
    """Promise: each file is whole and declares all topics; metadata.yaml tells of all of them."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w', custom_data={'robot': 'r2'}) as database:
        database.declare('/a', SCHEMA, QOS)
        database.declare('/quiet', builtin_schema('std_msgs/msg/Int32'))
        assert database.file_name == 'bag_0.mcap'
        assert database.file_span_ns is None
        names = []
        for number in range(3):
            write(database, '/a', [payload(10)] * 20, number * 1000)
            assert database.file_span_ns == (number * 1000, number * 1000 + 190)
            if number < 2:
                names.append(database.split())
            assert database.topics()['/a'].count == 20 * (number + 1)
        database.declare('/late', SCHEMA)
        write(database, '/late', [payload(1)], 5000)
    assert names == ['bag_1.mcap', 'bag_2.mcap']
    for name, count in (('bag_0.mcap', 20), ('bag_1.mcap', 20), ('bag_2.mcap', 21)):
        with McapDatabase(path / name, 'r') as file:
            assert file.warnings == []
            assert {'/a', '/quiet'} <= set(file.keys())
            assert file.topic('/a').qos == QOS
            assert sum(topic.count for topic in file.topics().values()) == count
    told = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert told['relative_file_paths'] == ['bag_0.mcap', *names]
    assert [(each['path'], each['message_count']) for each in told['files']] == [
        ('bag_0.mcap', 20),
        ('bag_1.mcap', 20),
        ('bag_2.mcap', 21),
    ]
    assert told['files'][1]['starting_time'] == {'nanoseconds_since_epoch': 1000}
    assert told['files'][1]['duration'] == {'nanoseconds': 190}
    assert told['duration'] == {'nanoseconds': 5000}
    assert told['message_count'] == 61
    counts = {
        each['topic_metadata']['name']: each['message_count']
        for each in told['topics_with_message_count']
    }
    assert counts == {'/a': 60, '/quiet': 0, '/late': 1}
    assert told['custom_data'] == {'robot': 'r2'}
    assert len(facts(path)) == 61
    with AnyReader([path]) as reader:
        assert [time_ns for _, time_ns, _ in reader.messages()] == [
            time_ns for _, time_ns, _ in facts(path)
        ]


def test_a_circular_bag_keeps_the_last_files(kit: Any) -> None:
    """Promise: with max_files the oldest goes at each split, and its messages from the counts."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w', max_files=2) as database:
        database.declare('/a', SCHEMA)
        for number in range(5):
            write(database, '/a', [payload(10)] * (number + 1), number * 1000)
            if number < 4:
                database.split()
            assert len(list(path.glob('*.mcap'))) <= 2
        assert database.topics()['/a'].count == 9
    assert sorted(each.name for each in path.iterdir()) == [
        'bag_3.mcap',
        'bag_4.mcap',
        'metadata.yaml',
    ]
    assert [time_ns // 1000 for _, time_ns, _ in facts(path)] == [3] * 4 + [4] * 5
    with AnyReader([path]) as reader:
        assert (reader.message_count, reader.start_time) == (9, 3000)


def test_the_size_of_a_file_is_known_while_it_grows(kit: Any) -> None:
    """Promise: file_bytes counts what waits, too, and is the size of the file once flushed."""
    path = kit.folder / 'bag'
    database = McapDatabase(path, 'w', compression='none')
    database.declare('/a', SCHEMA)
    before = database.file_bytes
    write(database, '/a', [payload(500)] * 10)
    assert database.file_bytes >= before + 5000
    database.flush()
    assert database.file_bytes == (path / 'bag_0.mcap').stat().st_size
    database.split()
    assert database.file_bytes < before + 500
    database.close()


@pytest.mark.parametrize('is_closed', [True, False])
def test_metadata_records_come_back(kit: Any, is_closed: bool) -> None:
    """Promise: metadata records of all files are read, in order, also after a crash."""
    path = kit.folder / 'bag'
    database = McapDatabase(path, 'w', custom_data={'who': 'me', 'n': '1'})
    database.declare('/a', SCHEMA)
    database.add_metadata('one', {'a': 'ä', '': ''})
    write(database, '/a', [payload(3)])
    database.split()
    database.add_metadata('two', {})
    database.flush()
    if is_closed:
        database.close()
    with McapDatabase(path, 'r') as bag:
        found = [each for each in bag.metadata() if each[0] not in ('lk_bag', 'rosbag2')]
        assert found == [('one', {'a': 'ä', '': ''}), ('two', {})]
        assert bag.custom_data == {'who': 'me', 'n': '1'}
    database.close()
    with (path / 'bag_0.mcap').open('rb') as file:
        records = {each.name: each.metadata for each in make_reader(file).iter_metadata()}
    assert records['one'] == {'a': 'ä', '': ''}
    assert json.loads(records['lk_bag']['custom_data']) == {'who': 'me', 'n': '1'}


def test_custom_data_of_other_recorders_is_text(kit: Any) -> None:
    """Promise: values that YAML takes for numbers are text again; anything else is left out."""
    path = kit.bag('bag', kit.drive(2))
    yaml_file = path / 'metadata.yaml'
    yaml_file.write_text(
        yaml_file.read_text().replace('custom_data: null', 'custom_data: {a: 1, b: x, c: [2]}')
    )
    with McapDatabase(path, 'r') as bag:
        assert bag.custom_data == {'a': '1', 'b': 'x'}


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'compression_level': 'best'}, "compression_level is 'best'; fastest, fast, default"),
        ({'max_files': -1}, 'max_files is -1; give a number of files, 0 or more'),
        ({'max_files': True}, 'max_files is True'),
        ({'custom_data': {'a': 1}}, "custom_data: 'a' is 1; names and values are texts"),
        ({'custom_data': 3}, 'custom_data is 3; give names and values'),
    ],
)
def test_wrong_options_are_refused(kit: Any, options: dict[str, Any], reason: str) -> None:
    """Promise: an option that is none of its values is named, and nothing is made."""
    with pytest.raises(DatasetError, match=f'^{reason}'):
        McapDatabase(kit.folder / 'bag', 'w', **options)
    assert list(kit.folder.iterdir()) == []


def test_wrong_use_is_refused_and_nothing_is_lost(kit: Any) -> None:
    """Promise: undeclared keys, negative times, the bag's own names are refused one by one."""
    path = kit.folder / 'bag'
    database = McapDatabase(path, 'w')
    database.declare('/a', SCHEMA)
    with pytest.raises(KeyNotFoundError, match='/b was not declared'):
        write(database, '/b', [payload(1)])
    with pytest.raises(BagTimeError, match='-5 ns'):
        write(database, '/a', [payload(1)], -5)
    for name in ('rosbag2', 'lk_bag', ''):
        with pytest.raises(DatasetError, match='cannot be named'):
            database.add_metadata(name, {})
    write(database, '/a', [payload(1)] * 20)
    database.close()
    assert len(facts(path)) == 20
    with McapDatabase(path, 'r') as bag, pytest.raises(CapabilityError):
        bag.split()


def test_levels_change_the_size(kit: Any) -> None:
    """Promise: from fastest to slowest the same messages take less room, whatever the kind."""
    dice = random.Random(1)
    data = [bytes(dice.choices(range(8), k=400)) for _ in range(100)]
    for compression in ('lz4', 'zstd'):
        sizes = []
        for level in ('fastest', 'slowest'):
            path = kit.folder / f'{compression}_{level}'
            options: Any = {'compression': compression, 'compression_level': level}
            with McapDatabase(path, 'w', **options) as database:
                database.declare('/a', SCHEMA)
                for number, each in enumerate(data):
                    database.write_serialized('/a', each, number)
            sizes.append((path / f'{path.name}_0.mcap').stat().st_size)
            assert [each[2] for each in facts(path)] == data
        assert sizes[0] > sizes[1]


def test_checksums_can_be_left_out(kit: Any) -> None:
    """Promise: without checksums the chunks have none, and are read all the same."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w', checksums=False) as database:
        database.declare('/a', SCHEMA)
        database.write_serialized('/a', payload(5), 7)
    content = (path / 'bag_0.mcap').read_bytes()
    (index,) = chunks_in(path / 'bag_0.mcap')
    crc_at = index.chunk_start_offset + 9 + 24
    assert content[crc_at : crc_at + 4] == bytes(4)
    assert facts(path) == [('/a', 7, payload(5))]


def test_single_messages_and_batches_mix(kit: Any) -> None:
    """Promise: messages written singly stand between batches in the order of writing."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w') as database:
        database.declare('/a', SCHEMA)
        for number in range(30):
            write(database, '/a', [payload(number)] * 15, number * 1000)
            database.write_serialized('/a', b'single', number * 1000 + 500)
    read = facts(path)
    assert [time_ns for _, time_ns, _ in read] == sorted(time_ns for _, time_ns, _ in read)
    assert sum(each[2] == b'single' for each in read) == 30
    with McapDatabase(path, 'r') as bag:
        first = next(iter(bag.iterate_serialized()))
        assert first == SerializedMessage('/a', payload(0), 0, 1, 0)
