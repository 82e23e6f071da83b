"""A robot with two driven wheels in a room with obstacles: it has to reach a goal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lk_dataset_ros.component import option
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import message_class
from lk_dataset_ros.world.diff_drive.model import (
    BODY_RADIUS_M,
    BODY_X_M,
    STEP_HZ,
    WHEEL_RADIUS_M,
    WHEEL_SEPARATION_M,
    mjcf,
)
from lk_dataset_ros.world.diff_drive.room import Room
from lk_dataset_ros.world.diff_drive.sensing import (
    GroundTruth,
    Imu,
    Lidar,
    WheelOdometry,
    stamp,
)
from lk_dataset_ros.world.simulation import Simulation
from lk_dataset_ros.world.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lk_dataset_ros.world.diff_drive.room import Place

_STEP_NS = 1_000_000_000 // STEP_HZ
#: Nearer to something contacts are looked at, m.
_NEAR_M = 0.02


class DiffDrive(World):
    """A differential-drive robot with lidar, IMU and wheel odometry.

    The goal comes on `/goal_pose` in the frame `odom`, once a second and whenever there is a new
    one, as from a localisation that knows by now how far the odometry is off.
    """

    @dataclass(kw_only=True)
    class Config(World.Config):
        """Settings of the robot, its sensors and its room."""

        room_length_m: float = option(10.0, 'of the room, m', minimum=6.0, maximum=100.0)
        room_width_m: float = option(8.0, 'of the room, m', minimum=4.0, maximum=100.0)
        obstacles: int = option(8, 'boxes and cylinders in the room', minimum=0, maximum=200)
        goals: int = option(1, 'reached one after the other', minimum=1, maximum=100_000)
        goal_tolerance_m: float = option(
            0.25, 'a goal is reached so near, m', minimum=0.01, maximum=5.0
        )
        max_speed: float = option(0.6, 'forward and back, m/s', minimum=0.01, maximum=1.5)
        max_turn_rate: float = option(2.0, 'about z, rad/s', minimum=0.01, maximum=4.0)
        command_timeout_s: float = option(
            0.5, 'without a command it stops after, s; 0: never', minimum=0.0, maximum=60.0
        )
        scan_hz: int = option(10, 'scans per second', choices=(5, 10, 20))
        imu_hz: int = option(100, 'IMU messages per second', choices=(50, 100, 200))
        odom_hz: int = option(50, 'odometries per second', choices=(10, 20, 50, 100))
        rays: int = option(360, 'of a scan', minimum=4, maximum=4096)
        range_max_m: float = option(12.0, 'of the lidar, m', minimum=0.5, maximum=100.0)
        range_noise_m: float = option(
            0.01, 'standard deviation of a range, m', minimum=0.0, maximum=1.0
        )
        gyro_noise: float = option(
            0.005, 'standard deviation of turn rates, and of their bias, rad/s',
            minimum=0.0, maximum=1.0,
        )  # fmt: skip
        acceleration_noise: float = option(
            0.05, 'standard deviation of accelerations, and of their bias, m/s^2',
            minimum=0.0, maximum=10.0,
        )  # fmt: skip
        calibration_error: float = option(
            0.005, "relative standard deviation of the wheels' radii and separation",
            minimum=0.0, maximum=0.2,
        )  # fmt: skip
        slip_noise: float = option(
            0.02, 'relative standard deviation of the ways that wheels report',
            minimum=0.0, maximum=1.0,
        )  # fmt: skip
        localisation_noise_m: float = option(
            0.02, 'standard deviation of where the goal is, m', minimum=0.0, maximum=1.0
        )

    commands: ClassVar[Mapping[str, str]] = {'/cmd_vel': 'geometry_msgs/msg/Twist'}
    sensors: ClassVar[Mapping[str, str]] = {
        '/goal_pose': 'geometry_msgs/msg/PoseStamped',
        '/imu': 'sensor_msgs/msg/Imu',
        '/odom': 'nav_msgs/msg/Odometry',
        '/ground_truth/odom': 'nav_msgs/msg/Odometry',
        '/scan': 'sensor_msgs/msg/LaserScan',
    }

    def reset(self, seed: int) -> None:
        """Return to the beginning, with room, errors and noise drawn from a seed."""
        config = self.config
        draw = [np.random.default_rng((seed, part)) for part in range(5)]
        self._room = Room(
            config.room_length_m,
            config.room_width_m,
            obstacles=config.obstacles,
            generator=draw[0],
        )
        simulation = self._simulation = Simulation('diff_drive', mjcf(self._room))
        self._body = simulation.model.geom('body').id
        self._truth = GroundTruth(simulation)
        self._odometry = WheelOdometry(
            simulation,
            calibration_error=config.calibration_error,
            slip_noise=config.slip_noise,
            period_s=1.0 / config.odom_hz,
            generator=draw[1],
        )
        imu = Imu(
            simulation,
            gyro_noise=config.gyro_noise,
            acceleration_noise=config.acceleration_noise,
            generator=draw[2],
        )
        lidar = Lidar(
            simulation,
            rays=config.rays,
            most=config.range_max_m,
            noise=config.range_noise_m,
            period_s=1.0 / config.scan_hz,
            generator=draw[3],
        )
        self._goal_random = draw[4]
        # The newest odometry comes before the scan, which a controller answers.
        self._due: list[tuple[int, str, Callable[[int], Any]]] = [
            (STEP_HZ // config.imu_hz, '/imu', imu.sense),
            (STEP_HZ // config.odom_hz, '/odom', self._odometry.sense),
            (STEP_HZ // config.odom_hz, '/ground_truth/odom', self._truth.sense),
            (STEP_HZ // config.scan_hz, '/scan', lidar.sense),
        ]
        self.time_ns, self.finished = 0, False
        self._commanded_at = 0
        self._goal: Place = self._room.next_goal()
        self._is_goal_new = True
        self._reached = 0
        self._collided = False
        self._path_m = 0.0
        self._clearance_m = math.inf
        self._measured = -math.inf, (0.0, 0.0)
        simulation.settle()
        self._before = self._truth.pose()
        self._judge_place()

    def step(self, commands: Sequence[tuple[str, Any]]) -> list[tuple[str, Any, int]]:
        """Take commands, go on to the next moment at which a sensor is due, and measure."""
        for topic, message in commands:
            self.check_command(topic)
            self._drive(message)
        if self.finished:
            return []
        simulation = self._simulation
        now = simulation.steps
        count = min(period - now % period for period, _, _ in self._due)
        self._watch_commands(now + count)
        simulation.advance(count)
        now += count
        self.time_ns = time_ns = now * _STEP_NS
        sensed = [
            (topic, sense(time_ns), time_ns)
            for period, topic, sense in self._due
            if now % period == 0
        ]
        self._judge()
        if self._is_goal_new or now % STEP_HZ == 0:
            self._is_goal_new = False
            sensed.insert(0, ('/goal_pose', self._sense_goal(time_ns), time_ns))
        return sensed

    def outcome(self) -> dict[str, bool | float | str]:
        """Return what has become of the task so far."""
        x, y, _ = self._truth.pose()
        return {
            'reached': self._reached == self.config.goals,
            'collided': self._collided,
            'goals_reached': float(self._reached),
            'time_s': self.time_ns / 1e9,
            'path_length_m': self._path_m,
            'distance_to_goal_m': math.dist((x, y), (self._goal.x, self._goal.y)),
            'clearance_m': self._clearance_m,
        }

    def description(self) -> dict[str, str]:
        """Return name, simulator and SHA-256 of the model."""
        return self._simulation.description()

    @property
    def room(self) -> Room:
        """The room."""
        return self._room

    @property
    def goal(self) -> Place:
        """Where the robot has to go."""
        return self._goal

    def _drive(self, twist: Any) -> None:
        speed, turn = float(twist.linear.x), float(twist.angular.z)
        if not (math.isfinite(speed) and math.isfinite(turn)):
            raise ComponentError(f'/cmd_vel is {speed} m/s and {turn} rad/s; it has to be finite')
        config = self.config
        speed = min(max(speed, -config.max_speed), config.max_speed)
        turn = min(max(turn, -config.max_turn_rate), config.max_turn_rate)
        aside = turn * WHEEL_SEPARATION_M / 2.0
        control = self._simulation.data.ctrl
        control[0] = (speed - aside) / WHEEL_RADIUS_M
        control[1] = (speed + aside) / WHEEL_RADIUS_M
        self._commanded_at = self._simulation.steps

    def _watch_commands(self, now: int) -> None:
        """Stop a robot that nobody commands any more, as its driver would."""
        most = self.config.command_timeout_s
        if most and now - self._commanded_at > most * STEP_HZ:
            self._simulation.data.ctrl[:] = 0.0

    def _judge(self) -> None:
        before, self._before = self._before, self._truth.pose()
        self._path_m += math.dist(self._before[:2], before[:2])
        self._judge_place()
        if self._collided:
            self.finished = True
        elif math.dist(self._before[:2], (self._goal.x, self._goal.y)) <= (
            self.config.goal_tolerance_m
        ):
            self._reached += 1
            self.finished = self._reached == self.config.goals
            if not self.finished:
                self._goal = self._room.next_goal()
                self._is_goal_new = True

    def _judge_place(self) -> None:
        x, y, yaw = self._before
        middle = x + BODY_X_M * math.cos(yaw), y + BODY_X_M * math.sin(yaw)
        # Nothing comes nearer than by the way that was made.
        least_m = self._measured[0] - math.dist(middle, self._measured[1])
        if least_m > max(self._clearance_m, _NEAR_M):
            return
        clearance_m = self._room.clearance(*middle) - BODY_RADIUS_M
        self._measured = clearance_m, middle
        self._clearance_m = min(self._clearance_m, clearance_m)
        if clearance_m < _NEAR_M:
            touching = self._simulation.data.contact.geom
            self._collided = self._collided or bool((touching == self._body).any())

    def _sense_goal(self, time_ns: int) -> Any:
        """Return where the goal is as seen from where the odometry takes the robot to be."""
        x, y, yaw = self._before
        dx, dy = self._goal.x - x, self._goal.y - y
        turn = self._odometry.yaw - yaw
        noise_x, noise_y = (
            self.config.localisation_noise_m * self._goal_random.standard_normal(2)
        ).tolist()
        message = message_class('geometry_msgs/msg/PoseStamped')()
        stamp(message.header, time_ns, 'odom')
        place = message.pose.position
        place.x = self._odometry.x + math.cos(turn) * dx - math.sin(turn) * dy + noise_x
        place.y = self._odometry.y + math.sin(turn) * dx + math.cos(turn) * dy + noise_y
        message.pose.orientation.w = 1.0
        return message
