"""The consensus node as a process of its own, its arms published by this one."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from geometry_msgs.msg import TwistStamped
from graph_kit import ROOT
from lk_dataset_ros.msg import ConsensusEvent, ConsensusStatus
from nav_msgs.msg import Odometry
from std_msgs.msg import String
from std_srvs.srv import Trigger
from watching_kit import LATCHED, NS_PER_S, Peer

from lk_dataset_ros import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graph_kit import Graph

# A library of rclpy's imports a deprecated module.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

ARMS = ('original', 'cpp', 'nn')
OK, WARN, ERROR, STALE = range(4)


@pytest.fixture
def make_peer(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Peer]]:
    """Make participants in the graph's domain: one cannot have a topic with two types."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    made: list[Peer] = []

    def make() -> Peer:
        made.append(Peer(int(graph.env['ROS_DOMAIN_ID'])))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.close()


class Robot:
    """Publishes an input and the answers of three arms to it, all with one stamp."""

    def __init__(self, peer: Peer, nn_peer: Peer | None = None) -> None:
        peers = {'nn': nn_peer or peer}
        self.odom = peer.publisher('/odom', Odometry)
        self.arms = {
            name: peers.get(name, peer).publisher(f'/{name}/cmd', TwistStamped) for name in ARMS
        }
        self.off = 0.0
        self.silent: tuple[str, ...] = ()
        #: Stamps that were given out.
        self.stamps: list[int] = []

    def step(self) -> None:
        """Publish once."""
        stamp_ns = time.time_ns()
        self.stamps.append(stamp_ns)
        odom = Odometry()
        _stamp(odom, stamp_ns)
        self.odom.publish(odom)
        for name, publisher in self.arms.items():
            command = TwistStamped()
            _stamp(command, stamp_ns)
            command.twist.linear.x = 1.0 + (self.off if name == 'nn' else 0.0)
            if name not in self.silent:
                publisher.publish(command)


def _stamp(message: Any, stamp_ns: int) -> None:
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, NS_PER_S)


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def consensus(graph: Graph, *arguments: str) -> subprocess.Popen[str]:
    """Start the node."""
    arms = ','.join(f"'{name}:=/{name}/cmd'" for name in ARMS)
    return graph.node(
        'consensus',
        f'arms:=[{arms}]',
        "inputs:=['/odom']",
        'atol:=0.01',
        # A busy machine is no reason for an arm to be late.
        'limit_s:=2.0',
        *arguments,
    )


def test_a_disagreement_is_told_and_recorded(
    graph: Graph, make_peer: Callable[[], Peer], tmp_path: Path
) -> None:
    """Promise: one disagreement is one event, with its arm, on ~/events and in the bag.

    The bag is finished by SIGINT, holds every message of the disagreement once and of the time
    around it, and nothing else.
    """
    bag = tmp_path / 'disagreements'
    process = consensus(graph, f'bag:={bag}', 'pre_s:=0.3', 'post_s:=0.2', 'hysteresis_s:=0.5')
    peer = make_peer()
    robot = Robot(peer)
    statuses = peer.listen(ConsensusStatus, '/consensus/status', LATCHED)
    events = peer.listen(ConsensusEvent, '/consensus/events')

    def compared() -> int:
        return min((each.compared for each in statuses[-1].pairs), default=0) if statuses else 0

    peer.until(
        lambda: compared() > 20 and peer.node.count_publishers('/consensus/events'),
        'three arms that are compared',
        meanwhile=robot.step,
    )
    assert (statuses[-1].events, list(statuses[-1].arms)) == (0, list(ARMS))
    robot.off, first = 0.5, len(robot.stamps)
    for _ in range(10):
        robot.step()
    robot.off = 0.0
    wrong = robot.stamps[first:]
    peer.until(
        lambda: any(_ns(each.window_end) for each in events),
        'the end of the disagreement',
        meanwhile=robot.step,
    )
    assert {each.number for each in events} == {1}
    event = events[-1]
    assert (list(event.outliers), sorted(event.majority)) == (['nn'], ['cpp', 'original'])
    assert (event.messages, event.field) == (10, 'twist.linear.x')
    assert (_ns(event.start), _ns(event.end)) == (wrong[0], wrong[-1])
    assert abs(event.original - event.compiled) == pytest.approx(0.5)
    code, said = graph.finish(process, signal.SIGINT)
    assert code == 0, said
    assert 'disagreement 1 on /original/cmd: nn' in said
    assert 'bag finished' in said
    with Dataset.load(bag) as dataset:
        assert set(dataset.keys()) == {'/odom', '/consensus/events', *robot_topics()}
        (kept,) = dataset['/consensus/events']
        assert (list(kept.outliers), kept.messages) == (['nn'], 10)
        for topic in ('/odom', *robot_topics()):
            stamps = [_ns(each.header.stamp) for each in dataset[topic]]
            assert stamps == sorted(set(stamps))
            assert set(wrong) <= set(stamps), topic
            # What is around it, not all that there was.
            assert stamps[0] < wrong[0] < wrong[-1] < stamps[-1]
            assert len(stamps) < len(robot.stamps)
        off = [each.twist.linear.x for each in dataset['/nn/cmd']]
        assert sum(each == 1.5 for each in off) == 10


