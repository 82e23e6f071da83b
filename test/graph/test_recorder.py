"""The recorder as a process of its own, among publishers and callers of this one."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import rclpy
import yaml
from builtin_interfaces.msg import Time
from lk_dataset_ros.msg import RecorderStatus
from lk_dataset_ros.srv import IsPaused, Record
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.service_introspection import ServiceIntrospectionState
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Int32, String
from std_srvs.srv import SetBool, Trigger

from lk_dataset_ros import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graph_kit import Graph

# A library of rclpy's imports a deprecated module.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

#: Longest that anything on the graph may take, s: discovery alone takes up to 2.4 s by chance.
LIMIT_S = 30.0
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Peer:
    """A node in this process, in the graph's domain."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('peer', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.statuses: list[Any] = []
        self._clients: dict[str, Any] = {}

    def publisher(self, topic: str, kind: Any = String, qos: Any = 1000) -> Any:
        """Make a publisher."""
        return self.node.create_publisher(kind, topic, qos)

    def until(self, condition: Callable[[], Any], what: str = 'it') -> None:
        """Spin until a condition holds."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, f'{what} did not happen within {LIMIT_S} s'
            self._executor.spin_once(timeout_sec=0.02)

    def until_heard(
        self, *publishers: Any, count: int = 1, node: str | None = '/recorder'
    ) -> None:
        """Wait until publishers have that many subscribers, and a recorder all that they say."""
        for each in publishers:
            self.until(
                lambda each=each: each.get_subscription_count() >= count,
                f'a subscription to {each.topic}',
            )
        if node is not None:
            # The middleware announces a subscription before that hears anybody. It does when the
            # recorder is at its services again.
            self.call(IsPaused, f'{node}/is_paused')

    def say(self, publisher: Any, *texts: str) -> None:
        """Publish strings and have them received."""
        for text in texts:
            publisher.publish(String(data=text))
        assert publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=LIMIT_S))

    def call(self, kind: Any, service: str, **fields: Any) -> Any:
        """Call a service and return its answer."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
        client = self._clients[service]
        self.until(client.service_is_ready, service)
        future = client.call_async(kind.Request(**fields))
        self.until(future.done, f'an answer of {service}')
        return future.result()

    def order(self, name: str, node: str = '/recorder') -> tuple[bool, str]:
        """Call a service of the recorder that takes nothing."""
        answer = self.call(Trigger, f'{node}/{name}')
        return answer.success, answer.message

    def spin(self, s: float) -> None:
        """Let things happen for a time."""
        until = time.monotonic() + s
        self.until(lambda: time.monotonic() > until)

    def listen(self, node: str = '/recorder') -> list[Any]:
        """Collect the recorder's status, also in a list of its own."""
        found: list[Any] = []

        def take(status: Any) -> None:
            found.append(status)
            self.statuses.append(status)

        qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(RecorderStatus, f'{node}/status', take, qos)
        return found

    def until_status(self, condition: Callable[[Any], bool]) -> Any:
        """Wait for a status that fulfils a condition."""
        self.statuses.clear()
        self.until(lambda: any(map(condition, self.statuses)), 'that status')
        return next(filter(condition, self.statuses))

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def peer(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """Make a node in the graph's domain."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    peer = Peer(int(graph.env['ROS_DOMAIN_ID']))
    try:
        yield peer
    finally:
        peer.close()


@pytest.fixture
def other_peer(peer: Peer, graph: Graph) -> Iterator[Peer]:
    """Make another participant: one cannot have a topic with two types."""
    del peer
    other = Peer(int(graph.env['ROS_DOMAIN_ID']))
    try:
        yield other
    finally:
        other.close()


def recorder(
    graph: Graph, bag: Path, *arguments: str, node: str = 'recorder'
) -> subprocess.Popen[str]:
    """Start a recorder."""
    named = ('-r', f'__node:={node}') if node != 'recorder' else ()
    return graph.node('recorder', f'bag:={bag}', 'print_info:=false', *arguments, *named)


def stop(graph: Graph, *processes: subprocess.Popen[str]) -> str:
    """End recorders by ctrl-C; return what they said."""
    for each in processes:
        each.send_signal(signal.SIGINT)
    said = ''
    for each in processes:
        code, text = graph.finish(each)
        assert code == 0, text
        said += text
    return said


def texts(bag: Path, topic: str = '/a') -> list[str]:
    """Return the strings of a topic in a bag."""
    with Dataset.load(bag) as dataset:
        return [message.data for message in dataset[topic]] if topic in dataset else []


CHOICES = {
    'named': (["topics:=['/a','robot/c']"], {'/a', '/robot/c'}),
    'regex': (["regex:='^/robot'"], {'/robot/c'}),
    'typed': (["topic_types:=['std_msgs/msg/Int32']"], {'/b'}),
    'all': (
        [
            'all_topics:=true',
            "exclude_topics:=['/parameter_events','/lonely']",
            "exclude_regex:='rosout|status'",
        ],
        {'/a', '/b', '/robot/c'},
    ),
    'without': (
        ["regex:='^/(a$|b$|robot)'", "exclude_topic_types:=['std_msgs/msg/Int32']"],
        {'/a', '/robot/c'},
    ),
    'hidden': (["regex:='^/(a$|_h)'", 'include_hidden_topics:=true'], {'/a', '/_hidden'}),
    'services': (["services:=['switch']"], {'/switch/_service_event'}),
    'service': (
        ["topics:=['/b','/switch/_service_event']"],
        {'/b', '/switch/_service_event'},
    ),
    'unpublished': (
        ["regex:='^/only'", 'include_unpublished_topics:=true'],
        {'/only_heard'},
    ),
    'leaves': (["regex:='^/(b|lonely)$'", 'ignore_leaf_topics:=true'], {'/b'}),
}


def _count(status: Any, topic: str) -> int:
    return sum(each.count for each in status.topics if each.topic == topic)


def test_records_what_is_chosen(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: names, patterns, types, exclusions, hidden, services: the bag holds what is asked.

    All at once: one recorder for each way to choose, among the same publishers.
    """
    kinds = {'/a': String, '/b': Int32, '/robot/c': String, '/_hidden': String, '/lonely': String}
    publishers = {topic: peer.publisher(topic, kind) for topic, kind in kinds.items()}
    for topic, kind in (('/b', Int32), ('/only_heard', String)):
        peer.node.create_subscription(kind, topic, lambda _: None, 10)
    service = peer.node.create_service(SetBool, '/switch', lambda _, response: response)
    service.configure_introspection(
        peer.node.get_clock(), QoSProfile(depth=100), ServiceIntrospectionState.CONTENTS
    )
    running = {
        name: recorder(graph, tmp_path / name, *arguments, node=name)
        for name, (arguments, _) in CHOICES.items()
    }
    heard = {name: peer.listen(f'/{name}') for name in CHOICES}
    # Nobody says anything there: this process and one recorder listen.
    peer.until(lambda: peer.node.count_subscribers('/only_heard') >= 2, 'a subscription')
    sent: dict[str, list[Any]] = {topic: [] for topic in publishers}

    def speak() -> None:
        for topic, publisher in publishers.items():
            number = len(sent[topic])
            sent[topic].append(number if topic == '/b' else f'{topic} {number}')
            publisher.publish(kinds[topic](data=sent[topic][-1]))

    def is_heard(name: str, topics: set[str]) -> bool:
        """Tell whether a recorder says that it has got something of every topic."""
        status = heard[name][-1] if heard[name] else None
        expected = topics - {'/only_heard'}
        return status is not None and all(_count(status, each) for each in expected)

    # That a publisher knows of a recorder does not mean that this one hears the publisher.
    until = time.monotonic() + 2 * LIMIT_S
    while not all(is_heard(name, topics) for name, (_, topics) in CHOICES.items()):
        assert time.monotonic() < until, heard
        speak()
        assert peer.call(SetBool, '/switch', data=True) is not None
        peer.spin(0.2)
    for _ in range(5):
        speak()
    for publisher in publishers.values():
        assert publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=LIMIT_S))
    said = stop(graph, *running.values())
    for name, (_, topics) in CHOICES.items():
        check_choice(tmp_path / name, topics, sent, said)
    check_events(tmp_path / 'services')


