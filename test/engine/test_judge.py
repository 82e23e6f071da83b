"""Judging messages as they come says what comparing the bags says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.comparison import Tolerance, compare
from lk_dataset_ros.comparison.judge import MessageJudge
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import builtin_schema, codec_for

RULES = Tolerance(
    rtol=1e-3,
    atol=1e-3,
    fields={},
    ignore={'child_frame_id': 'renamed'},
)


def odometry(random: np.random.Generator) -> tuple[Any, Any]:
    """Make a pair that differs by chance in one of many ways."""
    left, right = (new_message('nav_msgs/msg/Odometry') for _ in range(2))
    angle = random.uniform(-3, 3)
    for message in (left, right):
        message.header.stamp.sec = 7
        message.pose.pose.orientation.z = math.sin(angle / 2)
        message.pose.pose.orientation.w = math.cos(angle / 2)
        message.twist.twist.linear.x = 2.0
    kind = random.integers(8)
    if kind == 1:
        right.twist.twist.linear.x += random.choice([1e-4, 2.9e-3, 3.1e-3, 1.0])
    elif kind == 2:
        right.pose.pose.orientation.z *= -1
        right.pose.pose.orientation.w *= -1
    elif kind == 3:
        right.pose.pose.orientation.z += 0.1
    elif kind == 4:
        right.child_frame_id = 'other'
    elif kind == 5:
        right.header.frame_id = 'other'
    elif kind == 6:
        right.pose.covariance[7] = random.choice([1e-4, 1.0, math.nan])
    elif kind == 7:
        left.twist.twist.angular.z = right.twist.twist.angular.z = math.nan
    return left, right


def joints(random: np.random.Generator) -> tuple[Any, Any]:
    """Make a pair of messages whose lengths may differ."""
    left, right = (new_message('sensor_msgs/msg/JointState') for _ in range(2))
    left.name = right.name = ['a', 'b']
    left.position = random.normal(size=2)
    right.position = left.position + random.choice([0.0, 1e-4, 1.0], size=2)
    if random.integers(3) == 0:
        right.position = right.position[: random.integers(2)]
    if random.integers(4) == 0:
        right.name = ['a', 'c']
    return left, right


def text(random: np.random.Generator) -> tuple[Any, Any]:
    """Make a pair of strings."""
    left, right = (new_message('std_msgs/msg/String') for _ in range(2))
    left.data = 'x'
    right.data = str(random.choice(['x', 'y', 'xx']))
    return left, right


@pytest.mark.parametrize(
    ('kind', 'make'),
    [
        ('nav_msgs/msg/Odometry', odometry),
        ('sensor_msgs/msg/JointState', joints),
        ('std_msgs/msg/String', text),
    ],
)
def test_it_says_what_comparing_the_datasets_says(kind: str, make: Any) -> None:
    """Promise: one meaning of equal: pair by pair, and each field's errors, as `compare` has it."""
    random = np.random.default_rng(3)
    pairs = [make(random) for _ in range(300)]
    sides = [Dataset.from_dict({}) for _ in range(2)]
    for index, pair in enumerate(pairs):
        for side, message in zip(sides, pair, strict=True):
            side.write('/k', message, timestamp_ns=index)
    comparison = compare(*sides, tolerance=RULES, pairing='index')
    (key,) = comparison.keys
    schema = builtin_schema(kind)
    encode = codec_for(schema).encode
    judged = MessageJudge('/k', schema, RULES)(
        *([encode(pair[side]) for pair in pairs] for side in (0, 1))
    )
    expected = np.zeros(len(pairs), np.bool_)
    for field in key.fields:
        if (
            field.is_judged
            and not field.ignored_because
            and field.path
            not in (
                'header.stamp.sec',
                'header.stamp.nanosec',
            )
        ):
            expected |= field.over
            found = judged.fields.get(field.path)
            assert (field.over == (False if found is None else found.over)).all(), field.path
            values = field.values()
            if values is not None and values.errors is not None and found is not None:
                np.testing.assert_array_equal(values.errors, found.errors, err_msg=field.path)
    assert expected.any()
    assert not expected.all()
    np.testing.assert_array_equal(expected, judged.over)
    for place in np.flatnonzero(expected).tolist():
        path, _, severity = judged.worst(place)
        assert judged.fields[path].over[place]
        assert severity > 0.0


def test_severity_is_the_error_in_multiples_of_the_limit() -> None:
    """Promise: 0.2 beyond an allowance of 0.01 is 20; what must be equal is infinite."""
    schema = builtin_schema('std_msgs/msg/Float64')
    encode = codec_for(schema).encode
    left, right = (new_message('std_msgs/msg/Float64') for _ in range(2))
    right.data = 0.2
    sides = [encode(left)], [encode(right)]
    path, error, severity = MessageJudge('/k', schema, Tolerance(atol=0.01, rtol=0.0))(
        *sides
    ).worst(0)
    assert (path, error) == ('data', 0.2)
    assert severity == pytest.approx(20.0)
    exact = MessageJudge('/k', schema, Tolerance(atol=0.0, rtol=0.0))(*sides)
    assert exact.worst(0) == ('data', 0.2, math.inf)
    assert MessageJudge('/k', schema)(sides[0], sides[0]).worst(0) == ('', 0.0, 0.0)


def test_as_many_as_partners() -> None:
    """Promise: unequal numbers of messages are refused in one line."""
    judge = MessageJudge('/k', builtin_schema('std_msgs/msg/String'))
    with pytest.raises(ComparisonError, match='1 messages cannot be judged against 0'):
        judge([b''], [])
