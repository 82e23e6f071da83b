"""The `compare` node: two topics that drift apart, found while they run."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from graph_kit import Graph

PROGRAM = """
import json, sys, time
import rclpy
from geometry_msgs.msg import PointStamped, Twist, TwistStamped
from rclpy.qos import QoSProfile, DurabilityPolicy, ReliabilityPolicy
from std_srvs.srv import Trigger
from lk_dataset_ros.msg import ComparisonStatus, Divergence
from lk_dataset_ros.srv import SaveReport

rclpy.init()
node = rclpy.create_node('arms')
latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
statuses, told = [], []
node.create_subscription(ComparisonStatus, '/compare/status', statuses.append, latched)
node.create_subscription(Divergence, '/compare/divergence', told.append, latched)
best_effort = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
first = node.create_publisher(TwistStamped, '/cmd', 100)
second = node.create_publisher(TwistStamped, '/cpp/cmd', best_effort)
node.create_publisher(PointStamped, '/other', 1)
node.create_publisher(Twist, '/cpp/other', 1)
number = 0

def drive(wrong=0.0, count=1):
    global number
    for _ in range(count):
        number += 1
        out = TwistStamped()
        out.header.stamp.sec, out.header.stamp.nanosec = divmod(number * 10**7, 10**9)
        out.twist.linear.x = 1.0
        first.publish(out)
        out.twist.linear.x = 1.0 + wrong
        second.publish(out)
        rclpy.spin_once(node, timeout_sec=0.005)

def until(what, wrong=0.0):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, (statuses[-1:], told)
        drive(wrong)

def call(kind, name, request):
    client = node.create_client(kind, name)
    until(client.service_is_ready)
    seen = len(statuses)
    future = client.call_async(request)
    until(future.done)
    return future.result(), len(statuses) - seen

until(lambda: statuses and statuses[-1].paired > 20)
before = statuses[-1].differing, len(told)
until(lambda: any(each.field for each in told if each.original_topic == '/cmd'), wrong=0.5)
fields = [(each.field, each.original, each.compiled) for each in told]
answer, _ = call(SaveReport, '/compare/save_report', SaveReport.Request(folder=sys.argv[1]))
refused, _ = call(SaveReport, '/compare/save_report', SaveReport.Request(folder=sys.argv[1]))
call(Trigger, '/compare/reset', Trigger.Request())
until(lambda: statuses[-1].paired > 20 and not statuses[-1].first)
again = statuses[-1].differing, len(told)
print(json.dumps({
    'before': before, 'fields': fields, 'verdict': answer.verdict, 'success': answer.success,
    'refused': refused.message, 'message': answer.message, 'again': again,
}), flush=True)
"""


def spoken(graph: Graph, *arguments: str) -> dict[str, Any]:
    """Run the program; return what it found."""
    code, said = graph.finish(
        graph.start(sys.executable, '-W', 'ignore', '-c', PROGRAM, *arguments)
    )
    assert code == 0, said
    found: dict[str, Any] = json.loads(
        next(line for line in said.splitlines() if line.startswith('{'))
    )
    return found


def test_drift_is_told_reported_and_forgotten(graph: Graph, tmp_path: Path) -> None:
    """Promise: found by types and namespace, told at once with values, reported by `compare`."""
    node = graph.node(
        'compare', "topics:=['/cmd']", 'namespace:=cpp', 'report:=end', 'exit_with_verdict:=true'
    )
    found = spoken(graph, str(tmp_path / 'asked'))
    assert found['before'] == [0, 0]
    assert found['fields'] == [['twist.linear.x', 1.0, 1.5]]
    assert (found['success'], found['verdict']) == (True, 'differs'), found['message']
    assert 'asked is not empty' in found['refused']
    assert found['again'] == [0, 1]
    files = {path.name for path in (tmp_path / 'asked').iterdir()}
    assert files >= {'comparison.json', 'junit.xml', 'report.html', 'diffdiff.txt'}
    assert 'job.json' not in files
    compared = json.loads((tmp_path / 'asked' / 'comparison.json').read_text())
    assert compared['verdict'] == 'differs'
    # The arms have ended: what they had said last was heard.
    code, said = graph.finish(node, signal.SIGINT)
    assert (code, 'equivalent: ' in said) == (0, True), said
    end = tmp_path / 'end' / 'report' / 'comparison.json'
    assert json.loads(end.read_text())['verdict'] == 'equivalent'
    assert not (tmp_path / 'end' / 'heard').exists()


def test_all_below_a_namespace_and_other_types_differ(graph: Graph, tmp_path: Path) -> None:
    """Promise: without topics everything below the namespace is compared; two types differ."""
    node = graph.node('compare', 'namespace:=/cpp', 'report:=end', 'exit_with_verdict:=true')
    found = spoken(graph, str(tmp_path / 'asked'))
    assert found['verdict'] == 'differs'
    code, said = graph.finish(node, signal.SIGINT)
    assert code == 1, said
    told = '/other cannot be compared: /other is geometry_msgs/msg/PointStamped, '
    assert f'{told}/cpp/other is geometry_msgs/msg/Twist' in said
    page = (tmp_path / 'asked' / 'report.html').read_text()
    assert '/cpp/other is geometry_msgs/msg/Twist' in page


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ([], 'compare: error: nothing is chosen to be compared'),
        (["topics:=['/cmd']"], "topics holds '/cmd', which names one topic"),
        (["topics:=['/a:=/a']"], 'a topic is always equal to itself'),
        (['namespace:=cpp', "formats:=['pdf']"], "formats holds 'pdf'; there is json, junit"),
        (['namespace:=cpp', 'tolerances:=no.yaml'], 'no.yaml'),
        (['namespace:=cpp', 'rate:=1'], "there is no parameter 'rate'"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(
    graph: Graph, arguments: list[str], reason: str
) -> None:
    """Promise: what cannot be compared is said in one line, with exit code 2."""
    code, said = graph.finish(graph.node('compare', *arguments))
    assert (code, len(said.strip().splitlines())) == (2, 1), said
    assert reason in said
