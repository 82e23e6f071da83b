"""Which arms run when, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lk_dataset_ros.experiment.running import Place
from lk_dataset_ros.experiment.specification import LiveInputs, Mode, WorldInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running import ArmRun, Progress
    from lk_dataset_ros.experiment.specification import Arm, Specification

#: Modes in which all arms of a round run beside each other.
TOGETHER = (Mode.LOCKSTEP, Mode.REALTIME, Mode.LIVE)


class Run(Protocol):
    """A way to run arms."""

    def __call__(
        self,
        specification: Specification,
        places: Sequence[Place],
        directory: Path,
        progress: Progress,
        *,
        environment: Mapping[str, str],
    ) -> list[ArmRun]:
        """Run some places once; what goes wrong with an arm is a result, not an exception."""


def plan(specification: Specification) -> list[list[Place]]:
    """Return which places run beside each other, in order.

    Beside each other the original alone is repeated: its noise floor is what repeats are for. Live
    its repeats run beside all others. One after the other every arm is repeated, in the opposite
    order each time, so that nothing that changes with time (heat, other programs) favours one.
    """
    arms = specification.arms
    if specification.mode in TOGETHER:
        first = [_place(arm, 1) for arm in arms]
        more = [_place(arms[0], number) for number in range(2, specification.repeats + 1)]
        if specification.mode is not Mode.LIVE:
            return [first, *([place] for place in more)]
        # What comes live comes once: repeats hear the same, unless the original is somebody else's.
        return [first if arms[0].is_running else first + more]
    return [
        [_place(arm, number)]
        for number in range(1, specification.repeats + 1)
        for arm in (arms if number % 2 else arms[::-1])
    ]


def way_of(specification: Specification) -> Run:
    """Return how the arms of an experiment are run."""
    # Each way has needs of its own; what is not run is not imported.
    inputs = specification.inputs
    if isinstance(inputs, LiveInputs) or (isinstance(inputs, WorldInputs) and inputs.is_external):
        from lk_dataset_ros.experiment.running.live import run_live  # noqa: PLC0415

        return run_live
    if specification.mode != Mode.OFFLINE:
        from lk_dataset_ros.experiment.running.graph import run_on_graph  # noqa: PLC0415

        return run_on_graph
    if isinstance(inputs, WorldInputs):
        from lk_dataset_ros.experiment.running.worlds import run_in_world  # noqa: PLC0415

        return run_in_world
    from lk_dataset_ros.experiment.running.offline import run_offline  # noqa: PLC0415

    return run_offline


def _place(arm: Arm, number: int) -> Place:
    return Place(arm, arm.name if number == 1 else f'{arm.name}_{number}')
