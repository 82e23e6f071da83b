"""Every kind of rosbag2 bag is read: sqlite3 and MCAP, packed or not, whole or in parts."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from mcap.writer import CompressionType, Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter

from lk_dataset_ros.dataset import Dataset, McapDatabase
from lk_dataset_ros.errors import BagFormatError, BagWriteError, MessageTypeError
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

FORMS = [
    (storage, version, mode)
    for storage in ('sqlite3', 'mcap')
    for version in (8, 9)
    for mode in ('none', 'message', 'file', 'storage')
    if (storage, mode) != ('sqlite3', 'storage')
]
HUMBLE = """
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL,
  metadata TEXT NOT NULL);
INSERT INTO schema VALUES (3, 'humble');
"""
TABLES = """
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL{qos});
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
  timestamp INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""
QOS = ', offered_qos_profiles TEXT NOT NULL'
LINE = '=' * 80
#: As `ros2 bag record` stores a definition in IDL.
IDL = f"""{LINE}
IDL: demo_msgs/msg/Reading
// generated from rosidl_adapter/resource/msg.idl.em
// with input from demo_msgs/msg/Reading.msg
// generated code does not contain a copyright notice

#include "builtin_interfaces/msg/Time.idl"
#include "demo_msgs/msg/Point.idl"

module demo_msgs {{
  module msg {{
    typedef double double__3[3];
    module Reading_Constants {{
      @verbatim (language="comment", text=
        "A constant" "\\n" "of two lines")
      const uint8 LIMIT = 5;
    }};
    @verbatim (language="comment", text=
      "A message")
    struct Reading {{
      builtin_interfaces::msg::Time stamp;

      @verbatim (language="comment", text=
        "# a comment")
      string name;

      double__3 values;

      sequence<demo_msgs::msg::Point> points;

      @unit (value="m")
      int16 level;
    }};
  }};
}};

{LINE}
IDL: demo_msgs/msg/Point
// generated from rosidl_adapter/resource/msg.idl.em


module demo_msgs {{
  module msg {{
    struct Point {{
      @default (value=0.0)
      float x;
    }};
  }};
}};

{LINE}
IDL: builtin_interfaces/msg/Time
// generated from rosidl_adapter/resource/msg.idl.em


module builtin_interfaces {{
  module msg {{
    struct Time {{
      int32 sec;

      uint32 nanosec;
    }};
  }};
}};
"""
READING_MSG = """builtin_interfaces/Time stamp
string name
float64[3] values
Point[] points
int16 level
"""


def mixed(kit: Any) -> list[Any]:
    """Make three topics that interleave, not written in time order."""
    items = kit.drive(20)
    items += [
        ('/n', kit.message('std_msgs/msg/Int32', data=n), 100 * kit.second + n * 70_000_000)
        for n in (5, 3, 4, 0, 1, 2)
    ]
    return [*items, ('/s', kit.message('std_msgs/msg/String', data='äö'), 99 * kit.second)]


def rosbags_bag(
    kit: Any, name: str, items: Any, storage: str, version: Any = 9, mode: str = 'none'
) -> Path:
    """Write a bag with the rosbags library; return its folder."""
    path: Path = kit.folder / name
    writer = RosbagsWriter(path, version=version, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(CompressionMode[mode.upper()], CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, Any] = {}
        for key, message, time_ns in items:
            type_name = message.__msgtype__
            if key not in connections:
                connections[key] = writer.add_connection(key, type_name, typestore=kit.typestore)
            cdr = codec_for(builtin_schema(type_name)).encode(message)
            writer.write(connections[key], time_ns, cdr)
    return path


def old_bag(path: Path, items: Any, *, first: str = '', qos: str = QOS) -> Path:
    """Write a sqlite3 file as old recorders did: without definitions."""
    database = sqlite3.connect(path)
    database.executescript(first + TABLES.format(qos=qos))
    topics: dict[str, int] = {}
    for key, type_name, cdr, time_ns in items:
        if key not in topics:
            topics[key] = len(topics) + 1
            row = [topics[key], key, type_name, 'cdr', *([''] if qos else [])]
            marks = ','.join('?' * len(row))
            database.execute(f'INSERT INTO topics VALUES ({marks})', row)
        database.execute(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)',
            (topics[key], time_ns, cdr),
        )
    database.commit()
    database.close()
    return path


def content(path: Path, **options: Any) -> list[tuple[int, str, bytes]]:
    """Return what a bag holds, as it is iterated."""
    with McapDatabase(path, 'r', **options) as bag:
        return [(each.log_time_ns, each.key, each.cdr) for each in bag.iterate_serialized()]


