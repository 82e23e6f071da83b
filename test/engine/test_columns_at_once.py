"""Columns decoded all at once equal those decoded message by message, for any type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros import Columns, Dataset, Schema
from lk_dataset_ros.errors import MessageFormatError
from lk_dataset_ros.message import Batch, Codec
from lk_dataset_ros.message.cdr import gather, runs_of

NUMBERS = [
    'bool',
    'byte',
    'char',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
    'float32',
    'float64',
]
SEPARATOR = '=' * 80


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draw a type with numbers, strings, arrays and sequences of each, and two nested types."""

    def members(names: list[str], nested: list[str]) -> str:
        lines = []
        for name in names:
            kind = draw(st.sampled_from([*NUMBERS, 'string', *nested]))
            suffix = draw(st.sampled_from(['', '', '[3]', '[]', '[<=4]']))
            lines.append(f'{kind}{suffix} {name}')
        return '\n'.join(lines) + '\n'

    count = draw(st.integers(1, 5))
    root = members([f'f{i}' for i in range(count)], ['Inner', 'Leaf'])
    inner = members(['a', 'b'], ['Leaf'])
    leaf = members(['x', 'y'], [])
    text = f'{root}{SEPARATOR}\nMSG: p/Inner\n{inner}{SEPARATOR}\nMSG: p/Leaf\n{leaf}'
    return Schema('p/msg/Root', text)


def fill(codec: Codec, name: str, data: st.DataObject) -> Any:
    """Draw a message."""
    message = codec.new() if name == codec.schema.name else None
    values = {field: _value(codec, node, data) for field, node in codec.definition(name)}
    cls = type(message) if message is not None else codec._store.types[name]
    return cls(**values)


def _value(codec: Codec, node: Any, data: st.DataObject) -> Any:
    kind, detail = node
    if kind == 1:
        return _scalar(detail[0], data)
    if kind == 2:
        return fill(codec, detail, data)
    element, size = detail
    length = size if kind == 3 else data.draw(st.integers(0, min(size or 3, 3)))
    items = [_value(codec, element, data) for _ in range(length)]
    if element[0] == 1 and element[1][0] != 'string':
        return np.array(items, dtype=element[1][0])
    return items


def _scalar(base: str, data: st.DataObject) -> Any:
    if base == 'string':
        return data.draw(st.sampled_from(['', 'a', 'map', 'äöü', 'base_link']))
    if base == 'bool':
        return data.draw(st.booleans())
    if base.startswith('float'):
        width = 32 if base == 'float32' else 64
        return data.draw(st.floats(width=width))
    info = np.iinfo(base)
    return data.draw(st.integers(int(info.min), int(info.max)))


def batch_of(parts: list[bytes]) -> tuple[Batch, np.ndarray[Any, Any]]:
    """Put messages into one buffer, at odd places."""
    start, data = [], b'\xff'
    for part in parts:
        start.append(len(data))
        data += part + b'\xee' * (len(start) % 3)
    length = np.array([len(part) for part in parts], np.int64)
    buffer = np.frombuffer(data, np.uint8)
    return Batch(buffer, np.array(start, np.int64), length), np.arange(len(parts), dtype=np.int64)


def assert_same(found: Columns, wanted: Columns) -> None:
    """Promise that two sets of columns are bit for bit the same."""
    assert set(found) == set(wanted)
    np.testing.assert_array_equal(found.log_time_ns, wanted.log_time_ns)
    for path in wanted:
        a, b = found[path], wanted[path]
        np.testing.assert_array_equal(a.rows, b.rows, err_msg=path)
        # A type of varying length that happens to have one length may be dense on either side.
        for row in range(len(b)):
            x, y = np.asarray(a.row(row)), np.asarray(b.row(row))
            assert x.shape == y.shape, path
            if y.dtype.kind in 'OUb':
                assert x.tolist() == y.tolist(), path
            elif y.size:
                assert x.dtype == y.dtype, path
                assert x.tobytes() == y.tobytes(), path


@settings(max_examples=200, deadline=None)
@given(schema=schemas(), data=st.data())
def test_any_type_in_either_byte_order(schema: Schema, data: st.DataObject) -> None:
    """Random types and messages: the same values as the decoder of single messages gives."""
    codec = Codec(schema)
    messages = [fill(codec, schema.name, data) for _ in range(data.draw(st.integers(1, 5)))]
    parts = [
        bytes(
            codec._store.serialize_cdr(each, schema.name, little_endian=data.draw(st.booleans()))
        )
        for each in messages
    ]
    found = Columns.from_batches([batch_of(parts)], codec)
    decoded = [(codec.decode(part), index) for index, part in enumerate(parts)]
    assert_same(found, Columns.from_messages(decoded, codec.layout))


