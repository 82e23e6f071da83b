"""What a live runner is to do: written by `lk ab` as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class LiveArm:
    """An arm of the graph.

    Attributes:
        label: What its run is called.
        bag: Where its outputs go.
        prefix: What its outputs' names begin with when it is shadowed, such as `/cpp`, or empty.
        is_running: It was there before.
        gone: A file that is there when its process has ended.
    """

    label: str
    bag: str
    prefix: str = ''
    is_running: bool = False
    gone: str = ''


@dataclass(frozen=True, slots=True)
class LiveOutput:
    """An output: see `experiment.specification.Output`."""

    topic: str
    answers: str
    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Reset:
    """A service that takes a world back to its beginning.

    Attributes:
        service: Its name.
        kind: Its type.
        requests: What it is sent: all but the last before the arm is started, the last when the
            arm is ready.
        at_end: Send all once more when the arm has ended: the world goes on without it.
    """

    service: str
    kind: str
    requests: list[dict[str, Any]]
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class LiveJob:
    """What to do.

    Attributes:
        arms: The arms beside each other.
        topics: The inputs.
        outputs: The outputs of every arm.
        inputs_bag: Where the inputs go; empty: to the outputs (a world, one arm).
        duration_s: How long, s: by the clock that counts.
        is_simulated: Time is that of `/clock`.
        ready_limit_s: Until everything has been found.
        answer_limit_s: Until an input is answered, or until time goes on.
        silence_s: Until an output that may stay away is taken to stay away.
        warm_up_s: Inputs of so much time at the beginning are not in the latencies.
        reset: How the world is reset, if by a service.
        is_world: The inputs come from a world, which ends with the run.
    """

    arms: list[LiveArm]
    topics: list[str]
    outputs: list[LiveOutput]
    inputs_bag: str
    duration_s: float
    is_simulated: bool
    ready_limit_s: float
    answer_limit_s: float
    silence_s: float
    warm_up_s: float = 0.0
    reset: Reset | None = None
    is_world: bool = False

    @classmethod
    def load(cls, path: str) -> LiveJob:
        """Read a job file."""
        content = json.loads(Path(path).read_text())
        content['arms'] = [LiveArm(**each) for each in content['arms']]
        content['outputs'] = [LiveOutput(**each) for each in content['outputs']]
        if content.get('reset') is not None:
            content['reset'] = Reset(**content['reset'])
        return cls(**content)
