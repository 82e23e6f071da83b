"""Arms as ROS processes: lockstep, real time, closed loop, and whatever an arm may do."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from graph_kit import MARK, marked_processes, write_odometry

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.component import load_component
from lk_dataset_ros.experiment.running import ArmRun, Place
from lk_dataset_ros.experiment.running.graph import run_on_graph
from lk_dataset_ros.experiment.specification import (
    Arm,
    BagInputs,
    Limits,
    Mode,
    Output,
    Specification,
    WorldInputs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ORIGINAL = 'odometry_smoother.original:OdometrySmoother'
CPP = 'odometry_smoother.compiled:OdometrySmootherCpp'

ARMS = """
import os, time
from lk_dataset_ros import Component, Input, Output, new_message
from lk_dataset_ros.world import World
from odometry_smoother.original import OdometrySmoother

class Counting(OdometrySmoother):
    count = 0
    def step(self, odom):
        self.count += 1
        return self.answer(super().step(odom))

class Dies(Counting):
    def answer(self, out):
        if self.count == 20:
            print('twenty is too many', flush=True)
            os.abort()
        return out

class Skips(Counting):
    def answer(self, out):
        return None if self.count == 30 else out

class Dawdles(Counting):
    def answer(self, out):
        if self.count == 40:
            time.sleep(2.0)
        return out

class Silent(Counting):
    def answer(self, out):
        return None

class EverySecond(Counting):
    def answer(self, out):
        return out if self.count % 2 else None

class Tells(Component):
    odom = Input('nav_msgs/msg/Odometry')
    mode = Input('std_msgs/msg/String', qos='latched')
    ticks = Input('std_msgs/msg/UInt32')
    seen = Output('std_msgs/msg/String')
    state = tick = None
    def step(self, odom=None, mode=None, ticks=None):
        if mode is not None:
            self.state = mode.data
        if ticks is not None:
            self.tick = ticks.data
        if odom is None:
            return None
        out = self.new('seen')
        out.data = f'{self.state} {self.tick}'
        return {'seen': out}

class Line(World):
    commands = {'/cmd': 'std_msgs/msg/Float64'}
    sensors = {'/position': 'std_msgs/msg/Float64', '/ground_truth/x': 'std_msgs/msg/Float64'}
    def reset(self, seed):
        self.time_ns, self.x, self.speed, self.finished = 0, 1.0 + seed, 0.0, False
    def step(self, commands):
        for topic, message in commands:
            self.speed = message.data
        self.time_ns += 10_000_000
        self.x += 0.01 * self.speed
        found = []
        for topic in self.sensors:
            message = new_message('std_msgs/msg/Float64')
            message.data = self.x
            found.append((topic, message, self.time_ns))
        return found
    def outcome(self):
        return {'reached': abs(self.x) < 0.01, 'x': self.x}
    def description(self):
        return {'name': 'line'}

class Brakes(Component):
    position = Input('std_msgs/msg/Float64')
    cmd = Output('std_msgs/msg/Float64')
    def step(self, position):
        out = self.new('cmd')
        out.data = -2.0 * position.data
        return {'cmd': out}
"""


NODE = """
import sys
import rclpy
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node

class Doubler(Node):
    count = 0

    def __init__(self):
        super().__init__('doubler')
        self.publisher = self.create_publisher(TwistStamped, 'doubled', 10)
        self.create_subscription(Odometry, 'odom', self.take, 10)

    def take(self, odom):
        out = TwistStamped(header=odom.header)
        out.twist.linear.x = 2.0 * odom.twist.twist.linear.x
        self.count += 1
        for _ in range(2 if self.count == 7 else 1):
            self.publisher.publish(out)

