"""Generated coding against the thorough one, for random types and all types of ROS 2 Jazzy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from lk_dataset_ros.errors import LkError, MessageFormatError, MessageTypeError
from lk_dataset_ros.message import Codec, Schema, builtin_schema, codec_for, new_message
from lk_dataset_ros.message.coding.layout import MOST_PATHS
from lk_dataset_ros.testing.strategies import messages, schemas

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = sorted(name for name in get_typestore(Stores.ROS2_JAZZY).fielddefs if '/msg/' in name)
LEAF = '\n'.join([*(f'float64 x{i}' for i in range(40)), 'string name', 'bool[] flags'])
MIDDLE = '\n'.join(f'Leaf leaf{i}' for i in range(10))
#: A type with so many field paths that the nested ones are coded by calls.
LARGE = Schema(
    'p/msg/Large',
    f'uint8 first\nMiddle middle\nfloat64[] numbers\nMiddle[2] more\n{"=" * 80}\nMSG: p/Middle\n'
    f'{MIDDLE}\n{"=" * 80}\nMSG: p/Leaf\n{LEAF}\n',
)


def outcome(do: Callable[[], Any]) -> Any:
    """Return what comes of it, or the text of its error."""
    try:
        return do()
    except LkError as error:
        return str(error)


def exact(value: Any) -> Any:
    """Return a value with the types and the bytes of all that is in it."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, list):
        return [exact(each) for each in value]
    names = getattr(type(value), '__dataclass_fields__', None)
    if names is None:
        return type(value), repr(value)
    return type(value), [exact(getattr(value, name)) for name in names]


