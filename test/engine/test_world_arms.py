"""Arms in a simulated world, in closed loop, each in a real process of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.experiment.closed_loop import compare_closed_loop
from lk_dataset_ros.experiment.running.arm_run import ArmRun, Place
from lk_dataset_ros.experiment.running.worlds import run_in_world
from lk_dataset_ros.experiment.specification.parts import (
    Arm,
    Limits,
    Mode,
    Output,
    Specification,
    WorldInputs,
)

pytest.importorskip('mujoco', reason='the extra mujoco is not installed')

EXAMPLE = Path(__file__).resolve().parents[2] / 'examples' / 'diff_drive' / 'python'
TOPICS = ('/goal_pose', '/odom', '/scan')
ORIGINAL = 'room_navigator.original:Navigator'
CPP = 'room_navigator.compiled:NavigatorCpp'


class Watch:
    """Somebody who watches."""

    def __init__(self) -> None:
        self.advances: list[tuple[int, int]] = []

    def arm_starts(self, label: str) -> None:
        """Learn of a start."""

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        """Keep how far it is."""
        self.advances.append((sent, total))

    def arm_ends(self, run: ArmRun) -> None:
        """Learn of an end."""

    def warn(self, text: str) -> None:
        """Learn of a warning."""


def run(
    directory: Path, *arms: Arm, duration_s: float = 60.0, seed: int = 1, **changes: Any
) -> list[ArmRun]:
    """Run arms in the room."""
    (directory / 'logs').mkdir(parents=True)
    specification = Specification(
        name='navigator',
        path=directory / 'experiment.yaml',
        mode=Mode.OFFLINE,
        inputs=WorldInputs(
            'diff_drive', TOPICS, seed=seed, duration_s=duration_s, parameters={'goals': 1000}
        ),
        original=arms[0],
        compiled=arms[1:],
        outputs=(Output('/cmd_vel', '/scan'),),
        **changes,
    )
    places = [Place(arm, arm.name) for arm in arms]
    return run_in_world(specification, places, directory, Watch(), environment={})


def arm(name: str, component: str = ORIGINAL, folder: Path = EXAMPLE, **parameters: Any) -> Arm:
    """Return an arm."""
    return Arm(name, component=component, parameters=parameters, python_path=(str(folder),))


def content(each: ArmRun) -> list[tuple[str, int, bytes]]:
    """Return all messages of a bag."""
    with McapDatabase(each.bag) as bag:
        found = [(item.key, item.log_time_ns, item.cdr) for item in bag.iterate_serialized()]
    return sorted(found)


def test_the_same_arm_twice_and_one_gain_off(tmp_path: Path) -> None:
    """Promise: over 60 s the same arm gives the same bytes; a gain off by 5 % shows."""
    first, again, wrong = run(
        tmp_path / 'runs', arm('original'), arm('again'), arm('wrong', heading_gain=2.1)
    )
    assert [each.problem for each in (first, again, wrong)] == ['', '', '']
    messages = content(first)
    assert messages == content(again)
    assert len(messages) > 12_600
    assert {key for key, _, _ in messages} == {*TOPICS, '/imu', '/ground_truth/odom', '/cmd_vel'}
    assert first.outcome == again.outcome
    assert first.outcome['collided'] is False
    assert float(first.outcome['goals_reached']) >= 3
    assert first.received == {'/cmd_vel': 600}
    assert (first.unanswered, first.sent) == ({}, {'world': 1})
    assert first.hashes == again.hashes == wrong.hashes
    assert len(first.cost.latencies_s) == 600
    assert 0.0 < first.cost.cpu_s < first.cost.wall_s
    same = compare_closed_loop(first, again)
    assert (same.ate_max_m, same.first_divergence_s) == (0.0, float('inf'))
    assert same.has_same_outcome
    other = compare_closed_loop(first, wrong)
    assert other.ate_max_m > 1e-3
    assert other.diverged_s['/cmd_vel'] < 1.0
    assert '/cmd_vel: another one from' in other.to_str()
    assert other.to_dict()['trajectory']['topic'] == '/ground_truth/odom'


@pytest.mark.skipif(
    importlib.util.find_spec('room_navigator') is None
    or importlib.util.find_spec('room_navigator._navigator') is None,
    reason='the extension of examples/diff_drive is not built',
)
def test_python_and_cpp_are_one(tmp_path: Path) -> None:
    """Promise: the navigator in C++ drives as the one in Python, bit by bit."""
    python, cpp = run(tmp_path / 'runs', arm('original'), arm('cpp', CPP), seed=3)
    assert (python.problem, cpp.problem) == ('', '')
    assert content(python) == content(cpp)


def test_another_seed_is_another_beginning(tmp_path: Path) -> None:
    """Promise: the hash of the initial conditions tells another seed."""
    one, other = (
        run(tmp_path / str(seed), arm('original'), duration_s=0.5, seed=seed)[0] for seed in (1, 2)
    )
    assert one.hashes != other.hashes


def test_arms_that_fail_are_results(tmp_path: Path) -> None:
    """Promise: an arm that raises, dies, hangs or commands nonsense is a result with a reason."""
    (tmp_path / 'failing.py').write_text(
        'import math, os, time\n'
        'from lk_dataset_ros import Component, Input, Output\n\n\n'
        'class Failing(Component):\n'
        "    scan = Input('sensor_msgs/msg/LaserScan')\n"
        "    cmd_vel = Output('geometry_msgs/msg/Twist')\n\n"
        '    def step(self, scan):\n'
        '        return self.fail()\n\n\n'
        'class Raises(Failing):\n'
        "    def fail(self):\n        raise ValueError('no idea')\n\n\n"
        'class Dies(Failing):\n'
        '    def fail(self):\n        os.kill(os.getpid(), 9)\n\n\n'
        'class Hangs(Failing):\n'
        '    def fail(self):\n        time.sleep(3600)\n\n\n'
        'class Nonsense(Failing):\n'
        '    def fail(self):\n'
        "        out = self.new('cmd_vel')\n"
        '        out.linear.x = math.nan\n'
        "        return {'cmd_vel': out}\n\n\n"
        'class Silent(Failing):\n'
        '    def fail(self):\n        return None\n'
    )
    names = ('Raises', 'Dies', 'Nonsense', 'Silent', 'Missing')
    runs = run(
        tmp_path / 'runs',
        *(arm(name.lower(), f'failing:{name}', tmp_path) for name in names),
        duration_s=1.0,
    )
    raises, dies, nonsense, silent, missing = runs
    assert raises.problem.startswith('ValueError: no idea')
    assert raises.problem.endswith('at 0.1 s')
    assert raises.log_tail
    assert dies.problem.startswith('crashed (signal 9)')
    assert '/cmd_vel is nan m/s' in nonsense.problem
    assert (silent.problem, silent.unanswered) == ('', {'/cmd_vel': 10})
    assert 'failing has no Missing' in missing.problem
    (hangs,) = run(
        tmp_path / 'hung',
        arm('hangs', 'failing:Hangs', tmp_path),
        duration_s=1.0,
        limits=Limits(ready_s=60.0, answer_s=1.0),
    )
    assert hangs.problem.startswith('no answer for 1 s')