rclpy.init(args=sys.argv)
rclpy.spin(Doubler())
"""


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.ended: list[str] = []
        self.is_fed = threading.Event()

    def arm_starts(self, label: str) -> None: ...

    def arm_advances(self, label: str, sent: int, total: int) -> None:
        self.is_fed.set()

    def arm_ends(self, run: ArmRun) -> None:
        self.ended.append(run.place.label)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Kit:
    """Runs arms in a folder, under a mark that all their processes have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.watcher = Watcher()
        self.out = folder / 'run'
        (self.out / 'logs').mkdir(parents=True)
        (folder / 'my_arms.py').write_text(ARMS)

    def specification(self, *components: str, **changes: Any) -> Specification:
        """Return an experiment with arms named after their classes."""
        arms = [
            Arm(each.rpartition(':')[2], component=each, python_path=(str(self.folder),))
            for each in components
        ]
        values: dict[str, Any] = {
            'name': 'test',
            'path': self.folder / 'experiment.yaml',
            'mode': Mode.LOCKSTEP,
            'inputs': BagInputs(self.folder / 'bag', ('/odom',)),
            'original': arms[0],
            'compiled': tuple(arms[1:]),
            'outputs': (Output('/smoothed', '/odom'),),
            'limits': Limits(ready_s=60.0, answer_s=30.0, run_s=120.0),
        }
        return Specification(**{**values, **changes})

    def run(self, specification: Specification) -> dict[str, ArmRun]:
        """Run all arms beside each other; return what came out, by label."""
        places = [Place(arm, arm.name) for arm in specification.arms]
        runs = run_on_graph(
            specification, places, self.out, self.watcher, environment={MARK: self.mark}
        )
        assert [each.place for each in runs] == places
        return {each.place.label: each for each in runs}


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """Make a folder with arms; afterwards make sure that no process is left."""
    found = Kit(tmp_path)
    yield found
    assert marked_processes(found.mark) == []


def serialized(bag: Path, topic: str) -> list[bytes]:
    """Return the messages of a topic as they are."""
    with Dataset.load(bag) as dataset:
        return [each.cdr for each in dataset.iterate_serialized([topic])]


def test_lockstep_is_bit_identical_and_costs_are_told(kit: Kit) -> None:
    """Promise: every input is answered, hashed and timed; two runs of one arm are identical."""
    write_odometry(kit.folder / 'bag', 500)
    specification = kit.specification(ORIGINAL, CPP)
    twin = Arm('twin', component=ORIGINAL)
    runs = kit.run(specification.replace(compiled=(*specification.compiled, twin)))
    digest = hashlib.sha256()
    for cdr in serialized(kit.folder / 'bag', '/odom'):
        digest.update(len(cdr).to_bytes(8, 'little') + cdr)
    for run in runs.values():
        assert (run.problem, dict(run.unanswered), run.unconfirmed) == ('', {}, ())
        assert (run.sent, run.received) == ({'/odom': 500}, {'/smoothed': 500})
        assert run.hashes == {'/odom': digest.hexdigest()}
        assert len(run.cost.latencies_s) == 500
        assert 0.0 < np.median(run.cost.latencies_s) < run.cost.wall_s
        assert 0.0 < run.cost.cpu_s < run.cost.wall_s * (os.cpu_count() or 1)
        assert run.cost.peak_bytes > 20e6
        assert 0.0 < run.cost.start_up_s < 60.0
    outputs = serialized(kit.out / 'OdometrySmoother', '/smoothed')
    assert outputs == serialized(kit.out / 'twin', '/smoothed')
    with Dataset.load(kit.folder / 'bag') as inputs, Dataset.load(kit.out / 'twin') as recorded:
        assert (inputs.timestamps('/odom') == recorded.timestamps('/smoothed')).all()
        offline = load_component(ORIGINAL)().run(inputs).columns('/smoothed')
        for path, column in recorded.columns('/smoothed').items():
            np.testing.assert_array_equal(column.values, offline[path].values, err_msg=path)


