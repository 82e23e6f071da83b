"""What an arm without ROS has to do: data that goes from one process to another as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.experiment.specification.parts import Arm, BagInputs, Output

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, slots=True)
class OfflineJob:
    """What to do.

    Attributes:
        arm: The component, its parameters and remappings.
        inputs: What it is fed.
        outputs: What of its outputs is recorded.
        warm_up_s: Recorded time at the beginning that is left out of the latencies, s.
        bag_out: Where the outputs go, a folder that is made.
        latencies: File that takes the latencies, int64 nanoseconds, `.npy`.
    """

    arm: Arm
    inputs: BagInputs
    outputs: tuple[Output, ...]
    warm_up_s: float
    bag_out: Path
    latencies: Path

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file."""
        content = dataclasses.asdict(self)
        content['inputs']['bag'] = str(self.inputs.bag)
        if math.isinf(self.inputs.duration_s):
            content['inputs']['duration_s'] = None
        content.update(bag_out=str(self.bag_out), latencies=str(self.latencies))
        Path(path).write_text(json.dumps(content, indent=2))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> OfflineJob:
        """Read it from a file."""
        content: dict[str, Any] = json.loads(Path(path).read_text())
        arm, inputs = content['arm'], content['inputs']
        if inputs['duration_s'] is None:
            inputs['duration_s'] = math.inf
        inputs.update(bag=Path(inputs['bag']), topics=tuple(inputs['topics']))
        for name in ('command', 'python_path'):
            arm[name] = tuple(arm[name])
        return cls(
            Arm(**arm),
            BagInputs(**inputs),
            tuple(Output(**each) for each in content['outputs']),
            content['warm_up_s'],
            Path(content['bag_out']),
            Path(content['latencies']),
        )