def robot_topics() -> list[str]:
    """Return the outputs of the arms."""
    return [f'/{name}/cmd' for name in ARMS]


def test_an_arm_that_stops_is_stale_and_recovers(
    graph: Graph, make_peer: Callable[[], Peer]
) -> None:
    """Promise: an arm that is silent, or comes back as another type, is told of until it is well."""
    process = consensus(graph, 'stale_s:=1.0', 'window_s:=3.0')
    peer, nn_peer = make_peer(), make_peer()
    robot = Robot(peer, nn_peer)
    statuses = peer.listen(ConsensusStatus, '/consensus/status', LATCHED)
    peer.watch_diagnostics()

    def is_well() -> bool:
        return bool(statuses) and statuses[-1].level == OK and peer.level('/nn') == OK

    peer.until(is_well, 'agreement', meanwhile=robot.step)
    robot.silent = ('nn',)
    peer.until(
        lambda: statuses[-1].level != OK and peer.level('/nn') == STALE,
        'an arm that is stale',
        meanwhile=robot.step,
    )
    assert 'nn' in statuses[-1].message
    robot.silent = ()
    peer.until(is_well, 'an arm that has come back', meanwhile=robot.step)

    robot.silent = ('nn',)
    nn_peer.node.destroy_publisher(robot.arms['nn'])
    other = nn_peer.publisher('/nn/cmd', String)

    def step_otherwise() -> None:
        robot.step()
        other.publish(String(data='nonsense'))

    peer.until(
        lambda: peer.level('/nn') == ERROR, 'an arm of another type', meanwhile=step_otherwise
    )
    nn_peer.node.destroy_publisher(other)
    robot.arms['nn'] = nn_peer.publisher('/nn/cmd', TwistStamped)
    robot.silent = ()
    peer.until(is_well, 'an arm of the right type', meanwhile=robot.step)
    assert statuses[-1].events == 0
    assert peer.call(Trigger, '/consensus/pause').success
    assert peer.call(Trigger, '/consensus/resume').success
    before = statuses[-1].pairs[0].compared
    assert peer.call(Trigger, '/consensus/reset').success
    peer.until(lambda: statuses[-1].pairs[0].compared < before, 'counting from the beginning')
    code, said = graph.finish(process, signal.SIGTERM)
    assert code == 0, said


WRONG = {
    'no arms': ([], 'no arms are given'),
    'one': (["arms:=['a:=/a']"], 'there is one arm only'),
    'nameless': (["arms:=['/a', '/b']"], 'name:=topic'),
    'twice': (["arms:=['a:=/a', 'b:=a']"], '/a is the output of'),
    'input': (["arms:=['a:=/a', 'b:=/b']", "inputs:=['b']"], 'both an arm and an input'),
    'mode': (["arms:=['a:=/a', 'b:=/b']", 'record_mode:=some'], 'mismatches'),
}


def test_wrong_parameters_are_refused(graph: Graph) -> None:
    """Promise: parameters that make no sense are one line and exit code 2."""
    running = {name: graph.node('consensus', *arguments) for name, (arguments, _) in WRONG.items()}
    for name, process in running.items():
        code, said = graph.finish(process)
        assert code == 2, said
        assert WRONG[name][1] in said
        assert len(said.strip().splitlines()) == 1, said


def test_the_example_without_ros_finds_who_drifts() -> None:
    """Promise: of the example's three arms the one that drifts is named, and no other."""
    path = ROOT / 'examples' / 'consensus' / 'without_ros.py'
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ''
    begun = [line for line in done.stdout.splitlines() if 'begins' in line]
    assert len(begun) == 10
    assert all(line.endswith(' drifting') for line in begun)
    assert 'rewritten agrees with original in 100.0 %' in done.stdout
    assert '/consensus/events: 10 messages in the bag' in done.stdout


@pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='launch_ros is not installed (it is not in the registries)',
)
def test_the_example_launches_and_finds_who_drifts(
    graph: Graph, make_peer: Callable[[], Peer]
) -> None:
    """Promise: the example's launch file starts everything, and the odd one out is named."""
    source = (
        'import sys, launch\n'
        'from launch.launch_description_sources import PythonLaunchDescriptionSource as Source\n'
        'from launch.actions import IncludeLaunchDescription as Include\n'
        'service = launch.LaunchService()\n'
        'include = Include(Source(sys.argv[1]))\n'
        'service.include_launch_description(launch.LaunchDescription([include]))\n'
        'sys.exit(service.run())\n'
    )
    path = ROOT / 'examples' / 'consensus' / 'three_arms.launch.py'
    peer = make_peer()
    events = peer.listen(ConsensusEvent, '/consensus/events')
    process = graph.start(sys.executable, '-W', 'ignore', '-c', source, str(path))
    peer.until(lambda: any(_ns(each.window_end) for each in events), 'a disagreement')
    assert list(events[0].outliers) == ['drifting']
    code, said = graph.finish(process, signal.SIGINT)
    assert code == 0, said