def test_unmodified_node_is_an_arm(kit: Kit) -> None:
    """Promise: a node of its own answers every input; an answer too many is counted as such."""
    write_odometry(kit.folder / 'bag', 300)
    node = kit.folder / 'node.py'
    node.write_text(NODE)
    arm = Arm(
        'node',
        command=(sys.executable, str(node), '{ros_args}'),
        remappings={'doubled': '/smoothed'},
    )
    run = kit.run(kit.specification(ORIGINAL).replace(original=arm))['node']
    assert (run.problem, dict(run.unanswered), run.unconfirmed) == ('', {}, ())
    assert (run.sent, run.received) == ({'/odom': 300}, {'/smoothed': 301})
    assert (run.surplus, run.late) == ({'/smoothed': 1}, {})


def test_each_way_to_fail_is_told_apart(kit: Kit) -> None:
    """Promise: crash, silence, a missing and a late answer are results; the others go on."""
    write_odometry(kit.folder / 'bag', 60)
    names = ('Skips', 'Dawdles', 'Dies', 'Silent')
    runs = kit.run(
        kit.specification(
            *(f'my_arms:{name}' for name in names), limits=Limits(ready_s=60.0, answer_s=0.6)
        )
    )
    assert runs['Dies'].problem == 'crashed (signal 6)'
    assert 'twenty is too many' in '\n'.join(runs['Dies'].log_tail)
    assert runs['Dies'].received == {'/smoothed': 19}
    assert runs['Silent'].problem.startswith('no answer on /smoothed to message 1 of /odom within')
    assert runs['Skips'].problem == ''
    assert runs['Skips'].unanswered == {'/smoothed': 1}
    assert runs['Skips'].received == {'/smoothed': 59}
    assert runs['Dawdles'].problem == ''
    assert runs['Dawdles'].unanswered == {}
    assert runs['Dawdles'].received == {'/smoothed': 60}
    late = [each for each in kit.watcher.warnings if each.startswith('Dawdles: 1 messages')]
    assert late, kit.watcher.warnings
    times = {name: times_of(kit.out / name, '/smoothed') for name in ('Skips', 'Dawdles')}
    assert sorted(set(times['Dawdles']) - set(times['Skips'])) == [1_000_000_000 + 29 * 20_000_000]


def times_of(bag: Path, topic: str) -> list[int]:
    """Return the times of a topic's messages, ns."""
    with Dataset.load(bag) as dataset:
        return [int(each) for each in dataset.timestamps(topic)]


def test_an_output_may_stay_away(kit: Kit) -> None:
    """Promise: where an arm is idle, silence is noticed at once, and it is no fault."""
    write_odometry(kit.folder / 'bag', 100)
    run = kit.run(
        kit.specification(
            'my_arms:EverySecond',
            outputs=(Output('/smoothed', '/odom', 0, 1),),
            limits=Limits(ready_s=60.0, answer_s=30.0, silence_s=5.0),
        )
    )['EverySecond']
    assert (run.problem, run.received, dict(run.unanswered)) == ('', {'/smoothed': 50}, {})
    assert kit.watcher.warnings == []
    assert len(run.cost.latencies_s) == 50
    # 50 silences of 5 s each would be four minutes.
    assert run.cost.wall_s < 60.0


def test_slice_begins_with_the_latched_state_and_topics_keep_their_order(kit: Kit) -> None:
    """Promise: a slice begins with the latched state, and inputs arrive in recorded order."""
    with Dataset.create('mcap', kit.folder / 'bag') as dataset:
        offer = '- {history: keep_last, depth: 1, reliability: reliable, durability: '
        for topic, kind, how in (
            ('/mode', 'std_msgs/msg/String', 'transient_local'),
            ('/ticks', 'std_msgs/msg/UInt32', 'volatile'),
            ('/odom', 'nav_msgs/msg/Odometry', 'volatile'),
        ):
            dataset.declare(topic, kind, qos=f'{offer}{how}}}')
        for index in range(100):
            time_ns = 1_000_000_000 + index * 20_000_000
            for topic, kind in (
                ('/mode', 'std_msgs/msg/String'),
                ('/ticks', 'std_msgs/msg/UInt32'),
                ('/odom', 'nav_msgs/msg/Odometry'),
            ):
                message = new_message(kind)
                if topic == '/mode' and index:
                    continue
                if topic != '/odom':
                    message.data = 'go' if topic == '/mode' else index
                dataset.write(topic, message, timestamp_ns=time_ns)
                time_ns += 1_000_000
    run = kit.run(
        kit.specification(
            'my_arms:Tells',
            inputs=BagInputs(kit.folder / 'bag', ('/mode', '/ticks', '/odom'), start_s=1.0),
            outputs=(Output('/seen', '/odom'),),
        )
    )['Tells']
    assert run.problem == '', run.log_tail
    assert run.sent == {'/mode': 1, '/ticks': 50, '/odom': 50}
    with Dataset.load(kit.out / 'Tells') as recorded:
        seen = [each.data for each in recorded['/seen']]
    assert seen == [f'go {index}' for index in range(50, 100)]


