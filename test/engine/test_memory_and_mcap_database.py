"""Both databases keep what they are given; rosbags and mcap read the bags that we write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from lk_dataset_ros.dataset import Database, Dataset, McapDatabase, MemoryDatabase
from lk_dataset_ros.errors import (
    BagExistsError,
    BagFormatError,
    BagNotFoundError,
    BagWriteError,
    CapabilityError,
    KeyNotFoundError,
    LkError,
    MessageTypeError,
)
from lk_dataset_ros.message import Schema, builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

QOS = """- history: keep_last
  depth: 10
  reliability: reliable
  durability: transient_local
  deadline: {sec: 9223372036, nsec: 854775807}
  lifespan: {sec: 9223372036, nsec: 854775807}
  liveliness: automatic
  liveliness_lease_duration: {sec: 9223372036, nsec: 854775807}
  avoid_ros_namespace_conventions: false
"""


def records(database: Any, **options: Any) -> list[tuple[Any, ...]]:
    """Return all messages of a database as tuples."""
    return [tuple(each) for each in database.iterate_serialized(**options)]


def mixed(kit: Any) -> list[Any]:
    """Make three topics whose messages interleave, not written in time order."""
    items = kit.drive(20)
    items += [
        ('/n', kit.message('std_msgs/msg/Int32', data=n), 100 * kit.second + n * 70_000_000)
        for n in (5, 3, 4, 0, 1, 2)
    ]
    items += [('/s', kit.message('std_msgs/msg/String', data='äö'), 99 * kit.second)]
    return items


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
@pytest.mark.parametrize('chunk_size', [1, 700, 1024 * 1024])
def test_a_bag_gives_back_what_memory_does(kit: Any, compression: str, chunk_size: int) -> None:
    """Promise: bag and memory hold the same messages, bytes, times and order, however packed."""
    items = mixed(kit)
    memory = kit.memory(items)
    path = kit.bag('bag', items, compression=compression, chunk_size=chunk_size)
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        assert sorted(records(bag), key=lambda each: (each[2], each[0])) == sorted(
            records(memory), key=lambda each: (each[2], each[0])
        )
        assert [each.log_time_ns for each in bag.iterate_serialized()] == sorted(
            time_ns for _, _, time_ns in items
        )
        for key in memory:
            assert bag.timestamps(key).tolist() == memory.timestamps(key).tolist()
            assert bag.topic(key).count == memory.topic(key).count
        assert bag.time_range_ns() == memory.time_range_ns()


def test_spans_of_time_include_the_start_only(kit: Any) -> None:
    """Promise: start_ns is included, stop_ns is not, in both databases, chunk by chunk."""
    items = mixed(kit)
    times = sorted({time_ns for _, _, time_ns in items})
    memory = kit.memory(items)
    with McapDatabase(kit.bag('bag', items, chunk_size=600), 'r') as bag:
        for first in times[::4]:
            for last in times[::3]:
                span = {'keys': ['/odom'], 'start_ns': first, 'stop_ns': last}
                assert records(bag, **span) == records(memory, **span)


def test_equal_times_keep_the_order_of_writing(kit: Any) -> None:
    """Promise: messages of one log time come back in the order in which they were written."""
    items = [('/n', kit.message('std_msgs/msg/Int32', data=n), 7) for n in range(50)]
    with McapDatabase(kit.bag('bag', items, chunk_size=100), 'r') as bag:
        assert [message.data for message in bag.read_all('/n')] == list(range(50))
    assert [message.data for message in kit.memory(items)['/n']] == list(range(50))


def test_publish_time_and_sequence_survive(kit: Any) -> None:
    """Promise: what the transport said of a message is kept, in both databases."""
    schema = builtin_schema('std_msgs/msg/Empty')
    path = kit.folder / 'bag'
    memory = MemoryDatabase()
    bag = McapDatabase(path, 'w')
    for database in (memory, bag):
        database.declare('/e', schema)
        database.write_serialized('/e', b'\0\1\0\0\0', 10, 9, 8)
        database.write_serialized('/e', b'\0\1\0\0\0', 20)
    bag.close()
    with McapDatabase(path, 'r') as again:
        assert records(again) == records(memory)
    assert [each[2:] for each in records(memory)] == [(10, 9, 8), (20, 20, 0)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.lists(
        st.tuples(st.sampled_from(['/a', '/b']), st.binary(max_size=40), st.integers(0, 2**63)),
        max_size=30,
    ),
    chunk_size=st.sampled_from([1, 64, 10_000]),
)
def test_any_messages_survive_a_bag(
    tmp_path_factory: pytest.TempPathFactory,
    data: list[tuple[str, bytes, int]],
    chunk_size: int,
) -> None:
    """Promise: whatever bytes and times are written, a bag reads like the memory database."""
    memory = MemoryDatabase()
    path = tmp_path_factory.mktemp('any') / 'bag'
    bag = McapDatabase(path, 'w', chunk_size=chunk_size)
    for database in (memory, bag):
        for key in ('/a', '/b'):
            database.declare(key, builtin_schema('std_msgs/msg/String'))
        for key, cdr, time_ns in data:
            database.write_serialized(key, cdr, time_ns)
    bag.close()
    with McapDatabase(path, 'r') as again:
        for key in ('/a', '/b'):
            assert records(again, keys=[key]) == records(memory, keys=[key])
        assert again.time_range_ns() == memory.time_range_ns()


def test_rosbags_opens_our_bags(kit: Any) -> None:
    """Promise: rosbags reads metadata version 9, counts, type hashes, QoS and every byte."""
    path = kit.folder / 'bag'
    items = kit.drive(5)
    with McapDatabase(path, 'w') as bag:
        bag.declare('/odom', builtin_schema('nav_msgs/msg/Odometry'), QOS)
        for key, message, time_ns in items:
            bag.write(key, message, timestamp_ns=time_ns)
    with Reader(path) as reader:
        (connection,) = reader.connections
        assert reader.message_count == 5
        assert reader.start_time == items[0][2]
        assert reader.end_time in (items[-1][2], items[-1][2] + 1)
        assert connection.topic == '/odom'
        assert connection.digest == kit.typestore.hash_rihs01('nav_msgs/msg/Odometry')
        assert connection.ext.offered_qos_profiles[0].durability.name == 'TRANSIENT_LOCAL'
        raw = [(time_ns, bytes(cdr)) for _, time_ns, cdr in reader.messages()]
    with McapDatabase(path, 'r') as again:
        assert raw == [(each.log_time_ns, each.cdr) for each in again.iterate_serialized()]
        assert again.topic('/odom').schema.type_hash == connection.digest
        assert yaml.safe_load(again.topic('/odom').qos) == yaml.safe_load(QOS)
    with AnyReader([path]) as any_reader:
        for (_, expected, _), (connection, _, cdr) in zip(
            items, any_reader.messages(), strict=True
        ):
            kit.assert_same(expected, any_reader.deserialize(cdr, connection.msgtype))


def test_metadata_is_that_of_ros2_bag(kit: Any) -> None:
    """Promise: metadata.yaml has the fields of version 9 and stands in the file once more."""
    path = kit.bag('bag', mixed(kit))
    text = (path / 'metadata.yaml').read_text()
    information = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert information['version'] == 9
    assert information['storage_identifier'] == 'mcap'
    assert information['message_count'] == 27
    assert information['relative_file_paths'] == ['bag_0.mcap']
    assert information['files'][0]['message_count'] == 27
    assert information['starting_time']['nanoseconds_since_epoch'] == 99 * kit.second
    with (path / 'bag_0.mcap').open('rb') as file:
        reader = make_reader(file)
        assert reader.get_header().profile == 'ros2'
        (record,) = [each for each in reader.iter_metadata() if each.name != 'lk_bag']
    # `ros2 bag play` of Jazzy refuses the copy in the file if it has the outer key.
    inner = yaml.safe_load(record.metadata['serialized_metadata'])
    assert (record.name, {'rosbag2_bagfile_information': inner}) == (
        'rosbag2',
        yaml.safe_load(text),
    )


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
@pytest.mark.parametrize('use_chunking', [True, False])
def test_files_of_the_reference_writer_are_read(
    kit: Any, compression: str, use_chunking: bool
) -> None:
    """Promise: chunked or not, compressed or not, the mcap library's files are read whole."""
    items = mixed(kit)
    path = kit.bare('x.mcap', items, compression=compression, use_chunking=use_chunking)
    with path.open('rb') as file:
        expected = sorted(
            (message.log_time, channel.topic, message.data, message.publish_time, message.sequence)
            for _, channel, message in make_reader(file).iter_messages()
        )
    with McapDatabase(path, 'r') as database:
        assert database.warnings == []
        found = [
            (each.log_time_ns, each.key, each.cdr, each.publish_time_ns, each.sequence)
            for each in database.iterate_serialized()
        ]
    assert sorted(found) == expected
    assert [each[0] for each in found] == [each[0] for each in expected]


