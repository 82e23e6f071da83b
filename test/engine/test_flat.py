"""Messages as flat vectors: exact both ways, and clear about what has none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lk_dataset_ros.errors import FlatVectorError
from lk_dataset_ros.message import Schema, builtin_schema, codec_for, new_message, walk
from lk_dataset_ros.message.flat.vectors import (
    flat_names,
    from_flat_vector,
    is_flattenable,
    to_flat_vector,
    why_not_flattenable,
)

ODOMETRY = 'nav_msgs/msg/Odometry'
JOINTS = 'sensor_msgs/msg/JointState'


def expected(message):
    """Return path and value of every number outside of headers, by a walk over the values."""
    for path, value in walk(message):
        is_label = re.search(r'(^|\.)header\.', path) or path.endswith('frame_id')
        if is_label or path.endswith(('.length', 'at_least_one_member')):
            continue
        if isinstance(value, np.ndarray):
            yield from ((f'{path}[{index}]', number) for index, number in enumerate(value))
        else:
            yield path, value


def test_common_types_round_trip_against_a_walk(kit) -> None:
    """Promise: of every common type that is flattenable, vectors and names are those of a walk."""
    rng = np.random.default_rng(3)
    seen = 0
    for name in kit.typestore.fielddefs:
        if not is_flattenable(name) or 'int64' in builtin_schema(name).text:
            continue
        seen += 1
        for _ in range(3):
            message = kit.random_message(name, rng)
            vector = to_flat_vector(message)
            found = dict(expected(message))
            assert flat_names(name) == flat_names(message) == tuple(found), name
            assert vector.dtype == np.float64
            assert np.array_equal(vector, [float(v) for v in found.values()], equal_nan=True)
            kit.assert_same(from_flat_vector(vector, message), message)
            fresh = from_flat_vector(vector, name)
            assert np.array_equal(to_flat_vector(fresh), vector, equal_nan=True), name
    assert seen > 60


def test_numbers_are_set_not_kept(kit) -> None:
    """Promise: a copy gets the vector's numbers, keeps header and frames; the model is untouched."""
    like = kit.odometry(4)
    before = to_flat_vector(like)
    made = from_flat_vector(np.arange(len(before)), like)
    assert to_flat_vector(made).tolist() == list(range(len(before)))
    assert made.header.frame_id == 'odom'
    assert made.child_frame_id == 'base_link'
    assert made.header.stamp.sec == like.header.stamp.sec
    assert to_flat_vector(like).tolist() == before.tolist()


def test_what_users_train_on_is_flattenable() -> None:
    """Promise: Imu, Odometry, Twist, Pose are; what varies in length is not, and says why."""
    for name in (
        'sensor_msgs/msg/Imu',
        ODOMETRY,
        'geometry_msgs/Twist',
        'geometry_msgs/PoseStamped',
    ):
        assert why_not_flattenable(name) is None
    assert 'name is a sequence of texts' in str(why_not_flattenable(JOINTS))
    assert 'ranges is a sequence of numbers' in str(why_not_flattenable('sensor_msgs/LaserScan'))
    assert 'data is text' in str(why_not_flattenable('std_msgs/String'))
    assert 'transforms' in str(why_not_flattenable('tf2_msgs/TFMessage'))
    assert not is_flattenable(JOINTS)


def test_fields_make_others_flattenable(kit) -> None:
    """Promise: named fields, elements and nested messages give their numbers in that order."""
    joints = kit.message(JOINTS, name=['a', 'b'], position=np.array([1.0, 2.0]))
    fields = ['position[1]', 'position', 'header.stamp.sec']
    assert flat_names(joints, fields) == (
        'position[1]', 'position[0]', 'position[1]', 'header.stamp.sec'
    )  # fmt: skip
    assert to_flat_vector(joints, fields).tolist() == [2.0, 1.0, 2.0, 0.0]
    made = from_flat_vector([7.0, 8.0], joints, ['position'])
    assert made.position.tolist() == [7.0, 8.0]
    assert made.name == ['a', 'b']
    assert from_flat_vector([9.0], joints, ['position[0]']).position.tolist() == [9.0, 2.0]
    tf = kit.message('tf2_msgs/msg/TFMessage')
    tf.transforms = [new_message('geometry_msgs/msg/TransformStamped')]
    tf.transforms[0].transform.translation.x = 3.5
    names = flat_names(tf, ['transforms[0].transform'])
    assert names[0] == 'transforms[0].transform.translation.x'
    assert to_flat_vector(tf, ['transforms[0].transform'])[0] == 3.5
    made = from_flat_vector(np.arange(7), tf, ['transforms[0].transform'])
    assert made.transforms[0].transform.rotation.w == 6.0


def test_names_are_paths_of_columns(kit) -> None:
    """Promise: names of entries are field paths of columns, with the element where there are many."""
    columns = kit.memory(kit.drive(3)).columns('/odom')
    message = kit.odometry(2)
    for name, value in zip(flat_names(message), to_flat_vector(message), strict=True):
        path, _, index = name.removesuffix(']').partition('[')
        row = columns[path].row(2)
        assert (row[int(index)] if index else row) == value


