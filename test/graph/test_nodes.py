"""The nodes on a real graph: recorder, playback, component."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest
from graph_kit import LIMIT_S, Graph, write_odometry
from rosbags.highlevel import AnyReader

from lk_dataset_ros import Dataset

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

LISTENER = """
import json, sys, time
import rclpy
from rclpy.qos import QoSProfile
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
rclpy.init()
node = rclpy.create_node('listener')
stamps, times, clocks = [], [], []
def take(message, info):
    stamps.append(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
    times.append(info['source_timestamp'] / 1e9)
node.create_subscription(Odometry, sys.argv[1], take, QoSProfile(depth=1000))
node.create_subscription(Clock, '/clock', lambda m: clocks.append(m.clock.sec), 1000)
deadline = time.monotonic() + 120
while len(stamps) < int(sys.argv[2]) and time.monotonic() < deadline:
    rclpy.spin_once(node, timeout_sec=0.1)
print(json.dumps({'stamps': stamps, 'span': times[-1] - times[0], 'clocks': len(clocks)}))
"""


#: A node that waits for nothing else than a signal: only the signals themselves can end its wait.
SIGNALLED = """
import os, signal, threading
import rclpy
from rclpy.executors import SingleThreadedExecutor
from lk_dataset_ros.ros.host import _Stop
rclpy.init()
node = rclpy.create_node('waits')
executor = SingleThreadedExecutor()
executor.add_node(node)
for number in (signal.SIGINT, signal.SIGTERM):
    stop = _Stop()
    with stop.waking(node):
        executor.spin_once(timeout_sec=0.0)
        later = threading.Timer(0.2, os.kill, (os.getpid(), number))
        later.start()
        executor.spin_once(timeout_sec=1000.0)
        assert stop.requested
        # More of them, while it ends, keep nobody waiting.
        for more in (signal.SIGINT, signal.SIGTERM) * 10:
            os.kill(os.getpid(), more)
print('woken')
"""


def listen(graph: Graph, topic: str, count: int) -> subprocess.Popen[str]:
    """Start a subscriber that waits for messages and tells what it got."""
    return graph.start(sys.executable, '-c', LISTENER, topic, str(count))


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read a node's log until a line holds a text."""
    assert process.stderr is not None
    while True:
        line = process.stderr.readline()
        assert line, f'the node ended before it said {text!r}'
        if text in line:
            return


def test_a_signal_ends_a_wait_for_events(graph: Graph) -> None:
    """Promise: SIGINT and SIGTERM are noticed at once, however long the node waits."""
    process = graph.start(sys.executable, '-c', SIGNALLED)
    output, errors = process.communicate(timeout=LIMIT_S)
    assert output == 'woken\n', errors


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_recorder_takes_everything_and_finishes_the_bag(
    graph: Graph, tmp_path: Path, number: int
) -> None:
    """What the robot published is in the bag, which another reader opens, after the signal."""
    recorder = graph.node('recorder', f'bag:={tmp_path / "bag"}', "topics:=['/odom']")
    robot = graph.node(
        'component',
        'component:=odometry_smoother.robot:DrivingRobot',
        'wait_for_subscribers:=2',
        'duration_s:=1.0',
        'rate_hz:=200.0',
    )
    # A subscription can be found before it hears: the robot begins when another one is there.
    wait_for_line(recorder, 'recording /odom')
    listener = listen(graph, '/odom', 1)
    code, said = graph.finish(robot)
    assert code == 0, said
    assert graph.finish(listener)[0] == 0
    code, said = graph.finish(recorder, number)
    assert code == 0, said
    assert 'recorded 200 messages of /odom' in said
    with Dataset.load(tmp_path / 'bag') as dataset:
        topic = dataset.topic('/odom')
        stamps = dataset.columns('/odom').stamp_ns
    assert topic.count == 200
    assert topic.schema.type_hash.startswith('RIHS01_3cc97dc7fb7502f8')
    assert 'reliability: reliable' in topic.qos
    assert stamps is not None
    assert len(set(stamps.tolist())) == 200
    with AnyReader([tmp_path / 'bag']) as reader:
        found = [
            message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            for connection, _, raw in reader.messages()
            for message in [reader.deserialize(raw, connection.msgtype)]
        ]
    assert found == stamps.tolist()


@pytest.mark.parametrize(('rtf', 'span_s'), [('10', 0.398), ('2.0', 1.99), ('0', None)])
def test_playback_gives_every_message_at_its_time(
    graph: Graph, bag: Path, rtf: str, span_s: float | None
) -> None:
    """All messages arrive in order, and take the time that the factor says."""
    listener = listen(graph, '/odom', 200)
    playback = graph.node('playback', f'bag:={bag}', "topics:=['/odom']", f'rtf:={rtf}')
    code, said = graph.finish(playback)
    assert code == 0, said
    assert 'played 200 of 200 messages' in said
    output, errors = listener.communicate(timeout=LIMIT_S)
    got = json.loads(output)
    assert got['stamps'] == [1_000_000_000 + i * 20_000_000 for i in range(200)], errors
    if span_s is not None:
        # Never early; how late a busy machine makes it is not the engine's (fake clock) matter.
        assert span_s * 0.9 <= got['span'] <= span_s + 10.0


def test_playback_publishes_clock_and_takes_orders(graph: Graph, bag: Path) -> None:
    """/clock is published; a paused playback stands until it is resumed, at the rate then set."""
    listener = listen(graph, '/odom', 200)
    playback = graph.node(
        'playback',
        f'bag:={bag}',
        "topics:=['/odom']",
        'clock_hz:=50.0',
        'start_paused:=true',
    )
    orders = """
import rclpy
from std_srvs.srv import Trigger
from lk_dataset_ros.srv import SetRate
rclpy.init()
node = rclpy.create_node('orders')
def call(kind, name, request):
    client = node.create_client(kind, name)
    assert client.wait_for_service(timeout_sec=30.0)
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future, timeout_sec=30.0)
    return future.result()
refused = call(SetRate, '/playback/set_rate', SetRate.Request(rate=-1.0))
assert not refused.success and 'rate is -1.0' in refused.message, refused
assert call(SetRate, '/playback/set_rate', SetRate.Request(rate=4.0)).success
assert call(Trigger, '/playback/resume', Trigger.Request()).success
"""
    code, said = graph.finish(graph.start(sys.executable, '-c', orders))
    assert code == 0, said
    code, said = graph.finish(playback)
    assert code == 0, said
    got = json.loads(listener.communicate(timeout=LIMIT_S)[0])
    assert len(got['stamps']) == 200
    assert 3.98 / 4 * 0.9 <= got['span'] <= 3.98 / 4 + 10.0
    assert got['clocks'] > 5


def test_play_and_record_give_back_the_messages(graph: Graph, bag: Path, tmp_path: Path) -> None:
    """Messages that are played and recorded again are the same bytes, in the same order."""
    recorder = graph.node('recorder', f'bag:={tmp_path / "again"}', "topics:=['/odom']")
    playback = graph.node('playback', f'bag:={bag}', "topics:=['/odom']", 'rtf:=0')
    assert graph.finish(playback)[0] == 0
    assert graph.finish(recorder, signal.SIGINT)[0] == 0
    with Dataset.load(bag) as first, Dataset.load(tmp_path / 'again') as second:
        assert [m.cdr for m in first.iterate_serialized()] == [
            m.cdr for m in second.iterate_serialized()
        ]


def test_killed_recorder_leaves_a_bag_that_opens(graph: Graph, tmp_path: Path) -> None:
    """After kill -9 the bag opens with what had been handed to the file, and says so."""
    recorder = graph.node(
        'recorder', f'bag:={tmp_path / "bag"}', "topics:=['/odom']", 'compression:=none'
    )
    robot = graph.node(
        'component',
        'component:=odometry_smoother.robot:DrivingRobot',
        'wait_for_subscribers:=1',
        'duration_s:=60.0',
        'rate_hz:=250.0',
    )
    file = tmp_path / 'bag' / 'bag_0.mcap'
    deadline_s = time.monotonic() + 60
    while not file.exists() or file.stat().st_size < 300_000:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    graph.finish(recorder, signal.SIGKILL)
    graph.finish(robot, signal.SIGINT)
    with Dataset.load(tmp_path / 'bag') as dataset:
        assert any('is cut or damaged' in warning for warning in dataset.warnings)
        stamps = dataset.columns('/odom').stamp_ns
    assert stamps is not None
    assert len(stamps) > 250
    assert (stamps[1:] - stamps[:-1] == 4_000_000).all()


def test_component_takes_parameters_while_running(graph: Graph) -> None:
    """A changed parameter is checked and handed to the component."""
    node = graph.node('component', 'component:=odometry_smoother.original:OdometrySmoother')
    change = """
import rclpy
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
rclpy.init()
node = rclpy.create_node('changes')
def call(kind, name, request):
    client = node.create_client(kind, name)
    assert client.wait_for_service(timeout_sec=30.0)
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future, timeout_sec=30.0)
    return future.result()
def change(value):
    parameter = Parameter('cutoff_hz', value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])
    return call(SetParameters, '/component/set_parameters', request).results[0]
assert change(3.0).successful
assert not change(-3.0).successful
request = DescribeParameters.Request(names=['cutoff_hz'])
described = call(DescribeParameters, '/component/describe_parameters', request).descriptors[0]
assert described.description == 'natural frequency of the low-pass', described
assert described.floating_point_range[0].to_value == 100.0
"""
    code, said = graph.finish(graph.start(sys.executable, '-c', change))
    assert code == 0, said
    assert graph.finish(node, signal.SIGINT)[0] == 0


def test_component_publishes_its_diagnostics(graph: Graph, tmp_path: Path) -> None:
    """What a component puts into its dx goes out on /diagnostics."""
    bag = write_odometry(tmp_path / 'bag', 60)
    with Dataset.load(bag) as first, Dataset.create('mcap', tmp_path / 'gap') as second:
        for index, message in enumerate(first['/odom']):
            message.header.stamp.sec += 100 * (index // 30)
            second.write('/odom', message, timestamp_ns=index * 20_000_000)
    node = graph.node('component', 'component:=odometry_smoother.original:OdometrySmoother')
    watch = """
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
rclpy.init()
node = rclpy.create_node('watch')
seen = []
node.create_subscription(DiagnosticArray, '/diagnostics', seen.append, 10)
while not seen:
    rclpy.spin_once(node, timeout_sec=0.1)
status = seen[0].status[0]
print(status.name, [(each.key, each.value) for each in status.values])
"""
    watcher = graph.start(sys.executable, '-c', watch)
    playback = graph.node('playback', f'bag:={tmp_path / "gap"}', "topics:=['/odom']", 'rtf:=0')
    assert graph.finish(playback)[0] == 0
    code, said = graph.finish(watcher)
    assert code == 0, said
    assert "component: OdometrySmoother [('restarts', '1')]" in said
    graph.finish(node, signal.SIGINT)


BAD = [
    (('component',), 'no component is given'),
    (('component', 'component:=nothing'), 'is not of the form package.module:Class'),
    (('component', 'component:=os.path:join'), 'is not a subclass of Component'),
    (
        ('component', 'component:=odometry_smoother.robot:DrivingRobot', 'rate_hz:=fast'),
        "rate_hz is 'fast'; it has to be a float",
    ),
    (
        ('component', 'component:=odometry_smoother.robot:DrivingRobot', 'rate:=1.0'),
        "there is no parameter 'rate'",
    ),
    (('playback',), 'no bag is given'),
    (('playback', 'bag:=nowhere'), 'there is no bag at nowhere'),
    (('playback', 'bag:=bag', 'rtf:=-1.0'), 'rtf is -1.0; it has to be between 0 and'),
    (
        ('playback', 'bag:=bag', "topics:=['/else']"),
        'there is no /else in what is played; there is /odom',
    ),
    (
        ('playback', 'bag:=bag', "topics:=['/odom']", 'ready_limit_s:=0.3'),
        '/odom has no subscriber after 0.3 s',
    ),
    (('recorder', 'bag:=new'), 'nothing is chosen to be recorded: give topics'),
    (('recorder', 'bag:=bag', "topics:=['/odom']"), 'bag exists; a bag never overwrites'),
    (('recorder', 'bag:=bag/metadata.yaml/x', "topics:=['/odom']"), 'cannot be made'),
    (
        ('recorder', 'bag:=new', "topics:=['/odom']", 'compression:=zip'),
        "compression is 'zip'; it has to be one of",
    ),
]


@pytest.mark.parametrize(('arguments', 'says'), BAD)
def test_bad_parameters_are_one_line_and_exit_code_2(
    graph: Graph, bag: Path, arguments: tuple[str, ...], says: str
) -> None:
    """A node that is wrongly set up says why in one line and exits with 2."""
    assert bag.exists()
    code, said = graph.finish(graph.node(*arguments))
    assert code == 2, said
    errors = [line for line in said.splitlines() if not line.startswith('[INFO]')]
    assert len(errors) == 1, said
    assert says in errors[0]


def test_recorder_says_what_it_subscribes_to(graph: Graph, tmp_path: Path) -> None:
    """A topic that nobody publishes is named at the end, and the bag is there all the same."""
    recorder = graph.node('recorder', f'bag:={tmp_path / "bag"}', "topics:=['/odom', '/none']")
    robot = graph.node('component', 'component:=odometry_smoother.robot:DrivingRobot')
    wait_for_line(recorder, 'recording /odom (nav_msgs/msg/Odometry)')
    code, said = graph.finish(recorder, signal.SIGINT)
    assert code == 0
    assert 'nothing was recorded on /none: nobody published it' in said
    graph.finish(robot, signal.SIGINT)
