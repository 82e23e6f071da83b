"""Run arms beside each other on a running graph, the compiled ones shadowed."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.experiment.running.live_arms import (
    live_environment,
    prefix_of,
    shadow_rules,
    shadowed_command,
)
from lk_dataset_ros.experiment.running.live_course import (
    END_LIMIT_S,
    LiveCourse,
    LiveProcess,
    start_runner,
)
from lk_dataset_ros.experiment.specification import WorldInputs
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import ArmRun, Place, Progress
    from lk_dataset_ros.experiment.specification import Specification


def run_live(
    specification: Specification,
    places: Sequence[Place],
    directory: Path,
    progress: Progress,
    *,
    environment: Mapping[str, str],
) -> list[ArmRun]:
    """Run places on the graph of the caller, or in a world that others simulate.

    The inputs of a graph are recorded once, in `directory / 'inputs'`. SIGINT ends a run early,
    with what there is.

    Args:
        specification: The experiment.
        places: Arms beside each other; one, in a world.
        directory: Folder of the run.
        progress: Is told how it goes.
        environment: Variables of the processes beside those of this one.
    """
    if isinstance(specification.inputs, WorldInputs):
        from lk_dataset_ros.experiment.running.external_world import (  # noqa: PLC0415
            run_in_external_world,
        )

        return [
            run_in_external_world(
                specification, place, directory, progress, environment=environment
            )
            for place in places
        ]
    for place in places:
        progress.arm_starts(place.label)
    runs = _run(specification, places, directory, progress, environment)
    for run in runs:
        progress.arm_ends(run)
    return runs


def _run(
    specification: Specification,
    places: Sequence[Place],
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> list[ArmRun]:
    logs = directory / 'logs'
    env = live_environment(logs, environment)
    arms = [
        LiveProcess(place, directory / place.label, (logs / f'{place.label}.gone').resolve())
        for place in places
    ]
    name = 'live' if len(places) > 1 else f'live_{places[0].label}'
    inputs_bag = directory / ('inputs' if name == 'live' else f'inputs_{places[0].label}')
    inputs = specification.inputs
    course = LiveCourse(arms, progress, inputs.duration_s)
    job = live_job(specification, arms, inputs_bag)
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(start_runner(job, name, logs, env))
        for arm in arms:
            _start(arm, specification, logs, env, stack)
        course.follow(runner, specification.limits.run_s + inputs.duration_s, lambda: '')
        course.finish(runner)
        for arm in arms:
            if arm.process is not None:
                arm.process.signal('INT')
        for arm in arms:
            if arm.process is not None:
                arm.process.end(END_LIMIT_S)
    return [course.run_of(arm) for arm in arms]


def _start(
    arm: LiveProcess,
    specification: Specification,
    logs: Path,
    env: Mapping[str, str],
    stack: contextlib.ExitStack,
) -> None:
    """Start an arm that does not run already; what hinders it is its problem."""
    place = arm.place
    arm.started_s = time.monotonic()
    if place.arm.is_running:
        return
    outputs = [output.topic for output in specification.outputs]
    prefix = prefix_of(place, specification)
    rules = (
        shadow_rules(place.arm, prefix, specification.inputs.topics, outputs)
        if prefix
        else list(place.arm.remappings.items())
    )
    try:
        command = shadowed_command(place, logs, rules)
    except LkError as error:
        arm.leave(str(error))
        return
    arm.process = stack.enter_context(
        GuardedProcess(
            command,
            env=env,
            log=logs / f'{place.label}.log',
            directory=place.arm.directory if place.arm.command else '',
        )
    )


def live_job(
    specification: Specification,
    arms: Sequence[LiveProcess],
    inputs_bag: Path | None,
    **more: Any,
) -> dict[str, Any]:
    """Return what a live runner is to do: `ros.live.job.LiveJob`.

    Args:
        specification: The experiment.
        arms: The arms.
        inputs_bag: Where the inputs go; None: to the outputs, in a world.
        more: Other fields than in a live run.
    """
    limits, in_world = specification.limits, inputs_bag is None
    return {
        'arms': [
            {
                'label': arm.place.label,
                'bag': str(arm.bag.resolve()),
                'prefix': '' if in_world else prefix_of(arm.place, specification),
                'is_running': arm.place.arm.is_running,
                'gone': str(arm.gone),
            }
            for arm in arms
        ],
        'topics': list(specification.inputs.topics),
        'outputs': [dataclasses.asdict(output) for output in specification.outputs],
        'inputs_bag': '' if inputs_bag is None else str(inputs_bag.resolve()),
        'duration_s': specification.inputs.duration_s,
        'is_simulated': in_world
        or any(arm.place.arm.parameters.get('use_sim_time') is True for arm in arms),
        'ready_limit_s': limits.ready_s,
        'answer_limit_s': limits.answer_s,
        'silence_s': limits.silence_s,
        'warm_up_s': specification.warm_up_s,
        'is_world': in_world,
        **more,
    }
