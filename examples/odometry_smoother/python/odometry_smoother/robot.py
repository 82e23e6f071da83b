"""A small simulated robot that drives around and publishes its odometry."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import Any

from lk_dataset_ros import Component, Output, option

#: What the robot is told to do: seconds, forward velocity m/s, turn rate rad/s.
MANOEUVRES = (
    (0.5, 0.0, 0.0),
    (1.5, 0.6, 0.0),
    (1.0, 0.6, 0.9),
    (1.0, 0.2, -1.2),
    (0.7, -0.3, 0.0),
    (1.3, 0.5, 0.6),
)
#: How fast the motors follow a command, s.
MOTOR_TIME_CONSTANT_S = 0.08


class DrivingRobot(Component):
    """Drive a fixed course with a differential drive, its wheels slipping a little."""

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of the robot."""

        rate_hz: float = option(100.0, 'odometry messages per second', minimum=1.0, maximum=1000.0)
        duration_s: float = option(6.0, 'how long it drives, s', minimum=0.1, maximum=3600.0)
        seed: int = option(1, 'of the noise', minimum=0)
        noise: float = option(0.01, 'standard deviation of the measured velocities', minimum=0.0)

    odom = Output('nav_msgs/msg/Odometry', description='pose and measured velocity')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.period_s = 1.0 / self.config.rate_hz
        self.reset()

    def reset(self) -> None:
        """Return to the start of the course."""
        self._random = random.Random(self.config.seed)
        self._start_ns = time.time_ns()
        self._ticks = 0
        self._forward = self._turn = 0.0
        self._x = self._y = self._yaw = 0.0

    def step(self) -> dict[str, Any]:
        """Drive for one period and measure."""
        dt = 1.0 / self.config.rate_hz
        elapsed_s = self._ticks * dt
        forward, turn = _command_at(elapsed_s)
        follow = 1.0 - math.exp(-dt / MOTOR_TIME_CONSTANT_S)
        self._forward += (forward - self._forward) * follow
        self._turn += (turn - self._turn) * follow
        self._yaw += self._turn * dt
        self._x += self._forward * math.cos(self._yaw) * dt
        self._y += self._forward * math.sin(self._yaw) * dt
        self._ticks += 1
        self.finished = self._ticks >= round(self.config.duration_s * self.config.rate_hz)
        return {'odom': self._measure(self._start_ns + round(elapsed_s * 1e9))}

    def _measure(self, stamp_ns: int) -> Any:
        odom = self.new('odom')
        odom.header.stamp.sec, odom.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        odom.header.frame_id = 'odom'
        odom.child_frame_id = 'base_link'
        odom.pose.pose.position.x = self._x
        odom.pose.pose.position.y = self._y
        odom.pose.pose.orientation.z = math.sin(self._yaw / 2.0)
        odom.pose.pose.orientation.w = math.cos(self._yaw / 2.0)
        odom.twist.twist.linear.x = self._forward + self._random.gauss(0.0, self.config.noise)
        odom.twist.twist.angular.z = self._turn + self._random.gauss(0.0, self.config.noise)
        return odom


def _command_at(elapsed_s: float) -> tuple[float, float]:
    course_s = sum(duration for duration, _, _ in MANOEUVRES)
    remaining = elapsed_s % course_s
    for duration, forward, turn in MANOEUVRES:
        if remaining < duration:
            return forward, turn
        remaining -= duration
    return 0.0, 0.0
