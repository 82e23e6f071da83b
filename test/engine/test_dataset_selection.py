"""Datasets made from datasets: combined, cut, sampled, as plain Python and back."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros import Dataset, PickleDatabase, Schema
from lk_dataset_ros.errors import (
    BagExistsError,
    BagTimeError,
    DatasetError,
    DatasetFormatError,
    KeyNotFoundError,
    LkError,
    MessageTypeError,
)
from lk_dataset_ros.message import builtin_schema, codec_for
from lk_dataset_ros.testing import messages, schemas

INT32 = builtin_schema('std_msgs/msg/Int32')
LATCHED = '- history: keep_last\n  depth: {}\n  durability: {}\n'


def records(dataset: Dataset) -> list[tuple[Any, ...]]:
    """Return all messages as tuples."""
    return [tuple(each) for each in dataset.iterate_serialized()]


def numbers(key: str, times: list[int], *, first: int = 0) -> Dataset:
    """Make a dataset of one key."""
    dataset = Dataset()
    dataset.declare(key, INT32)
    for index, time_ns in enumerate(times):
        cdr = b'\0\1\0\0' + struct.pack('<i', first + index)
        dataset.write_serialized(key, cdr, time_ns, time_ns - 1, index)
    return dataset


def values(dataset: Dataset, key: str = '/n') -> list[int]:
    """Return the numbers of a key."""
    return [message.data for message in dataset[key]]


# Combined.


@given(
    parts=st.lists(
        st.lists(st.tuples(st.sampled_from('ab'), st.integers(0, 20)), max_size=8),
        min_size=1,
        max_size=4,
    )
)
def test_combined_is_everything_in_order(parts: list[list[tuple[str, int]]]) -> None:
    """Promise: nothing is lost, all is in order of time, equal times in order of datasets."""
    datasets, wanted = [], []
    for part in parts:
        dataset = Dataset()
        for key in 'ab':
            dataset.declare(key, INT32)
        for index, (key, time_ns) in enumerate(part):
            dataset.write_serialized(key, b'%d' % index, time_ns, 3, index)
        datasets.append(dataset)
        wanted += records(dataset)
    found = records(Dataset.combine(*datasets))
    assert found == sorted(wanted, key=lambda each: each[2])


def test_prefixes_keep_datasets_apart() -> None:
    """Promise: each dataset's keys get its prefix, '' none; there is one for each dataset."""
    left, right = numbers('/n', [1, 3]), numbers('/n', [2], first=9)
    both = left.combine(right, prefixes=['/left/', ''])
    assert values(both, '/left/n') == [0, 1]
    assert values(both, '/n') == [9]
    for wrong in (['/left'], '/x', []):
        with pytest.raises(DatasetError, match='one for each'):
            left.combine(right, prefixes=wrong)


def test_one_key_of_two_types_is_refused() -> None:
    """Promise: a key that differs in type, or in definition, is named; nothing was written."""
    narrow, wide = Dataset(), Dataset()
    narrow.declare('/x', Schema('a/msg/B', 'int8 x  # comment\n'))
    wide.declare('/x', Schema('a/msg/B', 'int16 x\n'))
    into = Dataset()
    for other in (wide, numbers('/x', [1])):
        with pytest.raises(MessageTypeError, match=r'/x'):
            narrow.combine(other, into=into)
    assert into.keys() == []
    same = Dataset()
    same.declare('/x', Schema('a/msg/B', '# other words\nint8 x\n'))
    assert narrow.combine(same).keys() == ['/x']
    assert len(narrow.combine(wide, prefixes=['/a', '/b'])) == 2


def test_into_another_dataset(kit: Any) -> None:
    """Promise: `into` takes what is made, in any database; copying into itself is refused."""
    source = numbers('/n', [5, 1, 3])
    with Dataset.create('mcap', kit.folder / 'bag') as bag:
        assert source.combine(into=bag) is bag
    with Dataset.load(kit.folder / 'bag') as bag:
        assert records(bag) == records(source)
        with Dataset(PickleDatabase(kit.folder / 'x.pkl', 'w')) as pickled:
            bag.slice(start_ns=2, into=pickled)
    assert values(Dataset.load(kit.folder / 'x.pkl')) == [2, 0]
    for copy in (source.combine, source.slice, lambda into: source.sample(1, into=into)):
        with pytest.raises(DatasetError, match='into itself'):
            copy(into=source)


# Cut.