def check_choice(bag: Path, topics: set[str], sent: dict[str, list[Any]], said: str) -> None:
    """Make sure that a bag holds these topics: all of each, from the first that was heard on."""
    with Dataset.load(bag) as dataset:
        assert set(dataset) == topics, (bag, said)
        for topic in topics & sent.keys():
            found = [message.data for message in dataset[topic]]
            assert len(found) > 5, (bag, topic, said)
            assert found == sent[topic][-len(found) :], (bag, topic, said)
        for topic in topics - sent.keys():
            assert bool(dataset.topic(topic).count) == ('service' in topic), (bag, topic, said)


def check_events(bag: Path) -> None:
    """Make sure that a bag holds what a server tells of its calls: request, answer, request..."""
    with Dataset.load(bag) as dataset:
        events = list(dataset['/switch/_service_event'])
        assert dataset.topic('/switch/_service_event').schema.type_hash.startswith('RIHS01_')
    stages = [event.info.event_type for event in events]
    assert set(stages) == {1, 2}
    assert all(earlier != later for earlier, later in itertools.pairwise(stages))
    assert all(event.request[0].data is True for event in events if event.info.event_type == 1)
    assert all(event.info.sequence_number > 0 for event in events)


def test_takes_orders(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: pause, resume, split, stop, record: each does it, says it, refuses when it cannot."""
    process = recorder(graph, tmp_path / 'bag', "topics:=['/a']", "custom_data:=['robot=R2']")
    publisher = peer.publisher('/a')
    peer.listen()
    peer.until_heard(publisher)
    peer.say(publisher, 'one')
    peer.until_status(lambda status: status.count == 1)
    assert peer.call(IsPaused, '/recorder/is_paused').paused is False
    assert peer.order('pause') == (True, 'paused')
    assert peer.order('pause') == (True, 'was paused already')
    assert peer.call(IsPaused, '/recorder/is_paused').paused is True
    peer.say(publisher, 'skipped')
    status = peer.until_status(lambda status: status.skipped == 1)
    assert (status.paused, status.count) == (True, 1)
    assert peer.order('resume') == (True, 'recording again')
    assert peer.order('resume') == (True, 'was not paused')
    assert peer.order('split') == (True, 'recording into bag_1.mcap')
    peer.say(publisher, 'two')
    status = peer.until_status(lambda status: status.count == 2)
    assert status.bag == str(tmp_path / 'bag')
    assert status.file == str(tmp_path / 'bag' / 'bag_1.mcap')
    assert (status.recording, status.paused) == (True, False)
    assert status.cache_limit_bytes == 256 * 1024 * 1024
    assert status.bytes == sum(len(f'....xxxx{text}\0') for text in ('one', 'two'))
    (topic,) = status.topics
    assert (topic.topic, topic.type, topic.count) == ('/a', 'std_msgs/msg/String', 2)
    assert (topic.lost, topic.dropped, topic.skipped, topic.publishers) == (0, 0, 1, 1)
    assert topic.unknown == ''
    success, said = peer.order('snapshot')
    assert not success
    assert 'use_ring_buffer' in said
    refused = peer.call(Record, '/recorder/record', bag=str(tmp_path / 'bag'))
    assert not refused.success
    assert 'exists' in refused.message
    refused = peer.call(Record, '/recorder/record', bag='/proc/no/bag')
    assert not refused.success
    assert '/proc/no' in refused.message
    peer.say(publisher, 'three')
    peer.until_status(lambda status: status.count == 3)
    assert peer.order('stop') == (True, f'finished {tmp_path / "bag"}')
    assert texts(tmp_path / 'bag') == ['one', 'two', 'three']
    assert peer.until_status(lambda status: not status.recording).file == ''
    for name in ('pause', 'resume', 'split', 'snapshot', 'stop'):
        success, said = peer.order(name)
        assert not success
        assert 'nothing is being recorded' in said
    assert peer.call(IsPaused, '/recorder/is_paused').paused is True
    began = peer.call(Record, '/recorder/record', bag=str(tmp_path / 'next'))
    assert (began.success, began.message) == (True, str(tmp_path / 'next'))
    peer.until_heard(publisher)
    peer.say(publisher, 'four')
    peer.until_status(lambda status: status.count == 1 and status.bag.endswith('next'))
    began = peer.call(Record, '/recorder/record')
    assert began.success
    assert began.message.startswith(f'{tmp_path}/rosbag2_')
    peer.until_heard(publisher)
    peer.say(publisher, 'five')
    said = stop(graph, process)
    assert f'bag finished: {began.message}' in said
    assert texts(tmp_path / 'next') == ['four']
    assert texts(tmp_path / began.message) == ['five']
    metadata = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    assert information['custom_data'] == {'robot': 'R2'}
    assert information['relative_file_paths'] == ['bag_0.mcap', 'bag_1.mcap']


def test_snapshots_hold_what_came_before(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: in snapshot mode only what a snapshot asked for is written, the newest of it."""
    process = recorder(
        graph,
        tmp_path / 'bag',
        "topics:=['/a']",
        'use_ring_buffer:=true',
        'ring_buffer_size:=2',
        'auto_flush:=false',
    )
    publisher = peer.publisher('/a')
    peer.listen()
    peer.until_heard(publisher)
    peer.say(publisher, 'one', 'two', 'three')
    peer.until_status(lambda status: status.skipped == 1)
    assert peer.order('snapshot') == (True, 'wrote 2 messages')
    assert peer.order('snapshot') == (True, 'wrote 0 messages')
    peer.say(publisher, 'four')
    stop(graph, process)
    assert texts(tmp_path / 'bag') == ['two', 'three']


def test_latched_topics_are_in_every_file(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: started paused, split, only the last files kept: the latched state is never lost."""
    map_, publisher = peer.publisher('/map', qos=LATCHED), peer.publisher('/a')
    map_.publish(String(data='the map'))
    process = recorder(
        graph, tmp_path / 'bag', 'all_topics:=true', 'start_paused:=true', 'max_files:=2'
    )
    peer.listen()
    peer.until_heard(map_, publisher)
    peer.until_status(lambda status: status.paused and status.skipped > 0)
    peer.say(publisher, 'before')
    assert peer.order('resume') == (True, 'recording again')
    for index in range(1, 4):
        peer.say(publisher, f'in {index}')
        peer.until_status(lambda status, index=index: _count(status, '/a') == index)
        assert peer.order('split') == (True, f'recording into bag_{index}.mcap')
    peer.say(publisher, 'in 4')
    stop(graph, process)
    assert sorted(path.name for path in (tmp_path / 'bag').glob('*.mcap')) == [
        'bag_2.mcap',
        'bag_3.mcap',
    ]
    for index, said in ((2, 'in 3'), (3, 'in 4')):
        file = tmp_path / 'bag' / f'bag_{index}.mcap'
        assert texts(file, '/map') == ['the map']
        assert texts(file) == [said]


def test_subscribes_as_publishers_offer_or_the_user_says(
    graph: Graph, peer: Peer, tmp_path: Path
) -> None:
    """Promise: profiles fit the offers, overrides win, who cannot be heard is named."""
    overrides = tmp_path / 'qos.yaml'
    overrides.write_text('/b: {history: keep_last, depth: 5, reliability: best_effort}\n')
    weak = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)
    mixed = peer.publisher('/mixed'), peer.publisher('/mixed', qos=weak)
    reliable, overridden = peer.publisher('/a'), peer.publisher('/b')
    latched = peer.publisher('/latched', qos=LATCHED)
    process = recorder(
        graph,
        tmp_path / 'bag',
        "topics:=['/a','/b','/mixed','/latched']",
        f'qos_overrides:={overrides}',
        'depth:=123',
    )
    peer.until_heard(reliable, overridden, latched, *mixed)
    profiles = {
        topic: peer.node.get_subscriptions_info_by_topic(topic)[0].qos_profile
        for topic in ('/a', '/b', '/mixed', '/latched')
    }
    late = peer.publisher('/a', qos=weak)
    peer.listen()
    status = peer.until_status(
        lambda status: any(each.topic == '/a' and each.unknown for each in status.topics)
    )
    said = stop(graph, process)
    assert {topic: each.reliability for topic, each in profiles.items()} == {
        '/a': ReliabilityPolicy.RELIABLE,
        '/b': ReliabilityPolicy.BEST_EFFORT,
        '/mixed': ReliabilityPolicy.BEST_EFFORT,
        '/latched': ReliabilityPolicy.RELIABLE,
    }
    assert [
        topic for topic, each in profiles.items() if each.durability == LATCHED.durability
    ] == ['/latched']
    unknown = {each.topic: each.unknown for each in status.topics}
    assert unknown['/a'] == 'messages of /peer are not received: its QoS does not fit'
    assert unknown['/b'].startswith('best effort')
    assert unknown['/latched'] == ''
    assert '/b: subscribing as the QoS overrides say' in said
    assert '/mixed: some of its publishers are best effort' in said
    assert '/a: messages of /peer are not recorded: it offers best effort, volatile' in said
    assert late.get_subscription_count() == 0
    with Dataset.load(tmp_path / 'bag') as dataset:
        offers = yaml.safe_load(dataset.topic('/mixed').qos)
    assert [each['reliability'] for each in offers].count('best_effort') == 1
    assert len(offers) == 2


def test_topics_may_come_later(graph: Graph, peer: Peer, other_peer: Peer, tmp_path: Path) -> None:
    """Promise: topics are taken whenever they appear; what was not recorded, and why, is said."""
    process = recorder(
        graph, tmp_path / 'bag', "topics:=['/a','/never','/_hidden','/two','/b']", 'depth:=50'
    )
    hidden = peer.publisher('/_hidden')
    two = peer.publisher('/two'), other_peer.publisher('/two', Int32)
    peer.until(lambda: len(dict(peer.node.get_topic_names_and_types())['/two']) == 2)
    early = peer.publisher('/b')
    peer.until_heard(early)
    late = peer.publisher('/a')
    peer.until_heard(late)
    peer.say(late, 'at last')
    said, pattern = '', '/two (is not recorded: it )?has several types'
    assert process.stderr is not None
    # Which of its publishers the recorder finds first is chance, and when it finds the other.
    while not re.search(pattern, said):
        said += (line := process.stderr.readline())
        assert line, said
    said += stop(graph, process)
    assert texts(tmp_path / 'bag') == ['at last']
    assert '/_hidden is not recorded: it is hidden' in said
    assert 'nothing was recorded on /never: nobody published it' in said
    assert hidden.get_subscription_count() == 0
    assert sum(each.get_subscription_count() for each in two) <= 1


def test_without_discovery_only_the_first_are_taken(
    graph: Graph, peer: Peer, tmp_path: Path
) -> None:
    """Promise: what appears after the first seconds is left out on wish."""
    early = peer.publisher('/a')
    for number in range(5):
        bag = tmp_path / f'bag{number}'
        process = recorder(graph, bag, 'all_topics:=true', 'discovery:=false')
        peer.call(IsPaused, '/recorder/is_paused')
        # On a busy machine the two may need longer to find each other.
        peer.spin(4.0)
        if early.get_subscription_count():
            break
        stop(graph, process)
    late = peer.publisher('/b')
    peer.spin(1.5)
    stop(graph, process)
    assert late.get_subscription_count() == 0
    with Dataset.load(bag) as dataset:
        assert '/a' in dataset
        assert '/b' not in dataset


def test_log_time_is_that_of_the_clock(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: with use_sim_time nothing is recorded before /clock, and then at its times."""
    clock, publisher = peer.publisher('/clock', Clock), peer.publisher('/a')
    process = recorder(graph, tmp_path / 'bag', "topics:=['/a']", 'use_sim_time:=true')
    peer.listen()
    peer.until_heard(clock)
    peer.until_status(lambda status: status.recording)
    assert publisher.get_subscription_count() == 0

    def is_at(sec: int) -> bool:
        """Say the time, which is heard as best effort; tell whether the recorder has it."""
        clock.publish(Clock(clock=Time(sec=sec)))
        return any(status.stamp.sec == sec for status in peer.statuses)

    peer.until(lambda: is_at(1000))
    peer.until_heard(publisher)
    for sec in (1001, 2002):
        peer.until(lambda sec=sec: is_at(sec))
        peer.say(publisher, f'at {sec}')
        peer.until_status(lambda status, sec=sec: status.count == 1 + (sec == 2002))
    stop(graph, process)
    with Dataset.load(tmp_path / 'bag') as dataset:
        times = dataset.timestamps('/a').tolist()
    assert times == [1001 * 10**9, 2002 * 10**9]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_harms_nothing(
    graph: Graph, peer: Peer, tmp_path: Path, number: int
) -> None:
    """Promise: who presses ctrl-C again, and again, gets a whole bag."""
    process = recorder(graph, tmp_path / 'bag', "topics:=['/a']")
    publisher = peer.publisher('/a')
    peer.until_heard(publisher)
    peer.say(publisher, *map(str, range(500)))
    for _ in range(20):
        if process.poll() is None:
            process.send_signal(number)
        time.sleep(0.005)
    code, said = graph.finish(process)
    assert code == 0, said
    assert 'bag finished' in said
    assert 'Traceback' not in said
    with Dataset.load(tmp_path / 'bag') as dataset:
        assert dataset.warnings == []
        assert len(dataset['/a']) == 500


def test_a_full_disk_ends_the_bag_properly(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: when the disk is full the bag is closed, whole as far as it goes, and it is said."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=2M', 'tmpfs', str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip('mounting a small disk is not allowed here')
    try:
        process = recorder(graph, disk / 'bag', "topics:=['/a']")
        publisher = peer.publisher('/a')
        peer.until_heard(publisher)
        sent = 0
        while process.poll() is None and sent < 2000:
            publisher.publish(String(data=f'{sent:04}' + 'x' * 10_000))
            sent += 1
            time.sleep(0.002)
        code, said = graph.finish(process)
        assert code == 1, said
        assert 'recording failed: ' in said
        assert 'No space left on device' in said
        assert 'Traceback' not in said
        assert (disk / 'bag' / 'metadata.yaml').stat().st_size > 0
        with Dataset.load(disk / 'bag') as dataset:
            assert dataset.warnings == []
            found = [message.data for message in dataset['/a']]
        assert len(found) > 100
        assert [text[:4] for text in found] == [f'{index:04}' for index in range(len(found))]
    finally:
        subprocess.run(['umount', str(disk)], check=True)


WRONG = [
    ([], 'nothing is chosen to be recorded'),
    (["topics:=['']", "topic_types:=['']"], 'nothing is chosen to be recorded'),
    (["topics:=['/a b']"], "topics holds '/a b', which is no name"),
    (["services:=['7']"], "services holds '7', which is no name"),
    (["exclude_topics:=['/a','{x}']"], "exclude_topics holds '{x}', which is no name"),
    (["regex:='('"], "regex is '(', which is not a regular expression"),
    (['all_topics:=1'], 'all_topics is 1; it has to be a bool'),
    (['all_topics:=true', 'depth:=-1'], 'depth is -1; it has to be between 0 and'),
    (['all_topics:=true', 'polling_period_s:=.nan'], 'polling_period_s is nan'),
    (['all_topics:=true', 'compression:=gzip'], "compression is 'gzip'; it has to be one of"),
    (['all_topics:=true', 'preset:=fast'], "preset is 'fast'; it has to be one of 'none'"),
    (['all_topics:=true', "custom_data:=['a']"], "custom_data holds 'a'; write name=value"),
    (['all_topics:=true', "custom_data:=['=a']"], "custom_data holds '=a'; write name=value"),
    (['all_topics:=true', 'qos_overrides:=/none'], 'QoS overrides /none cannot be read'),
    (['all_topics:=true', 'storage_config:=/none'], 'storage file /none cannot be read'),
    (['all_topics:=true', 'speed:=1'], "there is no parameter 'speed'; there is all_services,"),
    (['all_topics:=true', 'use_sim_time:=true', 'discovery:=false'], 'use_sim_time needs'),
    (
        ['all_topics:=true', 'use_ring_buffer:=true', 'ring_buffer_bytes:=0'],
        'the ring buffer has no limit',
    ),
    (['all_topics:=true', 'bag:=/proc/no/bag'], '/proc/no'),
    (['all_topics:=true', 'bag:=/dev/null/bag'], '/dev/null/bag'),
    (['all_topics:=true', 'bag:=/'], '/'),
]

TRY_ALL = """
import contextlib, io, json, os, sys
from lk_dataset_ros.ros.nodes.recorder import main
found = []
for arguments in json.loads(sys.argv[1]):
    words = [word for argument in arguments for word in ('-p', argument)]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(['recorder', '--ros-args', *words])
    found.append((code, said.getvalue()))
json.dump({'found': found, 'left': sorted(os.listdir())}, open(sys.argv[2], 'w'))
"""


def test_wrong_arguments_are_one_line(graph: Graph, tmp_path: Path) -> None:
    """Promise: whatever is wrong is one line and exit code 2, and nothing is left behind."""
    folder = tmp_path / 'here'
    folder.mkdir()
    graph.folder = folder
    arguments = [[f'bag:={folder}/bag', *each] for each, _ in WRONG]
    process = graph.start(
        sys.executable, '-c', TRY_ALL, json.dumps(arguments), str(tmp_path / 'found')
    )
    code, output = graph.finish(process)
    assert code == 0, output
    assert 'Traceback' not in output
    answer = json.loads((tmp_path / 'found').read_text())
    for (given, expected), (code, said) in zip(WRONG, answer['found'], strict=True):
        assert code == 2, (given, said)
        assert said.startswith('recorder: error: '), (given, said)
        assert expected in said, (given, said)
        assert len(said.splitlines()) == 1, (given, said)
    assert answer['left'] == []


def test_lk_record_is_the_node(graph: Graph, peer: Peer, tmp_path: Path) -> None:
    """Promise: `lk record` takes the options of `ros2 bag record`, and tells what the bag holds."""
    config = tmp_path / 'mcap.yaml'
    config.write_text('compression: Zstd\nchunkSize: 4096\nnoSummary: true\n')
    process = graph.start(
        *('lk', 'record', '/a', '--topics', '/b', '-o', 'bag', '--node-name', 'bagger'),
        *('--custom-data', 'robot=R2', 'place=a=b', '--storage-config-file', str(config)),
        *('--storage-preset-profile', 'zstd_fast', '-p', '50', '--max-cache-size', '0'),
    )
    publishers = peer.publisher('/a'), peer.publisher('/b')
    peer.listen('/bagger')
    peer.until_heard(*publishers, node='/bagger')
    peer.say(publishers[0], 'x' * 5000)
    status = peer.until_status(lambda status: status.count == 1)
    assert status.cache_limit_bytes == 0
    process.send_signal(signal.SIGINT)
    code, said = graph.finish(process)
    assert code == 0, said
    assert 'noSummary of the storage file changes nothing' in said
    assert 'Topic: /a | Type: std_msgs/msg/String | Count: 1' in said
    metadata = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())
    custom = metadata['rosbag2_bagfile_information']['custom_data']
    assert custom == {'robot': 'R2', 'place': 'a=b'}
    assert (tmp_path / 'bag' / 'bag_0.mcap').stat().st_size < 5000
    assert texts(tmp_path / 'bag') == ['x' * 5000]