def test_a_file_without_summary_is_read_by_a_scan(kit: Any) -> None:
    """Promise: statistics and summary may be missing; counts and messages are the same."""
    items = mixed(kit)
    path = kit.bare(
        'x.mcap',
        items,
        chunk_size=500,
        use_statistics=False,
        use_summary_offsets=False,
        repeat_channels=False,
        repeat_schemas=False,
    )
    with McapDatabase(path, 'r') as database:
        assert len(records(database)) == len(items)
        assert database.topic('/odom').count == 20
        assert database.time_range_ns() == kit.memory(items).time_range_ns()


def test_several_files_are_one_bag(kit: Any) -> None:
    """Promise: a split bag reads as one, in time order, with counts added up."""
    items = kit.drive(9)
    folder = kit.folder / 'split'
    folder.mkdir()
    for number in range(3):
        kit.bare(f'split/split_{number}.mcap', items[number * 3 : number * 3 + 3])
    information = {
        'version': 9,
        'storage_identifier': 'mcap',
        'relative_file_paths': [f'split_{number}.mcap' for number in range(3)],
    }
    (folder / 'metadata.yaml').write_text(
        yaml.safe_dump({'rosbag2_bagfile_information': information})
    )
    with McapDatabase(folder, 'r') as bag:
        assert bag.topic('/odom').count == 9
        assert bag.timestamps('/odom').tolist() == [time_ns for _, _, time_ns in items]
        assert bag.read('/odom', -9).pose.pose.position.x == 1.0