def test_a_slice_includes_its_start_only() -> None:
    """Promise: seconds, ROS times and nanoseconds cut alike; bounds may be left out."""
    second = 10**9
    dataset = numbers('/n', [0, second, 2 * second, 3 * second])
    start = SimpleNamespace(sec=1, nanosec=0)
    for part in (dataset.slice(1.0, 3), dataset.slice(start, stop_ns=3 * second)):
        assert values(part) == [1, 2]
        assert records(part) == records(dataset)[1:3]
    assert values(dataset.slice(start_ns=second + 1)) == [2, 3]
    assert values(dataset.slice(stop=1)) == [0]
    assert values(dataset.slice()) == [0, 1, 2, 3]
    with pytest.raises(DatasetError, match='before it starts'):
        dataset.slice(3, 1)
    with pytest.raises(DatasetError, match='start or start_ns'):
        dataset.slice(3, start_ns=1)


def test_a_slice_takes_the_chosen_keys() -> None:
    """Promise: only the keys asked for are there; unknown ones are refused by name."""
    dataset = numbers('/a', [1, 2]).combine(numbers('/b', [1, 2]), numbers('/c', []))
    part = dataset.slice(keys=['/b', '/c'], start_ns=2)
    assert part.keys() == ['/b', '/c']
    assert len(records(part)) == 1
    with pytest.raises(KeyNotFoundError, match='/x'):
        dataset.slice(keys=['/x'])
    with pytest.raises(DatasetError, match='list of keys'):
        dataset.slice(keys='/a')


@pytest.mark.parametrize('durability', ['transient_local', '1'])
def test_latched_state_is_kept(durability: str) -> None:
    """Promise: what a late subscriber still gets is kept from before the start, at the start."""
    dataset = Dataset()
    dataset.declare('/map', INT32, LATCHED.format(1, durability))
    dataset.declare('/tf_static', INT32, LATCHED.format(1, durability) * 2)
    dataset.declare('/odom', INT32, LATCHED.format(1, 'volatile'))
    for key in ('/map', '/tf_static', '/odom'):
        for time_ns in range(1, 8):
            dataset.write_serialized(key, struct.pack('<i', time_ns), time_ns)
    part = dataset.slice(start_ns=5, stop_ns=7, latched=True)
    found = {
        key: [(each.log_time_ns, each.publish_time_ns) for each in part.iterate_serialized([key])]
        for key in part
    }
    assert found == {
        '/map': [(5, 4), (5, 5), (6, 6)],
        '/tf_static': [(5, 3), (5, 4), (5, 5), (6, 6)],
        '/odom': [(5, 5), (6, 6)],
    }
    plain = dataset.slice(start_ns=5, stop_ns=7)
    assert len(plain.timestamps('/map')) == 2
    assert plain.topic('/map').qos == dataset.topic('/map').qos


# Sampled.


@settings(max_examples=50, deadline=None)
@given(times=st.lists(st.integers(0, 50), max_size=30), n=st.integers(0, 40), seed=st.integers(0))
def test_a_random_sample_is_a_part_in_order(times: list[int], n: int, seed: int) -> None:
    """Promise: n of each key, none twice, in order of time, the same for the same seed."""
    dataset = numbers('/a', times).combine(numbers('/b', times[:3]))
    part = dataset.sample(n, seed=seed)
    found = records(part)
    assert found == [each for each in records(dataset) if each in found]
    assert len(set(found)) == len(found)
    assert part.topic('/a').count == min(n, len(times))
    assert part.topic('/b').count == min(n, len(times[:3]))
    assert records(dataset.sample(n, seed=seed)) == found
    alone = dataset.sample(n, seed=seed, keys=['/b'])
    assert records(alone) == [each for each in found if each[0] == '/b']


def test_every_message_is_as_likely_as_any_other() -> None:
    """Promise: over many seeds every message is taken about equally often, and seeds differ."""
    dataset = numbers('/n', list(range(10)))
    counts = np.zeros(10, int)
    for seed in range(600):
        counts[values(dataset.sample(3, seed=seed))] += 1
    assert counts.sum() == 1800
    assert 130 < counts.min() <= counts.max() < 230
    assert len({tuple(values(dataset.sample(5))) for _ in range(20)}) > 1


def test_keys_are_sampled_apart() -> None:
    """Promise: keys of equally many messages do not get the same places taken."""
    dataset = numbers('/a', list(range(100))).combine(numbers('/b', list(range(100))))
    part = dataset.sample(5, seed=1)
    assert values(part, '/a') != values(part, '/b')


