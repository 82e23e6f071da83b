"""Run arms in a simulated world without ROS: component and world in one process, closed loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.experiment.running.arm_run import ArmRun
from lk_dataset_ros.experiment.running.child import Course, count, latencies_file, run_child
from lk_dataset_ros.experiment.running.jobs import WorldJob
from lk_dataset_ros.experiment.specification.parts import WorldInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress
    from lk_dataset_ros.experiment.specification import Specification

_MODULE: Final = 'lk_dataset_ros.experiment.running.world_arm'


def run_in_world(
    specification: Specification,
    places: Sequence[Place],
    directory: Path,
    progress: Progress,
    *,
    environment: Mapping[str, str],
) -> list[ArmRun]:
    """Run components in a world, each in one that starts anew, one after the other.

    The bag of an arm has the world's sensors, what is below `/ground_truth/`, and the arm's
    commands and outputs, at simulated times. What an arm senses follows from what it commands:
    equal by construction are the initial conditions alone, and these are what `hashes` is of.

    Args:
        specification: The experiment; its inputs are those of a world.
        places: The arms of this round.
        directory: Takes a bag for each, named by its label; `logs` is there.
        progress: Learns how far it is, in simulated milliseconds.
        environment: Variables of the processes beside those of this one.

    Returns:
        The outcomes, in order; whatever an arm does is a result, never an exception.
    """
    runs = []
    for place in places:
        progress.arm_starts(place.label)
        run = _run(specification, place, directory, progress, environment)
        progress.arm_ends(run)
        runs.append(run)
    return runs


class _Course(Course):
    """Knows how much time was simulated."""

    def __init__(self) -> None:
        super().__init__()
        self.time_ns = 0

    def advance(self, event: Mapping[str, Any]) -> None:
        """Learn how far it is."""
        self.time_ns = count(event.get('time_ns'))

    def where(self, *, silent: bool) -> str:
        """Say how far it was."""
        time_s = self.time_ns / 1e9
        if silent:
            return f', at {time_s:g} s of simulated time or shortly after'
        return f', after {time_s:g} s of simulated time' if self.time_ns else ''


def _run(
    specification: Specification,
    place: Place,
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> ArmRun:
    arm, bag, inputs = place.arm, directory / place.label, specification.inputs
    if not arm.component or not isinstance(inputs, WorldInputs):
        return ArmRun(place, bag, problem=f'{arm.what} is no component that can act in a world')
    job = WorldJob(
        arm,
        inputs,
        specification.outputs,
        specification.warm_up_s,
        bag,
        latencies_file(directory, place),
    )
    course, total_ms = _Course(), round(inputs.duration_s * 1e3)

    def advance() -> None:
        progress.arm_advances(place.label, min(course.time_ns // 1_000_000, total_ms), total_ms)

    return run_child(
        _MODULE,
        job,
        place=place,
        directory=directory,
        limits=specification.limits,
        environment=environment,
        course=course,
        on_output=advance,
    )