def test_a_folder_without_metadata_is_read_with_a_warning(kit: Any) -> None:
    """Promise: a recorder's folder without metadata.yaml gives its messages, and says so."""
    path = kit.bag('bag', kit.drive(3))
    (path / 'metadata.yaml').unlink()
    with McapDatabase(path, 'r') as bag:
        assert len(records(bag)) == 3
        assert 'has no metadata.yaml' in bag.warnings[0]


@pytest.mark.parametrize(
    'text',
    [
        '',
        '- 1',
        'rosbag2_bagfile_information: 3',
        'a: [',
        '\x00',
        'rosbag2_bagfile_information: {storage_identifier: sqlite3}',
        'rosbag2_bagfile_information: {storage_identifier: mcap}',
        'rosbag2_bagfile_information: {storage_identifier: mcap, relative_file_paths: [1]}',
        'rosbag2_bagfile_information: {storage_identifier: mcap, compression_mode: FILE}',
    ],
)
def test_wrong_metadata_is_one_line(kit: Any, text: str) -> None:
    """Promise: a metadata.yaml that is wrong is a BagFormatError of one line."""
    path = kit.bag('bag', kit.drive(1))
    (path / 'metadata.yaml').write_text(text)
    with pytest.raises(BagFormatError) as caught:
        McapDatabase(path, 'r')
    assert '\n' not in str(caught.value)


def test_metadata_that_is_not_text_is_refused(kit: Any) -> None:
    """Promise: a metadata.yaml of bytes that are no text is a BagFormatError."""
    path = kit.bag('bag', kit.drive(1))
    (path / 'metadata.yaml').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(BagFormatError):
        McapDatabase(path, 'r')


def test_metadata_cannot_lead_out_of_the_bag(kit: Any) -> None:
    """Promise: file names in metadata.yaml never reach a file outside the bag's folder."""
    kit.bare('outside.mcap', kit.drive(3))
    path = kit.bag('bag', kit.drive(1))
    text = (path / 'metadata.yaml').read_text().replace('bag_0.mcap', '../outside.mcap')
    (path / 'metadata.yaml').write_text(text)
    with McapDatabase(path, 'r') as bag:
        assert 'names outside.mcap, which is not there' in bag.warnings[0]
        assert bag.topic('/odom').count == 1
    (path / 'bag_0.mcap').unlink()
    with pytest.raises(BagFormatError, match='which is not there'):
        McapDatabase(path, 'r')


def test_nothing_is_overwritten(kit: Any) -> None:
    """Promise: a new bag where something exists is refused, and that stays as it is."""
    path = kit.bag('bag', kit.drive(1))
    before = (path / 'bag_0.mcap').read_bytes()
    with pytest.raises(BagExistsError, match='exists'):
        McapDatabase(path, 'w')
    assert (path / 'bag_0.mcap').read_bytes() == before


