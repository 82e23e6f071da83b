"""Run arms in a simulated world without ROS: component and world in one process, closed loop."""

from __future__ import annotations

import math
import os
import selectors
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.experiment.running.arm_run import ArmRun, Cost
from lk_dataset_ros.experiment.running.child import (
    count,
    counts,
    environment_of_child,
    event_of,
    mapping,
    number,
    read_latencies,
)
from lk_dataset_ros.experiment.running.world_job import WorldJob
from lk_dataset_ros.experiment.specification.parts import WorldInputs
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress
    from lk_dataset_ros.experiment.specification import Limits, Specification

_ROOT: Final = Path(__file__).parents[3]
_MODULE: Final = 'lk_dataset_ros.experiment.running.world_arm'
#: How long a process may take to end once it has said all, s.
_END_LIMIT_S: Final = 5.0
#: Most that a process may say in a line, bytes, and in an outcome, names.
_MAX_LINE: Final = 1024 * 1024
_MAX_OUTCOMES: Final = 100


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


@dataclass(slots=True)
class _Course:
    """What a process has said so far.

    Attributes:
        ready_s: When it was ready, s after its start.
        time_ns: Simulated time so far.
        end: Its last event.
        heard_s: When it was last heard of, s after its start.
    """

    ready_s: float = math.nan
    time_ns: int = 0
    end: dict[str, Any] = field(default_factory=dict)
    heard_s: float = 0.0
    _rest: bytes = b''

    def take(self, output: bytes, elapsed_s: float) -> None:
        """Take more of its output."""
        *lines, self._rest = (self._rest + output).split(b'\n')
        if len(self._rest) > _MAX_LINE:
            self._rest = b''
        for line in lines:
            event = event_of(line)
            kind = event.get('event')
            if kind == 'ready':
                self.ready_s = self.heard_s = elapsed_s
            elif kind == 'progress':
                self.time_ns, self.heard_s = count(event.get('time_ns')), elapsed_s
            elif kind == 'done':
                self.end = event


def _run(
    specification: Specification,
    place: Place,
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> ArmRun:
    arm, logs, bag = place.arm, directory / 'logs', directory / place.label
    inputs = specification.inputs
    if not arm.component or not isinstance(inputs, WorldInputs):
        return ArmRun(place, bag, problem=f'{arm.what} is no component that can act in a world')
    latencies = logs / f'{place.label}.latencies.npy'
    path = logs / f'{place.label}.job.json'
    WorldJob(arm, inputs, specification.outputs, specification.warm_up_s, bag, latencies).save(
        path
    )
    course = _Course()
    with GuardedProcess(
        [sys.executable, '-m', _MODULE, str(path.resolve())],
        env=environment_of_child(environment),
        log=logs / f'{place.label}.log',
        piped=True,
    ) as process:
        total_ms = round(inputs.duration_s * 1e3)

        def advance() -> None:
            progress.arm_advances(
                place.label, min(course.time_ns // 1_000_000, total_ms), total_ms
            )

        problem = _follow(process, course, specification.limits, advance)
        if not problem:
            process.wait(_END_LIMIT_S)
        process.close()
        problem = problem or _problem(process, course)
        tail = tuple(process.log_tail()) if problem else ()
    return _outcome(place, bag, problem, course, read_latencies(latencies), tail)


def _follow(process: GuardedProcess, course: _Course, limits: Limits, advance: Any) -> str:
    """Follow a run to its end; return what went wrong, or nothing."""
    started_s = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.output, selectors.EVENT_READ)
        while not course.end:
            if selector.select(timeout=0.05):
                output = os.read(process.output.fileno(), 65536)
                if not output:
                    return ''
                course.take(output, time.monotonic() - started_s)
                advance()
                continue
            elapsed_s = time.monotonic() - started_s
            if math.isnan(course.ready_s):
                if elapsed_s > limits.ready_s:
                    return f'not ready after {limits.ready_s:g} s'
            elif elapsed_s - course.heard_s > limits.answer_s:
                return (
                    f'no answer for {limits.answer_s:g} s, at {course.time_ns / 1e9:g} s of '
                    'simulated time or shortly after'
                )
            if elapsed_s > limits.run_s:
                return f'not through after {limits.run_s:g} s'
    return ''


def _problem(process: GuardedProcess, course: _Course) -> str:
    """Say what went wrong with an arm that has ended."""
    if course.end:
        return str(course.end.get('problem', ''))
    code = process.wait(_END_LIMIT_S) or 0
    when = f', after {course.time_ns / 1e9:g} s of simulated time' if course.time_ns else ''
    if code > 128:
        return f'crashed (signal {code - 128}){when}'
    return f'ended by itself with exit code {code}{when}'


def _outcome(
    place: Place,
    bag: Path,
    problem: str,
    course: _Course,
    latencies: NDArray[np.float64],
    tail: tuple[str, ...],
) -> ArmRun:
    end = course.end
    wall_s, span_s = number(end.get('wall_s')), number(end.get('span_s'))
    return ArmRun(
        place,
        bag,
        problem=problem,
        sent=counts(end.get('sent')),
        hashes={key: str(each) for key, each in mapping(end.get('hashes')).items()},
        received=counts(end.get('received')),
        unanswered=counts(end.get('unanswered')),
        achieved_rtf=span_s / wall_s if wall_s > 0 else math.nan,
        cost=Cost(
            number(end.get('cpu_s')),
            wall_s,
            course.ready_s,
            number(end.get('peak_bytes')),
            latencies,
        ),
        outcome={
            key: each
            for key, each in list(mapping(end.get('outcome')).items())[:_MAX_OUTCOMES]
            if isinstance(each, (bool, int, float, str))
        },
        log_tail=tail,
    )
