"""Keep a pole upright: the original, and one that was written anew with NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lk_dataset_ros import Component, Input, Output, option


class Balancer(Component):
    """Push the cart by a state feedback."""

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings that all implementations share."""

        position_gain: float = option(1.0, 'N/m', minimum=0.0, maximum=1000.0)
        angle_gain: float = option(30.0, 'N/rad', minimum=0.0, maximum=1000.0)
        speed_gain: float = option(2.0, 'N s/m', minimum=0.0, maximum=1000.0)
        turn_rate_gain: float = option(8.0, 'N s/rad', minimum=0.0, maximum=1000.0)

        @property
        def gains(self) -> tuple[float, float, float, float]:
            """All of them."""
            return self.position_gain, self.angle_gain, self.speed_gain, self.turn_rate_gain

    joint_states = Input('sensor_msgs/msg/JointState', description='of cart and pole')
    effort = Output('std_msgs/msg/Float64', description='on the cart, N')

    def step(self, joint_states: Any) -> dict[str, Any]:
        """Answer a measurement by a force."""
        out = self.new('effort')
        state = [*joint_states.position, *joint_states.velocity]
        out.data = float(sum(a * b for a, b in zip(self.config.gains, state, strict=True)))
        return {'effort': out}


class BalancerNumpy(Balancer):
    """The same with NumPy: it adds in another order, so the last bits differ."""

    def step(self, joint_states: Any) -> dict[str, Any]:
        """Answer a measurement by a force."""
        out = self.new('effort')
        state = np.concatenate((joint_states.velocity, joint_states.position))
        gains = np.roll(self.config.gains, 2)
        out.data = float(np.dot(gains, state))
        return {'effort': out}