def test_a_bag_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """Promise: a path below a file is a BagWriteError."""
    (tmp_path / 'file').write_text('')
    with pytest.raises(BagWriteError):
        McapDatabase(tmp_path / 'file' / 'bag', 'w')


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    """Promise: reading what is not there is a BagNotFoundError that names the path."""
    with pytest.raises(BagNotFoundError, match='nowhere'):
        Dataset.load(tmp_path / 'nowhere')


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    """Promise: an empty folder, an empty file and a text file are BagFormatErrors."""
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'empty.mcap').write_bytes(b'')
    (tmp_path / 'text.mcap').write_text('hello, I am no bag')
    for name in ('folder', 'empty.mcap', 'text.mcap'):
        with pytest.raises(BagFormatError):
            McapDatabase(tmp_path / name, 'r')


def test_an_empty_bag_is_a_bag(kit: Any) -> None:
    """Promise: a bag without messages opens here and in rosbags, with its topics."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w') as bag:
        bag.declare('/n', builtin_schema('std_msgs/msg/Int32'))
    with McapDatabase(path, 'r') as bag:
        assert bag.keys() == ['/n']
        assert bag.time_range_ns() is None
        assert bag.read_all('/n') == []
        assert bag.warnings == []
    with Reader(path) as reader:
        assert reader.message_count == 0


@pytest.mark.parametrize('kind', ['memory', 'mcap'])
def test_writing_follows_the_contract(kit: Any, kind: str) -> None:
    """Promise: types are held to, undeclared keys refused, declaring twice is no error."""
    database: Database = (
        MemoryDatabase() if kind == 'memory' else McapDatabase(kit.folder / 'bag', 'w')
    )
    with database:
        database.declare('/n', builtin_schema('std_msgs/msg/Int32'))
        database.declare('/n', builtin_schema('std_msgs/msg/Int32'))
        with pytest.raises(MessageTypeError, match='it cannot take std_msgs/msg/String'):
            database.declare('/n', builtin_schema('std_msgs/msg/String'))
        with pytest.raises(KeyNotFoundError, match='/other was not declared'):
            database.write_serialized('/other', b'', 0)
        with pytest.raises(MessageTypeError):
            database.write('/n', kit.message('std_msgs/msg/String', data='x'), timestamp_ns=0)
        with pytest.raises(MessageTypeError, match='is not a ROS message'):
            database.write('/m', object(), timestamp_ns=0)
        database.write('/n', kit.message('std_msgs/msg/Int32', data=4), timestamp_ns=3)
        assert database.topic('/n').count == 1


@pytest.mark.parametrize('time_ns', [-1, 2**64])
def test_times_that_a_bag_cannot_hold_are_refused(kit: Any, time_ns: int) -> None:
    """Promise: a time before 1970 or beyond 64 bits is an LkError, and the bag stays whole."""
    message = kit.message('std_msgs/msg/Int32', data=4)
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w') as bag:
        bag.write('/n', message, timestamp_ns=5)
        with pytest.raises((LkError, ValueError, OverflowError)) as caught:
            bag.write('/n', message, timestamp_ns=time_ns)
    assert isinstance(caught.value, LkError)
    with McapDatabase(path, 'r') as bag:
        assert bag.timestamps('/n').tolist() == [5]


def test_reading_what_is_written_only_is_refused(kit: Any) -> None:
    """Promise: a bag says that it cannot be read while written, nor written once it is read."""
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w') as bag, pytest.raises(CapabilityError, match='cannot be read'):
        list(bag.iterate_serialized())
    with McapDatabase(path, 'r') as bag, pytest.raises(CapabilityError, match='be written'):
        bag.declare('/n', builtin_schema('std_msgs/msg/Int32'))


def test_unknown_keys_name_the_known_ones(kit: Any) -> None:
    """Promise: asking for a key that is not there lists those that are."""
    with pytest.raises(KeyNotFoundError, match=r'there is no /x in .*; there is /odom'):
        kit.memory(kit.drive(1)).read_all('/x')
    path = kit.bag('bag', kit.drive(1))
    with McapDatabase(path, 'r') as bag, pytest.raises(KeyNotFoundError, match='is /odom'):
        list(bag.iterate_serialized(['/x']))


def test_messages_are_read_by_index(kit: Any) -> None:
    """Promise: indices count from the start or the end; none is the last; others IndexError."""
    dataset = kit.memory(kit.drive(4))
    xs = [message.pose.pose.position.x for message in dataset['/odom']]
    assert [dataset.read('/odom', n).pose.pose.position.x for n in range(4)] == xs
    assert dataset.read('/odom').pose.pose.position.x == xs[-1]
    assert dataset.read('/odom', -4).pose.pose.position.x == xs[0]
    for wrong in (4, -5):
        with pytest.raises(IndexError, match='has 4 messages'):
            dataset.read('/odom', wrong)


def test_a_dataset_writes_to_every_database(kit: Any) -> None:
    """Promise: a front over several databases writes to all and reads from the first it can."""
    path = kit.folder / 'bag'
    memory = MemoryDatabase()
    with Dataset(McapDatabase(path, 'w'), memory) as dataset:
        for key, message, time_ns in kit.drive(3):
            dataset.write(key, message, timestamp_ns=time_ns)
        assert dataset.keys() == ['/odom']
        assert len(dataset['/odom']) == 3
    with McapDatabase(path, 'r') as bag:
        assert records(bag) == records(memory)


def test_a_failing_database_does_not_stop_the_others(kit: Any) -> None:
    """Promise: one database that fails is logged, the others go on; all failing is an error."""

    class Full(MemoryDatabase):
        def write_serialized(self, *args: Any, **kwargs: Any) -> None:
            raise BagWriteError('no space')

    memory = MemoryDatabase()
    dataset = Dataset(Full(), memory)
    dataset.write('/n', kit.message('std_msgs/msg/Int32'), timestamp=1.5)
    assert records(memory)[0][2] == 1_500_000_000
    with pytest.raises(BagWriteError, match='no space'):
        Dataset(Full()).write('/n', kit.message('std_msgs/msg/Int32'), timestamp=1)


def test_time_stamps_are_what_a_user_has_at_hand(kit: Any) -> None:
    """Promise: float and integer seconds and ROS times become the same nanoseconds."""
    message = kit.message('std_msgs/msg/Int32')
    dataset = Dataset.create('memory')
    stamp = kit.message('builtin_interfaces/msg/Time', sec=1, nanosec=500_000_000)
    for timestamp in (1.5, stamp, 2, 0.1):
        dataset.write('/n', message, timestamp)
    expected = [100_000_000, 1_500_000_000, 1_500_000_000, 2_000_000_000]
    assert dataset.timestamps('/n').tolist() == expected
    for wrong in (float('nan'), float('inf'), 'now', True, object()):
        with pytest.raises(ValueError):
            dataset.write('/n', message, wrong)


def test_two_types_of_one_name_keep_their_own_definition(kit: Any) -> None:
    """Promise: two keys whose types share a name but not the definition are both readable."""
    path = kit.folder / 'bag'
    narrow, wide = Schema('a/msg/B', 'int8 x\n'), Schema('a/msg/B', 'int32 x\nint32 y\n')
    with McapDatabase(path, 'w') as bag:
        bag.declare('/narrow', narrow)
        bag.declare('/wide', wide)
        bag.write_serialized('/narrow', b'\0\1\0\0\5', 1)
        bag.write_serialized('/wide', b'\0\1\0\0\5\0\0\0\6\0\0\0', 2)
    with McapDatabase(path, 'r') as bag:
        assert bag.read('/narrow').x == 5
        assert bag.read('/wide').y == 6


def test_channels_that_are_no_ros_topics_are_left_out(tmp_path: Path, kit: Any) -> None:
    """Promise: a JSON channel beside a ROS topic is named in a warning and does not disturb."""
    schema = builtin_schema('std_msgs/msg/Int32')
    message = kit.message('std_msgs/msg/Int32', data=7)
    with (tmp_path / 'mixed.mcap').open('wb') as output:
        writer = Writer(output)
        writer.start('', 'test')
        ros = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
        channels = [
            writer.register_channel('/n', 'cdr', ros, {}),
            writer.register_channel('/json', 'json', 0, {}),
        ]
        for channel, data in zip(
            channels, (codec_for(schema).encode(message), b'{}'), strict=True
        ):
            writer.add_message(channel, 1, data, 1)
        writer.finish()
    with McapDatabase(tmp_path / 'mixed.mcap', 'r') as database:
        assert database.keys() == ['/n']
        assert [each.data for each in database.read_all('/n')] == [7]
        assert len(list(database.iterate_serialized())) == 1
        (warning,) = database.warnings
        assert "/json has encoding 'json'" in warning
