"""What the tests of live and simulated experiments share: a world, arms, and how they are run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from graph_kit import Graph

TOY = '''
from dataclasses import dataclass
from lk_dataset_ros import Component, Input, Output, new_message
from lk_dataset_ros.component import option
from lk_dataset_ros.world import World

class Track(World):
    """A cart on a track: it goes as fast as it is told."""

    @dataclass(kw_only=True)
    class Config(World.Config):
        goal_m: float = option(100.0, 'where it is over, m', minimum=0.0, maximum=1000.0)

    commands = {'/cmd': 'geometry_msgs/msg/TwistStamped'}
    sensors = {'/state': 'geometry_msgs/msg/PointStamped'}

    def reset(self, seed):
        self.time_ns, self.finished = 0, False
        self.x, self.v = float(seed), 0.0

    def step(self, commands):
        for topic, message in commands:
            self.check_command(topic)
            self.v = message.twist.linear.x
        if self.finished:
            return []
        self.time_ns += 20_000_000
        self.x += 0.02 * self.v
        out = new_message('geometry_msgs/msg/PointStamped')
        out.header.stamp.sec, out.header.stamp.nanosec = divmod(self.time_ns, 10**9)
        out.point.x = self.x
        self.finished = self.x >= self.config.goal_m
        return [('/state', out, self.time_ns)]

    def outcome(self):
        return {'reached': self.finished, 'x': self.x}

    def description(self):
        return {'name': 'Track', 'version': '1', 'sha256': ''}

class Drive(Component):
    @dataclass(kw_only=True)
    class Config(Component.Config):
        speed: float = option(1.0, 'm/s')

    state = Input('geometry_msgs/msg/PointStamped')
    cmd = Output('geometry_msgs/msg/TwistStamped')

    def step(self, state):
        out = self.new('cmd')
        out.header = state.header
        out.twist.linear.x = self.config.speed
        return {'cmd': out}
'''
#: A node as anybody writes one: absolute names, and one topic that nobody declared.
LEAKY = """
import sys
import rclpy
from geometry_msgs.msg import PointStamped, TwistStamped
rclpy.init(args=sys.argv)
node = rclpy.create_node('anything')
publishers = [node.create_publisher(TwistStamped, name, 10) for name in sys.argv[1].split(',')]
def answer(message):
    for publisher in publishers:
        publisher.publish(TwistStamped(header=message.header))
node.create_subscription(PointStamped, '/state', answer, 10)
rclpy.spin(node)
"""
RUN = """
import json, signal, sys
from pathlib import Path
from lk_dataset_ros import Dataset
from lk_dataset_ros.experiment.rounds import plan
from lk_dataset_ros.experiment.running.live import run_live
from lk_dataset_ros.experiment.specification import load_specification

# As `lk` does: who is started in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Silent:
    def arm_starts(self, label): pass
    def arm_advances(self, label, sent, total): print('at', label, sent, file=sys.stderr, flush=True)
    def arm_ends(self, run): pass
    def warn(self, text): print(text, file=sys.stderr, flush=True)

specification = load_specification(Path(sys.argv[1]))
folder = Path(sys.argv[2])
(folder / 'logs').mkdir(parents=True)
found = {}
for places in plan(specification):
    for run in run_live(specification, places, folder, Silent(), environment={}):
        stamps = {}
        if run.bag.exists() and not run.problem:
            with Dataset.load(run.bag) as bag:
                for key in bag.keys():
                    heads = [message.header.stamp for message in bag[key]]
                    stamps[key] = [each.sec * 10**9 + each.nanosec for each in heads]
        found[run.place.label] = {
            'problem': run.problem, 'sent': run.sent, 'received': run.received,
            'hashes': run.hashes, 'unanswered': run.unanswered, 'unconfirmed': run.unconfirmed,
            'outcome': run.outcome, 'cpu_s': run.cost.cpu_s, 'wall_s': run.cost.wall_s,
            'start_up_s': run.cost.start_up_s, 'peak_bytes': run.cost.peak_bytes,
            'latencies': len(run.cost.latencies_s), 'stamps': stamps, 'log': run.log_tail,
        }
print(json.dumps(found))
"""


def write_toys(folder: Path) -> None:
    """Write the world and the arms."""
    (folder / 'toy.py').write_text(TOY)
    (folder / 'leaky.py').write_text(LEAKY)
    (folder / 'run.py').write_text(RUN)


def track(folder: Path, *more: str) -> list[str]:
    """Return the arguments of a `world` node that simulates the track."""
    return ['world:=toy:Track', f"python_path:=['{folder}']", 'rtf:=4.0', *more]


def run_of(graph: Graph, experiment: str, output: str = 'run') -> dict[str, Any]:
    """Run an experiment without judging it; return what came of its arms."""
    path = graph.folder / f'{output}.yaml'
    path.write_text(experiment)
    process = graph.start(sys.executable, 'run.py', str(path), output)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    found: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return found
