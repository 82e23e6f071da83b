"""The recorder's engine: what comes in is written and counted."""

from __future__ import annotations

from typing import Any

import pytest

from lk_dataset_ros.dataset import DataRecorder, McapDatabase, MemoryDatabase, SerializedMessage
from lk_dataset_ros.errors import KeyNotFoundError, LkError, MessageTypeError
from lk_dataset_ros.message import builtin_schema, codec_for


def serialized(kit: Any, value: int, time_ns: int) -> SerializedMessage:
    """Make a message as it is on the wire."""
    codec = codec_for(builtin_schema('std_msgs/msg/Int32'))
    cdr = codec.encode(kit.message('std_msgs/msg/Int32', data=value))
    return SerializedMessage('/n', cdr, time_ns, time_ns - 1, value)


def test_serialized_messages_are_written_as_they_are(kit: Any) -> None:
    """Promise: bytes, both times and the sequence number arrive in the bag unchanged."""
    path = kit.folder / 'bag'
    recorder = DataRecorder(McapDatabase(path, 'w'))
    recorder.add_input('/n', 'std_msgs/msg/Int32')
    recorder.add_input('/n', 'std_msgs/msg/Int32')
    messages = [serialized(kit, value, value * 10) for value in range(1, 6)]
    for message in messages:
        recorder.record(message)
    recorder.close()
    recorder.close()
    with McapDatabase(path, 'r') as bag:
        assert list(bag.iterate_serialized()) == messages
    stats = recorder.get_stats()['/n']
    assert (stats.count, stats.size, stats.lost) == (5, 40, 0)
    assert (recorder.count, recorder.size) == (5, 40)


def test_message_objects_are_written_at_the_time_of_day(kit: Any, fake_time: Any) -> None:
    """Promise: any topic is a port; a message object is written at the time it came."""
    recorder = DataRecorder(MemoryDatabase(), now_ns=fake_time)
    for value in (4, 5):
        fake_time.now_ns += 10
        recorder(**{'/n': kit.message('std_msgs/msg/Int32', data=value)})
    (first, second) = recorder.database.iterate_serialized()
    assert (first.log_time_ns, second.log_time_ns) == (
        fake_time.now_ns - 10,
        fake_time.now_ns,
    )
    assert [message.data for message in recorder.database.read_all('/n')] == [4, 5]
    assert recorder.count == 2


def test_the_first_message_object_is_counted_in_bytes_too(kit: Any) -> None:
    """Promise: the size of a topic includes its first message."""
    recorder = DataRecorder(MemoryDatabase())
    for _ in range(3):
        recorder(**{'/n': kit.message('std_msgs/msg/Int32')})
    assert recorder.size == 3 * 8


def test_topics_that_the_database_knows_already_are_counted(kit: Any) -> None:
    """Promise: a topic declared in the database before is recorded like any other."""
    database = MemoryDatabase()
    database.declare('/n', builtin_schema('std_msgs/msg/Int32'))
    recorder = DataRecorder(database)
    recorder(**{'/n': kit.message('std_msgs/msg/Int32')})
    assert recorder.get_stats()['/n'].count == 1


def test_another_type_is_refused(kit: Any) -> None:
    """Promise: a topic cannot change its type, neither declared nor by a message."""
    recorder = DataRecorder(MemoryDatabase())
    recorder.add_input('/n', 'std_msgs/msg/Int32')
    with pytest.raises(MessageTypeError, match='it cannot take'):
        recorder.add_input('/n', 'std_msgs/msg/String')
    with pytest.raises(LkError):
        recorder(**{'/n': kit.message('std_msgs/msg/String', data='x')})
    assert recorder.count == 0


def test_topics_that_were_not_added_are_refused(kit: Any) -> None:
    """Promise: a serialized message of an unknown topic is a KeyNotFoundError."""
    with pytest.raises(KeyNotFoundError, match='/n was not declared'):
        DataRecorder(MemoryDatabase()).record(serialized(kit, 1, 1))


def test_lost_messages_are_counted(kit: Any) -> None:
    """Promise: losses show up in the topic's statistics and in the diagnostics."""
    recorder = DataRecorder(MemoryDatabase())
    recorder.add_input('/n', 'std_msgs/msg/Int32')
    recorder.note_lost('/n', 2)
    recorder.note_lost('/n', 3)
    assert recorder.get_stats()['/n'].lost == 5
    assert recorder.dx.status().values == {'lost': '5'}
    assert recorder.dx.status().level == 1
