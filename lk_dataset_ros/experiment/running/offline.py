"""Run arms without ROS: each a component in a process of its own, as fast as it computes."""

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
    number,
    read_latencies,
    texts,
)
from lk_dataset_ros.experiment.running.offline_job import OfflineJob
from lk_dataset_ros.experiment.specification.parts import BagInputs
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress
    from lk_dataset_ros.experiment.specification import Limits, Specification

_ROOT: Final = Path(__file__).parents[3]
_MODULE: Final = 'lk_dataset_ros.experiment.running.offline_arm'
#: How long a process may take to end once it has said all, s.
_END_LIMIT_S: Final = 5.0
_MAX_LINE: Final = 1024 * 1024


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


@dataclass(slots=True)
class _Course:
    """What a process has said so far.

    Attributes:
        ready_s: When it was ready, s after its start.
        sent: Inputs so far.
        total: All inputs; 0 before they are counted.
        end: Its last event.
        heard_s: When it was last heard of, s after its start.
    """

    ready_s: float = math.nan
    sent: int = 0
    total: int = 0
    end: dict[str, Any] = field(default_factory=dict)
    heard_s: float = 0.0
    _rest: bytes = b''

    def take(self, output: bytes, elapsed_s: float) -> bool:
        """Take more of its output; tell whether it has advanced."""
        *lines, self._rest = (self._rest + output).split(b'\n')
        before = self.sent
        if len(self._rest) > _MAX_LINE:
            self._rest = b''
        for line in lines:
            event = event_of(line)
            kind = event.get('event')
            self.heard_s = elapsed_s
            if kind == 'ready':
                self.ready_s = elapsed_s
            elif kind == 'progress':
                self.sent, self.total = count(event.get('sent')), count(event.get('total'))
            elif kind == 'done':
                self.end = event
        return self.sent != before


def _run(
    specification: Specification,
    place: Place,
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> ArmRun:
    arm, logs, bag = place.arm, directory / 'logs', directory / place.label
    if not arm.component or not isinstance(specification.inputs, BagInputs):
        return ArmRun(place, bag, problem=f'{arm.what} is no component that a bag can be fed to')
    latencies = logs / f'{place.label}.latencies.npy'
    job = OfflineJob(
        arm, specification.inputs, specification.outputs, specification.warm_up_s, bag, latencies
    )
    path = logs / f'{place.label}.job.json'
    job.save(path)
    limits = specification.limits
    started_s = time.monotonic()
    course = _Course()
    with GuardedProcess(
        [sys.executable, '-m', _MODULE, str(path.resolve())],
        env=environment_of_child(environment),
        log=logs / f'{place.label}.log',
        piped=True,
    ) as process:
        problem = _follow(process, course, started_s, limits, (place.label, progress))
        if not problem:
            process.wait(_END_LIMIT_S)
        process.close()
        problem = problem or _problem(process, course)
        tail = tuple(process.log_tail()) if problem else ()
    return _outcome(place, bag, problem, course, read_latencies(latencies), tail)


def _follow(
    process: GuardedProcess,
    course: _Course,
    started_s: float,
    limits: Limits,
    watched: tuple[str, Progress],
) -> str:
    """Follow a run to its end; return what went wrong, or nothing."""
    label, progress = watched
    with selectors.DefaultSelector() as selector:
        selector.register(process.output, selectors.EVENT_READ)
        while not course.end:
            elapsed_s = time.monotonic() - started_s
            if math.isnan(course.ready_s):
                if elapsed_s > limits.ready_s:
                    return f'not ready after {limits.ready_s:g} s'
            elif elapsed_s - course.heard_s > limits.answer_s:
                where = f', after input {course.sent} or a later one' if course.sent else ''
                return f'no answer for {limits.answer_s:g} s{where}'
            if elapsed_s > limits.run_s:
                return f'not through after {limits.run_s:g} s'
            if selector.select(timeout=0.05):
                output = os.read(process.output.fileno(), 65536)
                if not output:
                    return ''
                if course.take(output, time.monotonic() - started_s):
                    progress.arm_advances(label, course.sent, course.total)
    return ''


def _problem(process: GuardedProcess, course: _Course) -> str:
    """Say what went wrong with an arm that has ended."""
    if course.end:
        return str(course.end.get('problem', ''))
    code = process.wait(_END_LIMIT_S) or 0
    # It tells how far it is now and then only.
    when = f' after input {course.sent} or a later one' if course.sent else ''
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
    cost = Cost(
        number(end.get('cpu_s')),
        wall_s,
        course.ready_s,
        number(end.get('peak_bytes')),
        latencies,
    )
    return ArmRun(
        place,
        bag,
        problem=problem,
        sent=counts(end.get('sent')),
        hashes=texts(end.get('hashes')),
        received=counts(end.get('received')),
        unanswered=counts(end.get('unanswered')),
        achieved_rtf=span_s / wall_s if wall_s > 0 else math.nan,
        cost=cost,
        log_tail=tail,
    )
