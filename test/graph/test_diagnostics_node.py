"""The diagnostics node: what it says of topics, what it makes of what others say."""

from __future__ import annotations

import math
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from watching_kit import LATCHED, NS_PER_S, Peer

from lk_dataset_ros.component import Level
from lk_dataset_ros.dataset.recording import PREFIX, Arrivals
from lk_dataset_ros.dataset.recording.arrivals import GID
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import Batch, builtin_schema, codec_for, new_message
from lk_dataset_ros.ros.watching.collection import MOST_NAMES, Collection
from lk_dataset_ros.ros.watching.expected import Expected, expected_of
from lk_dataset_ros.ros.watching.hearing import Topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graph_kit import Graph

# A library of rclpy's imports a deprecated module.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

OK, WARN, ERROR, STALE = range(4)
TWIST = builtin_schema('geometry_msgs/msg/TwistStamped')


class Time:
    """A clock that is told what time it is."""

    now_ns = 1_000 * NS_PER_S

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns


def arrivals(now_ns: int, *numbers: int, age_s: float = 0.0, topic: str = '/cmd') -> Arrivals:
    """Return messages with these numbers that come now."""
    message = new_message(TWIST.name)
    stamp_ns = now_ns - round(age_s * NS_PER_S)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, NS_PER_S)
    cdr = codec_for(TWIST).encode(message)
    size = PREFIX + len(cdr)
    buffer = np.frombuffer((bytes(PREFIX) + cdr) * len(numbers), np.uint8)
    start = np.arange(len(numbers)) * size + PREFIX
    times = np.full(len(numbers), now_ns, np.int64)
    return Arrivals(
        topic,
        Batch(buffer, start, np.full(len(numbers), len(cdr))),
        times,
        times,
        np.array(numbers, np.uint64),
        np.zeros(len(numbers), GID),
    )


def test_what_is_said_of_a_topic() -> None:
    """Promise: rate, age, silence, losses, publishers each have their level and their words."""
    clock = Time()
    topics = Topics({'/cmd': Expected('/cmd', 9.0, 11.0)}, now_ns=clock, silent_s=2.0)
    topics.add_input('/cmd', TWIST)

    def said() -> tuple[int, str]:
        found = topics.dx.update()[1]
        assert found.name == '/cmd'
        return found.level, found.message

    def run(seconds: float, hz: float = 10.0, age_s: float = 0.0) -> None:
        for _ in range(round(seconds * hz)):
            clock.now_ns += round(NS_PER_S / hz)
            number[0] += 1
            topics.take(arrivals(clock.now_ns, number[0], age_s=age_s))

    number = [0]
    assert said() == (Level.STALE, 'nothing has come yet: nobody publishes it')
    topics.note_publishers('/cmd', 1)
    assert said() == (Level.STALE, 'nothing has come yet')
    run(10.0)
    assert said() == (Level.OK, '10.2 Hz')
    number[0] += 7
    run(0.1)
    assert said() == (Level.WARN, '7 messages lost')
    run(0.1)
    assert said()[0] == Level.OK
    run(0.1, age_s=-3.0)
    assert said() == (Level.WARN, 'a stamp lies 3 s in the future')
    run(10.0, hz=20.0)
    assert said() == (Level.WARN, 'too fast: 20.2 Hz')
    run(10.0, hz=5.0, age_s=30.0)
    assert said() == (Level.WARN, 'too slow: 5.2 Hz; a stamp is 30 s old')
    clock.now_ns += 4 * NS_PER_S
    topics.note_publishers('/cmd', 0)
    assert said() == (Level.STALE, 'nothing for 4.0 s, nobody publishes it')
    topics.note_publishers('/cmd', 1, '/robot offers less')
    run(10.0)
    assert said() == (Level.ERROR, '/robot offers less')


def test_of_other_topics_nothing_is_demanded() -> None:
    """Promise: a topic that nobody named is described, never judged for being silent."""
    clock = Time()
    topics = Topics({}, now_ns=clock)
    topics.add_input('/cmd', TWIST)
    topics.take(arrivals(clock.now_ns, 1, 2, 3))
    clock.now_ns += 3600 * NS_PER_S
    (_, found) = topics.dx.update()
    assert found.level == Level.OK
    assert (found.values['count'], found.values['type']) == ('3', TWIST.name)
    assert float(found.values['silent_s']) == 3600.0


