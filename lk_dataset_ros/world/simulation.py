"""MuJoCo behind what a world needs of it: a model, its state, time in whole steps."""

from __future__ import annotations

import hashlib
from typing import Any

from lk_dataset_ros.message import require


class Simulation:
    """A MuJoCo model and its state.

    Args:
        name: Of the world.
        mjcf: The model, as MuJoCo's XML.

    Raises:
        ExtraMissingError: If MuJoCo is not installed.

    Attributes:
        mujoco: The module.
        model: `mjModel`.
        data: `mjData`.
        steps: Physics steps since the beginning.
    """

    def __init__(self, name: str, mjcf: str) -> None:
        self.mujoco: Any = require('mujoco', 'mujoco', f'the world {name}')
        self.model = self.mujoco.MjModel.from_xml_string(mjcf)
        self.data = self.mujoco.MjData(self.model)
        self.steps = 0
        self._description = {
            'name': name,
            'simulator': f'MuJoCo {self.mujoco.__version__}',
            'model_sha256': hashlib.sha256(mjcf.encode()).hexdigest(),
        }

    def settle(self) -> None:
        """Make everything that follows from the state follow from it as it is now."""
        self.mujoco.mj_forward(self.model, self.data)

    def advance(self, steps: int) -> None:
        """Go on by physics steps, with the actuators' controls as they are."""
        self.mujoco.mj_step(self.model, self.data, steps)
        # A step leaves sensors and contacts as they were before its last movement.
        self.mujoco.mj_forward(self.model, self.data)
        self.steps += steps

    def description(self) -> dict[str, str]:
        """Return name, simulator and SHA-256 of the model."""
        return dict(self._description)
