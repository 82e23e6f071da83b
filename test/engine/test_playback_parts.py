"""Lateness in numbers, stamps in another time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import DataPlayback, Finished, Publish, Wait
from lk_dataset_ros.dataset.playback.lateness import Lateness, percentiles_s
from lk_dataset_ros.dataset.playback.restamp import move_header, move_transforms
from lk_dataset_ros.message import Schema, builtin_schema, codec_for, new_message

S = 1_000_000_000
TF_TEXT = """geometry_msgs/TransformStamped[] transforms
================================================================================
MSG: geometry_msgs/TransformStamped
std_msgs/Header header
string child_frame_id
geometry_msgs/Transform transform
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
================================================================================
MSG: geometry_msgs/Transform
geometry_msgs/Vector3 translation
geometry_msgs/Quaternion rotation
================================================================================
MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z
================================================================================
MSG: geometry_msgs/Quaternion
float64 x
float64 y
float64 z
float64 w
"""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(10**6), 2**41), min_size=1, max_size=60))
def test_percentiles_are_within_three_percent(late_ns: list[int]) -> None:
    """Promise: percentiles of lateness are those of the sorted values, up to 3 % more."""
    lateness = Lateness()
    for each in late_ns:
        lateness.add(each)
    found = percentiles_s([lateness.counts], (0.5, 0.99))
    clipped = sorted(min(max(each, 0), 2**40 - 1) for each in late_ns)
    for value, fraction in zip(found, (0.5, 0.99), strict=True):
        exact = clipped[int(np.ceil(fraction * len(clipped))) - 1] * 1e-9
        assert exact <= value * (1 + 1e-12) <= exact * 1.0324 + 1e-15
    assert lateness.max_ns == max(0, *late_ns)


def test_percentiles_of_nothing_are_zero() -> None:
    """Promise: without messages lateness is 0."""
    assert percentiles_s([], (0.5,)) == [0.0]
    assert percentiles_s([Lateness().counts], (0.5, 0.99)) == [0.0, 0.0]


@settings(max_examples=100, deadline=None)
@given(
    stamp=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, S - 1)),
    shift=st.integers(-(2**61), 2**61),
    frame=st.text(max_size=9).filter(lambda text: '\0' not in text),
)
def test_only_the_stamp_is_moved(stamp: tuple[int, int], shift: int, frame: str) -> None:
    """Promise: of a message with a header only the stamp changes, to the time asked for."""
    schema = builtin_schema('sensor_msgs/msg/Imu')
    codec = codec_for(schema)
    message = new_message('sensor_msgs/msg/Imu')
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    message.header.frame_id = frame
    message.linear_acceleration.z = 9.81
    cdr = codec.encode(message)
    moved = codec.decode(move_header(cdr, lambda stamp_ns: stamp_ns + shift))
    old_ns = stamp[0] * S + stamp[1]
    new_ns = moved.header.stamp.sec * S + moved.header.stamp.nanosec
    # A stamp that is not set, or would not fit, stays.
    fits = old_ns and 0 <= old_ns + shift < 2**31 * S
    assert new_ns == (old_ns + shift if fits else old_ns)
    moved.header.stamp.sec, moved.header.stamp.nanosec = stamp
    assert codec.encode(moved) == cdr


@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(st.tuples(st.text('ab/_', max_size=9), st.text('xyz', max_size=9)), max_size=6),
    cut=st.integers(0, 400),
)
def test_all_transforms_are_moved(names: list[tuple[str, str]], cut: int) -> None:
    """Promise: every stamp of /tf moves, whatever the names' lengths; a cut message stays."""
    codec = codec_for(Schema('tf2_msgs/msg/TFMessage', TF_TEXT))
    message = codec.new()
    for number, (frame, child) in enumerate(names):
        each = new_message('geometry_msgs/msg/TransformStamped')
        each.header.stamp.sec, each.header.frame_id = 100 + number, frame
        each.child_frame_id, each.transform.rotation.w = child, 1.0 + number
        message.transforms.append(each)
    cdr = codec.encode(message)
    moved = codec.decode(move_transforms(cdr, lambda stamp_ns: stamp_ns + 7))
    for number, each in enumerate(moved.transforms):
        assert (each.header.stamp.sec, each.header.stamp.nanosec) == (100 + number, 7)
        each.header.stamp.nanosec = 0
    assert codec.encode(moved) == cdr
    if cut < len(cdr) and names:
        assert move_transforms(cdr[:cut], lambda stamp_ns: stamp_ns + 7) == cdr[:cut]


