"""Run arms without ROS: each a component in a process of its own, as fast as it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.experiment.running.arm_run import ArmRun
from lk_dataset_ros.experiment.running.child import Course, count, latencies_file, run_child
from lk_dataset_ros.experiment.running.jobs import OfflineJob
from lk_dataset_ros.experiment.specification.parts import BagInputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress
    from lk_dataset_ros.experiment.specification import Specification

_MODULE: Final = 'lk_dataset_ros.experiment.running.offline_arm'


def run_offline(
    specification: Specification,
    places: Sequence[Place],
    directory: Path,
    progress: Progress,
    *,
    environment: Mapping[str, str],
) -> list[ArmRun]:
    """Run components, one after the other so that none costs another one time.

    Args:
        specification: The experiment; its inputs are those of a bag.
        places: The arms of this round.
        directory: Takes a bag for each, named by its label; `logs` is there.
        progress: Learns how far it is.
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
    """Knows how many inputs were fed: now and then it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.total = 0

    def advance(self, event: Mapping[str, Any]) -> None:
        """Learn how far it is."""
        self.sent, self.total = count(event.get('sent')), count(event.get('total'))

    def where(self, *, silent: bool) -> str:
        """Say how far it was."""
        comma = ',' if silent else ''
        return f'{comma} after input {self.sent} or a later one' if self.sent else ''


def _run(
    specification: Specification,
    place: Place,
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> ArmRun:
    arm, bag, inputs = place.arm, directory / place.label, specification.inputs
    if not arm.component or not isinstance(inputs, BagInputs):
        return ArmRun(place, bag, problem=f'{arm.what} is no component that a bag can be fed to')
    job = OfflineJob(
        arm,
        inputs,
        specification.outputs,
        specification.warm_up_s,
        bag,
        latencies_file(directory, place),
    )
    course, told = _Course(), 0

    def advance() -> None:
        nonlocal told
        if course.sent != told:
            told = course.sent
            progress.arm_advances(place.label, course.sent, course.total)

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