def test_real_time_keeps_its_factor(kit: Kit) -> None:
    """Promise: at RTF 5 the inputs take a fifth of their time, and each answer its latency."""
    write_odometry(kit.folder / 'bag', 500)
    runs = kit.run(kit.specification(ORIGINAL, CPP, mode=Mode.REALTIME, rtf=5.0, clock_hz=50.0))
    for run in runs.values():
        assert (run.problem, run.received) == ('', {'/smoothed': 500})
        assert run.achieved_rtf == pytest.approx(5.0, rel=0.02)
        assert len(run.cost.latencies_s) == 500


def test_closed_loop_in_lockstep(kit: Kit) -> None:
    """Promise: each arm acts in a world of its own, and the same arm does the same."""
    twin = Arm('twin', component='my_arms:Brakes', python_path=(str(kit.folder),))
    specification = kit.specification(
        'my_arms:Brakes',
        inputs=WorldInputs(
            'my_arms:Line', ('/position',), duration_s=5.0, python_path=(str(kit.folder),)
        ),
        outputs=(Output('/cmd', '/position'), Output('/ground_truth/x', '/position')),
    )
    runs = kit.run(specification.replace(compiled=(twin,)))
    for run in runs.values():
        assert run.problem == '', run.log_tail
        assert run.sent == {'/position': 500}
        assert run.outcome['reached'] is True
        assert run.received['/ground_truth/x'] == 500
    for topic in ('/cmd', '/ground_truth/x'):
        assert serialized(kit.out / 'Brakes', topic) == serialized(kit.out / 'twin', topic)
    assert times_of(kit.out / 'twin', '/cmd')[0] == 10_000_000


def test_killed_runner_leaves_nothing_running(kit: Kit) -> None:
    """Promise: a runner killed by SIGKILL is the arms' problem, and leaves no process."""
    write_odometry(kit.folder / 'bag', 5000)
    found: dict[str, ArmRun] = {}
    specification = kit.specification(ORIGINAL, CPP, mode=Mode.REALTIME, rtf=1.0)
    thread = threading.Thread(target=lambda: found.update(kit.run(specification)))
    thread.start()
    assert kit.watcher.is_fed.wait(60.0)
    os.kill(runner_under(kit.mark), signal.SIGKILL)
    thread.join(60.0)
    assert not thread.is_alive()
    assert {run.problem for run in found.values()} == {'its runner was killed (signal 9)'}
    for name in found:
        with Dataset.load(kit.out / name) as recorded:
            assert recorded.topics().keys() <= {'/smoothed'}


def runner_under(mark: str) -> int:
    """Return the number of the runner that was started under a mark."""
    deadline_s = time.monotonic() + 30.0
    while time.monotonic() < deadline_s:
        for folder in Path('/proc').glob('[0-9]*'):
            try:
                words = (folder / 'cmdline').read_bytes().split(b'\0')
                is_ours = f'{MARK}={mark}'.encode() in (folder / 'environ').read_bytes()
            except OSError:
                continue
            is_guard = any(each.endswith(b'_guard.py') for each in words)
            is_runner = any(each.endswith(b'/arm_runner') for each in words)
            if is_ours and is_runner and not is_guard:
                return int(folder.name)
    raise AssertionError('there is no runner')
