"""Messages to bytes and back, with rosbags' types and mcap-ros2-support as second opinions."""

from __future__ import annotations

import contextlib
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.records import Schema as McapSchema
from mcap_ros2.decoder import DecoderFactory

from lk_dataset_ros.errors import LkError, MessageFormatError, MessageTypeError
from lk_dataset_ros.message import (
    Columns,
    Schema,
    builtin_schema,
    codec_for,
    full_type_name,
    header_stamp_ns,
    new_message,
    type_name_of,
    walk,
)

TYPES = [
    'std_msgs/msg/Bool',
    'std_msgs/msg/Byte',
    'std_msgs/msg/Int8',
    'std_msgs/msg/UInt64',
    'std_msgs/msg/Int64',
    'std_msgs/msg/Float32',
    'std_msgs/msg/String',
    'std_msgs/msg/Float64MultiArray',
    'geometry_msgs/msg/PoseWithCovarianceStamped',
    'geometry_msgs/msg/PolygonStamped',
    'nav_msgs/msg/Odometry',
    'nav_msgs/msg/Path',
    'sensor_msgs/msg/BatteryState',
    'sensor_msgs/msg/Image',
    'sensor_msgs/msg/Imu',
    'sensor_msgs/msg/JointState',
    'sensor_msgs/msg/LaserScan',
    'sensor_msgs/msg/PointCloud2',
    'tf2_msgs/msg/TFMessage',
    'diagnostic_msgs/msg/DiagnosticArray',
]


@pytest.mark.parametrize('type_name', TYPES)
def test_encoding_equals_that_of_rosbags(kit: Any, type_name: str) -> None:
    """Promise: the bytes we write for any common type are those that rosbags writes."""
    rng = np.random.default_rng(1)
    codec = codec_for(builtin_schema(type_name))
    for _ in range(10):
        message = kit.random_message(type_name, rng)
        expected = bytes(kit.typestore.serialize_cdr(message, type_name))
        assert codec.encode(message) == expected


@pytest.mark.parametrize('type_name', TYPES)
def test_decoding_equals_two_other_decoders(kit: Any, type_name: str) -> None:
    """Promise: rosbags and mcap-ros2-support read the same values out of the same bytes."""
    rng = np.random.default_rng(2)
    schema = builtin_schema(type_name)
    record = McapSchema(1, schema.text.encode(), 'ros2msg', schema.name)
    third = DecoderFactory().decoder_for('cdr', record)
    assert third is not None
    for _ in range(10):
        cdr = bytes(kit.typestore.serialize_cdr(kit.random_message(type_name, rng), type_name))
        ours = codec_for(schema).decode(cdr)
        kit.assert_same(ours, kit.typestore.deserialize_cdr(cdr, type_name))
        kit.assert_same(ours, third(cdr))
        assert codec_for(schema).encode(ours) == cdr


def test_big_endian_is_read(kit: Any) -> None:
    """Promise: a message in big-endian CDR gives the same values."""
    message = kit.odometry(3)
    cdr = bytes(kit.typestore.serialize_cdr(message, 'nav_msgs/msg/Odometry', little_endian=False))
    kit.assert_same(codec_for(builtin_schema('nav_msgs/msg/Odometry')).decode(cdr), message)


def test_every_truncation_of_a_message_is_refused(kit: Any) -> None:
    """Promise: bytes that end too early are a MessageFormatError, never another exception."""
    codec = codec_for(builtin_schema('nav_msgs/msg/Odometry'))
    cdr = codec.encode(kit.odometry(0))
    for length in range(len(cdr) - 3):
        with pytest.raises(MessageFormatError, match='are not a nav_msgs/msg/Odometry'):
            codec.decode(cdr[:length])


@pytest.mark.parametrize(
    'type_name',
    ['std_msgs/msg/String', 'tf2_msgs/msg/TFMessage', 'sensor_msgs/msg/JointState'],
)
def test_flipped_bytes_never_escape_the_error_root(kit: Any, type_name: str) -> None:
    """Promise: damaged bytes decode to something or raise an LkError, nothing else."""
    codec = codec_for(builtin_schema(type_name))
    dice = random.Random(3)
    rng = np.random.default_rng(3)
    for _ in range(300):
        cdr = bytearray(codec.encode(kit.random_message(type_name, rng)))
        for _ in range(dice.randint(1, 3)):
            cdr[dice.randrange(len(cdr))] ^= 1 << dice.randrange(8)
        with contextlib.suppress(LkError):
            codec.decode(bytes(cdr))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_never_escape_the_error_root(cdr: bytes) -> None:
    """Promise: arbitrary bytes decode to something or raise an LkError, nothing else."""
    with contextlib.suppress(LkError):
        codec_for(builtin_schema('diagnostic_msgs/msg/DiagnosticArray')).decode(cdr)