@settings(max_examples=100, deadline=None)
@given(schema=schemas(), data=st.data())
def test_a_cut_message_is_refused(schema: Schema, data: st.DataObject) -> None:
    """A message shorter than its definition needs is an error, never numbers from next door."""
    codec = Codec(schema)
    whole = codec.encode(fill(codec, schema.name, data))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        codec.decode(cut)
    except MessageFormatError:
        with pytest.raises(MessageFormatError):
            Columns.from_batches([batch_of([whole, cut, whole])], codec)


@settings(max_examples=200, deadline=None)
@given(schema=schemas(), data=st.data())
def test_flipped_bytes_never_do_more_than_be_refused(schema: Schema, data: st.DataObject) -> None:
    """Whatever the bytes are: an error of ours, or the values that the other decoder gives."""
    codec = Codec(schema)
    raw = bytearray(codec.encode(fill(codec, schema.name, data)))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        wanted = Columns.from_messages([(codec.decode(bytes(raw)), 0)], codec.layout)
    except MessageFormatError:
        wanted = None
    try:
        found = Columns.from_batches([batch_of([bytes(raw)])], codec)
    except MessageFormatError:
        return
    if wanted is not None:
        assert_same(found, wanted)


def test_only_the_wanted_fields_are_there(kit: Any, tmp_path: Any) -> None:
    """`fields` restricts the columns; stamps are there all the same, time bounds hold."""
    with Dataset.create('mcap', tmp_path / 'bag') as dataset:
        for index in range(10):
            message = kit.message('sensor_msgs/msg/Imu')
            message.header.stamp.sec = index
            message.linear_acceleration.x = float(index)
            dataset.write('/imu', message, timestamp_ns=index * 10)
    with Dataset.load(tmp_path / 'bag') as dataset:
        columns = dataset.columns(
            '/imu', fields=['linear_acceleration.x'], start_ns=20, stop_ns=50
        )
    assert list(columns) == ['linear_acceleration.x']
    assert columns['linear_acceleration.x'].values.tolist() == [2.0, 3.0, 4.0]
    assert columns.stamp_ns is not None
    assert columns.stamp_ns.tolist() == [2 * 10**9, 3 * 10**9, 4 * 10**9]


def test_messages_out_of_order_come_in_order_of_log_time(tmp_path: Any, kit: Any) -> None:
    """A bag whose messages stand in another order than their log times is sorted, stably."""
    order = [5, 1, 3, 3, 0, 9]
    with Dataset.create('mcap', tmp_path / 'bag') as dataset:
        for place, time_ns in enumerate(order):
            message = kit.message('std_msgs/msg/Int32')
            message.data = place
            dataset.write('/n', message, timestamp_ns=time_ns)
    with Dataset.load(tmp_path / 'bag') as dataset:
        columns = dataset.columns('/n')
        assert columns['data'].values.tolist() == [4, 1, 2, 3, 0, 5]
        assert [each.data for each in dataset['/n']] == [4, 1, 2, 3, 0, 5]


@given(
    runs=st.lists(
        st.tuples(st.integers(1, 40), st.integers(0, 30), st.integers(1, 50)), max_size=6
    ),
    count=st.integers(1, 3),
    dtype=st.sampled_from(['<u1', '<f8', '>f8', '<i4']),
)
def test_reading_by_runs_is_reading_place_by_place(
    runs: list[tuple[int, int, int]], count: int, dtype: str
) -> None:
    """Places at equal distances, as messages in chunks are, give what single reads give."""
    places, at = [], 0
    for length, distance, gap in runs:
        places += [at + i * distance for i in range(length)]
        at = (places[-1] if places else 0) + gap
    where = np.array(places, np.int64)
    buffer = np.random.default_rng(1).integers(0, 256, at + 64, dtype=np.uint8)
    kind = np.dtype(dtype)
    found = gather(buffer, where, kind, count, runs_of(where))
    single = [np.frombuffer(buffer, kind, count, place) for place in places]
    wanted = np.array(single, kind.newbyteorder('=')).reshape(len(places), count)
    assert found.reshape(len(places), count).tobytes() == wanted.tobytes()
