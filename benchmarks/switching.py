"""Measure the switch over DDS: does it fall back within one message, and what does it add?

    make bench B=switching ARGS='--trials 1000'

One process runs the `switch` node, this one both arms and the actuator. In each trial the compiled
is wanted, drives after `--hold` s of agreement, and at a random message disagrees by a random
amount, or falls silent for that message. What must hold: the actuator gets one message of every
number, in order; none of the compiled's that disagrees; from the disagreement on the original's.
Latency is how much later the actuator's middleware has a message than that of who listens to
the arm itself.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from lk_dataset_ros.msg import SwitchStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from lk_dataset_ros.experiment.environment import own_executable
from lk_dataset_ros.ros.host import use_profiles

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
#: How the compiled's messages are told from the original's: within tolerance.
MARK = 0.01
LIMIT_S = 60.0


@dataclass
class Heard:
    """What a subscriber got: number, who said it, whether it is wrong, and when."""

    numbers: list[int] = field(default_factory=list)
    marks: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)

    def take(self, message: Any, info: dict[str, Any]) -> None:
        """Note a message."""
        # When the middleware had it: how busy Python is here does not matter.
        self.times_ns.append(info['received_timestamp'])
        stamp = message.header.stamp
        self.numbers.append(stamp.sec * 1000 + stamp.nanosec // 1_000_000)
        self.marks.append(message.twist.linear.y)
        self.values.append(message.twist.linear.x)

    def of(self, number: int) -> int:
        """Return the place of a message."""
        return self.numbers.index(number, max(len(self.numbers) - 5000, 0))


class Trials:
    """Both arms and the actuator.

    Args:
        period_s: Between two messages of an arm.
        seed: Of where and by how much the compiled disagrees.
    """

    def __init__(self, period_s: float, seed: int) -> None:
        self.node = rclpy.create_node('arms')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.random = np.random.default_rng(seed)
        self.period_s = period_s
        self.actuator = Heard()
        self.direct = {'original': Heard(), 'compiled': Heard()}
        self.status = SwitchStatus()
        node = self.node
        node.create_subscription(TwistStamped, '/cmd', self.actuator.take, 1000)
        for arm, heard in self.direct.items():
            node.create_subscription(TwistStamped, f'/{arm}/cmd', heard.take, 1000)
        node.create_subscription(SwitchStatus, '/switch/status', self._on_status, LATCHED)
        self.original = node.create_publisher(TwistStamped, '/original/cmd', 1000)
        self.compiled = node.create_publisher(TwistStamped, '/compiled/cmd', 1000)
        self.wanted = node.create_publisher(String, '/switch/wanted', 10)
        self.number = 0
        self.next_s = time.monotonic()

    def _on_status(self, status: SwitchStatus) -> None:
        self.status = status

    def step(self, wrong: float = 0.0, *, is_silent: bool = False) -> int:
        """Let both arms speak once; return the message's number."""
        self.next_s = max(self.next_s + self.period_s, time.monotonic())
        while (left_s := self.next_s - time.monotonic()) > 0.0:
            self.executor.spin_once(timeout_sec=left_s)
        self.number += 1
        message = TwistStamped()
        message.header.stamp.sec, milliseconds = divmod(self.number, 1000)
        message.header.stamp.nanosec = milliseconds * 1_000_000
        message.twist.linear.x = 1.0
        self.original.publish(message)
        message.twist.linear.x, message.twist.linear.y = 1.0 + wrong, MARK
        if not is_silent:
            self.compiled.publish(message)
        return self.number

    def until(self, what: Any, said: str) -> None:
        """Let the arms speak until something is so."""
        deadline_s = time.monotonic() + LIMIT_S
        while not what():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f'{said}: {self.status}')
            self.step()

    def run(self) -> str:
        """Run one trial; return what was wrong with it."""
        self.wanted.publish(String(data='compiled'))
        # What the actuator gets tells who drives, whatever the status says.
        begin = len(self.actuator.marks)
        self.until(lambda: MARK in self.actuator.marks[begin:], 'the compiled does not drive')
        for _ in range(int(self.random.integers(1, 15))):
            self.step()
        first = self.number
        amount = float(self.random.choice([-1.0, 1.0]) * 10 ** self.random.uniform(-0.9, 6))
        kind = int(self.random.integers(5))
        wrong = [amount, np.nan, np.inf, amount, 0.0][kind]
        fault = self.step(float(wrong), is_silent=kind == 4)
        for _ in range(5):
            self.step()
        last = self.number
        deadline_s = time.monotonic() + LIMIT_S
        while not self.actuator.numbers or self.actuator.numbers[-1] < last:
            if time.monotonic() > deadline_s:
                return f'message {last} does not come'
            self.executor.spin_once(timeout_sec=0.1)
        got = self.actuator
        place = got.of(first)
        if got.numbers[place:] != list(range(first, last + 1)):
            return f'{got.numbers[place:]} instead of {first} to {last}'
        if got.marks[place] != MARK:
            return 'the compiled did not drive before it disagreed'
        if any(mark != 0.0 for mark in got.marks[got.of(fault) :]):
            return 'the compiled drives on'
        if any(value != 1.0 for value in got.values):
            return 'something wrong came out'
        return ''