def test_what_is_expected_can_be_written_in_four_ways() -> None:
    """Promise: a topic alone, with a rate, between two rates, with a least rate; else an error."""
    assert expected_of('/a') == Expected('/a')
    assert expected_of('/a:=100') == Expected('/a', 100.0, 100.0)
    assert expected_of('/a:=9..11') == Expected('/a', 9.0, 11.0)
    assert expected_of('/a:=5..') == Expected('/a', 5.0, math.inf)
    for text in ('/a:=', '/a:=x', '/a:=11..9', '/a:=-1', '/a:=nan', '/a:=inf..', ':=5', '/a:=0'):
        with pytest.raises(ComponentError, match='write a topic'):
            expected_of(text)


def test_what_everybody_says_is_bounded_and_grows_old() -> None:
    """Promise: the worst comes first; who is silent is stale, then forgotten; memory is bounded."""
    clock = Time()
    collection = Collection(5.0, 60.0, now_ns=clock)

    def say(**levels: int) -> None:
        status = [
            SimpleNamespace(name=name, level=bytes([level]), message=f'{name} says')
            for name, level in levels.items()
        ]
        collection.take(SimpleNamespace(status=status))

    assert collection.health().level == Level.STALE
    say(arm=OK, camera=WARN, motor=ERROR)
    found = collection.health()
    assert (found.level, found.message) == (Level.ERROR, 'motor: motor says and 1 more')
    clock.now_ns += 10 * NS_PER_S
    say(arm=OK, motor=OK)
    found = collection.health()
    assert found.level == Level.STALE
    assert found.message == 'camera: not heard of for 10 s'
    clock.now_ns += 55 * NS_PER_S
    say(arm=OK, motor=OK)
    assert (collection.health().level, collection.health().values['OK']) == (Level.OK, 2)
    say(**{f'name{number}': OK for number in range(MOST_NAMES + 10)})
    assert sum(collection.health().values.values()) == MOST_NAMES


@pytest.fixture
def peer(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """Make a node in the graph's domain."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    peer = Peer(int(graph.env['ROS_DOMAIN_ID']))
    try:
        yield peer
    finally:
        peer.close()


def test_topics_are_watched_on_a_graph(graph: Graph, peer: Peer) -> None:
    """Promise: a topic that stops is stale and recovers; what others say is in one status."""
    process = graph.node(
        'diagnostics', "topics:=['/cmd:=1..','/nobody']", 'all_topics:=true', 'silent_s:=1.0'
    )
    wrong = graph.node('diagnostics', "topics:=['/cmd:=fast']")
    peer.watch_diagnostics()
    statuses = peer.listen(DiagnosticStatus, '/diagnostics/status', LATCHED)
    cmd, other = peer.publisher('/cmd', TwistStamped), peer.publisher('/other', TwistStamped)
    motor = peer.publisher('/diagnostics', DiagnosticArray)

    def step() -> None:
        message = TwistStamped()
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(time.time_ns(), NS_PER_S)
        cmd.publish(message)
        other.publish(message)

    def complain() -> None:
        step()
        motor.publish(
            DiagnosticArray(status=[DiagnosticStatus(level=b'\x02', name='motor', message='hot')])
        )

    peer.until(lambda: peer.level(': /cmd') == OK, 'a topic that is well', meanwhile=step)
    peer.until(lambda: peer.level(': /other') == OK, 'another topic', meanwhile=step)
    assert peer.level(': /nobody') == STALE
    peer.until(lambda: peer.level(': /cmd') == STALE, 'a topic that is silent')
    assert peer.level(': /other') == OK
    peer.until(lambda: peer.level(': /cmd') == OK, 'a topic that is well again', meanwhile=step)
    peer.until(lambda: statuses and statuses[-1].level == b'\x02', 'the worst', meanwhile=complain)
    assert statuses[-1].message.startswith('motor: hot')
    code, said = graph.finish(process, signal.SIGINT)
    assert code == 0, said
    assert '/cmd: ' in said
    code, said = graph.finish(wrong)
    assert code == 2
    assert said.startswith("diagnostics: error: topics holds '/cmd:=fast'")
