"""A ROS graph of its own for every test, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.experiment.environment import child_environment, find_executable, own_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
REAL_BAG = ROOT.parent / 'shared' / 'bags' / 'nav2_turtlebot.mcap'
MARK = 'LK_TEST_MARK'
#: Longest that one command of a test may take, s.
LIMIT_S = 120


class Graph:
    """Starts processes in a ROS domain of their own."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command."""
        process = subprocess.Popen(
            command,
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def node(self, executable: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a node of the package: parameters as `name:=value`, the rest as it is."""
        path = find_executable('lk_dataset_ros', executable)
        assert path is not None, 'the package is not built or not sourced'
        command = [sys.executable, path, '--ros-args']
        for argument in arguments:
            command += ['-p', argument] if ':=' in argument and '__' not in argument else [argument]
        return self.start(*command)

    def finish(self, process: subprocess.Popen[str], number: int = 0) -> tuple[int, str]:
        """Send a signal (if any), wait, and return exit code and what was said."""
        if number:
            process.send_signal(number)
        output, errors = process.communicate(timeout=LIMIT_S)
        return process.returncode, output + errors

    def lk(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run `lk` and return exit code, standard output and standard error."""
        process = self.start('lk', *map(str, arguments))
        output, errors = process.communicate(timeout=LIMIT_S)
        return process.returncode, output, errors

    def close(self) -> None:
        """End what a failed test has left running."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def marked_processes(mark: str) -> list[str]:
    """Return the command lines of the processes that were started under a mark."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if f'{MARK}={mark}'.encode() in (folder / 'environ').read_bytes():
                found.append((folder / 'cmdline').read_bytes().replace(b'\0', b' ').decode())
        except OSError:
            continue
    return found


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """Hold a domain; afterwards make sure that no process is left."""
    mark = uuid.uuid4().hex
    with own_domain() as domain:
        env = {**child_environment(domain, tmp_path / 'logs'), MARK: mark}
        graph = Graph(env, tmp_path)
        try:
            yield graph
        finally:
            graph.close()
    assert marked_processes(mark) == []


def write_odometry(path: Path, count: int = 200) -> Path:
    """Write a bag of odometry whose velocity jumps, so that the clamp matters."""
    with Dataset.create('mcap', path) as dataset:
        for index in range(count):
            odom = new_message('nav_msgs/msg/Odometry')
            time_ns = 1_000_000_000 + index * 20_000_000
            odom.header.stamp.sec, odom.header.stamp.nanosec = divmod(time_ns, 1_000_000_000)
            odom.header.frame_id = 'odom'
            odom.twist.twist.linear.x = 1.0 if (index // 50) % 2 else 0.0
            odom.twist.twist.angular.z = -2.0 if (index // 70) % 2 else 0.5
            dataset.write('/odom', odom, timestamp_ns=time_ns)
    return path


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Make a bag with 200 messages on /odom, 50 per second."""
    return write_odometry(tmp_path / 'bag')


SPECIFICATION = """
version: 1
name: test
inputs: {bag: bag, topics: [/odom]}
original: {component: 'odometry_smoother.original:OdometrySmoother'}
compiled:
  cpp: {component: 'odometry_smoother.compiled:OdometrySmootherCpp'}
outputs: [{topic: /smoothed}]
tolerance: {rtol: 1.0e-12, atol: 0.0}
"""


def write_specification(folder: Path, **changes: str) -> Path:
    """Write a specification, lines of it replaced by their first word."""
    lines = SPECIFICATION.strip().splitlines()
    for name, line in changes.items():
        index = next(i for i, each in enumerate(lines) if each.strip().startswith(f'{name}:'))
        lines[index] = textwrap.dedent(line)
    path = folder / 'experiment.yaml'
    path.write_text('\n'.join(lines) + '\n')
    return path


def in_environment(env: dict[str, str]) -> dict[str, str]:
    """Return the environment without what marks a ROS 2."""
    return {name: value for name, value in env.items() if name != 'AMENT_PREFIX_PATH'}


@pytest.fixture
def real_bag() -> Path:
    """Return the real recording, or skip."""
    if not REAL_BAG.exists():
        pytest.skip(f'no real recording at {REAL_BAG}')
    return REAL_BAG


os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
