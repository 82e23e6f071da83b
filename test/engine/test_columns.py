"""Messages as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lk_dataset_ros.message import Columns, walk


def test_columns_hold_every_value_in_order(kit: Any) -> None:
    """Promise: each field path's array holds what walking the messages one by one gives."""
    items = kit.drive(7)
    columns = kit.memory(items).columns('/odom')
    for row, (_, message, time_ns) in enumerate(items):
        for path, value in walk(message):
            assert np.array_equal(columns[path].values[row], value), path
        assert columns.log_time_ns[row] == time_ns
    assert list(columns) == [path for path, _ in walk(items[0][1])]


def test_columns_carry_header_stamps(kit: Any) -> None:
    """Promise: the stamps are header.stamp in nanoseconds, and None for a type without."""
    columns = kit.memory(kit.drive(3)).columns('/odom')
    assert columns.stamp_ns is not None
    assert columns.stamp_ns.tolist() == [100 * kit.second + n * kit.second // 10 for n in range(3)]
    plain = kit.memory([('/n', kit.message('std_msgs/msg/Int32', data=1), 5)]).columns('/n')
    assert plain.stamp_ns is None


@pytest.mark.parametrize(
    ('type_name', 'dtype'),
    [
        ('std_msgs/msg/Float64', 'float64'),
        ('std_msgs/msg/Float32', 'float32'),
        ('std_msgs/msg/Bool', 'bool'),
        ('std_msgs/msg/String', 'object'),
    ],
)
def test_scalar_fields_keep_their_type(kit: Any, type_name: str, dtype: str) -> None:
    """Promise: a column's dtype is the field's type, which the tolerance is chosen by."""
    columns = kit.memory([('/x', kit.message(type_name), 0)]).columns('/x')
    assert columns['data'].values.dtype.name == dtype


def test_large_unsigned_integers_survive(kit: Any) -> None:
    """Promise: a uint64 beyond int64 is kept exactly."""
    value = 2**64 - 1
    columns = kit.memory(
        [('/x', kit.message('std_msgs/msg/UInt64', data=each), 0) for each in (1, value)]
    ).columns('/x')
    assert columns['data'].values.tolist() == [1, value]


def test_varying_lengths_have_offsets(kit: Any) -> None:
    """Promise: a sequence that varies in length is one flat array with offsets."""
    lengths = [2, 0, 3]
    messages = [
        kit.message('sensor_msgs/msg/JointState', position=np.arange(n, dtype=np.float64))
        for n in lengths
    ]
    columns = kit.memory(('/j', message, n) for n, message in enumerate(messages)).columns('/j')
    column = columns['position']
    assert column.offsets is not None
    assert column.offsets.tolist() == [0, 2, 2, 5]
    assert [column.row(n).tolist() for n in range(3)] == [[0, 1], [], [0, 1, 2]]


def test_texts_of_varying_length_survive(kit: Any) -> None:
    """Promise: sequences of strings come back as they were, empty ones included."""
    names = [['a', 'bcd'], [], ['e']]
    messages = [kit.message('sensor_msgs/msg/JointState', name=each) for each in names]
    column = kit.memory(('/j', each, n) for n, each in enumerate(messages)).columns('/j')['name']
    assert [list(column.row(n)) for n in range(3)] == names


def test_fields_inside_sequences_say_their_rows(kit: Any) -> None:
    """Promise: a field that only some messages have says which."""
    one = kit.message('geometry_msgs/msg/TransformStamped')
    messages = []
    for count in (1, 2, 0, 2):
        message = kit.message('tf2_msgs/msg/TFMessage')
        message.transforms = [one] * count
        messages.append(message)
    columns = kit.memory(('/tf', each, n) for n, each in enumerate(messages)).columns('/tf')
    assert columns['transforms[1].child_frame_id'].rows.tolist() == [1, 3]
    assert columns['transforms.length'].values.tolist() == [1, 2, 0, 2]


def test_no_messages_give_no_columns() -> None:
    """Promise: columns of nothing are empty, and have no stamps."""
    columns = Columns.from_messages([])
    assert len(columns) == 0
    assert columns.log_time_ns.shape == (0,)
    assert columns.stamp_ns is None