def test_text_that_is_not_utf8_is_refused() -> None:
    """Promise: a string of broken UTF-8 is a MessageFormatError, not a UnicodeDecodeError."""
    cdr = b'\x00\x01\x00\x00' + struct.pack('<I', 3) + b'\xff\xfe\x00'
    with pytest.raises(MessageFormatError):
        codec_for(builtin_schema('std_msgs/msg/String')).decode(cdr)


def test_lying_lengths_do_not_allocate() -> None:
    """Promise: a sequence that claims 2^31 - 1 elements is refused at once."""
    codec = codec_for(builtin_schema('std_msgs/msg/Float64MultiArray'))
    head = b'\x00\x01\x00\x00' + struct.pack('<III', 0, 0, 0x7FFFFFFF)
    with pytest.raises(MessageFormatError):
        codec.decode(head + bytes(16))


def test_empty_message_has_defaults() -> None:
    """Promise: a new message has zeros, empty texts and arrays of the right length."""
    message = new_message('nav_msgs/msg/Odometry')
    assert message.header.frame_id == ''
    assert message.pose.pose.position.x == 0.0
    assert message.pose.covariance.shape == (36,)
    assert header_stamp_ns(message) == 0
    assert type_name_of(message) == 'nav_msgs/msg/Odometry'


def test_plain_objects_with_the_same_attributes_are_encoded(kit: Any) -> None:
    """Promise: any object with the attributes of the type can be written."""

    class Text:
        data = 'hello'

    codec = codec_for(builtin_schema('std_msgs/msg/String'))
    assert codec.decode(codec.encode(Text())).data == 'hello'


def test_lists_are_accepted_where_arrays_are(kit: Any) -> None:
    """Promise: a list given for a numeric array is written like the array."""
    codec = codec_for(builtin_schema('std_msgs/msg/Float64MultiArray'))
    message = codec.new()
    message.data = [1.0, 2.0]
    assert codec.decode(codec.encode(message)).data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize('length', [0, 35, 37])
def test_arrays_of_the_wrong_length_are_refused(kit: Any, length: int) -> None:
    """Promise: a fixed array that is too short or too long is an error, not a broken message."""
    message = kit.odometry(0)
    message.pose.covariance = np.zeros(length)
    with pytest.raises(MessageTypeError):
        codec_for(builtin_schema('nav_msgs/msg/Odometry')).encode(message)


@pytest.mark.parametrize(
    ('type_name', 'value'),
    [
        ('std_msgs/msg/Int8', 128),
        ('std_msgs/msg/UInt32', -1),
        ('std_msgs/msg/Int32', 'seven'),
        ('std_msgs/msg/String', 5),
        ('std_msgs/msg/Float32', 1e300),
    ],
)
def test_values_that_do_not_fit_are_refused(kit: Any, type_name: str, value: Any) -> None:
    """Promise: a value out of a field's range or type is a MessageTypeError naming the type."""
    with pytest.raises(MessageTypeError, match=type_name):
        codec_for(builtin_schema(type_name)).encode(kit.message(type_name, data=value))


def test_a_byte_is_unsigned() -> None:
    """Promise: a `byte` is an octet, 0 to 255, as rclpy and mcap-ros2-support take it."""
    schema = builtin_schema('std_msgs/msg/Byte')
    third = DecoderFactory().decoder_for(
        'cdr', McapSchema(1, schema.text.encode(), 'ros2msg', schema.name)
    )
    assert third is not None
    cdr = b'\x00\x01\x00\x00\xc8'
    assert codec_for(schema).decode(cdr).data == third(cdr).data == 200


def test_a_byte_of_rclpy_is_encoded() -> None:
    """Promise: a `byte` given as bytes of length 1, as rclpy's messages hold it, is written."""

    class Status:
        level = b'\x02'
        name, message, hardware_id = 'a', 'b', 'c'
        values: tuple[Any, ...] = ()

    codec = codec_for(builtin_schema('diagnostic_msgs/msg/DiagnosticStatus'))
    assert codec.decode(codec.encode(Status())).level == 2


