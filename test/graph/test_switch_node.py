"""The `switch` node: the original drives, the compiled while both agree."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from graph_kit import ROOT

if TYPE_CHECKING:
    from graph_kit import Graph

PROGRAM = """
import json, time
import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.qos import QoSProfile, DurabilityPolicy, ReliabilityPolicy
from std_msgs.msg import String
from lk_dataset_ros.msg import SwitchStatus
from lk_dataset_ros.srv import SwitchTo

rclpy.init()
node = rclpy.create_node('arms')
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
best_effort = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
got, statuses = [], []
node.create_subscription(SwitchStatus, '/switch/status', statuses.append, latched)
node.create_subscription(Twist, '/cmd', got.append, best_effort)
client = node.create_client(SwitchTo, '/switch/switch_to')
original = node.create_publisher(Twist, '/original/cmd', best_effort)
compiled = node.create_publisher(Twist, '/compiled/cmd', best_effort)

def drive():
    out = Twist()
    original.publish(out)
    if compiled is not None:
        out.linear.y = 1e-9
        compiled.publish(out)
    rclpy.spin_once(node, timeout_sec=0.02)

def until(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, (statuses[-1:], len(got))
        drive()

def switch_to(arm):
    future = client.call_async(SwitchTo.Request(arm=arm))
    until(future.done)
    return future.result()

until(lambda: len(got) > 5 and statuses and statuses[-1].agreed_s > 0.0)
by_default = statuses[-1].active, {each.linear.y for each in got}
until(client.service_is_ready)
unknown = switch_to('cpp')
asked = switch_to('compiled')
until(lambda: got[-1].linear.y == 1e-9 and statuses[-1].active == 'compiled')
back = switch_to('original')
# What was on its way, then nothing but the original's.
until(lambda: got[-1].linear.y == 0.0)
count = len(got)
until(lambda: len(got) > count + 5 and statuses[-1].active == 'original')
after = {each.linear.y for each in got[count:]}
switch_to('compiled')
until(lambda: statuses[-1].active == 'compiled')
# The compiled dies; somebody else publishes another type there.
node.destroy_publisher(compiled)
compiled = None
count = len(got)
until(lambda: statuses[-1].active == 'original' and len(got) > count + 5)
dead = statuses[-1].reason, statuses[-1].fallbacks, got[-1].linear.y
node.create_publisher(TwistStamped, '/compiled/cmd', 10)
until(lambda: 'geometry_msgs/msg/TwistStamped' in statuses[-1].reason)
refused = switch_to('compiled')
count = len(got)
until(lambda: len(got) > count + 5)
reliabilities = [each.qos_profile.reliability.name
                 for each in node.get_publishers_info_by_topic('/cmd')]
print(json.dumps({
    'by_default': [by_default[0], sorted(by_default[1])],
    'unknown': [unknown.success, unknown.message], 'asked': asked.success, 'back': back.success,
    'after': sorted(after), 'dead': dead, 'refused': [refused.success, refused.message],
    'reliabilities': reliabilities,
}), flush=True)
"""
ARGUMENTS = ('original:=/original/cmd', 'compiled:=/compiled/cmd', 'actuator:=/cmd')


def test_the_original_drives_unless_asked_and_when_the_compiled_dies(graph: Graph) -> None:
    """Promise: default, service, back, death, another type: the original's stream never ends."""
    node = graph.node('switch', *ARGUMENTS, 'hold_s:=0.1', 'limit_s:=1.0')
    code, said = graph.finish(graph.start(sys.executable, '-W', 'ignore', '-c', PROGRAM))
    assert code == 0, said
    found = json.loads(next(line for line in said.splitlines() if line.startswith('{')))
    assert found['by_default'] == ['original', [0.0]]
    assert found['unknown'] == [False, "'cpp' cannot drive; original and compiled can"]
    assert found['asked']
    assert found['back']
    assert found['after'] == [0.0]
    reason, fallbacks, last = found['dead']
    assert reason == 'the compiled has not answered within 1 s'
    assert (fallbacks, last) == (1, 0.0)
    told = (
        '/original/cmd is geometry_msgs/msg/Twist, /compiled/cmd is geometry_msgs/msg/TwistStamped'
    )
    assert found['refused'] == [False, told]
    assert found['reliabilities'] == ['BEST_EFFORT']
    code, said = graph.finish(node, signal.SIGINT)
    assert (code, 'went back to the original by itself 1 times' in said) == (0, True), said
    assert f'the two cannot be judged: {told}' in said


def test_nothing_wrong_gets_to_the_actuator(graph: Graph) -> None:
    """Promise: at a random message the compiled is wrong or silent: the original's goes, at once."""
    arms = graph.start(
        *(sys.executable, '-W', 'ignore', str(ROOT / 'benchmarks' / 'switching.py')),
        *('--trials', '8', '--latencies', '0', '--period', '0.005', '--limit', '5'),
    )
    code, said = graph.finish(arms)
    assert code == 0, said
    found = json.loads(next(line for line in said.splitlines() if line.startswith('{')))
    assert (found['good'], found['problems']) == (8, [])


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ([], 'original is empty; give the topic, such as original:=/cmd'),
        (['original:=/a', 'compiled:=/b', 'actuator:=/a'], 'have to be three topics'),
        ([*ARGUMENTS, 'limit_s:=0.0'], 'limit_s is 0.0; it has to be between'),
    ],
)
def test_wrong_settings_are_refused_in_one_line(
    graph: Graph, arguments: list[str], reason: str
) -> None:
    """Promise: what cannot be switched is said in one line, with exit code 2."""
    code, said = graph.finish(graph.node('switch', *arguments))
    assert (code, len(said.strip().splitlines())) == (2, 1), said
    assert reason in said
