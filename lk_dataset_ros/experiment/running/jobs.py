"""What an arm in a child process has to do: data that goes from one to the other as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.experiment.specification.parts import Arm, BagInputs, Output, WorldInputs

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class ArmJob(ABC):
    """What to do.

    Attributes:
        arm: The component, its parameters and remappings.
        inputs: What it is fed, or the world that it acts in.
        outputs: What it has to answer, and what is recorded of it.
        warm_up_s: Recorded or simulated time at the beginning that is left out of the latencies, s.
        bag_out: Where what is recorded goes, a folder that is made.
        latencies: File that takes the latencies, int64 nanoseconds, `.npy`.
    """

    arm: Arm
    inputs: BagInputs | WorldInputs
    outputs: tuple[Output, ...]
    warm_up_s: float
    bag_out: Path
    latencies: Path

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file."""
        content = dataclasses.asdict(self)
        if math.isinf(content['inputs']['duration_s']):
            content['inputs']['duration_s'] = None
        Path(path).write_text(json.dumps(content, indent=2, default=str))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read it from a file."""
        content: dict[str, Any] = json.loads(Path(path).read_text())
        inputs = content['inputs']
        if inputs['duration_s'] is None:
            inputs['duration_s'] = math.inf
        return cls(
            Arm(**_with_tuples(content['arm'], 'command', 'python_path')),
            cls._inputs_of(inputs),
            tuple(Output(**each) for each in content['outputs']),
            content['warm_up_s'],
            Path(content['bag_out']),
            Path(content['latencies']),
        )

    @classmethod
    @abstractmethod
    def _inputs_of(cls, content: dict[str, Any]) -> Any:
        """Make the inputs of what the file says."""


@dataclass(frozen=True, slots=True)
class OfflineJob(ArmJob):
    """What an arm without ROS has to do."""

    inputs: BagInputs

    @classmethod
    def _inputs_of(cls, content: dict[str, Any]) -> BagInputs:
        return BagInputs(**{**_with_tuples(content, 'topics'), 'bag': Path(content['bag'])})


@dataclass(frozen=True, slots=True)
class WorldJob(ArmJob):
    """What an arm in a world has to do."""

    inputs: WorldInputs

    @classmethod
    def _inputs_of(cls, content: dict[str, Any]) -> WorldInputs:
        names = ('topics', 'python_path', 'version_command')
        processes = tuple(tuple(each) for each in content['processes'])
        return WorldInputs(**{**_with_tuples(content, *names), 'processes': processes})


def _with_tuples(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**content, **{name: tuple(content[name]) for name in names}}
