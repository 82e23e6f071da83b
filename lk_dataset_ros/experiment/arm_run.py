"""Run one arm: the arm and its runner as processes, in a ROS domain of their own."""

from __future__ import annotations

import json
import math
import selectors
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from lk_dataset_ros.experiment.environment import (
    child_environment,
    find_executable,
    own_domain,
    own_executable,
)
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lk_dataset_ros.experiment.specification import Arm, Specification

#: How long a process may take to end after SIGINT, s.
END_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class ArmRun:
    """What came out of running one arm.

    Attributes:
        arm: The arm.
        bag: Where its outputs are.
        problem: Why it cannot be judged, or empty.
        sent: Inputs sent, by topic.
        received: Outputs recorded, by topic.
        duration_s: From the first input to the last output.
        achieved_rtf: Recorded time per wall time.
        log_tail: Last lines of its log, where there is a problem.
    """

    arm: Arm
    bag: Path
    problem: str = ''
    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    duration_s: float = math.nan
    achieved_rtf: float = math.nan
    log_tail: tuple[str, ...] = ()


def run_arm(
    specification: Specification,
    arm: Arm,
    directory: Path,
    on_progress: Callable[[int, int], None],
    *,
    environment: Mapping[str, str] | None = None,
) -> ArmRun:
    """Start an arm, feed it, record it, end it.

    Args:
        specification: The experiment.
        arm: The arm.
        directory: Folder of the run.
        on_progress: Called with the inputs sent so far and all that will be sent.
        environment: Variables of its processes beside those of this one.

    Returns:
        The outcome; whatever the arm does is a result, never an exception.
    """
    logs = directory / 'logs'
    bag = directory / arm.name
    with own_domain() as domain:
        env = child_environment(domain, logs, more=environment)
        job = _write_job(specification, arm, logs, bag)
        parameters = _write_parameters(
            logs / f'{arm.name}.runner.yaml', {'job': str(job.resolve())}
        )
        runner_command = [*own_executable('arm_runner'), '--ros-args', *parameters]
        with (
            GuardedProcess(_command(arm, logs), env=env, log=logs / f'{arm.name}.log') as process,
            GuardedProcess(
                runner_command, env=env, log=logs / f'{arm.name}.runner.log', piped=True
            ) as runner,
        ):
            course = _Course(on_progress)
            problem = _follow(process, runner, course, specification.limits.run_s)
            runner.end(END_LIMIT_S)
            course.take(runner.output.read())
            process.end(END_LIMIT_S)
            problem = problem or _problem_of_runner(runner, course)
    return ArmRun(
        arm,
        bag,
        problem=problem,
        sent=course.sent,
        received=course.received,
        duration_s=course.done.get('duration_s', math.nan),
        achieved_rtf=course.done.get('achieved_rtf', math.nan),
        log_tail=tuple(process.log_tail()) if problem else (),
    )


class _Course:
    """What a runner has said so far."""

    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self._on_progress = on_progress
        self._rest = b''
        self.done: dict[str, Any] = {}
        self.sent: dict[str, int] = {}
        self.received: dict[str, int] = {}

    def take(self, output: bytes) -> None:
        """Take more of the runner's output."""
        *lines, self._rest = (self._rest + output).split(b'\n')
        for line in lines:
            try:
                event = json.loads(line)
                kind = event['event']
            except (ValueError, TypeError, KeyError):
                continue
            if kind == 'progress':
                self._on_progress(event['sent'], event['total'])
            elif kind in ('done', 'closed'):
                self.sent, self.received = event['sent'], event['received']
                self.done = event if kind == 'done' else self.done


def _follow(
    process: GuardedProcess, runner: GuardedProcess, course: _Course, limit_s: float
) -> str:
    """Follow a run to its end; return what went wrong with the arm, or nothing."""
    deadline_s = time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        selector.register(runner.output, selectors.EVENT_READ)
        while runner.poll() is None:
            if selector.select(timeout=0.05):
                course.take(runner.output.read1(65536))  # type: ignore[attr-defined]
            if course.done:
                return ''
            code = process.poll()
            if code is not None:
                return _say_end(code)
            if time.monotonic() > deadline_s:
                return f'not through after {limit_s:g} s'
    return ''


def _say_end(code: int) -> str:
    if code > 128:
        return f'crashed (signal {code - 128})'
    return f'ended by itself with exit code {code}'


def _problem_of_runner(runner: GuardedProcess, course: _Course) -> str:
    if course.done:
        return ''
    prefix = 'arm_runner: error: '
    for line in reversed(runner.log_tail(50)):
        if line.startswith(prefix):
            return line[len(prefix) :]
    last = runner.log_tail(1) or ['no message']
    return f'its runner failed: {last[0]}'


def _write_job(specification: Specification, arm: Arm, logs: Path, bag: Path) -> Path:
    path = logs / f'{arm.name}.job.json'
    job = {
        'arm': arm.name,
        'bag': str(specification.bag),
        'topics': list(specification.topics),
        'outputs': [
            {'topic': output.topic, 'answers': output.answers} for output in specification.outputs
        ],
        'rtf': specification.rtf,
        'clock_hz': specification.clock_hz,
        'bag_out': str(bag),
        'ready_limit_s': specification.limits.ready_s,
        'answer_limit_s': specification.limits.answer_s,
    }
    path.write_text(json.dumps(job, indent=2))
    return path


def _write_parameters(path: Path, parameters: dict[str, Any]) -> list[str]:
    """Write a parameter file, free of the quoting of a command line; return its arguments."""
    path.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
    return ['--params-file', str(path)]


def _command(arm: Arm, logs: Path) -> list[str]:
    """Return the command line of an arm."""
    parameters = dict(arm.parameters)
    if arm.component:
        command = [*own_executable('component')]
        parameters['component'] = arm.component
        if arm.python_path:
            parameters['python_path'] = list(arm.python_path)
    else:
        executable = find_executable(arm.package, arm.executable)
        assert executable is not None
        command = [executable]
    command += ['--ros-args', '-r', f'__node:={arm.name}']
    if parameters:
        command += _write_parameters(logs / f'{arm.name}.parameters.yaml', parameters)
    for name, topic in arm.remappings.items():
        command += ['-r', f'{name}:={topic}']
    return command