def test_missing_field_is_named() -> None:
    """Promise: an object that lacks a field of the type is refused by name of the field."""
    with pytest.raises(MessageTypeError, match='data'):
        codec_for(builtin_schema('std_msgs/msg/String')).encode(object())


def test_type_names_have_one_full_form() -> None:
    """Promise: short names are completed, and what is no type name is refused."""
    assert full_type_name('std_msgs/String') == 'std_msgs/msg/String'
    assert full_type_name('std_srvs/srv/Empty') == 'std_srvs/srv/Empty'
    for wrong in ('String', '', 'a/b/c', 'std_msgs/msg/', '/std_msgs/msg/String', 'a/msg/B/c'):
        with pytest.raises(MessageTypeError, match='is not a message type'):
            full_type_name(wrong)


def test_unknown_builtin_type_is_refused() -> None:
    """Promise: a type that is not a common one says where its definition has to come from."""
    with pytest.raises(MessageTypeError, match='its definition has to come with it'):
        builtin_schema('my_msgs/msg/Mine')


def test_builtin_schema_has_the_type_hash(kit: Any) -> None:
    """Promise: the definition of a common type carries its REP-2011 hash."""
    schema = builtin_schema('std_msgs/msg/String')
    assert schema.type_hash == (
        'RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18'
    )


@pytest.mark.parametrize(
    'schema',
    [
        Schema('a/msg/B', 'this is ? no definition'),
        Schema('a/msg/B', 'c/Missing x'),
        Schema('a/msg/B', 'int32 x', 'protobuf'),
        Schema('a/msg/B', '', 'ros2idl'),
        Schema('a/msg/B', 'module a {', 'ros2idl'),
        Schema('', 'int32 x'),
        Schema('a/msg/B', '\x00\ufffd'),
    ],
)
def test_broken_definitions_are_refused(schema: Schema) -> None:
    """Promise: a text that is no definition is a MessageTypeError of one line."""
    with pytest.raises(MessageTypeError) as caught:
        codec_for(schema)
    assert '\n' not in str(caught.value)


def test_own_definitions_round_trip() -> None:
    """Promise: a type of one's own, with a nested type and bounds, is coded by its text."""
    text = (
        'uint8 MODE_A=1\nstring<=5 name\nPart[2] parts\nfloat32[<=3] weights\n'
        + '=' * 80
        + '\nMSG: mine/Part\nint16 id\nbool ok\n'
    )
    codec = codec_for(Schema('mine/msg/Whole', text))
    message = codec.new()
    message.name = 'abc'
    message.parts[1].id = -3
    message.weights = np.array([0.5], np.float32)
    back = codec.decode(codec.encode(message))
    assert (back.name, back.parts[1].id, back.weights.tolist()) == ('abc', -3, [0.5])


def test_idl_definitions_are_read() -> None:
    """Promise: a definition in IDL gives the same bytes as one in msg form."""
    idl = 'module a { module msg { struct B { long x; double y; string s; }; }; };'
    plain = codec_for(Schema('a/msg/B', 'int32 x\nfloat64 y\nstring s\n'))
    by_idl = codec_for(Schema('a/msg/B', idl, 'ros2idl'))
    message = by_idl.new()
    message.x, message.y, message.s = 4, 0.5, 'hi'
    assert by_idl.encode(message) == plain.encode(message)


def test_walk_yields_every_leaf_in_order(kit: Any) -> None:
    """Promise: the field paths are those of the definition, sequences of messages by index."""
    message = kit.message('tf2_msgs/msg/TFMessage')
    one = kit.message('geometry_msgs/msg/TransformStamped', child_frame_id='base')
    message.transforms = [one, one]
    paths = dict(walk(message))
    assert paths['transforms[1].child_frame_id'] == 'base'
    assert paths['transforms[0].transform.rotation.w'] == 1.0
    assert paths['transforms.length'] == 2


def test_empty_sequence_of_messages_has_a_length(kit: Any) -> None:
    """Promise: a sequence of messages that is empty has the field `length`, 0."""
    layout = codec_for(builtin_schema('tf2_msgs/msg/TFMessage')).layout
    columns = Columns.from_messages([(kit.message('tf2_msgs/msg/TFMessage'), 0)], layout)
    assert {path: column.values.tolist() for path, column in columns.items()} == {
        'transforms.length': [0]
    }


def test_objects_that_are_no_message_are_refused() -> None:
    """Promise: an object that does not tell its type is a MessageTypeError."""
    with pytest.raises(MessageTypeError, match='is not a ROS message'):
        type_name_of(3)
