"""What comes out of running an arm: data only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.specification import Arm


@dataclass(frozen=True, slots=True)
class Place:
    """An arm in one round of an experiment.

    Attributes:
        arm: The arm.
        label: Names its bag and its logs: the arm's name, with a number from the second run on.
    """

    arm: Arm
    label: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run has cost; NaN where it is not known.

    Attributes:
        cpu_s: Processor time of the arm's processes from the first input to the end; offline that
            of decoding, steps and encoding.
        wall_s: Time from the first input to the last output.
        start_up_s: From the start of its process until it was ready.
        peak_bytes: Most memory that its processes had, in sum.
        latencies_s: Time from each answered input to its answer, float64, shape (n,), in the
            order of the inputs, without the warm-up.
    """

    cpu_s: float = math.nan
    wall_s: float = math.nan
    start_up_s: float = math.nan
    peak_bytes: float = math.nan
    latencies_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class ArmRun:
    """What came out of running one arm once.

    Attributes:
        place: The arm, and what the run is called.
        bag: Where its outputs are (and its inputs, where a world or a live graph gives them).
        problem: Why it cannot be judged, or empty.
        sent: Inputs sent, by topic.
        hashes: SHA-256 of all inputs of a topic in their order, by topic, as hexadecimal text:
            over the length (8 bytes, lowest first) and the bytes of each serialized message.
        unconfirmed: Input topics whose delivery nobody has confirmed (best effort).
        received: Outputs recorded, by topic.
        unanswered: Inputs that got fewer answers than declared, by output topic.
        late: Answers that came after their limit, by output topic.
        surplus: Answers beyond the declared number, by output topic.
        achieved_rtf: Recorded time per wall time.
        cost: What it has cost.
        outcome: What has become of the task, in a world: `reached`, `collided`, `time_s`, ...
        log_tail: Last lines of its log, where there is a problem.
    """

    place: Place
    bag: Path
    problem: str = ''
    sent: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    unconfirmed: tuple[str, ...] = ()
    received: Mapping[str, int] = field(default_factory=dict)
    unanswered: Mapping[str, int] = field(default_factory=dict)
    late: Mapping[str, int] = field(default_factory=dict)
    surplus: Mapping[str, int] = field(default_factory=dict)
    achieved_rtf: float = math.nan
    cost: Cost = field(default_factory=Cost)
    outcome: Mapping[str, bool | float | str] = field(default_factory=dict)
    log_tail: tuple[str, ...] = ()

    @property
    def arm(self) -> Arm:
        """The arm."""
        return self.place.arm


class Progress(Protocol):
    """Somebody who watches a run."""

    def arm_starts(self, label: str) -> None:
        """Learn that an arm is started."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Learn how far an arm is."""

    def arm_ends(self, run: ArmRun) -> None:
        """Learn that an arm is through."""

    def warn(self, text: str) -> None:
        """Learn of something that is not as it should be."""
