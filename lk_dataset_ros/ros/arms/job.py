"""What the runner of the arms is told: written by `lk ab` as JSON, read here."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lk_dataset_ros.errors import ArmError


@dataclass(frozen=True, slots=True)
class OutputJob:
    """One output topic.

    Attributes:
        topic: Its name.
        answers: The input topic that it answers.
        least: Messages that every input is answered with, at least.
        most: At most.
    """

    topic: str
    answers: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class ArmJob:
    """One arm.

    Attributes:
        label: What the run of it is called.
        command: What is started.
        directory: Where, or empty.
        domain: Its ROS domain.
        log: File that takes what it says.
        bag: The bag that is written.
    """

    label: str
    command: list[str]
    directory: str
    domain: int
    log: str
    bag: str


@dataclass(frozen=True, slots=True)
class WorldJob:
    """A simulated world; see `WorldInputs`."""

    name: str
    seed: int
    duration_s: float
    parameters: dict[str, Any]
    python_path: list[str]


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with the arms of one round.

    Attributes:
        arms: The arms.
        outputs: What is recorded.
        topics: Topics that are fed.
        bag: The recording that they come from, or empty.
        start_s: Where to begin in it, s.
        duration_s: How much of it is played, s; 0 is all.
        world: The world that they come from, or None.
        rtf: Real-time factor; 0 is in lockstep.
        clock_hz: How often the time is published on `/clock`; 0 is never.
        warm_up_s: Recorded time at the beginning that is left out of the latencies, s.
        ready_s: Limit until an arm is ready, s.
        answer_s: Limit until an input is answered, s.
        silence_s: When an output that may stay away is taken to, s.
        patience_s: How long all answers of an arm that did not come may be waited for, s.
    """

    arms: list[ArmJob]
    outputs: list[OutputJob]
    topics: list[str]
    bag: str
    start_s: float
    duration_s: float
    world: WorldJob | None
    rtf: float
    clock_hz: float
    warm_up_s: float
    ready_s: float
    answer_s: float
    silence_s: float
    patience_s: float

    @classmethod
    def load(cls, path: str) -> Job:
        """Read a job file.

        Raises:
            ArmError: If it is none.
        """
        try:
            content = json.loads(Path(path).read_text(encoding='utf-8'))
            unknown = content.keys() - {each.name for each in fields(cls)}
            if unknown:
                raise ValueError(f'{min(unknown)} is unknown')
            content['arms'] = [ArmJob(**each) for each in content['arms']]
            content['outputs'] = [OutputJob(**each) for each in content['outputs']]
            if content['world'] is not None:
                content['world'] = WorldJob(**content['world'])
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArmError(f'{path or "nothing"} is no job of lk ab: {error}') from error
