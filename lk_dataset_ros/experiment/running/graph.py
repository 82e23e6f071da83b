"""Run arms as ROS processes, each in a domain of its own: in lockstep or at real-time factors."""

from __future__ import annotations

import contextlib
import json
import math
import selectors
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.errors import LkError
from lk_dataset_ros.experiment.environment import child_environment, own_domain, own_executable
from lk_dataset_ros.experiment.running.arm_run import ArmRun
from lk_dataset_ros.experiment.running.commands import command_of
from lk_dataset_ros.experiment.running.graph_course import Course, remarks_on, run_of
from lk_dataset_ros.experiment.specification import BagInputs, Mode, WorldInputs
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress
    from lk_dataset_ros.experiment.specification import Specification

#: How long the runner may take to end after SIGINT, s: it ends the arms before.
END_LIMIT_S: Final = 12.0
#: Last lines of a log that are kept.
_TAIL: Final = 12
_ERROR: Final = 'arm_runner: error: '


def run_on_graph(
    specification: Specification,
    places: Sequence[Place],
    directory: Path,
    progress: Progress,
    *,
    environment: Mapping[str, str],
) -> list[ArmRun]:
    """Run some arms beside each other.

    One process feeds and records all of them; each arm has a ROS domain of its own, so that
    unmodified nodes neither see each other nor need other topic names.

    Args:
        specification: The experiment.
        places: The arms of this round.
        directory: Folder of the run.
        progress: Is told how it goes.
        environment: Variables of the processes beside those of this one.

    Returns:
        What came out, in the order of the places; whatever an arm does is a result.
    """
    logs = directory / 'logs'
    for place in places:
        progress.arm_starts(place.label)
    with contextlib.ExitStack() as stack:
        domains = [stack.enter_context(own_domain()) for _ in places]
        label = places[0].label if len(places) == 1 else f'round_{places[0].label}'
        path = logs / f'{label}.job.json'
        job = _job(specification, places, directory, domains)
        path.write_text(json.dumps(job, indent=2))
        course = Course([place.label for place in places], progress)
        runner = stack.enter_context(
            GuardedProcess(
                [*own_executable('arm_runner'), str(path.resolve())],
                env=child_environment(domains[0], logs, more=environment),
                log=logs / f'{label}.runner.log',
                piped=True,
            )
        )
        problem = _follow(runner, course, specification.limits.run_s)
    runs = [
        _outcome(specification, place, directory, course, problem or _failure(runner))
        for place in places
    ]
    for run in runs:
        event = course.arms.get(run.place.label, {})
        for remark in remarks_on(run.place.label, event, specification.limits.answer_s):
            progress.warn(remark)
        progress.arm_ends(run)
    return runs


def _follow(runner: GuardedProcess, course: Course, limit_s: float) -> str:
    """Follow a runner to its end; return why it was stopped, or nothing."""
    deadline_s = time.monotonic() + limit_s
    problem = ''
    with selectors.DefaultSelector() as selector:
        selector.register(runner.output, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.1):
                found = runner.output.read1(65536)  # type: ignore[attr-defined]
                if not found:
                    break
                course.take(found)
            if time.monotonic() <= deadline_s:
                continue
            if problem:
                break
            problem = f'not through after {limit_s:g} s'
            runner.signal('INT')
            deadline_s = time.monotonic() + END_LIMIT_S
    runner.wait(END_LIMIT_S)
    return problem


def _failure(runner: GuardedProcess) -> str:
    """Say why the runner has said nothing of an arm."""
    for line in reversed(runner.log_tail(50)):
        if line.startswith(_ERROR):
            return line[len(_ERROR) :]
    code = runner.poll()
    if code is not None and code > 128:
        return f'its runner was killed (signal {code - 128})'
    last = runner.log_tail(1) or ['no message']
    return f'its runner failed: {last[0]}'


def _outcome(
    specification: Specification, place: Place, directory: Path, course: Course, failure: str
) -> ArmRun:
    logs, bag = directory / 'logs', directory / place.label
    event = course.arms.get(place.label)
    run = ArmRun(place, bag, failure) if event is None else run_of(place, bag, event, logs)
    if run.problem and failure.startswith('not through'):
        run = replace(run, problem=failure)
    declared = {each.topic: 0 for each in specification.outputs}
    run = replace(run, received={**declared, **run.received})
    return replace(run, log_tail=_tail(logs / f'{place.label}.log')) if run.problem else run


def _tail(log: Path) -> tuple[str, ...]:
    with contextlib.suppress(OSError):
        return tuple(log.read_text(errors='replace').splitlines()[-_TAIL:])
    return ()


def _job(
    specification: Specification, places: Sequence[Place], directory: Path, domains: list[int]
) -> dict[str, Any]:
    inputs, limits = specification.inputs, specification.limits
    logs = (directory / 'logs').resolve()
    if not isinstance(inputs, (BagInputs, WorldInputs)):
        raise LkError('live inputs are not fed to arms; they are run in mode live')
    is_paced = specification.mode != Mode.LOCKSTEP
    rtf = specification.rtf if is_paced else 0.0
    if specification.mode == Mode.REALTIME:
        rtf = rtf or 1.0
    return {
        'arms': [
            {
                'label': place.label,
                'command': command_of(place, logs),
                'directory': place.arm.directory,
                'domain': domain,
                'log': str(logs / f'{place.label}.log'),
                'bag': str((directory / place.label).resolve()),
            }
            for place, domain in zip(places, domains, strict=True)
        ],
        'outputs': [
            {
                'topic': each.topic,
                'answers': each.answers,
                'least': each.least,
                'most': each.most,
            }
            for each in specification.outputs
        ],
        'topics': list(inputs.topics),
        **_source(inputs),
        'rtf': rtf,
        'clock_hz': specification.clock_hz,
        'warm_up_s': specification.warm_up_s,
        'ready_s': limits.ready_s,
        'answer_s': limits.answer_s,
        'silence_s': limits.silence_s,
        'patience_s': limits.run_s / (2 * len(places)),
    }


def _source(inputs: BagInputs | WorldInputs) -> dict[str, Any]:
    if isinstance(inputs, WorldInputs):
        world = {
            'name': inputs.world,
            'seed': inputs.seed,
            'duration_s': inputs.duration_s,
            'parameters': dict(inputs.parameters),
            'python_path': list(inputs.python_path),
        }
        return {'bag': '', 'start_s': 0.0, 'duration_s': 0.0, 'world': world}
    return {
        'bag': str(inputs.bag),
        'start_s': inputs.start_s,
        'duration_s': inputs.duration_s if math.isfinite(inputs.duration_s) else 0.0,
        'world': None,
    }
