"""A pole on a cart that a force has to keep upright."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from lk_dataset_ros.component import option
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import message_class
from lk_dataset_ros.world.simulation import Simulation
from lk_dataset_ros.world.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STEP_NS: Final = 5_000_000
_STEPS: Final = 2
_JOINTS: Final = ('cart', 'pole')
_MODEL: Final = """<mujoco model="cart_pole">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <light pos="0 0 4"/>
    <body name="cart" pos="0 0 1">
      <joint name="cart" type="slide" axis="1 0 0" damping="0.1"/>
      <geom type="box" size="0.15 0.1 0.06" mass="1" contype="0" conaffinity="0"/>
      <body name="pole">
        <joint name="pole" axis="0 1 0" damping="0.002"/>
        <geom type="capsule" fromto="0 0 0 0 0 {length!r}" size="0.02" mass="0.1"
              contype="0" conaffinity="0"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor name="effort" joint="cart"/></actuator>
</mujoco>
"""


class CartPole(World):
    """A pole on a cart on a rail, upright at the start but for a little."""

    @dataclass(kw_only=True)
    class Config(World.Config):
        """Settings of the pole, the rail and the sensors."""

        pole_length_m: float = option(1.0, 'of the pole, m', minimum=0.1, maximum=5.0)
        rail_m: float = option(2.4, 'from the middle to an end, m', minimum=0.1, maximum=100.0)
        fall_angle: float = option(
            0.5, 'beyond it the pole has fallen, rad', minimum=0.01, maximum=1.5
        )
        start_angle: float = option(
            0.1, 'largest angle at the start, rad', minimum=0.0, maximum=1.0
        )
        max_effort: float = option(20.0, 'on the cart, N', minimum=0.1, maximum=1000.0)
        position_noise: float = option(
            0.001, 'standard deviation, m and rad', minimum=0.0, maximum=1.0
        )
        velocity_noise: float = option(
            0.005, 'standard deviation, m/s and rad/s', minimum=0.0, maximum=10.0
        )

    commands: ClassVar[Mapping[str, str]] = {'/effort': 'std_msgs/msg/Float64'}
    sensors: ClassVar[Mapping[str, str]] = {
        '/joint_states': 'sensor_msgs/msg/JointState',
        '/ground_truth/joint_states': 'sensor_msgs/msg/JointState',
    }

    def reset(self, seed: int) -> None:
        """Return to the beginning, with start and noise drawn from a seed."""
        self._random = np.random.default_rng(seed)
        mjcf = _MODEL.format(length=self.config.pole_length_m)
        simulation = self._simulation = Simulation('cart_pole', mjcf)
        most = self.config.start_angle
        simulation.data.qpos[1] = self._random.uniform(-most, most)
        simulation.settle()
        self._scale = np.repeat((self.config.position_noise, self.config.velocity_noise), 2)
        self._fallen = False
        self.time_ns, self.finished = 0, False

    def step(self, commands: Sequence[tuple[str, Any]]) -> list[tuple[str, Any, int]]:
        """Take efforts, go on by 10 ms, and measure."""
        for topic, message in commands:
            self.check_command(topic)
            effort = float(message.data)
            if not math.isfinite(effort):
                raise ComponentError(f'{topic} is {effort} N; it has to be finite')
            most = self.config.max_effort
            self._simulation.data.ctrl[0] = min(max(effort, -most), most)
        if self.finished:
            return []
        self._simulation.advance(_STEPS)
        self.time_ns = self._simulation.steps * _STEP_NS
        data = self._simulation.data
        state = np.concatenate((data.qpos, data.qvel))
        self._fallen = bool(
            abs(state[0]) > self.config.rail_m or abs(state[1]) > self.config.fall_angle
        )
        self.finished = self._fallen
        measured = state + self._scale * self._random.standard_normal(4)
        return [
            (topic, self._message(values), self.time_ns)
            for topic, values in zip(self.sensors, (measured, state), strict=True)
        ]

    def outcome(self) -> dict[str, bool | float | str]:
        """Return what has become of the task so far."""
        return {'fallen': self._fallen, 'balanced_s': self.time_ns / 1e9}

    def description(self) -> dict[str, str]:
        """Return name, simulator and SHA-256 of the model."""
        return self._simulation.description()

    def _message(self, values: Any) -> Any:
        message = message_class('sensor_msgs/msg/JointState')()
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(self.time_ns, 1_000_000_000)
        message.name = list(_JOINTS)
        message.position, message.velocity = values[:2].copy(), values[2:].copy()
        return message