def stored(path: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {each.name: each.read_bytes() for each in path.iterdir()}


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check after each test that nothing unpacked was left behind."""
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(scratch))
    yield
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(('storage', 'version', 'mode'), FORMS)
def test_bags_of_rosbags_are_read_as_it_reads_them(
    kit: Any, storage: str, version: int, mode: str
) -> None:
    """Promise: storage, version and compression do not matter: bytes, columns, heads agree."""
    items = mixed(kit)
    path = rosbags_bag(kit, 'bag', items, storage, version, mode)
    before = stored(path)
    with Reader(path) as reader:
        expected = [(time_ns, c.topic, bytes(cdr)) for c, time_ns, cdr in reader.messages()]
        types = {c.topic: (c.msgtype, c.digest) for c in reader.connections}
    memory = kit.memory(items)
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        found = [(each.log_time_ns, each.key, each.cdr) for each in bag.iterate_serialized()]
        assert sorted(found) == sorted(expected)
        assert [each[0] for each in found] == sorted(each[0] for each in found)
        assert {k: (t.schema.name, t.schema.type_hash) for k, t in bag.topics().items()} == types
        assert bag.time_range_ns() == memory.time_range_ns()
        for key in memory:
            ours, theirs = bag.columns(key), memory.columns(key)
            assert ours.log_time_ns.tolist() == theirs.log_time_ns.tolist()
            assert bag.timestamps(key).tolist() == theirs.log_time_ns.tolist()
            assert list(ours) == list(theirs)
            for path_ in ours:
                assert np.array_equal(ours[path_].values, theirs[path_].values), path_
            for name in ('log_time_ns', 'size'):
                heads = [getattr(each.heads(key), name).tolist() for each in (bag, memory)]
                assert heads[0] == heads[1]
            assert bag.topic(key).count == memory.topic(key).count
        span = {'keys': ['/odom', '/n'], 'start_ns': 100 * kit.second + 100_000_000}
        span['stop_ns'] = span['start_ns'] + 250_000_000
        assert [each[:3] for each in bag.iterate_serialized(**span)] == [
            each[:3] for each in memory.iterate_serialized(**span)
        ]
        part = bag.columns('/odom', start_ns=span['start_ns'], stop_ns=span['stop_ns'])
        assert (
            part.log_time_ns.tolist()
            == memory.columns(
                '/odom', start_ns=span['start_ns'], stop_ns=span['stop_ns']
            ).log_time_ns.tolist()
        )
    assert stored(path) == before
    with Dataset.load(path) as dataset:
        assert dataset.topics().keys() == types.keys()


@pytest.mark.parametrize(('storage', 'version', 'mode'), FORMS[::2] + FORMS[1::2][:2])
def test_neither_metadata_nor_folder_is_needed(
    kit: Any, storage: str, version: int, mode: str
) -> None:
    """Promise: without metadata.yaml, and as a bare file, a bag gives the same messages."""
    path = rosbags_bag(kit, 'bag', mixed(kit), storage, version, mode)
    expected = content(path)
    with McapDatabase(path, 'r') as bag:
        sizes = bag.heads('/odom').size.tolist()
    (path / 'metadata.yaml').unlink()
    (file,) = path.iterdir()
    assert content(file) == expected
    assert content(path) == expected
    with McapDatabase(path, 'r') as bag:
        assert [each for each in bag.warnings if 'has no metadata.yaml' in each] == bag.warnings
        assert bag.heads('/odom').size.tolist() == sizes
        assert len(bag.columns('/odom').log_time_ns) == 20


@pytest.mark.parametrize('first', ['', HUMBLE])
@pytest.mark.parametrize('qos', ['', QOS])
def test_bags_of_old_recorders_are_read(kit: Any, first: str, qos: str) -> None:
    """Promise: a database without definitions is read with the types that ROS 2 had then."""
    schema = builtin_schema('nav_msgs/msg/Odometry')
    items = [
        (key, 'nav_msgs/Odometry', codec_for(schema).encode(message), time_ns)
        for key, message, time_ns in kit.drive(5)
    ]
    path = old_bag(kit.folder / 'old.db3', items, first=first, qos=qos)
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        assert bag.topic('/odom').schema.name == schema.name
        for (_, expected, _), message in zip(kit.drive(5), bag.read_all('/odom'), strict=True):
            kit.assert_same(message, expected)
        assert bag.columns('/odom')['pose.pose.position.x'].values[3] == 1.75


def test_types_of_ones_own_are_given_by_files(kit: Any) -> None:
    """Promise: a type that no definition is known of is left out by name; `types` gives it."""
    package = kit.folder / 'src' / 'demo_msgs' / 'msg'
    package.mkdir(parents=True)
    (package / 'Reading.msg').write_text(READING_MSG)
    (package / 'Point.msg').write_text('float32 x\n')
    (package / 'Point.idl').write_text('not read: the .msg file is')
    schema = kit.schema('demo_msgs/msg/Reading', IDL)
    codec = codec_for(
        kit.schema(schema.name, f'{READING_MSG}{LINE}\nMSG: demo_msgs/Point\nfloat32 x')
    )
    message = codec.new()
    message.name = 'ä'
    cdr = codec.encode(message)
    number = codec_for(builtin_schema('std_msgs/msg/Int32')).encode(
        kit.message('std_msgs/msg/Int32', data=3)
    )
    path = old_bag(
        kit.folder / 'old.db3',
        [('/r', schema.name, cdr, 1), ('/n', 'std_msgs/msg/Int32', number, 2)],
    )
    with McapDatabase(path, 'r') as bag:
        assert bag.keys() == ['/n']
        (warning,) = bag.warnings
        assert 'old.db3' in warning
        assert '/r is demo_msgs/msg/Reading' in warning
        assert 'types=' in warning
        assert len(list(bag.iterate_serialized())) == 1
    for types in (
        [package.parent.parent],
        [str(package)],
        [package / 'Reading.msg', package / 'Point.msg'],
        package.parent,
    ):
        with McapDatabase(path, 'r', types=types) as bag:
            assert bag.warnings == []
            assert bag.read('/r').name == 'ä'
            assert bag.read('/n').data == 3
    for wrong, reason in (
        (package / 'Nothing.msg', 'is no definition'),
        (path, 'is no definition'),
        (kit.folder / 'scratch', 'holds no'),
        (package / 'Reading.msg', 'lacks the type'),
        (package / 'Point.idl', 'is no definition'),
    ):
        with pytest.raises(MessageTypeError, match=reason):
            McapDatabase(path, 'r', types=[wrong])


def test_types_of_ones_own_win_over_those_of_ros(kit: Any) -> None:
    """Promise: a definition that is given is used although ROS 2 has another; nobody else's is."""
    package = kit.folder / 'std_msgs' / 'msg'
    package.mkdir(parents=True)
    (package / 'Int32.msg').write_text('int64 data\n')
    path = old_bag(
        kit.folder / 'old.db3',
        [('/n', 'std_msgs/msg/Int32', bytes([0, 1, *[0] * 7, 1, 0, 0]), 1)],
    )
    with McapDatabase(path, 'r', types=[package]) as bag:
        assert bag.read('/n').data == 2**40
    old = old_bag(
        kit.folder / 'other.db3',
        [('/n', 'std_msgs/msg/Int32', bytes([0, 1, 0, 0, 5, 0, 0, 0]), 1)],
    )
    with McapDatabase(old, 'r') as bag:
        assert bag.read('/n').data == 5


def test_messages_in_a_write_ahead_log_are_read(kit: Any) -> None:
    """Promise: what a killed recorder left in its log is read, and nothing is written there."""
    schema = builtin_schema('std_msgs/msg/Int32')
    items = [
        ('/n', schema.name, codec_for(schema).encode(kit.message(schema.name, data=n)), n)
        for n in range(10)
    ]
    folder = kit.folder / 'bag'
    folder.mkdir()
    path = old_bag(kit.folder / 'live.db3', items[:4])
    recorder = sqlite3.connect(path)
    recorder.execute('PRAGMA journal_mode=WAL')
    recorder.execute('PRAGMA wal_autocheckpoint=0')
    for _, _, cdr, time_ns in items[4:]:
        recorder.execute(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?, ?)', (time_ns, cdr)
        )
    recorder.commit()
    for each in kit.folder.glob('live.db3*'):
        shutil.copy(each, folder / each.name)
    recorder.close()
    before = stored(folder)
    assert len(before['live.db3-wal']) > 0
    assert [each[0] for each in content(folder / 'live.db3')] == list(range(10))
    assert [each[0] for each in content(folder)] == list(range(10))
    assert stored(folder) == before
    (folder / 'live.db3-wal').write_bytes(b'')
    assert [each[0] for each in content(folder / 'live.db3')] == list(range(4))