def test_every_nth_message_of_each_key() -> None:
    """Promise: every n-th counts within each key, the first one included, as in `columns`."""
    dataset = numbers('/n', list(range(10))).combine(numbers('/m', [5, 6, 7]))
    part = dataset.sample(every=3)
    assert values(part) == [0, 3, 6, 9]
    assert values(part, '/m') == [0]
    assert values(part) == dataset.columns('/n', every=3)['data'].values.tolist()


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'n': 1, 'every': 2},
        {'every': 2, 'seed': 1},
        {'every': 0},
        {'n': -1},
        {'n': 1.5},
        {'n': True},
        {'n': 1, 'seed': -1},
        {'n': 1, 'seed': 'x'},
    ],
)
def test_wrong_samples_are_refused(options: dict[str, Any]) -> None:
    """Promise: a sample that is no count, or two kinds at once, is a DatasetError."""
    with pytest.raises(DatasetError):
        numbers('/n', [1, 2]).sample(**options)


# Plain Python and back.


@settings(max_examples=100, deadline=None)
@given(data=st.data(), schema=schemas())
def test_any_dataset_survives_a_dict(data: st.DataObject, schema: Schema) -> None:
    """Promise: types, bytes, times, sequence and QoS come back from plain Python as they were."""
    dataset = Dataset()
    dataset.declare('/any', schema, 'a qos')
    codec = codec_for(schema)
    moments = st.integers(-(2**63), 2**63 - 1)
    for message in data.draw(st.lists(messages(schema), max_size=3)):
        dataset.write_serialized(
            '/any',
            codec.encode(message),
            data.draw(moments),
            data.draw(moments),
            data.draw(st.integers(0, 2**32 - 1)),
        )
    content = dataset.to_dict()
    again = Dataset.from_dict(content)
    assert again.topic('/any') == dataset.topic('/any')
    assert records(again) == records(dataset)
    assert_plain(content)


def assert_plain(value: Any) -> None:
    """Promise that a value consists of plain Python and NumPy only."""
    if type(value) is dict:
        assert all(type(key) is str for key in value)
        for item in value.values():
            assert_plain(item)
    elif type(value) is list:
        for item in value:
            assert_plain(item)
    elif type(value) is np.ndarray:
        assert value.dtype.kind in 'iufb'
    elif type(value) is np.float32:
        assert np.isnan(value)
    else:
        assert type(value) in (bool, int, float, str)


@pytest.mark.parametrize('bits', [0x7F800001, 0xFFA12345, 0x7FC00000, 0xFFC54321, 0x80000000, 1])
def test_the_bits_of_floats_survive_a_dict(bits: int) -> None:
    """Promise: signalling NaN, payload, sign, zero and subnormal keep their bits everywhere."""
    text = 'float32 a\nfloat32[2] b\nIn c\nIn[] d\nfloat64 e\n' + '=' * 80
    text += '\nMSG: p/In\nuint8 pad\nfloat32 x\nfloat32[] y\n'
    one, wide = struct.pack('<I', bits), struct.pack('<Q', (bits << 32) | bits)
    inner = b'\7\0\0\0' + one + b'\1\0\0\0' + one
    body = one + one * 2 + inner + b'\2\0\0\0' + inner * 2
    body += b'\0' * (-len(body) % 8) + wide
    dataset = Dataset()
    dataset.declare('/x', Schema('p/msg/Root', text))
    dataset.write_serialized('/x', b'\0\1\0\0' + body, 1)
    assert records(Dataset.from_dict(dataset.to_dict())) == records(dataset)


def test_the_form_is_the_documented_one(kit: Any) -> None:
    """Promise: keys, names and values of the dict are those of the documentation."""
    content = kit.memory(kit.drive(2)).to_dict()
    topic = content['/odom']
    assert list(topic) == [
        *('type', 'definition', 'encoding', 'type_hash', 'qos'),
        *('timestamps_ns', 'publish_times_ns', 'sequence', 'messages'),
    ]
    assert topic['timestamps_ns'].dtype == topic['publish_times_ns'].dtype == np.int64
    assert topic['sequence'].dtype == np.uint32
    message = topic['messages'][1]
    assert message['header'] == {'stamp': {'sec': 100, 'nanosec': 10**8}, 'frame_id': 'odom'}
    assert message['pose']['covariance'].shape == (36,)
    message['pose']['covariance'][0] = 5.0
    assert Dataset.from_dict(content)['/odom'][1].pose.covariance[0] == 5.0


def test_types_without_fields_survive_a_dict(kit: Any) -> None:
    """Promise: std_msgs/Empty is an empty dict."""
    dataset = kit.memory([('/e', kit.message('std_msgs/msg/Empty'), 5)])
    content = dataset.to_dict()
    assert content['/e']['messages'] == [{}]
    assert records(Dataset.from_dict(content)) == records(dataset)


