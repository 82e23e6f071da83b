"""The original: the odometry smoother in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lk_dataset_ros import Component, Config, Input, Output, option


@dataclass(kw_only=True)
class SmootherConfig(Config):
    """Settings that all implementations of the smoother share."""

    cutoff_hz: float = option(
        1.5, 'natural frequency of the low-pass', minimum=0.01, maximum=100.0
    )
    damping: float = option(0.7071067811865476, 'damping ratio', minimum=0.1, maximum=10.0)
    max_linear_acceleration: float = option(0.4, 'limit, m/s^2', minimum=0.0, maximum=1000.0)
    max_angular_acceleration: float = option(1.0, 'limit, rad/s^2', minimum=0.0, maximum=1000.0)
    reset_after_s: float = option(
        1.0, 'a longer gap between two stamps starts afresh, s', minimum=0.0, maximum=3600.0
    )


class Axis:
    """A second-order low-pass on one velocity, its acceleration limited.

    Implicit Euler of v'' = w^2 (u - v) - 2 d w v': stable for every step width.
    """

    def __init__(self, config: SmootherConfig, max_acceleration: float) -> None:
        self._omega = 2.0 * math.pi * config.cutoff_hz
        self._damping = config.damping
        self._limit = max_acceleration
        self._velocity = 0.0
        self._acceleration = 0.0

    def start(self, velocity: float) -> float:
        """Start at a velocity, at rest."""
        self._velocity = velocity
        self._acceleration = 0.0
        return velocity

    def advance(self, velocity: float, dt: float) -> float:
        """Follow a velocity for dt seconds and return the smoothed one."""
        stiffness = self._omega * self._omega * dt
        numerator = self._acceleration + stiffness * (velocity - self._velocity)
        denominator = 1.0 + 2.0 * self._damping * self._omega * dt + stiffness * dt
        acceleration = numerator / denominator
        acceleration = min(max(acceleration, -self._limit), self._limit)
        self._acceleration = acceleration
        self._velocity = self._velocity + acceleration * dt
        return self._velocity


class OdometrySmoother(Component):
    """Smooth the velocity of an odometry."""

    Config = SmootherConfig

    odom = Input('nav_msgs/msg/Odometry', description='measured velocity')
    smoothed = Output('geometry_msgs/msg/TwistStamped', description='stamp and frame of the input')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        config = self.config
        self._stamp_ns: int | None = None
        self._axes = [Axis(config, config.max_linear_acceleration) for _ in range(3)]
        self._axes += [Axis(config, config.max_angular_acceleration) for _ in range(3)]

    def configure(self, config: SmootherConfig) -> None:
        """Take new settings; the filter starts afresh."""
        super().configure(config)
        self.reset()

    def step(self, odom: Any) -> dict[str, Any]:
        """Smooth one measurement."""
        twist = odom.twist.twist
        stamp = odom.header.stamp
        measured = (
            twist.linear.x, twist.linear.y, twist.linear.z,
            twist.angular.x, twist.angular.y, twist.angular.z,
        )  # fmt: skip
        values = self._filter(stamp.sec * 1_000_000_000 + stamp.nanosec, measured)
        out = self.new('smoothed')
        out.header = odom.header
        out.twist.linear.x, out.twist.linear.y, out.twist.linear.z = values[:3]
        out.twist.angular.x, out.twist.angular.y, out.twist.angular.z = values[3:]
        return {'smoothed': out}

    def _filter(self, stamp_ns: int, measured: tuple[float, ...]) -> list[float]:
        before, self._stamp_ns = self._stamp_ns, stamp_ns
        elapsed_ns = 0 if before is None else stamp_ns - before
        if elapsed_ns <= 0 or elapsed_ns * 1e-9 > self.config.reset_after_s:
            if before is not None:
                self.dx.count('restarts')
            return [axis.start(value) for axis, value in zip(self._axes, measured, strict=True)]
        dt = elapsed_ns * 1e-9
        return [axis.advance(value, dt) for axis, value in zip(self._axes, measured, strict=True)]