@pytest.mark.parametrize(
    ('what', 'fields', 'text'),
    [
        (JOINTS, ['position'], 'position is a sequence'),
        (JOINTS, ['name'], 'texts'),
        (ODOMETRY, ['pose.covariance[36]'], 'has 36 values'),
        (ODOMETRY, ['pose.nothing'], 'there is no field pose.nothing'),
        (ODOMETRY, ['child_frame_id'], 'text'),
        (ODOMETRY, 'pose', 'list of field paths'),
        (int, None, 'no fields'),
        (3.5, None, 'no fields'),
    ],
)
def test_what_is_not_flattenable_says_why(what, fields, text) -> None:
    """Promise: the reason names the field."""
    assert text in str(why_not_flattenable(what, fields))


@given(st.integers(-(2**63), 2**63 - 1))
@example(2**53)
@example(2**53 + 1)
@example(-(2**63))
def test_integers_are_exact_or_refused(value) -> None:
    """Promise: an int64 becomes a float64 that equals it, and comes back; or it is refused."""
    message = new_message('std_msgs/msg/Int64')
    message.data = value
    if int(float(value)) == value:
        vector = to_flat_vector(message)
        assert int(vector[0]) == value
        assert from_flat_vector(vector, message).data == value
    else:
        with pytest.raises(FlatVectorError, match='no float64 equals'):
            to_flat_vector(message)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('Int64', 2.0**63),
        ('UInt64', 2.0**64),
        ('UInt8', 256.0),
        ('UInt8', -1.0),
        ('Int32', 0.5),
        ('Int32', np.nan),
        ('Bool', 2.0),
        ('Float32', 1e300),
    ],
)
def test_values_that_do_not_fit_are_refused(name, value) -> None:
    """Promise: nothing is cut, wrapped or rounded into an integer, nor becomes infinite."""
    with pytest.raises(FlatVectorError, match='does not fit data'):
        from_flat_vector([value], f'std_msgs/msg/{name}')


def test_vectors_that_do_not_fit_are_refused(kit) -> None:
    """Promise: a vector of another length, of text, or with a field twice is refused."""
    twist = new_message('geometry_msgs/msg/Twist')
    for vector in ([1.0] * 5, [[1.0] * 6], 3.0):
        with pytest.raises(FlatVectorError, match=r'it takes \(6,\)'):
            from_flat_vector(vector, twist)
    with pytest.raises(FlatVectorError, match='not a vector of numbers'):
        from_flat_vector(['a'] * 6, twist)
    with pytest.raises(FlatVectorError, match='named twice'):
        from_flat_vector([1.0, 2.0], twist, ['linear.x', 'linear.x'])
    with pytest.raises(FlatVectorError, match='give a message'):
        from_flat_vector([1.0], JOINTS, ['position[0]'])
    with pytest.raises(FlatVectorError, match='is a type'):
        to_flat_vector('geometry_msgs/msg/Twist')


@dataclass(frozen=True, slots=True)
class Inner:
    """Nested and frozen."""

    a: int
    b: bool = False


@dataclass
class Plain:
    """A message that knows nothing of ROS."""

    x: float
    inner: Inner
    three: tuple[float, ...] = (1.0, 2.0, 3.0)
    array: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))


def test_dataclasses_are_messages() -> None:
    """Promise: numbers of plain dataclasses go to a vector and back with their types."""
    plain = Plain(0.5, Inner(7, b=True))
    assert flat_names(plain) == flat_names(Plain) == (
        'x', 'inner.a', 'inner.b', 'three[0]', 'three[1]', 'three[2]', 'array[0]', 'array[1]'
    )  # fmt: skip
    assert to_flat_vector(plain).tolist() == [0.5, 7, 1, 1, 2, 3, 0, 0]
    for like in (plain, Plain):
        made = from_flat_vector([1.5, 8, 0, 4, 5, 6, 7, 9], like)
        assert (made.x, made.inner, made.three) == (1.5, Inner(8), (4.0, 5.0, 6.0))
        assert type(made.inner.a) is int
        assert made.array.dtype == np.float32
        assert made.array.tolist() == [7, 9]


def test_types_of_ones_own_come_by_schema(kit) -> None:
    """Promise: a type of one's own is described by its schema, or by the values of a message."""
    schema = Schema('my_msgs/msg/Wheel', 'float32 speed\nuint8[3] ticks\nfloat64[<=2] extra\n')
    assert not is_flattenable(schema)
    assert flat_names(schema, ['speed', 'ticks']) == ('speed', 'ticks[0]', 'ticks[1]', 'ticks[2]')
    message = codec_for(schema).new()
    message.ticks = np.array([1, 2, 255], np.uint8)
    assert to_flat_vector(message).tolist() == [0.0, 1.0, 2.0, 255.0]
    with pytest.raises(FlatVectorError, match='give its schema or a message'):
        flat_names(type(message))


def test_rclpy_messages() -> None:
    """Promise: classes of a ROS installation give the names and vectors that ours give."""
    sensors = pytest.importorskip('sensor_msgs.msg')
    standard = pytest.importorskip('std_msgs.msg')
    imu = sensors.Imu()
    assert flat_names(sensors.Imu) == flat_names(imu) == flat_names('sensor_msgs/msg/Imu')
    made = from_flat_vector(np.arange(37) + 0.5, imu)
    assert to_flat_vector(made).tolist() == (np.arange(37) + 0.5).tolist()
    joints = sensors.JointState(name=['a'], position=[1.0, 2.0])
    assert from_flat_vector([5, 6], joints, ['position']).position.tolist() == [5.0, 6.0]
    assert not is_flattenable(joints)
    assert from_flat_vector([7], standard.Byte()).data == b'\x07'
    assert to_flat_vector(standard.Byte(data=b'\x05')).tolist() == [5.0]