def test_rows_out_of_order_come_in_time_order(kit: Any) -> None:
    """Promise: rows need not stand in time order; equal times keep the order of the file."""
    schema = builtin_schema('std_msgs/msg/Int32')
    rng = np.random.default_rng(3)
    times = rng.integers(0, 40, 200).tolist()
    items = [
        (f'/n{n % 3}', schema.name, codec_for(schema).encode(kit.message(schema.name, data=n)), t)
        for n, t in enumerate(times)
    ]
    path = old_bag(kit.folder / 'mixed.db3', items)
    found = content(path)
    expected = [
        (time_ns, key, cdr) for key, _, cdr, time_ns in sorted(items, key=lambda each: each[3])
    ]
    assert found == expected
    with McapDatabase(path, 'r') as bag:
        assert bag.columns('/n1')['data'].values.tolist() == [
            n for n in np.argsort(times, kind='stable').tolist() if n % 3 == 1
        ]
        assert bag.timestamps('/n1').tolist() == sorted(times[1::3])


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_files_of_a_split_bag_may_overlap(kit: Any, storage: str) -> None:
    """Promise: several files are one bag in time order, of which any may be packed."""
    items = kit.drive(12)
    suffix = {'sqlite3': 'db3', 'mcap': 'mcap'}[storage]
    folder = kit.folder / 'split'
    folder.mkdir()
    for number in range(3):
        mode = 'file' if number == 1 else 'none'
        part = rosbags_bag(kit, f'part_{number}', items[number::3], storage, mode=mode)
        (file,) = part.glob(f'*.{suffix}*')
        file.rename(folder / file.name)
    information = {
        'storage_identifier': storage,
        'compression_mode': 'FILE',
        'compression_format': 'zstd',
        # Files that somebody unpacked keep the name of the packed ones in the metadata.
        'relative_file_paths': [f'part_{number}.{suffix}.zstd' for number in range(3)],
    }
    (folder / 'metadata.yaml').write_text(
        yaml.safe_dump({'rosbag2_bagfile_information': information})
    )
    with McapDatabase(folder, 'r') as bag:
        assert bag.warnings == []
        assert bag.topic('/odom').count == 12
        assert [each[2] for each in bag.iterate()] == [time_ns for _, _, time_ns in items]
        assert bag.columns('/odom').log_time_ns.tolist() == [time_ns for _, _, time_ns in items]
        assert bag.heads('/odom').log_time_ns.tolist() == [time_ns for _, _, time_ns in items]


