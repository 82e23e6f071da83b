"""A robot that drives for a while, stands for a while, and publishes its odometry."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from lk_dataset_ros import Component, Output, option

#: How fast the motors follow, s.
MOTOR_TIME_CONSTANT_S = 0.3


class Robot(Component):
    """Drive and stand in turn, a little slower than wanted."""

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of the robot."""

        rate_hz: float = option(95.0, 'odometry messages per second', minimum=1.0, maximum=1000.0)
        drive_s: float = option(4.0, 'how long it drives, s', minimum=0.1, maximum=3600.0)
        stand_s: float = option(2.0, 'how long it stands, s', minimum=0.1, maximum=3600.0)
        start_ns: int = option(0, 'stamp of the first message; 0 is the time of day', minimum=0)

    odom = Output('nav_msgs/msg/Odometry', description='measured velocity')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.period_s = 1.0 / self.config.rate_hz
        self.reset()

    def reset(self) -> None:
        """Stand still."""
        self._start_ns = self.config.start_ns or time.time_ns()
        self._ticks = 0
        self._speed = 0.0

    def step(self) -> dict[str, Any]:
        """Drive for one period and measure."""
        config, dt = self.config, 1.0 / self.config.rate_hz
        elapsed_s = self._ticks * dt
        is_driving = elapsed_s % (config.drive_s + config.stand_s) < config.drive_s
        wanted = 0.8 + 0.1 * math.sin(3.0 * elapsed_s) if is_driving else 0.0
        self._speed += (wanted - self._speed) * (1.0 - math.exp(-dt / MOTOR_TIME_CONSTANT_S))
        if not is_driving and self._speed < 0.05:
            self._speed = 0.0
        self._ticks += 1
        odom = self.new('odom')
        stamp = odom.header.stamp
        stamp.sec, stamp.nanosec = divmod(self._start_ns + round(elapsed_s * 1e9), 1_000_000_000)
        odom.header.frame_id = 'odom'
        odom.twist.twist.linear.x = self._speed
        return {'odom': odom}
