"""What is told at once is what judging says."""

from __future__ import annotations

import math
import time
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from lk_dataset_ros import new_message
from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.comparison.judge import MessageJudge
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.message import Schema, builtin_schema, codec_for

SPECIAL = (0.0, -0.0, 1.0, -1.0, 1e-4, 1.1e-3, 2.0, math.nan, math.inf, -math.inf, 1e308, -1e308)
RULES = (
    Tolerance(),
    Tolerance(rtol=1e-3, atol=1e-3),
    Tolerance(atol=0.1, ignore={'child_frame_id': 'renamed', 'pose.pose': 'noisy'}),
    Tolerance(atol=0.1, fields={'pose.pose.orientation': Limit(0.0, 0.1)}),
    Tolerance(atol=0.1, fields={'pose.pose': Limit(0.0, 0.1)}),
    Tolerance(atol=0.0, comparators={'pose.**': 'values', 'twist.twist.linear': 'position'}),
    Tolerance(rtol=math.inf, atol=0.0),
)
OWN = Schema(
    'p/msg/Mixed',
    'bool flag\nfloat32 a\nint32 count\nfloat64[] values\nfloat32[3] fixed\nstring name\n'
    'float64 last\n',
)


def odometry(random: np.random.Generator, base: Any) -> Any:
    """Change some numbers of an odometry a little, or a lot."""
    message = new_message('nav_msgs/msg/Odometry')
    message.header.stamp.sec = int(random.integers(5))
    message.header.frame_id = 'odom' if random.random() < 0.97 else 'mapp'
    message.child_frame_id = 'base' if random.random() < 0.97 else 'bass'
    scale = random.choice([0.0, 1e-9, 5e-4, 2e-3, 0.2])
    for place, (part, name) in enumerate(
        (part, name)
        for part in (
            message.pose.pose.position,
            message.pose.pose.orientation,
            message.twist.twist.linear,
            message.twist.twist.angular,
        )
        for name in ('x', 'y', 'z', 'w')
        if hasattr(part, name)
    ):
        setattr(part, name, base[place] + scale * random.normal())
        if random.random() < 0.02:
            setattr(part, name, random.choice(SPECIAL))
    if random.random() < 0.1:
        for name in 'xyzw':
            orientation = message.pose.pose.orientation
            setattr(orientation, name, -getattr(orientation, name))
    message.pose.covariance[:] = base[20] + scale
    message.twist.covariance[0] = -1.0 if random.random() < 0.8 else 2.0
    message.twist.covariance[7] = random.normal()
    return message


def imu(random: np.random.Generator, base: Any) -> Any:
    """Make an IMU's message."""
    message = new_message('sensor_msgs/msg/Imu')
    message.linear_acceleration.x = base[0] + random.choice([0.0, 1e-4, 1.0])
    message.orientation_covariance[0] = random.choice([-1.0, -1.0, 0.5])
    message.orientation_covariance[3] = random.normal()
    message.angular_velocity_covariance[0] = base[2]
    return message


def mixed(random: np.random.Generator, base: Any) -> Any:
    """Make a message with all kinds of fields, whose lengths vary."""
    message = new_message(OWN)
    message.flag = bool(random.random() < 0.9)
    message.a = np.float32(base[0] + random.choice([0.0, 1e-4, 1e-3, 1.0]))
    message.count = int(random.random() < 0.1)
    message.values = np.full(2 + int(random.random() < 0.1), base[1] + random.choice([0.0, 1e-8]))
    message.fixed = np.array([random.choice(SPECIAL[:-2]), 0.0, base[2]], np.float32)
    message.name = str(random.choice(['left', 'left', 'fore', 'right']))
    return message


@pytest.mark.parametrize(
    ('schema', 'make'),
    [
        (builtin_schema('nav_msgs/msg/Odometry'), odometry),
        (builtin_schema('sensor_msgs/msg/Imu'), imu),
        (OWN, mixed),
    ],
    ids=['odometry', 'imu', 'mixed'],
)
@pytest.mark.parametrize('rules', RULES)
def test_what_is_told_at_once_is_what_judging_says(
    schema: Schema, make: Any, rules: Tolerance
) -> None:
    """Promise: whatever the values, a quick answer is the judge's own; most are quick."""
    random = np.random.default_rng(5)
    judge, encode = MessageJudge('/k', schema, rules), codec_for(schema).encode
    sets = []
    for _ in range(150):
        base = random.normal(size=24)
        sets.append([encode(make(random, base)) for _ in range(4)])
    quick = [judge.quickly(each) for each in sets]
    pairs = [pair for each in sets for pair in combinations(each, 2)]
    over = judge([a for a, _ in pairs], [b for _, b in pairs]).over.reshape(len(sets), -1)
    told = {True: 0, False: 0, None: 0}
    for answers, truth in zip(quick, over.tolist(), strict=True):
        for answer, expected in zip(answers or [None] * 6, truth, strict=True):
            assert answer in (None, expected)
            told[answer] += 1
    assert told[True] + told[False] > 0


def test_small_differences_are_told_at_once() -> None:
    """Promise: odometry that is a little off, within or beyond, needs no judging."""
    random = np.random.default_rng(1)
    schema = builtin_schema('nav_msgs/msg/Odometry')
    judge = MessageJudge('/k', schema, Tolerance(atol=1e-3))
    sides = []
    for index in range(4):
        message = new_message('nav_msgs/msg/Odometry')
        message.header.stamp.sec = index
        message.header.frame_id = 'odom'
        message.twist.twist.linear.x = 1.0 + 1e-5 * random.random()
        message.pose.pose.orientation.z = 1e-5 * random.random()
        message.pose.pose.position.y = 1.0 * (index == 2)
        sides.append(codec_for(schema).encode(message))
    assert judge.quickly(sides) == [False, True, False, True, False, True]
    start = time.process_time()
    for _ in range(300):
        judge.quickly(sides)
    print(f'{(time.process_time() - start) / 300 * 1e6:.0f} us per four messages')
