"""Run arms without ROS: each a component in a process of its own, as fast as it computes."""

from __future__ import annotations

import json
import math
import os
import selectors
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.experiment.running.arm_run import ArmRun, Cost
from lk_dataset_ros.experiment.running.offline_job import OfflineJob
from lk_dataset_ros.experiment.specification.parts import BagInputs
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress
    from lk_dataset_ros.experiment.specification import Specification

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
    """

    ready_s: float = math.nan
    sent: int = 0
    total: int = 0
    end: dict[str, Any] = field(default_factory=dict)
    _rest: bytes = b''

    def take(self, output: bytes, elapsed_s: float) -> bool:
        """Take more of its output; tell whether it has advanced."""
        *lines, self._rest = (self._rest + output).split(b'\n')
        before = self.sent
        if len(self._rest) > _MAX_LINE:
            self._rest = b''
        for line in lines:
            event = _event(line)
            kind = event.get('event')
            if kind == 'ready':
                self.ready_s = elapsed_s
            elif kind == 'progress':
                self.sent, self.total = _count(event.get('sent')), _count(event.get('total'))
            elif kind == 'done':
                self.end = event
        return self.sent != before


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


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
        env=_environment(environment),
        log=logs / f'{place.label}.log',
        piped=True,
    ) as process:
        problem = _follow(
            process, course, started_s, limits.ready_s, limits.run_s, (place.label, progress)
        )
        if not problem:
            process.wait(_END_LIMIT_S)
        process.close()
        problem = problem or _problem(process, course)
        tail = tuple(process.log_tail()) if problem else ()
    return _outcome(place, bag, problem, course, _latencies(latencies), tail)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that imports this very package, wherever it lies."""
    # The folder from which `lk` is called is not where its modules are.
    variables = {**os.environ, **more, 'PYTHONSAFEPATH': '1'}
    if not {'site-packages', 'dist-packages'}.intersection(_ROOT.parts):
        folders = [variables.get('PYTHONPATH', ''), str(_ROOT)]
        variables['PYTHONPATH'] = os.pathsep.join(filter(None, folders))
    return variables


def _follow(
    process: GuardedProcess,
    course: _Course,
    started_s: float,
    ready_limit_s: float,
    run_limit_s: float,
    watched: tuple[str, Progress],
) -> str:
    """Follow a run to its end; return what went wrong, or nothing."""
    label, progress = watched
    with selectors.DefaultSelector() as selector:
        selector.register(process.output, selectors.EVENT_READ)
        while not course.end:
            elapsed_s = time.monotonic() - started_s
            if math.isnan(course.ready_s) and elapsed_s > ready_limit_s:
                return f'not ready after {ready_limit_s:g} s'
            if elapsed_s > run_limit_s:
                return f'not through after {run_limit_s:g} s'
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
    when = f' after {course.sent} inputs' if course.sent else ''
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
    wall_s, span_s = _number(end.get('wall_s')), _number(end.get('span_s'))
    cost = Cost(
        _number(end.get('cpu_s')),
        wall_s,
        course.ready_s,
        _number(end.get('peak_bytes')),
        latencies,
    )
    return ArmRun(
        place,
        bag,
        problem=problem,
        sent=_counts(end.get('sent')),
        hashes=_texts(end.get('hashes')),
        received=_counts(end.get('received')),
        unanswered=_counts(end.get('unanswered')),
        achieved_rtf=span_s / wall_s if wall_s > 0 else math.nan,
        cost=cost,
        log_tail=tail,
    )


def _latencies(path: Path) -> NDArray[np.float64]:
    """Read the latencies, s; none where the arm did not get so far."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.zeros(0)
    is_right = isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype == np.int64
    return found * 1e-9 if is_right else np.zeros(0)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _number(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


def _counts(value: Any) -> dict[str, int]:
    return {str(key): _count(each) for key, each in _mapping(value).items()}


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(each) for key, each in _mapping(value).items()}


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
