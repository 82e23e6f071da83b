"""Run one arm in a world that processes of its own simulate, such as Gazebo: closed loop."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.yaml_text import load_yaml
from lk_dataset_ros.errors import ArmError, LkError
from lk_dataset_ros.experiment.environment import child_environment, own_domain
from lk_dataset_ros.experiment.running.commands import command_of
from lk_dataset_ros.experiment.running.live import live_job
from lk_dataset_ros.experiment.running.live_arms import live_environment
from lk_dataset_ros.experiment.running.live_course import (
    END_LIMIT_S,
    LiveCourse,
    LiveProcess,
    say_end,
    start_runner,
)
from lk_dataset_ros.process import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lk_dataset_ros.experiment.running.arm_run import ArmRun, Place, Progress
    from lk_dataset_ros.experiment.specification import Specification, WorldInputs

RESTART = 'restart'
#: How long a simulator may take to tell its version, s, and how much of it is kept.
_VERSION_LIMIT_S = 30.0
_VERSION_LENGTH = 1000
WORLD_FILE = 'world.json'


@dataclasses.dataclass(frozen=True, slots=True)
class ResetService:
    """A service that resets a world, and what it is asked.

    Attributes:
        service: Its name.
        kind: Its type.
        requests: All but the last are sent before the arm is started, the last when it is ready.
    """

    service: str
    kind: str
    requests: tuple[dict[str, Any], ...]

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> ResetService:
        """Read `name type request`: the request as YAML, a list of them for several.

        Args:
            text: What is read.
            seed: What `{seed}` in it becomes.

        Raises:
            ArmError: If it is none.
        """
        name, _, rest = text.strip().replace('{seed}', str(seed)).partition(' ')
        kind, _, request = rest.strip().partition(' ')
        wanted = (
            'has to be restart, or a service: name, type and request as YAML, such as '
            '/world/default/control ros_gz_interfaces/srv/ControlWorld '
            '{world_control: {reset: {all: true}}}'
        )
        if not name.startswith('/') or kind.count('/') not in (1, 2):
            raise ArmError(f'reset is {text!r}; it {wanted}')
        try:
            found = load_yaml(request) if request.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ArmError(f'reset: {request!r} is no YAML: {error}') from error
        except Exception as error:
            reason = ' '.join(str(error).split())
            raise ArmError(f'reset: {request!r} is no YAML: {reason}') from error
        requests = found if isinstance(found, list) else [found]
        if not requests or not all(isinstance(each, dict) for each in requests):
            raise ArmError(f'reset is {text!r}; it {wanted}')
        if kind.count('/') == 1:
            kind = kind.replace('/', '/srv/')
        return cls(name, kind, tuple(requests))


def run_in_external_world(
    specification: Specification,
    place: Place,
    directory: Path,
    progress: Progress,
    *,
    environment: Mapping[str, str],
) -> ArmRun:
    """Run one arm; its bag holds inputs and outputs, at simulated time.

    With `reset: restart` the arm is started first, so that it is there when time begins. With a
    service the world is there first, and is reset when the arm is ready. Which world it was is
    written into `directory / 'world.json'`.

    Args:
        specification: The experiment.
        place: The arm.
        directory: Folder of the run.
        progress: Is told how it goes.
        environment: Variables of the processes beside those of this one.
    """
    progress.arm_starts(place.label)
    logs = directory / 'logs'
    world: WorldInputs = specification.inputs  # type: ignore[assignment]
    arm = LiveProcess(place, directory / place.label, (logs / f'{place.label}.gone').resolve())
    course = LiveCourse([arm], progress, world.duration_s)
    try:
        reset = None if world.reset == RESTART else ResetService.parse(world.reset, world.seed)
        if reset is None and not world.processes:
            raise ArmError('a world that runs already cannot be restarted; give a reset service')
        with _environment(world, logs, environment) as env:
            write_world(world, directory / WORLD_FILE, env)
            _Run(specification, arm, course, logs, env, reset).go()
    except LkError as error:
        course.problem = course.problem or str(error)
    run = course.run_of(arm, in_world=True)
    progress.arm_ends(run)
    return run


class _Run:
    """The processes of one arm and its world."""

    def __init__(
        self,
        specification: Specification,
        arm: LiveProcess,
        course: LiveCourse,
        logs: Path,
        env: Mapping[str, str],
        reset: ResetService | None,
    ) -> None:
        self._specification = specification
        self._inputs: Any = specification.inputs
        self._arm = arm
        self._course = course
        self._logs = logs
        self._env = env
        self._reset = reset
        self._stack = contextlib.ExitStack()
        self._world: list[GuardedProcess] = []

    def go(self) -> None:
        """Start all, follow the course, end all."""
        label = self._arm.place.label
        job = live_job(self._specification, [self._arm], None, reset=self._reset_job())
        limit_s = self._specification.limits.run_s
        with self._stack:
            runner = self._stack.enter_context(start_runner(job, label, self._logs, self._env))
            if self._reset is None:
                self._course.on['arms_ready'] = self._start_world
                self._start_arm()
            else:
                self._start_world()
                self._course.on['world_ready'] = self._start_arm
            self._course.follow(runner, limit_s, self._watch)
            # The arm ends before the world is reset: it must not see it.
            if self._arm.process is not None:
                self._arm.process.end(END_LIMIT_S)
            self._arm.gone.touch()
            if self._course.is_done and not self._inputs.processes:
                runner.wait(self._specification.limits.ready_s)
            self._course.finish(runner)
            for process in self._world:
                process.signal('INT')
            for process in self._world:
                process.end(END_LIMIT_S)

    def _reset_job(self) -> dict[str, Any] | None:
        if self._reset is None:
            return None
        return {**dataclasses.asdict(self._reset), 'at_end': not self._inputs.processes}

    def _start_arm(self) -> None:
        arm, place = self._arm, self._arm.place
        try:
            command = command_of(place, self._logs, parameters={'use_sim_time': True})
        except LkError as error:
            arm.leave(str(error))
            return
        log = self._logs / f'{place.label}.log'
        arm.started_s = time.monotonic()
        directory = place.arm.directory if place.arm.command else ''
        process = GuardedProcess(command, env=self._env, log=log, directory=directory)
        arm.process = self._stack.enter_context(process)

    def _start_world(self) -> None:
        for number, command in enumerate(commands_of(self._inputs), 1):
            log = self._logs / f'{self._arm.place.label}.world_{number}.log'
            process = GuardedProcess(command, env=self._env, log=log)
            self._world.append(self._stack.enter_context(process))

    def _watch(self) -> str:
        for process in self._world:
            code = process.poll()
            if code is not None:
                last = (process.log_tail(1) or ['it said nothing'])[0]
                return f'the world {say_end(code)}: {last}'
        return ''


def commands_of(inputs: WorldInputs) -> list[list[str]]:
    """Return the command lines of a world's processes, `{seed}` and `{world_file}` replaced."""
    return [
        [
            part.replace('{seed}', str(inputs.seed)).replace('{world_file}', inputs.world_file)
            for part in command
        ]
        for command in inputs.processes
    ]


