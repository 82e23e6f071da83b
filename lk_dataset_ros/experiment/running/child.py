"""An arm in a child process without ROS: what it is given, how it is followed, what it says."""

from __future__ import annotations

import json
import math
import os
import selectors
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.experiment.running.arm_run import ArmRun, Cost
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running.arm_run import Place
    from lk_dataset_ros.experiment.running.jobs import ArmJob
    from lk_dataset_ros.experiment.specification import Limits

_ROOT: Final = Path(__file__).parents[3]
#: How long a process may take to end once it has said all, s.
_END_LIMIT_S: Final = 5.0
#: Most that a process may say in a line, bytes, and in an outcome, names.
_MAX_LINE: Final = 1024 * 1024
_MAX_OUTCOMES: Final = 100


class Course(ABC):
    """What a process has said so far.

    Attributes:
        ready_s: When it was ready, s after its start.
        heard_s: When it was last heard of, s after its start.
        end: Its last event.
    """

    def __init__(self) -> None:
        self.ready_s = math.nan
        self.heard_s = 0.0
        self.end: dict[str, Any] = {}
        self._rest = b''

    @abstractmethod
    def advance(self, event: Mapping[str, Any]) -> None:
        """Learn how far it is."""

    @abstractmethod
    def where(self, *, silent: bool) -> str:
        """Say how far it was when it fell silent, or had ended; nothing if that is not known."""

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
                self.heard_s = elapsed_s
                self.advance(event)
            elif kind == 'done':
                self.end = event


def latencies_file(directory: Path, place: Place) -> Path:
    """Return where an arm's process leaves its latencies."""
    return directory / 'logs' / f'{place.label}.latencies.npy'


def run_child(
    module: str,
    job: ArmJob,
    *,
    place: Place,
    directory: Path,
    limits: Limits,
    environment: Mapping[str, str],
    course: Course,
    on_output: Callable[[], None],
) -> ArmRun:
    """Run an arm in a process of its own to its end.

    Args:
        module: What the process runs; it takes the job's file.
        job: What it has to do.
        place: The arm.
        directory: Folder of the run.
        limits: How long it may take.
        environment: Variables of the process beside those of this one.
        course: Learns what it says.
        on_output: Called when it has said something.

    Returns:
        The outcome; whatever the arm does is a result, never an exception.
    """
    logs = directory / 'logs'
    path = logs / f'{place.label}.job.json'
    job.save(path)
    started_s = time.monotonic()
    with GuardedProcess(
        [sys.executable, '-m', module, str(path.resolve())],
        env=environment_of_child(environment),
        log=logs / f'{place.label}.log',
        piped=True,
    ) as process:
        problem = _follow(process, course, started_s, limits, on_output)
        if not problem:
            process.wait(_END_LIMIT_S)
        process.close()
        problem = problem or _problem(process, course)
        tail = tuple(process.log_tail()) if problem else ()
    return _outcome(place, job, problem, course, tail)


def _follow(
    process: GuardedProcess,
    course: Course,
    started_s: float,
    limits: Limits,
    on_output: Callable[[], None],
) -> str:
    """Follow a run to its end; return what went wrong, or nothing."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.output, selectors.EVENT_READ)
        while not course.end:
            is_heard = bool(selector.select(timeout=0.05))
            elapsed_s = time.monotonic() - started_s
            if is_heard:
                output = os.read(process.output.fileno(), 65536)
                if not output:
                    return ''
                course.take(output, elapsed_s)
                on_output()
            # Who could not look for a while reads first what was said in the meantime.
            elif math.isnan(course.ready_s):
                if elapsed_s > limits.ready_s:
                    return f'not ready after {limits.ready_s:g} s'
            elif elapsed_s - course.heard_s > limits.answer_s:
                return f'no answer for {limits.answer_s:g} s{course.where(silent=True)}'
            if elapsed_s > limits.run_s and not course.end:
                return f'not through after {limits.run_s:g} s'
    return ''


def _problem(process: GuardedProcess, course: Course) -> str:
    """Say what went wrong with an arm that has ended."""
    if course.end:
        return str(course.end.get('problem', ''))
    code = process.wait(_END_LIMIT_S) or 0
    where = course.where(silent=False)
    if code > 128:
        return f'crashed (signal {code - 128}){where}'
    return f'ended by itself with exit code {code}{where}'


def _outcome(
    place: Place, job: ArmJob, problem: str, course: Course, tail: tuple[str, ...]
) -> ArmRun:
    end = course.end
    wall_s, span_s = number(end.get('wall_s')), number(end.get('span_s'))
    return ArmRun(
        place,
        job.bag_out,
        problem=problem,
        sent=counts(end.get('sent')),
        hashes=texts(end.get('hashes')),
        received=counts(end.get('received')),
        unanswered=counts(end.get('unanswered')),
        achieved_rtf=span_s / wall_s if wall_s > 0 else math.nan,
        cost=Cost(
            number(end.get('cpu_s')),
            wall_s,
            course.ready_s,
            number(end.get('peak_bytes')),
            read_latencies(job.latencies),
        ),
        outcome={
            str(key): each
            for key, each in list(mapping(end.get('outcome')).items())[:_MAX_OUTCOMES]
            if isinstance(each, (bool, int, float, str))
        },
        log_tail=tail,
    )


def environment_of_child(more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that imports this very package, wherever it lies."""
    # The folder from which `lk` is called is not where its modules are.
    variables = {**os.environ, **more, 'PYTHONSAFEPATH': '1'}
    if not {'site-packages', 'dist-packages'}.intersection(_ROOT.parts):
        folders = [variables.get('PYTHONPATH', ''), str(_ROOT)]
        variables['PYTHONPATH'] = os.pathsep.join(filter(None, folders))
    return variables


def event_of(line: bytes) -> dict[str, Any]:
    """Return what a line says; empty if that is nothing."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return mapping(event)


def read_latencies(path: Path) -> NDArray[np.float64]:
    """Read the latencies, s; none where the arm did not get so far."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.zeros(0)
    is_right = isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype == np.int64
    return found * 1e-9 if is_right else np.zeros(0)


def count(value: Any) -> int:
    """Return a count; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def number(value: Any) -> float:
    """Return a number; NaN for what is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


def counts(value: Any) -> dict[str, int]:
    """Return counts by name."""
    return {str(key): count(each) for key, each in mapping(value).items()}


def texts(value: Any) -> dict[str, str]:
    """Return texts by name."""
    return {str(key): str(each) for key, each in mapping(value).items()}


def mapping(value: Any) -> dict[Any, Any]:
    """Return a mapping; empty for what is none."""
    return value if isinstance(value, dict) else {}
