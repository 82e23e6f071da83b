"""What an arm in a world has to do: data that goes from one process to another as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.experiment.specification.parts import Arm, Output, WorldInputs

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, slots=True)
class WorldJob:
    """What to do.

    Attributes:
        arm: The component, its parameters and remappings.
        inputs: The world, its seed and settings, and what of it the component is fed.
        outputs: What the component has to answer.
        warm_up_s: Simulated time at the beginning that is left out of the latencies, s.
        bag_out: Takes sensors, commands and outputs, a folder that is made.
        latencies: File that takes the latencies, int64 nanoseconds, `.npy`.
    """

    arm: Arm
    inputs: WorldInputs
    outputs: tuple[Output, ...]
    warm_up_s: float
    bag_out: Path
    latencies: Path

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file."""
        content = dataclasses.asdict(self)
        content.update(bag_out=str(self.bag_out), latencies=str(self.latencies))
        Path(path).write_text(json.dumps(content, indent=2))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> WorldJob:
        """Read it from a file."""
        content: dict[str, Any] = json.loads(Path(path).read_text())
        arm, inputs = content['arm'], content['inputs']
        for part, names in (
            (arm, ('command', 'python_path')),
            (inputs, ('topics', 'python_path', 'version_command')),
        ):
            part.update({name: tuple(part[name]) for name in names})
        inputs['processes'] = tuple(tuple(each) for each in inputs['processes'])
        return cls(
            Arm(**arm),
            WorldInputs(**inputs),
            tuple(Output(**each) for each in content['outputs']),
            content['warm_up_s'],
            Path(content['bag_out']),
            Path(content['latencies']),
        )