@contextlib.contextmanager
def _environment(
    inputs: WorldInputs, logs: Path, more: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Yield the environment: a domain of its own for a world that is started here."""
    if not inputs.processes:
        yield live_environment(logs, more)
        return
    with own_domain() as domain:
        yield child_environment(domain, logs, more=more)


def write_world(inputs: WorldInputs, path: Path, env: Mapping[str, str]) -> None:
    """Write which world it is, once for a run.

    Raises:
        ArmError: If its file cannot be read, or its version cannot be told.
    """
    if path.exists():
        return
    content: dict[str, Any] = {
        'format': 'lk_dataset_ros/world',
        'version': 1,
        'seed': inputs.seed,
        'world_file': inputs.world_file,
        'world_file_sha256': '',
        'simulator': version_of(inputs.version_command, env),
        'processes': commands_of(inputs),
        'reset': inputs.reset,
    }
    if inputs.world_file:
        try:
            content['world_file_sha256'] = _sha256(Path(inputs.world_file))
        except OSError as error:
            raise ArmError(
                f'world_file {inputs.world_file} cannot be read: {error.strerror}'
            ) from error
    fresh = path.with_suffix('.part')
    fresh.write_text(json.dumps(content, indent=2) + '\n')
    fresh.replace(path)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while piece := file.read(1024 * 1024):
            digest.update(piece)
    return digest.hexdigest()


def version_of(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return what a simulator says of its version, in one line; nothing if nobody asks.

    Raises:
        ArmError: If it cannot be asked.
    """
    if not command:
        return ''
    try:
        done = subprocess.run(
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, 'strerror', None) or f'no answer in {_VERSION_LIMIT_S:g} s'
        raise ArmError(f'version_command {" ".join(command)}: {reason}') from error
    text = (done.stdout or done.stderr).decode(errors='replace')
    return ' '.join(text.split())[:_VERSION_LENGTH]
