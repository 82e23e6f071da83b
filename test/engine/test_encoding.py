"""Columns encoded all at once are the bytes that the messages would be one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros import Columns, Schema
from lk_dataset_ros.errors import KeyNotFoundError, MessageTypeError
from lk_dataset_ros.message import Batch, Codec, builtin_schema, codec_for
from lk_dataset_ros.message.columnar.encoding import encode_columns
from lk_dataset_ros.testing import messages, schemas
from lk_dataset_ros.testing.conformance import assert_same_columns

SEPARATOR = '=' * 80
WIDE = Schema(
    'p/msg/Wide',
    'string<=4 s\nwstring w\nwstring[] many\nint32[<=3] few\nuint8 u\nLeaf[] leaves\n'
    f'{SEPARATOR}\nMSG: p/Leaf\nwstring<=2 w\nbool b\n',
)


def batches(parts: list[bytes], size: int) -> list[Any]:
    """Put messages into batches of a size, side by side."""
    found = []
    for first in range(0, len(parts), size):
        chosen = parts[first : first + size]
        length = np.array([len(part) for part in chosen], np.int64)
        buffer = np.frombuffer(b''.join(chosen), np.uint8)
        times = np.arange(first, first + len(chosen), dtype=np.int64)
        found.append((Batch(buffer, np.cumsum(length) - length, length), times))
    return found


def encoded(columns: Columns, codec: Codec, **options: Any) -> list[bytes]:
    """Encode columns; return the messages one by one."""
    batch = encode_columns(columns, codec, len(columns.log_time_ns), **options)
    spans = zip(batch.start.tolist(), (batch.start + batch.length).tolist(), strict=True)
    return [batch.buffer[a:b].tobytes() for a, b in spans]


@settings(max_examples=200, deadline=None)
@given(schema=schemas(), data=st.data())
def test_random_types_come_back_as_the_same_bytes(schema: Schema, data: st.DataObject) -> None:
    """Decoding messages to columns and encoding these gives the bytes of each message again."""
    codec = Codec(schema)
    drawn = [data.draw(messages(schema)) for _ in range(data.draw(st.integers(1, 5)))]
    parts = [codec.encode(each) for each in drawn]
    columns = Columns.from_batches(batches(parts, 2), codec)
    assert encoded(columns, codec) == parts
    assert encoded(columns, codec, prefix=31) == parts


@settings(max_examples=100, deadline=None)
@given(schema=schemas(), data=st.data())
def test_what_was_learned_from_a_batch_reads_the_next(schema: Schema, data: st.DataObject) -> None:
    """Batches of one layout or of another, in any order: the values of one single batch."""
    codec = Codec(schema)
    drawn = [codec.encode(data.draw(messages(schema))) for _ in range(3)]
    order = data.draw(st.lists(st.integers(0, 2), min_size=2, max_size=8))
    parts = [drawn[index] for index in order]
    found = Columns.from_batches(batches(parts, data.draw(st.integers(1, 3))), codec)
    wanted = Columns.from_messages(
        [(codec.decode(part), index) for index, part in enumerate(parts)], codec.layout
    )
    assert_same_columns(found, wanted)


WORDS = st.text('aß∞😀', max_size=2)


@given(
    rows=st.lists(
        st.tuples(WORDS, st.lists(WORDS, max_size=3), st.lists(st.integers(0, 9), max_size=3)),
        min_size=1,
        max_size=5,
    )
)
def test_wide_strings_come_back(rows: list[Any]) -> None:
    """A wstring is counted in UTF-16 code units of four bytes, alone and in sequences."""
    codec = Codec(WIDE)
    parts = []
    for word, many, few in rows:
        message = codec.new()
        message.s, message.w, message.many = 'x' * len(few), word, many
        message.few = np.array(few, np.int32)
        message.leaves = [codec.classes['p/msg/Leaf'](w=each[:1], b=bool(few)) for each in many]
        parts.append(codec.encode(message))
    columns = Columns.from_batches(batches(parts, 2), codec)
    wanted = Columns.from_messages(
        [(codec.decode(part), index) for index, part in enumerate(parts)], codec.layout
    )
    assert_same_columns(columns, wanted)
    assert encoded(columns, codec) == parts


def test_fields_left_out_have_their_default() -> None:
    """What is not given is what a new message has: a unit quaternion stays one."""
    codec = codec_for(builtin_schema('nav_msgs/msg/Odometry'))
    batch = encode_columns({'pose.pose.position.x': np.arange(3)}, codec, 3)
    for index in range(3):
        first = int(batch.start[index])
        message = codec.decode(batch.buffer[first : first + int(batch.length[index])].tobytes())
        assert message.pose.pose.position.x == float(index)
        assert message.pose.pose.orientation.w == 1.0


@pytest.mark.parametrize(
    ('path', 'values', 'reason'),
    [
        ('u', np.array([1, 256]), 'p/msg/Wide, u: 256 does not fit uint8'),
        ('u', np.array([1, -1]), 'p/msg/Wide, u: -1 does not fit uint8'),
        ('u', np.array([1.5, 2.0]), 'p/msg/Wide, u: float64 is not uint8'),
        ('u', np.zeros((2, 2), np.uint8), 'p/msg/Wide, u: shape (2,) is not ()'),
        ('s', np.array([1, 2]), 'not every value is a string'),
        ('s', np.array(['a', 'abcde']), 'at most 4 characters fit, not 5'),
        ('few', np.zeros((2, 4), np.int32), 'at most 3 values fit, not 4'),
        ('u', np.zeros(3, np.uint8), '(3,) is not 2 values'),
    ],
)
def test_values_that_do_not_fit_are_refused(path: str, values: Any, reason: str) -> None:
    """One line names type, field and value; nothing is rounded, wrapped or cut."""
    with pytest.raises(MessageTypeError) as caught:
        encode_columns({path: values}, Codec(WIDE), 2)
    assert reason in str(caught.value)


def test_a_field_that_is_none_is_refused() -> None:
    """A misspelt field path is an error, not a column that is silently dropped."""
    with pytest.raises(KeyNotFoundError, match=r'has no field pose\.x'):
        encode_columns({'pose.x': np.zeros(2)}, Codec(WIDE), 2)