def test_a_later_file_is_not_read_before_its_time(kit: Any) -> None:
    """Promise: iterating a split bag needs memory for the files of the moment only."""
    folder = kit.folder / 'split'
    folder.mkdir()
    for number in range(3):
        kit.bare(f'split/s_{number}.mcap', kit.drive(12)[number * 4 : number * 4 + 4])
    with McapDatabase(folder, 'r') as bag:
        files = bag._read()._files
        started: list[int] = []
        for number, file in enumerate(files):

            def watched(*args: Any, number: int = number, messages: Any = file.messages) -> Any:
                started.append(number)
                return messages(*args)

            file.messages = watched  # type: ignore[method-assign, assignment]
        stream = bag.iterate_serialized()
        for _ in range(3):
            next(stream)
        assert started == [0]
        assert len(list(stream)) == 9
        assert started == [0, 1, 2]


def test_stale_metadata_is_said_and_survived(kit: Any) -> None:
    """Promise: files that are missing or not listed are named; what is there is read."""
    path = rosbags_bag(kit, 'bag', kit.drive(4), 'sqlite3')
    metadata = path / 'metadata.yaml'
    text = metadata.read_text()
    metadata.write_text(text.replace('bag.db3', 'renamed.db3'))
    with McapDatabase(path, 'r') as bag:
        assert 'names renamed.db3, which is not there' in bag.warnings[0]
        assert bag.topic('/odom').count == 4
    metadata.write_text(text)
    shutil.copy(path / 'bag.db3', path / 'other.db3')
    with McapDatabase(path, 'r') as bag:
        assert 'does not name other.db3' in bag.warnings[0]
        assert bag.topic('/odom').count == 4
    information = yaml.safe_load(text)
    information['rosbag2_bagfile_information']['relative_file_paths'] = ['bag.db3', 'gone.db3']
    (path / 'other.db3').unlink()
    metadata.write_text(yaml.safe_dump(information))
    with McapDatabase(path, 'r') as bag:
        assert 'names gone.db3, which is not there' in bag.warnings[0]
        assert bag.topic('/odom').count == 4
    metadata.unlink()
    kit.bare('bag/bag.mcap', kit.drive(1))
    with pytest.raises(BagFormatError, match=r'both \.db3 and \.mcap'):
        McapDatabase(path, 'r')


