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
from lk_dataset_ros.message.columnar.batch import gather, runs_of
from lk_dataset_ros.testing import messages, schemas
from lk_dataset_ros.testing.conformance import assert_same_columns


def batch_of(parts: list[bytes]) -> tuple[Batch, np.ndarray[Any, Any]]:
    """Put messages into one buffer, at odd places."""
    start, data = [], b'\xff'
    for part in parts:
        start.append(len(data))
        data += part + b'\xee' * (len(start) % 3)
    length = np.array([len(part) for part in parts], np.int64)
    buffer = np.frombuffer(data, np.uint8)
    return Batch(buffer, np.array(start, np.int64), length), np.arange(len(parts), dtype=np.int64)


@settings(max_examples=200, deadline=None)
@given(schema=schemas(), data=st.data())
def test_any_type_in_either_byte_order(schema: Schema, data: st.DataObject) -> None:
    """Random types and messages: the same values as the decoder of single messages gives."""
    codec = Codec(schema)
    drawn = [data.draw(messages(schema)) for _ in range(data.draw(st.integers(1, 5)))]
    parts = [
        bytes(
            codec._store.serialize_cdr(each, schema.name, little_endian=data.draw(st.booleans()))
        )
        for each in drawn
    ]
    found = Columns.from_batches([batch_of(parts)], codec)
    decoded = [(codec.decode(part), index) for index, part in enumerate(parts)]
    assert_same_columns(found, Columns.from_messages(decoded, codec.layout))


@settings(max_examples=100, deadline=None)
@given(schema=schemas(), data=st.data())
def test_a_cut_message_is_refused(schema: Schema, data: st.DataObject) -> None:
    """A message shorter than its definition needs is an error, never numbers from next door."""
    codec = Codec(schema)
    whole = codec.encode(data.draw(messages(schema)))
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
    raw = bytearray(codec.encode(data.draw(messages(schema))))
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
        assert_same_columns(found, wanted)


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
