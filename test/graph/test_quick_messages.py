"""Messages of rclpy's classes, decoded and encoded without rclpy."""

from __future__ import annotations

import random
import string
from array import array
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import (
    AbstractNestedType,
    Array,
    BasicType,
    NamespacedType,
)

from lk_dataset_ros.ros.quick_messages import QuickMessages
from lk_dataset_ros.ros.types import message_class

# What rosidl imports with the first message.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')
BITS = {'int8': 8, 'int16': 16, 'int32': 32, 'int64': 64}
QUICK = [
    'nav_msgs/msg/Odometry',
    'nav_msgs/msg/Path',
    'geometry_msgs/msg/TwistStamped',
    'sensor_msgs/msg/LaserScan',
    'sensor_msgs/msg/JointState',
    'sensor_msgs/msg/Imu',
    'std_msgs/msg/String',
    'std_msgs/msg/Bool',
    'std_msgs/msg/Float64MultiArray',
    'std_msgs/msg/UInt32',
]
#: Bytes that rclpy makes objects of, large arrays of them, and nothing at all.
OTHERS = [
    'diagnostic_msgs/msg/DiagnosticArray',
    'sensor_msgs/msg/Image',
    'std_msgs/msg/Byte',
    'std_msgs/msg/Empty',
]


def value_of(kind: Any, chance: random.Random) -> Any:
    """Return some value of a type."""
    if isinstance(kind, AbstractNestedType):
        count = kind.size if isinstance(kind, Array) else chance.randrange(4)
        return [value_of(kind.value_type, chance) for _ in range(count)]
    if isinstance(kind, NamespacedType):
        return filled('/'.join(kind.namespaced_name()), chance)
    if not isinstance(kind, BasicType):
        return ''.join(chance.choices(string.ascii_letters + 'äß→', k=chance.randrange(9)))
    name = kind.typename
    if name == 'boolean':
        return chance.random() < 0.5
    if name == 'octet':
        return bytes([chance.randrange(256)])
    if name in ('float', 'double'):
        return float(chance.randrange(-1000, 1000)) / 8.0
    bits = BITS[name.removeprefix('u')]
    least = 0 if name.startswith('u') else -(1 << bits - 1)
    return least + chance.randrange(1 << bits)


def filled(type_name: str, chance: random.Random) -> Any:
    """Return a message of rclpy's class with some values."""
    message = message_class(type_name)()
    names = message.get_fields_and_field_types()
    for name, kind in zip(names, message.SLOT_TYPES, strict=True):
        setattr(message, name, value_of(kind, chance))
    return message


def parts_of(value: Any) -> Any:
    """Return a message with the classes of all that it is made of."""
    if hasattr(value, 'SLOT_TYPES'):
        return type(value), [parts_of(getattr(value, each)) for each in value.__slots__]
    kind = getattr(value, 'typecode', None) or getattr(value, 'dtype', None)
    if isinstance(value, (list, array, np.ndarray)):
        return type(value), kind, [parts_of(each) for each in value]
    return type(value), value


@pytest.mark.parametrize('type_name', [*QUICK, *OTHERS])
def test_messages_are_those_of_rclpy(type_name: str) -> None:
    """Promise: what is decoded and encoded without rclpy is what rclpy makes of it."""
    messages, chance = QuickMessages(type_name), random.Random(7)
    assert messages.is_quickly_decoded == (type_name in QUICK)
    assert parts_of(messages.new()) == parts_of(message_class(type_name)())
    for _ in range(20):
        message = filled(type_name, chance)
        cdr = bytes(serialize_message(message))
        expected = deserialize_message(cdr, type(message))
        assert parts_of(messages.decode(cdr)) == parts_of(expected)
        again = deserialize_message(messages.encode(messages.decode(cdr)), type(message))
        assert parts_of(again) == parts_of(expected)


def test_messages_are_their_owners() -> None:
    """Promise: a message can be changed without changing another one."""
    messages = QuickMessages('nav_msgs/msg/Odometry')
    first, second = messages.new(), messages.new()
    first.pose.covariance[3] = 1.0
    first.header.frame_id = 'map'
    assert (second.pose.covariance[3], second.header.frame_id) == (0.0, '')
    assert messages.new() == second


def test_what_is_no_plain_message_is_left_to_rclpy() -> None:
    """Promise: big-endian messages are read, too, and broken ones are refused as rclpy does it."""
    messages = QuickMessages('std_msgs/msg/UInt32')
    assert messages.decode(b'\x00\x00\x00\x00\x00\x00\x01\x02').data == 0x102
    with pytest.raises(Exception, match=r'(?i)deserialize|enough'):
        messages.decode(b'\x00\x01\x00\x00\x01')
