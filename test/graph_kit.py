"""What the tests on a ROS graph share: processes in a domain of their own, bags, specifications."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.experiment.environment import find_executable

ROOT = Path(__file__).resolve().parents[1]
REAL_BAG = ROOT.parent / 'shared' / 'bags' / 'nav2_turtlebot.mcap'
MARK = 'LK_TEST_MARK'
#: Longest that one command of a test may take, s: a busy machine may be ten times as slow as an
#: idle one.
LIMIT_S = 280


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
            command += (
                ['-p', argument] if ':=' in argument and '__' not in argument else [argument]
            )
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


def write_odometry(path: Path, count: int = 200, topic: str = '/odom') -> Path:
    """Write a bag of odometry whose velocity jumps, so that the clamp matters."""
    noise = random.Random(1)
    with Dataset.create('mcap', path) as dataset:
        for index in range(count):
            odom = new_message('nav_msgs/msg/Odometry')
            time_ns = 1_000_000_000 + index * 20_000_000
            odom.header.stamp.sec, odom.header.stamp.nanosec = divmod(time_ns, 1_000_000_000)
            odom.header.frame_id = 'odom'
            odom.pose.covariance[:] = [noise.random() for _ in range(36)]
            odom.twist.twist.linear.x = 1.0 if (index // 50) % 2 else 0.0
            odom.twist.twist.angular.z = -2.0 if (index // 70) % 2 else 0.5
            dataset.write(topic, odom, timestamp_ns=time_ns)
    return path


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
        lines[index] = line
    path = folder / 'experiment.yaml'
    path.write_text('\n'.join(lines) + '\n')
    return path
