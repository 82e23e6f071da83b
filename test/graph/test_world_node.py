"""The `world` node: a simulation as others would find it on the graph."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from live_kit import track, write_toys

if TYPE_CHECKING:
    from pathlib import Path

    from graph_kit import Graph

PROGRAM = """
import json, time
import rclpy
from geometry_msgs.msg import PointStamped, TwistStamped
from rcl_interfaces.srv import DescribeParameters
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSProfile, DurabilityPolicy
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger
from lk_dataset_ros.msg import WorldStatus
from lk_dataset_ros.srv import ResetWorld

rclpy.init()
node = rclpy.create_node('tester')
clocks, states, status = [], [], []
def on_clock(message):
    clocks.append(message.clock.sec * 10**9 + message.clock.nanosec)
node.create_subscription(Clock, '/clock', on_clock, 1000)
node.create_subscription(PointStamped, '/state', states.append, 1000)
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
node.create_subscription(WorldStatus, '/world/status', status.append, latched)
command = node.create_publisher(TwistStamped, '/cmd', 10)

def until(what):
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.1)

def call(kind, name, request):
    client = node.create_client(kind, name)
    until(client.service_is_ready)
    future = client.call_async(request)
    until(future.done)
    assert future.result().success, future.result().message

until(lambda: len(clocks) > 50 and len(states) > 50 and status)
paced = (clocks[-1] - clocks[0]) / 1e9
call(Trigger, '/world/pause', Trigger.Request())
call(ResetWorld, '/world/reset', ResetWorld.Request(seed=7))
until(lambda: clocks[-1] == 0 and status[-1].seed == 7)
paused = status[-1].outcome
command.publish(TwistStamped())
out = TwistStamped()
out.twist.linear.x = 1.0
until(lambda: command.get_subscription_count() == 1)
call(Trigger, '/world/resume', Trigger.Request())
def driven():
    command.publish(out)
    return states[-1].point.x > 7.2 and states[-1].point.x < 50
until(driven)
client = AsyncParameterClient(node, '/world')
until(client.services_are_ready)
future = client.describe_parameters(['rtf', 'goal_m'])
until(future.done)
ranges = [(d.description, d.floating_point_range[0].to_value) for d in future.result().descriptors]
future = client.set_parameters([Parameter('rtf', value=-1.0)])
until(future.done)
refused = not future.result().results[0].successful
print(json.dumps({'paced': paced, 'paused': paused, 'ranges': ranges, 'refused': refused,
    'types': status[-1].is_finished}))
"""


def test_world_has_clock_sensors_commands_and_services(graph: Graph, tmp_path: Path) -> None:
    """Promise: time goes on and back, commands move the world, parameters say their ranges."""
    write_toys(tmp_path)
    world = graph.node('world', *track(tmp_path))
    code, said = graph.finish(graph.start(sys.executable, '-W', 'ignore', '-c', PROGRAM))
    assert code == 0, said
    found = json.loads(next(line for line in said.splitlines() if line.startswith('{')))
    assert found['paced'] > 0.9
    assert json.loads(found['paused']) == {'reached': False, 'x': 7.0}
    assert found['ranges'][0][1] == 1e6
    assert found['ranges'][1] == ['where it is over, m', 1000.0]
    assert found['refused']
    code, said = graph.finish(world, signal.SIGINT)
    assert code == 0, said


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ([], 'world: error: no world is given'),
        (['world:=nowhere'], "world: error: there is no world 'nowhere'"),
        (['world:=toy:Track', 'goal_m:=-1.0'], 'goal_m is -1.0; it has to be between'),
        (['world:=toy:Track', "wait_for:=['/x']"], 'the world has no /x; it has /clock, /state'),
        (['world:=toy:Track', 'size:=1.0'], "there is no parameter 'size'"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(
    graph: Graph, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    """Promise: what cannot be simulated is said in one line, with exit code 2."""
    write_toys(tmp_path)
    code, said = graph.finish(graph.node('world', f"python_path:=['{tmp_path}']", *arguments))
    assert code == 2
    assert reason in said
    assert len(said.strip().splitlines()) == 1
