"""The simulated worlds: deterministic, resettable, sensing what is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros import new_message
from lk_dataset_ros.errors import ComponentError, ComponentNotFoundError
from lk_dataset_ros.message import builtin_schema, codec_for
from lk_dataset_ros.world import WORLDS, World, load_world

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip('mujoco', reason='the extra mujoco is not installed')

SPEEDS = st.floats(-3.0, 3.0)


def command(world: World, first: float, second: float) -> list[tuple[str, Any]]:
    """Return a command of either world."""
    ((topic, type_name),) = world.commands.items()
    message = new_message(type_name)
    if topic == '/effort':
        message.data = first
    else:
        message.linear.x, message.angular.z = first, second
    return [(topic, message)]


def course(world: World, commands: list[tuple[float, float]]) -> list[tuple[str, bytes, int]]:
    """Return what a world gives, as bytes, when each command is in force for 0.1 s."""
    found = []
    for each in commands:
        for count in range(10):
            sensed = world.step(command(world, *each) if not count else [])
            found += [
                (topic, codec_for(builtin_schema(world.sensors[topic])).encode(message), time_ns)
                for topic, message, time_ns in sensed
            ]
    return found


def drive(world: World, speed: float, turn: float, until_s: float) -> dict[str, Any]:
    """Drive on; return the last message of each topic."""
    last: dict[str, Any] = {}
    while not world.finished and world.time_ns < until_s * 1e9:
        last.update((topic, each) for topic, each, _ in world.step(command(world, speed, turn)))
    return last


@pytest.mark.parametrize('name', WORLDS)
@settings(max_examples=12, deadline=None)
@given(
    before=st.lists(st.tuples(SPEEDS, SPEEDS), max_size=6),
    after=st.lists(st.tuples(SPEEDS, SPEEDS), min_size=1, max_size=6),
    seed=st.integers(0, 2**63 - 1),
)
def test_reset_makes_a_new_world(
    name: str, before: list[tuple[float, float]], after: list[tuple[float, float]], seed: int
) -> None:
    """Promise: after any commands a reset world gives the very bytes that a new one gives."""
    used, new = load_world(name), load_world(name)
    used.reset(seed // 2 + 1)
    course(used, before)
    used.reset(seed)
    new.reset(seed)
    assert (used.time_ns, used.finished, used.outcome()) == (0, False, new.outcome())
    assert used.description() == new.description()
    assert course(used, after) == course(new, after)
    assert used.outcome() == new.outcome()


def test_sensors_have_their_rates() -> None:
    """Promise: each sensor comes at its rate, stamped with simulated time, newest odometry first."""
    world = load_world('diff_drive', {'obstacles': 0})
    seen: dict[str, list[int]] = {topic: [] for topic in world.sensors}
    for _ in range(100):
        sensed = world.step([])
        for topic, message, time_ns in sensed:
            stamp = message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == time_ns == world.time_ns
            seen[topic].append(time_ns)
        topics = [topic for topic, _, _ in sensed]
        assert '/scan' not in topics or topics[-3:] == ['/odom', '/ground_truth/odom', '/scan']
    counts = {topic: len(times) for topic, times in seen.items()}
    assert counts == {
        '/goal_pose': 2, '/imu': 100, '/odom': 50, '/ground_truth/odom': 50, '/scan': 10
    }  # fmt: skip


def test_the_robot_does_what_it_is_told() -> None:
    """Promise: speed and turn rate follow the command, odometry drifts, an IMU at rest feels g."""
    world = load_world('diff_drive', {'obstacles': 0, 'room_width_m': 50.0, 'room_length_m': 50.0})
    rest = drive(world, 0.0, 0.0, 1.0)['/imu']
    assert rest.linear_acceleration.z == pytest.approx(9.81, abs=0.4)
    last = drive(world, 0.4, 0.5, 5.0)
    twist = last['/ground_truth/odom'].twist.twist
    assert twist.linear.x == pytest.approx(0.4, rel=0.03)
    assert twist.angular.z == pytest.approx(0.5, rel=0.05)
    assert last['/imu'].angular_velocity.z == pytest.approx(0.5, abs=0.06)
    assert last['/odom'].twist.twist.linear.x == pytest.approx(0.4, rel=0.15)
    truth, odometry = (last[topic].pose.pose for topic in ('/ground_truth/odom', '/odom'))
    start = world.room.start  # type: ignore[attr-defined]
    way = math.dist((truth.position.x, truth.position.y), (start.x, start.y))
    measured = math.hypot(odometry.position.x, odometry.position.y)
    assert measured == pytest.approx(way, rel=0.1)
    assert measured != way
    assert world.outcome()['path_length_m'] == pytest.approx(1.6, abs=0.05)


def test_a_robot_without_commands_stops() -> None:
    """Promise: when nobody commands it any more the robot stops after the time-out."""
    world = load_world('diff_drive', {'obstacles': 0})
    drive(world, 0.5, 0.0, 1.0)
    while world.time_ns < 2_500_000_000:
        sensed = world.step([])
    speed = {topic: message for topic, message, _ in sensed}['/ground_truth/odom']
    assert abs(speed.twist.twist.linear.x) < 0.01


def test_driving_into_a_wall_is_a_collision() -> None:
    """Promise: a robot that meets a wall has collided, and the world is over."""
    world = load_world('diff_drive', {'obstacles': 0, 'goal_tolerance_m': 0.01})
    drive(world, 0.6, 0.2, 60.0)
    outcome = world.outcome()
    assert world.finished
    assert outcome['collided'] is True
    assert outcome['reached'] is False
    assert float(outcome['clearance_m']) < 0.01
    assert world.step(command(world, 0.1, 0.0)) == []


def test_ranges_are_those_of_the_room() -> None:
    """Promise: without noise the lidar measures the walls; what is too far is +inf (REP 117)."""
    world = load_world('diff_drive', {'obstacles': 0, 'range_noise_m': 0.0, 'range_max_m': 3.0})
    scan = drive(world, 0.0, 0.0, 0.1)['/scan']
    start = world.room.start  # type: ignore[attr-defined]
    angles = start.yaw + scan.angle_min + np.arange(360) * scan.angle_increment
    with np.errstate(divide='ignore'):
        walls_x = (np.sign(np.cos(angles)) * 5.0 - start.x) / np.cos(angles)
        walls_y = (np.sign(np.sin(angles)) * 4.0 - start.y) / np.sin(angles)
    wanted = np.minimum(walls_x, walls_y)
    is_seen = wanted < 3.0
    assert is_seen.any()
    assert np.isposinf(scan.ranges[wanted > 3.01]).all()
    assert scan.ranges[wanted < 2.99] == pytest.approx(wanted[wanted < 2.99], abs=0.01)


def test_a_pole_falls_unless_it_is_balanced() -> None:
    """Promise: the pole falls by itself, and stands under a state feedback."""
    alone = load_world('cart_pole')
    while not alone.finished:
        alone.step([])
    assert alone.outcome()['fallen'] is True
    assert float(alone.outcome()['balanced_s']) < 5.0
    world = load_world('cart_pole')
    effort = 0.0
    while not world.finished and world.time_ns < 20e9:
        (_, joints, _), _ = world.step(command(world, effort, 0.0))
        effort = float(np.dot((1.0, 30.0, 2.0, 8.0), (*joints.position, *joints.velocity)))
    assert world.outcome() == {'fallen': False, 'balanced_s': 20.0}


@pytest.mark.parametrize('name', WORLDS)
def test_a_wrong_command_is_refused(name: str) -> None:
    """Promise: a command that is not finite, or that there is not, is refused in one line."""
    world = load_world(name)
    with pytest.raises(ComponentError, match='has to be finite'):
        world.step(command(world, math.nan, 0.0))
    with pytest.raises(ComponentError, match='takes no /other; it takes'):
        world.step([('/other', None)])


def test_wrong_worlds_are_named() -> None:
    """Promise: a world that there is not, or a wrong setting, is named with what would do."""
    with pytest.raises(ComponentNotFoundError, match="no world 'moon'; there is cart_pole"):
        load_world('moon')
    with pytest.raises(ComponentNotFoundError, match='importing no_such_module failed'):
        load_world('no_such_module:World')
    with pytest.raises(ComponentNotFoundError, match='has no world sqrt'):
        load_world('math:sqrt')
    with pytest.raises(ComponentError, match='obstacles is -1'):
        load_world('diff_drive', {'obstacles': -1})


def test_a_world_of_ones_own(tmp_path: Path) -> None:
    """Promise: a user's world is found by its import path in folders of the user."""
    (tmp_path / 'own_world.py').write_text(
        'from lk_dataset_ros.world.cart_pole import CartPole\n\nclass Mine(CartPole):\n    pass\n'
    )
    world = load_world('own_world:Mine', {'rail_m': 1.0}, [str(tmp_path)])
    assert world.config.rail_m == 1.0
    assert len(world.step([])) == 2
