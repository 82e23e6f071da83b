"""A live runner's process, and the arms beside it, followed to their end."""

from __future__ import annotations

import contextlib
import json
import math
import selectors
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.experiment.environment import own_executable
from lk_dataset_ros.experiment.running.arm_run import ArmRun, Cost
from lk_dataset_ros.experiment.running.commands import parameter_file
from lk_dataset_ros.process import GuardedProcess
from lk_dataset_ros.process.usage import Usage, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.experiment.running.arm_run import Place, Progress

#: How long a process may take to end after SIGINT, s.
END_LIMIT_S = 5.0
#: Longest line of a runner that is looked at, bytes.
LONGEST_LINE = 16 * 1024 * 1024
_PREFIX = 'live_runner: error: '


@dataclass(slots=True)
class LiveProcess:
    """An arm of a live run.

    Attributes:
        place: The arm.
        bag: Where its outputs go.
        gone: File that tells the runner that its process has ended.
        process: Its process; None for one that runs already, or has not been started.
        problem: Why it cannot be judged, or empty.
    """

    place: Place
    bag: Path
    gone: Path
    process: GuardedProcess | None = None
    problem: str = ''
    started_s: float = math.nan
    start_up_s: float = math.nan
    begin: Usage = field(default_factory=Usage)
    end: Usage = field(default_factory=Usage)

    def leave(self, why: str) -> None:
        """End it at once: it is out of the run."""
        self.problem = self.problem or why
        if self.process is not None:
            self.process.signal('KILL')
            self.process.close()
        self.gone.touch()

    def look(self) -> None:
        """Notice that it has ended by itself."""
        code = self.process.poll() if self.process is not None else None
        if code is not None and not self.gone.exists():
            self.leave(say_end(code))

    def measure(self) -> Usage:
        """Return what its processes have used so far."""
        if self.process is None:
            return Usage()
        return usage_of(self.process.pid)