@pytest.mark.parametrize('cdr', [b'', b'\x00\x01', b'\x00\x07\x00\x00' + bytes(20), bytes(11)])
def test_what_is_no_message_stays(cdr: bytes) -> None:
    """Promise: bytes that are too short, or encoded otherwise, are left alone."""
    assert move_header(cdr, lambda stamp_ns: stamp_ns + 1) == cdr
    assert move_transforms(cdr, lambda stamp_ns: stamp_ns + 1) == cdr


def stamps(playback: DataPlayback, clock: Any) -> list[tuple[str, int, int]]:
    """Play; return topic, wall time and stamp of every message."""
    found = []
    while not isinstance(action := playback.advance(), Finished):
        if isinstance(action, Wait):
            clock.advance(ns=action.ns)
        elif isinstance(action, Publish):
            topic = playback.topics[action.message.key]
            message = codec_for(topic.schema).decode(action.message.cdr)
            header = getattr(message, 'header', None)
            stamp_ns = header.stamp.sec * S + header.stamp.nanosec if header else -1
            found.append((action.message.key, clock.now_ns, stamp_ns))
    return found


def sensors(kit: Any) -> Any:
    """Make two topics with equal stamps, received at different times, and one without header."""
    items = []
    for number in range(5):
        stamp = {'header__stamp__sec': 100, 'header__stamp__nanosec': number * 10**8}
        at_ns = 100 * S + number * 10**8
        image = kit.message('sensor_msgs/msg/Imu', **stamp)
        info = kit.message('sensor_msgs/msg/CameraInfo', **stamp)
        items += [('/imu', image, at_ns + 2_000_000), ('/info', info, at_ns + 30_000_000)]
    items.append(('/text', kit.message('std_msgs/msg/String', data='x'), 101 * S))
    return kit.memory(items)


@pytest.mark.parametrize('rtf', [0.0, 0.5, 1.0, 4.0])
def test_stamps_move_into_the_time_of_day(
    kit: Any, fake_time: Any, monkeypatch: pytest.MonkeyPatch, rtf: float
) -> None:
    """Promise: stamps keep their distance to the publishing, by the factor; equal ones equal."""
    now_ns = 1_700_000_000 * S
    monkeypatch.setattr(time, 'time_ns', lambda: now_ns + fake_time.now_ns)
    playback = DataPlayback(sensors(kit), now_ns=fake_time, rtf=rtf, restamp=True)
    start_ns = fake_time.now_ns
    found = stamps(playback, fake_time)
    factor = rtf or 1.0
    for number in range(5):
        imu, info = found[2 * number : 2 * number + 2]
        assert (imu[0], info[0]) == ('/imu', '/info')
        assert imu[2] == info[2]
        expected = now_ns + start_ns + (number * 10**8 - 2_000_000) / factor
        # A float holds times of day to some hundred nanoseconds.
        assert imu[2] == pytest.approx(expected, abs=300)
        if rtf:
            assert imu[1] + now_ns - imu[2] == pytest.approx(2_000_000 / factor, abs=2)
    assert found[-1][2] == -1


def test_stamps_follow_a_relative_clock(kit: Any, fake_time: Any) -> None:
    """Promise: with a followed clock stamps move into its time, exactly."""
    playback = DataPlayback(sensors(kit), now_ns=fake_time, follow='relative', restamp=True)
    playback.follow_clock(7 * S)
    taken = playback.take_due()
    codec = codec_for(playback.topics['/imu'].schema)
    stamp = codec.decode(taken[0].cdr).header.stamp
    # Received, and so played, 2 ms after its stamp.
    assert stamp.sec * S + stamp.nanosec == 7 * S - 2_000_000


def test_stamps_go_on_through_a_loop(kit: Any, fake_time: Any) -> None:
    """Promise: in the next round of a loop stamps do not go back."""
    playback = DataPlayback(sensors(kit), now_ns=fake_time, loop=True, restamp=True)
    found = []
    while len(found) < 24:
        action = playback.advance()
        if isinstance(action, Wait):
            fake_time.advance(ns=action.ns)
        elif isinstance(action, Publish) and action.message.key == '/imu':
            stamp = (
                codec_for(playback.topics['/imu'].schema).decode(action.message.cdr).header.stamp
            )
            found.append(stamp.sec * S + stamp.nanosec - fake_time.now_ns)
    # As long before the publishing in each round: 2 ms.
    assert max(found) - min(found) < 1000
