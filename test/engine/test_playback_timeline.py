"""What is played and in which order, against a version that knows everything beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import DataPlayback, Dataset, Finished, MemoryDatabase, Publish, Topic
from lk_dataset_ros.dataset.playback.choice import Choice
from lk_dataset_ros.dataset.playback.latched import depth_of, last_before
from lk_dataset_ros.dataset.playback.sent import SENT_WINDOW_NS
from lk_dataset_ros.dataset.playback.timeline import Timeline
from lk_dataset_ros.errors import ComponentError, KeyNotFoundError, LkError, MessageTypeError
from lk_dataset_ros.message import builtin_schema

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import SerializedMessage

S = 1_000_000_000
INT32 = builtin_schema('std_msgs/msg/Int32')
LATCHED = '- history: keep_last\n  depth: {depth}\n  durability: transient_local'

#: Topic, log time and publish time of a message; its payload tells them apart.
Item = tuple[str, int, int]


def dataset_of(items: list[Item], qos: dict[str, str] | None = None, mark: int = 0) -> Dataset:
    """Make a dataset whose messages are numbered in their payload."""
    database = MemoryDatabase()
    for key in sorted({key for key, _, _ in items}):
        database.declare(key, INT32, (qos or {}).get(key, '- durability: volatile'))
    for number, (key, log_ns, sent_ns) in enumerate(items):
        cdr = b'\x00\x01\x00\x00' + (mark + number).to_bytes(4, 'little')
        database.write_serialized(key, cdr, log_ns, sent_ns, number)
    return Dataset(database)


def everything(playback: DataPlayback) -> list[SerializedMessage]:
    """Play to the end, as fast as possible."""
    found = []
    while not isinstance(action := playback.advance(), Finished):
        assert isinstance(action, Publish)
        found.append(action.message)
        assert len(found) < 10_000
    return found


def line_ns(message: SerializedMessage, order: str) -> int:
    """Return where a message stands: what the documentation says, said again."""
    log_ns, sent_ns = message.log_time_ns, message.publish_time_ns
    if order == 'received' or sent_ns <= 0 or sent_ns > log_ns:
        return log_ns
    return max(sent_ns, log_ns - SENT_WINDOW_NS)


def in_order(datasets: list[Dataset], order: str) -> list[tuple[int, SerializedMessage]]:
    """Return all messages by time, of equal ones those of the first dataset first."""
    found = [
        (line_ns(each, order), each)
        for dataset in datasets
        for each in dataset.iterate_serialized()
    ]
    return sorted(found, key=lambda entry: entry[0])


items = st.lists(
    st.tuples(
        st.sampled_from(['/a', '/b', '/c']),
        st.integers(1, 5 * S),
        st.integers(-10, 6 * S),
    ),
    max_size=25,
)
some = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@some
@given(parts=st.lists(items, min_size=1, max_size=3), order=st.sampled_from(['received', 'sent']))
def test_several_bags_are_one_line_of_time(parts: list[list[Item]], order: str) -> None:
    """Promise: whatever lies in whatever bag, every message comes once, in order of its time."""
    datasets = [dataset_of(each, mark=100 * place) for place, each in enumerate(parts)]
    played = everything(DataPlayback(datasets, rtf=0.0, order=order))
    assert played == [message for _, message in in_order(datasets, order)]


@some
@given(
    part=items.filter(bool),
    order=st.sampled_from(['received', 'sent']),
    offset=st.integers(0, 6 * S),
    duration=st.integers(0, 6 * S),
    until=st.integers(0, 7 * S),
    depths=st.dictionaries(st.sampled_from(['/a', '/b', '/c']), st.integers(1, 3)),
)
def test_a_part_is_what_lies_in_it_with_the_state_before_it(
    part: list[Item],
    order: str,
    offset: int,
    duration: int,
    until: int,
    depths: dict[str, int],
) -> None:
    """Promise: a part has the last latched messages before it, then exactly what lies in it."""
    dataset = dataset_of(part, {key: LATCHED.format(depth=n) for key, n in depths.items()})
    line = in_order([dataset], order)
    first_ns = min(log_ns for _, log_ns, _ in part)
    last_ns = max(log_ns for _, log_ns, _ in part)
    start_ns = first_ns + offset if offset else line[0][0]
    end_ns = min(
        last_ns, *([start_ns + duration] if duration else []), *([until] if until else []), 10**18
    )
    settings_of_part = {
        'start_offset_s': offset / S,
        'duration_s': duration / S,
        'until_ns': until,
    }
    if start_ns > last_ns or end_ns < start_ns:
        with pytest.raises(ComponentError):
            DataPlayback(dataset, rtf=0.0, order=order, **settings_of_part)
        return
    playback = DataPlayback(dataset, rtf=0.0, order=order, **settings_of_part)
    assert (playback.start_ns, playback.end_ns) == (start_ns, end_ns)
    before = [entry for entry in line if entry[0] < start_ns]
    state = [
        entry
        for key, depth in depths.items()
        for entry in [each for each in before if each[1].key == key][-depth:]
    ]
    expected = sorted(state, key=lambda entry: entry[0])
    expected += [entry for entry in line if start_ns <= entry[0] <= end_ns]
    played = everything(playback)
    # Of the same time before the start, topics stand in no order.
    assert sorted(played[: len(state)]) == sorted(message for _, message in state)
    assert played[len(state) :] == [message for _, message in expected[len(state) :]]


@some
@given(part=items.filter(bool), position=st.integers(0, 6 * S), depth=st.integers(1, 5))
def test_last_messages_are_found_backwards(part: list[Item], position: int, depth: int) -> None:
    """Promise: the last messages before a position are those that a look at all of them gives."""
    dataset = dataset_of([('/a', log_ns, sent_ns) for _, log_ns, sent_ns in part])
    first_ns = min(log_ns for _, log_ns, _ in part)
    for order in ('received', 'sent'):
        found = last_before(dataset, '/a', position, depth, first_ns, is_sent=order == 'sent')
        line = [entry for entry in in_order([dataset], order) if entry[0] < position]
        assert found == line[-depth:]


def test_what_was_sent_late_is_not_taken_for_the_last() -> None:
    """Promise: in the order of sending the search goes on until nothing earlier can be later."""
    sent_long_before = ('/a', 4 * S + S // 10, 3 * S + S // 5)
    last = ('/a', 4 * S - S // 10, 4 * S - S // 10)
    dataset = dataset_of([('/a', 1, 1), last, sent_long_before])
    found = last_before(dataset, '/a', 5 * S, 1, 1, is_sent=True)
    assert [time_ns for time_ns, _ in found] == [last[1]]


def test_the_latched_state_is_looked_for_far_back(kit: Any) -> None:
    """Promise: a message latched an hour before the position is found, in a bag on disk too."""
    path = kit.folder / 'bag'
    hour_ns = 3600 * S
    with Dataset.create('mcap', path) as bag:
        database = bag.databases[0]
        database.declare('/map', INT32, LATCHED.format(depth=1))
        database.declare('/n', INT32, '')
        database.write_serialized('/map', b'\x00\x01\x00\x00\x07\x00\x00\x00', S)
        for second in range(0, 3600, 10):
            database.write_serialized('/n', b'\x00\x01\x00\x00' + bytes(4), S + second * S)
        database.write_serialized('/n', b'\x00\x01\x00\x00' + bytes(4), S + hour_ns)
    playback = DataPlayback(Dataset.load(path), rtf=0.0, start_offset_s=3599.0)
    assert [(each.key, each.log_time_ns) for each in everything(playback)] == [
        ('/map', S),
        ('/n', S + hour_ns),
    ]


@pytest.mark.parametrize(
    ('qos', 'depth'),
    [
        (LATCHED.format(depth=1), 1),
        (LATCHED.format(depth=4) + '\n' + LATCHED.format(depth=2), 6),
        (LATCHED.format(depth=0), 1),
        (LATCHED.format(depth=10**9), 1000),
        ('- depth: 5\n  durability: 1', 5),
        ('- depth: 5\n  durability: 2', 0),
        (LATCHED.format(depth=2) + '\n- {durability: volatile, depth: 5}', 2),
        ('[[', 0),
        ('- durability: transient_local\n  depth: many', 1),
        ('- durability: volatile', 0),
    ],
)
def test_the_depth_is_what_the_publishers_offered(qos: str, depth: int) -> None:
    """Promise: depths of transient-local publishers add up, others count nothing."""
    assert depth_of(Topic('/tf_static', INT32, qos)) == depth


@pytest.mark.parametrize('qos', ['', '  ', '[]'])
def test_without_qos_the_name_tells(qos: str) -> None:
    """Promise: a bag without QoS has the topics latched that ROS latches by convention."""
    assert depth_of(Topic('/robot1/tf_static', INT32, qos)) == 100
    assert depth_of(Topic('/robot_description', INT32, qos)) == 1
    grid = builtin_schema('nav_msgs/msg/OccupancyGrid')
    assert depth_of(Topic('/map', grid, qos)) == 1
    assert depth_of(Topic('/odom', INT32, qos)) == 0


def keys_of(dataset: Dataset, **options: Any) -> list[str]:
    """Return what would be played."""
    return list(DataPlayback(dataset, **options).topics)


def test_topics_are_chosen_as_rosbag2_does() -> None:
    """Promise: names and regex add up, exclusions win, regex means the whole name."""
    dataset = dataset_of([(key, 1, 1) for key in ('/a', '/a/b', '/c', '/cam/image')])
    assert keys_of(dataset) == ['/a', '/a/b', '/c', '/cam/image']
    assert keys_of(dataset, regex='/a.*') == ['/a', '/a/b']
    assert keys_of(dataset, regex='/a') == ['/a']
    assert keys_of(dataset, regex='/a', topics=['/c']) == ['/c', '/a']
    assert keys_of(dataset, exclude_topics=['/a'], exclude_regex='.*image') == ['/a/b', '/c']
    assert keys_of(dataset, topics=['/a', '/c'], exclude_topics=['/a', '/nowhere']) == ['/c']
    assert keys_of(dataset, skip={'/c': 'its type is not installed'}) == [
        '/a',
        '/a/b',
        '/cam/image',
    ]
    with pytest.raises(KeyNotFoundError, match='/x'):
        keys_of(dataset, topics=['/x'])
    with pytest.raises(ComponentError, match='no topic is left'):
        keys_of(dataset, exclude_regex='.*')


def test_other_names_are_given_to_messages_too() -> None:
    """Promise: remap renames topics, messages and counts; with or without the slash."""
    dataset = dataset_of([('/a', 1, 1), ('/b', 2, 2)])
    playback = DataPlayback(dataset, rtf=0.0, remap=['/a:=/x', 'b:=y', '/nowhere:=/z', ''])
    assert [each.key for each in everything(playback)] == ['/x', '/y']
    assert list(playback.topics) == ['/x', '/y']
    assert playback.topics['/x'].name == '/x'
    assert playback.counts == {'/x': 1, '/y': 1}


def test_two_topics_may_become_one_of_one_type(kit: Any) -> None:
    """Promise: topics of one type can be played under one name, others are refused."""
    dataset = dataset_of([('/a', 1, 1), ('/b', 2, 2)])
    playback = DataPlayback(dataset, rtf=0.0, remap=['/a:=/b'])
    assert [each.key for each in everything(playback)] == ['/b', '/b']
    assert playback.total == 2
    other = kit.memory([('/a', kit.message('std_msgs/msg/String', data='x'), 5)])
    with pytest.raises(MessageTypeError, match=r'/a would be .*Int32 and .*String'):
        DataPlayback([dataset, other])
    both = DataPlayback([dataset, other], rtf=0.0, remap=['/a:=/b'], topics=['/b'])
    assert list(both.topics) == ['/b']


@pytest.mark.parametrize(
    'wrong',
    [
        {'regex': '('},
        {'exclude_regex': '*'},
        {'remap': ['/a']},
        {'remap': ['/a:=']},
        {'remap': ['/a:=/b:=/c']},
        {'order': 'sorted'},
        {'late_policy': 'hope'},
        {'rtf': -1.0},
        {'rtf': float('nan')},
        {'rtf': 'fast'},
        {'start_offset_s': 100.0},
        {'start_offset_s': -1.0},
        {'duration_s': float('nan')},
        {'until_ns': 1},
        {'follow': 'me'},
        {'follow': 'absolute', 'clock_hz': 1.0},
        {'follow': 'absolute', 'clock_topics': ['/a']},
        {'follow': 'relative', 'rtf': 2.0},
        {'follow': 'relative', 'loop': True},
        {'follow': 'relative', 'delay_s': 1.0},
        {'follow': 'relative', 'late_policy': 'slow_down'},
        {'read_ahead_bytes': -1},
        {'no_such_thing': 1},
    ],
)
def test_wrong_settings_get_one_line(wrong: dict[str, Any]) -> None:
    """Promise: what cannot be is refused in one line that names it."""
    dataset = dataset_of([('/a', S, S), ('/a', 2 * S, 2 * S)])
    with pytest.raises(LkError) as caught:
        DataPlayback(dataset, **wrong)
    assert '\n' not in str(caught.value)
    if wrong != {'start_offset_s': 100.0}:
        assert next(iter(wrong)).removesuffix('_ns') in str(caught.value)


def test_an_empty_bag_has_no_parts() -> None:
    """Promise: a bag without messages is finished at once, whatever part of it is asked for."""
    database = MemoryDatabase()
    database.declare('/a', INT32, LATCHED.format(depth=1))
    playback = DataPlayback(Dataset(database), start_offset_s=5.0, until_ns=7, loop=True)
    assert isinstance(playback.advance(), Finished)
    assert isinstance(DataPlayback([], loop=True).advance(), Finished)


def test_memory_goes_before_the_order_of_sending() -> None:
    """Promise: little memory may cost the order of sending, but loses nothing."""
    messages = [('/a', S + n, S + n - 1000 * (n % 7)) for n in range(1000)]
    dataset = dataset_of(messages)
    played = everything(DataPlayback(dataset, rtf=0.0, order='sent', read_ahead_bytes=2000))
    assert sorted(each.sequence for each in played) == list(range(1000))


def test_without_memory_time_does_not_run_back() -> None:
    """Promise: where memory does not suffice for the order of sending, times on the line grow."""
    part = dataset_of([('/a', S + n, S + n - 10_000 * (n % 7)) for n in range(1000)])
    topics = Choice(part.topics(), ({'/a': '/a'},))
    line = Timeline([part], topics, {}, is_sent=True, window_bytes=1000)
    times = [time_ns for time_ns, _ in line.entries(line.start_ns, loop=False)]
    assert times == sorted(times)
    assert len(times) == 1000


def test_the_state_of_a_topic_in_two_bags_is_one() -> None:
    """Promise: the last messages of a latched topic are the last of all bags together."""
    qos = {'/a': LATCHED.format(depth=1)}
    bags = [dataset_of([('/a', 5, 5)], qos), dataset_of([('/a', 1, 1), ('/a', 2, 2)], qos, 100)]
    bags.append(dataset_of([('/n', 10, 10)]))
    playback = DataPlayback(bags, rtf=0.0, start_offset_s=9e-9)
    assert playback.latched == {'/a': 2}
    assert [each.log_time_ns for each in everything(playback)] == [2, 5, 10]