def test_a_short_dict_is_enough() -> None:
    """Promise: type, times and messages suffice for common types; lists do for arrays."""
    content = {
        '/scan': {
            'type': 'sensor_msgs/msg/JointState',
            'timestamps_ns': [2, 1],
            'messages': [
                {
                    'header': {'stamp': {'sec': 1, 'nanosec': 2}, 'frame_id': ''},
                    'name': ['a'],
                    'position': [1, 2.5],
                    'velocity': (),
                    'effort': np.zeros(2, np.float32),
                }
            ]
            * 2,
        }
    }
    dataset = Dataset.from_dict(content)
    assert dataset['/scan'][0].position.tolist() == [1, 2.5]
    assert [each[2:] for each in records(dataset)] == [(1, 1, 0), (2, 2, 0)]


TOPIC = {'type': 'std_msgs/msg/Int32', 'timestamps_ns': [1], 'messages': [{'data': 1}]}


@pytest.mark.parametrize(
    ('content', 'error', 'reason'),
    [
        ([], DatasetFormatError, 'give a dict of keys'),
        ({5: TOPIC}, DatasetFormatError, 'is no key'),
        ({'/n': 5}, DatasetFormatError, 'give a dict'),
        ({'/n': {**TOPIC, 'more': 1}}, DatasetFormatError, "'more', which is unknown"),
        ({'/n': {'type': 'x'}}, DatasetFormatError, 'has no timestamps_ns'),
        ({'/n': {**TOPIC, 'type': 3}}, DatasetFormatError, 'type is 3'),
        ({'/n': {**TOPIC, 'type': 'no/msg/Such'}}, MessageTypeError, 'no/msg/Such'),
        ({'/n': {**TOPIC, 'definition': '???'}}, MessageTypeError, ''),
        ({'/n': {**TOPIC, 'messages': 'ab'}}, DatasetFormatError, 'give a list'),
        ({'/n': {**TOPIC, 'timestamps_ns': [1, 2]}}, DatasetFormatError, '2 timestamps_ns'),
        ({'/n': {**TOPIC, 'timestamps_ns': 5}}, DatasetFormatError, 'give an array'),
        ({'/n': {**TOPIC, 'timestamps_ns': [1.5]}}, BagTimeError, 'give an int'),
        ({'/n': {**TOPIC, 'timestamps_ns': [2**63]}}, BagTimeError, '64 bits'),
        ({'/n': {**TOPIC, 'sequence': [-1]}}, DatasetFormatError, '32 bits'),
        ({'/n': {**TOPIC, 'messages': [5]}}, MessageTypeError, '/n, message 0: it is a int'),
        ({'/n': {**TOPIC, 'messages': [{}]}}, MessageTypeError, 'lacks data'),
        ({'/n': {**TOPIC, 'messages': [{'data': 1, 'x': 2}]}}, MessageTypeError, "'x'"),
        ({'/n': {**TOPIC, 'messages': [{'data': 2**31}]}}, MessageTypeError, 'data'),
        ({'/n': {**TOPIC, 'messages': [{'data': 1.5}]}}, MessageTypeError, 'data'),
        ({'/n': {**TOPIC, 'messages': [{'data': None}]}}, MessageTypeError, 'data'),
    ],
)
def test_a_wrong_dict_is_refused(content: Any, error: type[LkError], reason: str) -> None:
    """Promise: what is wrong is said with key, message and field; nothing is guessed."""
    with pytest.raises(error) as caught:
        Dataset.from_dict(content)
    assert reason in str(caught.value)


def test_to_pickle_writes_a_whole_dataset(kit: Any) -> None:
    """Promise: the file holds everything, loads again, and replaces nothing."""
    dataset = kit.memory(kit.drive(5))
    path = kit.folder / 'x.pkl'
    dataset.to_pickle(path)
    assert records(Dataset.load(path)) == records(dataset)
    with pytest.raises(BagExistsError):
        dataset.to_pickle(path)


def test_a_dataset_that_cannot_be_read_leaves_no_pickle(kit: Any) -> None:
    """Promise: when copying fails half-way, there is no file that looks whole."""

    class Torn(Dataset):
        def iterate_serialized(self, *args: Any, **kwargs: Any) -> Any:
            yield from list(super().iterate_serialized(*args, **kwargs))[:2]
            raise DatasetFormatError('torn')

    torn = Torn()
    for key, message, time_ns in kit.drive(4):
        torn.write(key, message, timestamp_ns=time_ns)
    with pytest.raises(DatasetFormatError, match='torn'):
        torn.to_pickle(kit.folder / 'x.pkl')
    assert list(kit.folder.iterdir()) == []