def test_a_file_that_cannot_be_opened_does_not_hide_the_others(kit: Any) -> None:
    """Promise: the empty last file of a killed recorder is named, the others are read."""
    folder = kit.folder / 'split'
    folder.mkdir()
    kit.bare('split/s_0.mcap', kit.drive(4))
    (folder / 's_1.mcap').write_bytes(b'')
    with McapDatabase(folder, 'r') as bag:
        assert any('s_1.mcap' in each and 'left out' in each for each in bag.warnings)
        assert bag.topic('/odom').count == 4


def test_definitions_in_idl_are_those_that_recorders_write(kit: Any) -> None:
    """Promise: IDL with separators, includes, comments, constants decodes, columns too."""
    codec = codec_for(
        kit.schema(
            'demo_msgs/msg/Reading', f'{READING_MSG}{LINE}\nMSG: demo_msgs/Point\nfloat32 x'
        )
    )
    path = kit.folder / 'idl.mcap'
    with path.open('wb') as output:
        writer = Writer(output)
        writer.start(profile='ros2')
        number = writer.register_schema('demo_msgs/msg/Reading', 'ros2idl', IDL.encode())
        channel = writer.register_channel('/r', 'cdr', number)
        for place in range(3):
            message = codec.new()
            message.level = place
            message.values[:] = place / 2
            writer.add_message(channel, place, codec.encode(message), place)
        writer.finish()  # type: ignore[no-untyped-call]
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        assert [message.level for message in bag.read_all('/r')] == [0, 1, 2]
        columns = bag.columns('/r')
        assert columns['values'].values.tolist() == [[0.0] * 3, [0.5] * 3, [1.0] * 3]
        assert columns['level'].values.tolist() == [0, 1, 2]


@pytest.mark.parametrize('nested', [False, True])
def test_events_of_services_decode(kit: Any, nested: bool) -> None:
    """Promise: events that are recorded with their service's definition are read as events."""
    request = 'geometry_msgs/Point at\n' if nested else 'int64 a\nint64 b\n'
    point = f'{LINE}\nMSG: geometry_msgs/Point\nfloat64 x\nfloat64 y\nfloat64 z\n'
    service = f'# what is asked\n{request}---\nint64 sum\n{point if nested else ""}'
    info = '00010000 01000000 05000000 07000000 01020304 05060708 090a0b0c 0d0e0f10 00000000'
    asked = (
        '00000000 0000f03f 00000000 00000040 00000000 00000840'
        if nested
        else ('01000000 00000000 03000000 00000000')
    )
    cdr = bytes.fromhex(f'{info} 2a000000 00000000 01000000 00000000 {asked} 00000000')
    path = kit.folder / 'event.mcap'
    with path.open('wb') as output:
        writer = Writer(output)
        writer.start(profile='ros2')
        name = 'demo_msgs/srv/Add_Event'
        number = writer.register_schema(name, 'ros2msg', service.encode())
        channel = writer.register_channel('/add/_service_event', 'cdr', number)
        writer.add_message(channel, 1, cdr, 1)
        writer.finish()  # type: ignore[no-untyped-call]
    with McapDatabase(path, 'r') as bag:
        event = bag.read('/add/_service_event')
        assert (event.info.event_type, event.info.stamp.sec, event.info.stamp.nanosec) == (1, 5, 7)
        assert bytes(event.info.client_gid) == bytes(range(1, 17))
        assert event.info.sequence_number == 42
        assert event.response == []
        (asked_for,) = event.request
        if nested:
            assert (asked_for.at.x, asked_for.at.y, asked_for.at.z) == (1.0, 2.0, 3.0)
        else:
            assert (asked_for.a, asked_for.b) == (1, 3)
        assert bag.columns('/add/_service_event')['response.length'].values.tolist() == [0]