def same(mine: Any, other: Any) -> bool:
    """Tell whether two outcomes are the same, NaN and types of the values included."""
    return bool(exact(mine) == exact(other))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_generated_coding_is_the_thorough_one(data: Any) -> None:
    """Promise: for any type the generated code does what the thorough one does, to the last bit."""
    schema = data.draw(schemas())
    codec = Codec(schema)
    message = data.draw(messages(schema))
    cdr = codec.encode(message)
    assert cdr == codec._write(message) == codec._encode_thoroughly(message)
    for given_as in (cdr, memoryview(cdr)):
        thorough = codec._decode_thoroughly(given_as)
        read = codec._read_bytes if given_as is cdr else codec._read_buffer
        found, end = read(given_as)
        assert end == len(cdr)
        assert same(found, thorough)
    padded = cdr + bytes(3)
    assert same(codec.decode(padded), codec._decode_thoroughly(padded))
    flipped = bytearray(cdr)
    flipped[data.draw(st.integers(0, len(cdr) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), cdr[: data.draw(st.integers(0, len(cdr) - 1))], cdr + b'1234'):
        mine = outcome(lambda: codec.decode(damaged))  # noqa: B023
        assert same(mine, outcome(lambda: codec._decode_thoroughly(damaged)))  # noqa: B023


@pytest.mark.parametrize('count', [0, 1, 2])
@pytest.mark.parametrize('first', ['uint8 x', 'string x', 'uint8[] x'])
@pytest.mark.parametrize('last', ['uint8 z', 'float32 z', 'float64 z', 'int64[2] z'])
@pytest.mark.parametrize('kind', ['float64', 'int16', 'uint8', 'string', 'wstring', 'Leaf'])
def test_what_follows_a_sequence_is_aligned(first: str, kind: str, last: str, count: int) -> None:
    """Promise: behind a sequence of any length, an empty one too, the next field is in its place."""
    text = f'{first}\n{kind}[] y\n{last}\n{"=" * 80}\nMSG: p/Leaf\nuint8 a\nfloat64 b\nuint8 c\n'
    codec = Codec(Schema('p/msg/A', text))
    message = codec.new()
    if kind == 'Leaf':
        message.y = [codec.classes['p/msg/Leaf'](a=1, b=2.0, c=3) for _ in range(count)]
    else:
        message.y = ['a'] * count if 'string' in kind else np.ones(count, kind)
    cdr = codec._write(message)
    assert cdr == codec._encode_thoroughly(message)
    found, end = codec._read_bytes(cdr)
    assert (found, end) == (message, len(cdr))
    assert same(found, codec._decode_thoroughly(cdr))


def test_a_text_without_its_zero_is_refused() -> None:
    """Promise: a text of no bytes, which lacks even its zero, is no text."""
    codec = codec_for(builtin_schema('std_msgs/msg/String'))
    with pytest.raises(MessageFormatError, match='Invalid string length 0'):
        codec.decode(b'\x00\x01\x00\x00' + bytes(4))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_values_that_do_not_fit_have_the_same_outcome(data: Any) -> None:
    """Promise: whatever stands in a field, it is written or refused as the thorough way does it."""
    schema = data.draw(schemas())
    codec = Codec(schema)
    message = data.draw(messages(schema))
    name, _ = data.draw(st.sampled_from(codec.definition(schema.name)))
    odd: list[Any] = [
        None,
        3,
        -1,
        2**70,
        1.5,
        'text',
        b'x',
        True,
        np.True_,
        [1, 2, 3],
        (1,),
        [],
        ['a'] * 5,
    ]
    odd += [np.arange(3), np.arange(6.0)[::2], np.zeros(5), np.zeros((1, 3)), np.float32(2), {}]
    setattr(message, name, data.draw(st.sampled_from(odd)))
    assert outcome(lambda: codec.encode(message)) == outcome(
        lambda: codec._encode_thoroughly(message)
    )


def filled(codec: Codec, name: str, rng: np.random.Generator) -> Any:
    """Make a message of random values."""
    message = codec.classes[name]()
    for field, node in codec.definition(name):
        setattr(message, field, value(codec, node, rng))
    return message


def value(codec: Codec, node: Any, rng: np.random.Generator) -> Any:
    """Make a random value."""
    kind, detail = node
    if kind == Nodetype.NAME:
        return filled(codec, detail, rng)
    if kind == Nodetype.BASE:
        if detail[0] in ('string', 'wstring'):
            return 'äb\U0001f916'[: int(rng.integers(0, 4))]
        return rng.integers(0, 2, 1).astype(detail[0])[0].item()
    (inner, base), size = detail
    count = size if kind == Nodetype.ARRAY else int(rng.integers(0, min(size or 3, 3) + 1))
    if inner == Nodetype.BASE and base[0] not in ('string', 'wstring'):
        return rng.integers(0, 2, count).astype(base[0])
    return [value(codec, detail[0], rng) for _ in range(count)]


def test_all_types_of_jazzy_are_coded_by_generated_code() -> None:
    """Promise: every common type is coded by generated code, like by the thorough one."""
    rng = np.random.default_rng(1)
    for codec in [*(codec_for(builtin_schema(name)) for name in TYPES), Codec(LARGE)]:
        message = filled(codec, codec.schema.name, rng)
        cdr = codec._write(message)
        assert cdr == codec._encode_thoroughly(message), codec.schema.name
        found, end = codec._read_bytes(cdr)
        assert end == len(cdr), codec.schema.name
        assert same(found, codec._decode_thoroughly(cdr)), codec.schema.name
        assert same(codec.new(), codec.message_class()), codec.schema.name


def test_large_types_are_coded_by_calls() -> None:
    """Promise: the type of these tests that is to be coded by calls is large enough for that."""
    assert Codec(LARGE)._types['p/msg/Large'].paths > MOST_PATHS


def test_new_messages_share_nothing() -> None:
    """Promise: arrays, lists and messages within a new message are its own."""
    one, two = new_message('nav_msgs/msg/Odometry'), new_message('nav_msgs/msg/Odometry')
    one.pose.covariance[0] = 1.0
    one.header.stamp.sec = 5
    assert two == new_message('nav_msgs/msg/Odometry')
    assert copy.deepcopy(one) == one != two


@pytest.mark.parametrize('size', [1, 2, 7])
def test_arrays_are_aligned_in_memory(size: int) -> None:
    """Promise: decoded arrays lie as their type wants it, for C code that takes them."""
    codec = Codec(Schema('p/msg/A', 'string s\nfloat64[] a\nfloat32[3] b\nint64[2] c\n'))
    message = codec.message_class(s='x' * size, a=np.arange(3.0))
    found = codec.decode(codec.encode(message))
    assert all(each.flags.aligned for each in (found.a, found.b, found.c))


def test_a_message_that_shares_parts_is_written() -> None:
    """Promise: a part of one message can be a part of another one, and changes with it."""
    twist, odometry = (
        new_message(f'{each}') for each in ('geometry_msgs/msg/TwistStamped', 'nav_msgs/Odometry')
    )
    twist.header = odometry.header
    odometry.header.frame_id = 'odom'
    codec = codec_for(builtin_schema('geometry_msgs/msg/TwistStamped'))
    assert codec.decode(codec.encode(twist)).header.frame_id == 'odom'
    twist.header = odometry
    with pytest.raises(MessageTypeError, match='it has no field stamp'):
        codec.encode(twist)