class LiveCourse:
    """Follows a runner.

    Args:
        arms: The arms.
        progress: Is told how it goes.
        duration_s: How long it records, s.
    """

    def __init__(self, arms: list[LiveProcess], progress: Progress, duration_s: float) -> None:
        self._arms = arms
        self._progress = progress
        self._duration_s = duration_s
        self._rest = b''
        self._done: dict[str, Any] = {}
        self.problem = ''
        self.is_done = False
        self.closed: dict[str, Any] = {}
        #: What is to be done at an event, by its name.
        self.on: dict[str, Callable[[], None]] = {}

    def follow(self, runner: GuardedProcess, limit_s: float, watch: Callable[[], str]) -> None:
        """Follow a runner until it is done; a SIGINT ends it with what there is.

        Args:
            runner: Its process.
            limit_s: Until it has to be done, s.
            watch: Returns what ends the run (a world that has ended), or nothing.
        """
        try:
            self._follow(runner, limit_s, watch)
        except KeyboardInterrupt:
            self._progress.warn('interrupted: judged by what was recorded until then')
        for arm in self._arms:
            arm.end = arm.measure()

    def _follow(self, runner: GuardedProcess, limit_s: float, watch: Callable[[], str]) -> None:
        deadline_s = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(runner.output, selectors.EVENT_READ)
            while runner.poll() is None and not self.is_done:
                if selector.select(timeout=0.05):
                    self.take(runner.output.read1(65536))  # type: ignore[attr-defined]
                for arm in self._arms:
                    arm.look()
                self.problem = self.problem or watch()
                if self.problem:
                    return
                if time.monotonic() > deadline_s:
                    self.problem = f'not through after {limit_s:g} s'
                    return

    def _why_it_ended(self) -> str:
        failed = next((arm for arm in self._arms if arm.problem), None)
        if failed is None:
            return 'its runner ended without a message'
        return f'not judged, since {failed.place.label} failed'

    def finish(self, runner: GuardedProcess) -> None:
        """End a runner, and read what it says at its end."""
        runner.end(END_LIMIT_S)
        self.take(runner.output.read())
        if not self.closed and not self.problem:
            self.problem = _said_by(runner) or self._why_it_ended()

    def take(self, output: bytes) -> None:
        """Take more of the runner's output."""
        *lines, self._rest = (self._rest + output).split(b'\n')
        self._rest = self._rest[-LONGEST_LINE:]
        for line in lines:
            # Whatever else it prints is none of it.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                event = json.loads(line)
                self._take(event['event'], event)

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        if kind == 'arm_ready':
            arm = self._arm(event['label'])
            arm.start_up_s = time.monotonic() - arm.started_s
            self._warn_of_calls(event)
        elif kind == 'failed':
            self._arm(event['label']).leave(event['why'])
        elif kind == 'started':
            for arm in self._arms:
                arm.begin = arm.measure()
        elif kind == 'progress':
            for arm in self._arms:
                sent, total = round(1000 * event['done_s']), round(1000 * self._duration_s)
                self._progress.arm_advances(arm.place.label, min(sent, total), total)
        elif kind == 'closed':
            self.closed = event
        self.is_done = self.is_done or kind == 'done'
        if kind in self.on:
            self.on.pop(kind)()

    def _warn_of_calls(self, event: dict[str, Any]) -> None:
        if event['calls']:
            shown = ', '.join(event['calls'][:5])
            self._progress.warn(
                f'{event["label"]} may call services of the running graph: {shown}'
            )

    def _arm(self, label: str) -> LiveProcess:
        return next(arm for arm in self._arms if arm.place.label == label)

    def run_of(self, arm: LiveProcess, *, in_world: bool = False) -> ArmRun:
        """Return what came of an arm."""
        problem = arm.problem or self.problem
        first = self._arms[0]
        if not problem and first is not arm and first.problem:
            problem = f'not judged, since {first.place.label} failed'
        found = self.closed.get('arms', {}).get(arm.place.label)
        if found is None:
            problem = problem or 'nothing of it was recorded'
            return ArmRun(arm.place, arm.bag, problem=problem, log_tail=_tail(arm))
        inputs = self.closed['inputs']
        lost = {**inputs['lost'], **found['lost']}
        doubtful = [*([] if in_world else inputs['best_effort']), *lost]
        wall_s = float(self.closed['duration_s'])
        return ArmRun(
            arm.place,
            arm.bag,
            problem=problem,
            sent=inputs['sent'],
            hashes={} if in_world else inputs['hashes'],
            unconfirmed=tuple(dict.fromkeys(doubtful)),
            received=found['received'],
            unanswered=found['unanswered'],
            achieved_rtf=self.closed['elapsed_s'] / wall_s if wall_s > 0 else math.nan,
            cost=Cost(
                cpu_s=arm.end.cpu_s - arm.begin.cpu_s,
                wall_s=wall_s,
                start_up_s=arm.start_up_s,
                peak_bytes=arm.end.peak_bytes,
                latencies_s=_load(found['latencies']),
            ),
            outcome=self.closed['outcome'] if in_world else {},
            log_tail=_tail(arm) if problem else (),
        )


def start_runner(
    job: Mapping[str, Any], name: str, logs: Path, environment: Mapping[str, str]
) -> GuardedProcess:
    """Start a live runner.

    Args:
        job: What it does: `ros.live.job.LiveJob`.
        name: Names its files.
        logs: Folder for them.
        environment: Its environment.
    """
    path = (logs / f'{name}.job.json').resolve()
    path.write_text(json.dumps(job, indent=2))
    parameters = parameter_file(logs / f'{name}.runner.yaml', {'job': str(path)})
    command = [*own_executable('live_runner'), '--ros-args', *parameters]
    log = logs / f'{name}.runner.log'
    return GuardedProcess(command, env=environment, log=log, piped=True)


def say_end(code: int) -> str:
    """Say how a process has ended."""
    if code > 128:
        return f'crashed (signal {code - 128})'
    return f'ended by itself with exit code {code}'


def _said_by(runner: GuardedProcess) -> str:
    for line in reversed(runner.log_tail(50)):
        if line.startswith(_PREFIX):
            return line.removeprefix(_PREFIX)
    last = runner.log_tail(1)
    return f'its runner failed: {last[0]}' if last else ''


def _tail(arm: LiveProcess) -> tuple[str, ...]:
    return tuple(arm.process.log_tail()) if arm.process is not None else ()


def _load(path: str) -> NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float64).reshape(-1)
    except (OSError, ValueError):
        return np.zeros(0)
