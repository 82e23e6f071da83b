"""The compiled ones: the same smoother in C++, and one with its clamp dropped."""

from __future__ import annotations

from typing import Any

from lk_dataset_ros import Component, Input, Output
from odometry_smoother import _smoother
from odometry_smoother.original import SmootherConfig


class OdometrySmootherCpp(Component):
    """Smooth the velocity of an odometry, in C++."""

    Config = SmootherConfig
    implementation: Any = _smoother.Smoother

    odom = Input('nav_msgs/msg/Odometry', description='measured velocity')
    smoothed = Output('geometry_msgs/msg/TwistStamped', description='stamp and frame of the input')

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._smoother = self.implementation(**self.config.to_dict())

    def configure(self, config: SmootherConfig) -> None:
        """Take new settings; the filter starts afresh."""
        super().configure(config)
        self.reset()

    def step(self, odom: Any) -> dict[str, Any]:
        """Smooth one measurement."""
        twist = odom.twist.twist
        stamp = odom.header.stamp
        out = self.new('smoothed')
        out.header = odom.header
        linear, angular = out.twist.linear, out.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = self._smoother.step(
            stamp.sec * 1_000_000_000 + stamp.nanosec,
            (
                twist.linear.x, twist.linear.y, twist.linear.z,
                twist.angular.x, twist.angular.y, twist.angular.z,
            ),
        )  # fmt: skip
        return {'smoothed': out}


class OdometrySmootherCppWrong(OdometrySmootherCpp):
    """Deliberately wrong: the acceleration limit was dropped in the translation."""

    implementation: Any = _smoother.SmootherWithoutLimit