def added(trials: Trials, arm: str, count: int) -> dict[str, float]:
    """Return how much later the actuator gets what an arm says than who listens to it, ms."""
    first = trials.number + 1
    for _ in range(count):
        trials.step()
    deadline_s = time.monotonic() + LIMIT_S
    while trials.actuator.numbers[-1] < trials.number and time.monotonic() < deadline_s:
        trials.executor.spin_once(timeout_sec=0.1)
    times = [
        {
            number: at_ns
            for number, at_ns in zip(heard.numbers, heard.times_ns, strict=True)
            if number >= first
        }
        for heard in (trials.direct[arm], trials.actuator)
    ]
    common = sorted(times[0].keys() & times[1].keys())
    values = np.array([times[1][number] - times[0][number] for number in common]) / 1e6
    return {f'p{each}': round(float(np.percentile(values, each)), 3) for each in (50, 90, 99)}


def main() -> int:
    """Run the trials, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--trials', type=int, default=1000)
    parser.add_argument('--period', type=float, default=0.002, help='between two messages, s')
    parser.add_argument('--hold', type=float, default=0.01, help='agreement before it drives, s')
    parser.add_argument('--limit', type=float, default=0.05, help='for the compiled answer, s')
    parser.add_argument('--latencies', type=int, default=2000, help='messages for latencies')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    rclpy.init()
    use_profiles()
    parameters = {
        'original': '/original/cmd',
        'compiled': '/compiled/cmd',
        'actuator': '/cmd',
        'hold_s': given.hold,
        'limit_s': given.limit,
    }
    command = [*own_executable('switch'), '--ros-args', '--log-level', 'error']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / 'rules.yaml'
        rules.write_text('atol: 0.1\nrtol: 0.0\n')
        node = subprocess.Popen([*command, '-p', f'tolerances:={rules}'])
        try:
            return measure(Trials(given.period, given.seed), given)
        finally:
            node.send_signal(signal.SIGINT)
            node.wait()


def measure(trials: Trials, given: argparse.Namespace) -> int:
    """Run the trials and measure latencies."""
    # Both sides are heard when they have agreed.
    trials.until(lambda: trials.status.agreed_s > 0.0, 'the two never agree')
    latencies = {}
    if given.latencies:
        latencies['added, original drives, ms'] = added(trials, 'original', given.latencies)
    began_s = time.monotonic()
    found = [(number, trials.run()) for number in range(given.trials)]
    problems = [f'trial {number}: {problem}' for number, problem in found if problem]
    wall_s = time.monotonic() - began_s
    if given.latencies:
        trials.wanted.publish(String(data='compiled'))
        begin = len(trials.actuator.marks)
        trials.until(lambda: MARK in trials.actuator.marks[begin:], 'the compiled does not drive')
        latencies['added, compiled drives, ms'] = added(trials, 'compiled', given.latencies)
    result = {
        'trials': given.trials,
        'good': given.trials - len(problems),
        'problems': problems[:5],
        'seconds': round(wall_s, 1),
        'messages': trials.number,
        **latencies,
    }
    print(json.dumps(result), flush=True)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