@pytest.mark.parametrize('use_chunking', [True, False])
@pytest.mark.parametrize('compression', list(CompressionType))
def test_what_else_a_file_may_hold_is_no_matter(
    kit: Any, use_chunking: bool, compression: Any
) -> None:
    """Promise: attachments, metadata, several channels of a topic, no schema: all is read."""
    schema = builtin_schema('std_msgs/msg/Int32')
    folder = kit.folder / 'bag'
    folder.mkdir()
    with (folder / 'x.mcap').open('wb') as output:
        writer = Writer(output, compression=compression, use_chunking=use_chunking, chunk_size=90)
        writer.start(profile='ros2')
        numbers = [
            writer.register_schema(schema.name, 'ros2msg', schema.text.encode()) for _ in range(2)
        ]
        channels = [
            writer.register_channel('/n', 'cdr', numbers[0]),
            writer.register_channel('/n', 'cdr', numbers[1], {'offered_qos_profiles': '[]'}),
            writer.register_channel('/unsaid', 'cdr', 0),
            writer.register_channel('/nobody', 'cdr', 0),
        ]
        writer.add_attachment(0, 0, 'a.txt', 'text/plain', b'hello')
        writer.add_metadata('note', {'a': 'b'})
        for n in range(40):
            cdr = codec_for(schema).encode(kit.message(schema.name, data=n))
            # The two channels of /n share their times, and the second one comes first.
            writer.add_message(channels[(1, 0, 2, 3)[n % 4]], n // 4 * 4, cdr, n)
        writer.finish()  # type: ignore[no-untyped-call]
    topic = {'topic_metadata': {'name': '/unsaid', 'type': schema.name}}
    information = {
        'relative_file_paths': ['x.mcap'],
        'topics_with_message_count': [topic, 3, {'topic_metadata': 4}],
    }
    (folder / 'metadata.yaml').write_text(
        yaml.safe_dump({'rosbag2_bagfile_information': information})
    )
    with McapDatabase(folder, 'r') as bag:
        assert [each for each in bag.warnings if '/nobody has no schema' not in each] == []
        assert bag.topic('/n').count == 20
        expected = [n for n in range(40) if n % 4 < 2]
        assert [each.data for each in bag.read_all('/n')] == expected
        assert bag.columns('/n')['data'].values.tolist() == expected
        assert bag.heads('/n').publish_time_ns.tolist() == expected
        assert [each.data for each in bag.read_all('/unsaid')] == list(range(2, 40, 4))


def test_files_of_foxglove_are_read(kit: Any) -> None:
    """Promise: a file that foxglove-sdk wrote is read like any other."""
    foxglove = pytest.importorskip('foxglove')
    schema = builtin_schema('std_msgs/msg/String')
    path = kit.folder / 'f.mcap'
    context = foxglove.Context()
    texts = ['a', 'äö', '']
    with foxglove.open_mcap(path, context=context):
        channel = foxglove.Channel(
            '/s',
            schema=foxglove.Schema(
                name=schema.name, encoding='ros2msg', data=schema.text.encode()
            ),
            message_encoding='cdr',
            context=context,
        )
        for place, text in enumerate(texts):
            message = kit.message(schema.name, data=text)
            channel.log(codec_for(schema).encode(message), log_time=place)
    with McapDatabase(path, 'r') as bag:
        assert bag.warnings == []
        assert [message.data for message in bag.read_all('/s')] == texts
        assert bag.columns('/s')['data'].values.tolist() == texts


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_full_disk_is_one_line(kit: Any, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: where there is no room to unpack, the error names file, folder and way out."""
    path = rosbags_bag(kit, 'bag', kit.drive(3), storage, mode='file')
    usage = shutil.disk_usage(path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=100 * 2**20))
    with pytest.raises(
        BagWriteError, match=r'bag\.\w+\.zstd cannot be unpacked.*TMPDIR'
    ) as caught:
        McapDatabase(path, 'r')
    assert '\n' not in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, 'tempdir', str(kit.folder / 'nowhere'))
    with pytest.raises(BagWriteError, match='no temporary folder'):
        McapDatabase(path, 'r')


def test_an_empty_database_is_a_bag(kit: Any) -> None:
    """Promise: a sqlite3 bag without messages opens, with its topics."""
    path = rosbags_bag(kit, 'bag', [], 'sqlite3')
    assert content(path) == []
    path = old_bag(kit.folder / 'old.db3', [('/n', 'std_msgs/msg/Int32', b'', 1)])
    with sqlite3.connect(path) as database:
        database.execute('DELETE FROM messages')
    database.close()
    with McapDatabase(path, 'r') as bag:
        assert bag.keys() == ['/n']
        assert bag.time_range_ns() is None
        assert len(bag.columns('/n').log_time_ns) == 0
        assert len(bag.heads('/n')) == 0
