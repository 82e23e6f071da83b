"""Which subscriptions discovery makes, on a graph that is made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.type_hash import TypeHash

from lk_dataset_ros.dataset.recording.topic_choice import TopicChoice
from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.ros import discovery as discovery_module
from lk_dataset_ros.ros.discovery import PLAYED, TopicDiscovery

STRING = 'std_msgs/msg/String'
RELIABLE = QoSProfile(depth=10)
WEAK = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def publisher(
    profile: QoSProfile,
    name: str = 'talker',
    hash_byte: int | None = None,
    type_name: str = STRING,
) -> Any:
    """Make what the graph tells of a publisher."""
    known = TypeHash(1, bytes([hash_byte]) * 32) if hash_byte is not None else TypeHash()
    return SimpleNamespace(
        qos_profile=profile,
        node_name=name,
        node_namespace='/',
        topic_type=type_name,
        topic_type_hash=known,
    )


class Graph:
    """A node that sees what it is told, and an intake that notes what is asked of it."""

    def __init__(self) -> None:
        self.topics: dict[str, list[str]] = {}
        self.publishers: dict[str, list[Any]] = {}
        self.subscribers: dict[str, int] = {}
        self.said: list[str] = []
        self.added: dict[str, dict[str, Any]] = {}
        self.unknown: dict[str, str] = {}
        self.failures: dict[str, Exception] = {}

    def topic(self, name: str, *publishers: Any, types: tuple[str, ...] = (STRING,)) -> None:
        """Put a topic on the graph."""
        self.topics[name] = list(types)
        self.publishers[name] = list(publishers)

    def get_logger(self) -> Any:
        return SimpleNamespace(
            info=lambda _: None, warning=self.said.append, error=self.said.append
        )

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        return list(self.topics.items())

    def get_publishers_info_by_topic(self, name: str) -> list[Any]:
        return self.publishers[name]

    def count_subscribers(self, name: str) -> int:
        return self.subscribers.get(name, 0)

    def add(self, topic: str, type_name: str, qos: QoSProfile, **rest: Any) -> None:
        if topic in self.failures:
            raise self.failures[topic]
        self.added[topic] = {'type': type_name, 'qos': qos, **rest}

    def note_unknown(self, topic: str, why: str) -> None:
        self.unknown[topic] = why

    def discovery(
        self, *, overrides: dict[str, QoSProfile] | None = None, own: Any = (), **choice: Any
    ) -> TopicDiscovery:
        """Make the discovery."""
        return TopicDiscovery(
            self,
            self,
            self,
            TopicChoice(**choice),
            overrides=overrides or {},
            depth_of=lambda type_name: 77,
            own=own,
        )


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """Make an empty graph, whose publishers are looked at again at every turn."""
    monkeypatch.setattr(discovery_module, 'WATCH_PERIOD_S', 0.0)
    return Graph()


def test_topics_are_taken_when_they_are_published(graph: Graph) -> None:
    """Promise: a topic is subscribed to once, as soon as it has a publisher."""
    discovery = graph.discovery(topics=frozenset({'/a', '/b'}))
    graph.topic('/a')
    assert discovery.look() == []
    graph.topic('/a', publisher(RELIABLE))
    assert discovery.look() == ['/a']
    assert discovery.look() == []
    assert discovery.missing() == ['/b']
    assert graph.added['/a']['qos'].depth == 77
    assert graph.said == []


def test_the_profile_is_what_all_publishers_offer(graph: Graph) -> None:
    """Promise: mixed offers are recorded by the weakest, and it is said what that can lose."""
    graph.topic('/a', publisher(RELIABLE), publisher(WEAK))
    graph.topic('/b', publisher(RELIABLE), publisher(LATCHED))
    graph.topic('/c', publisher(LATCHED), publisher(LATCHED))
    graph.discovery(all_topics=True).look()
    found = {topic: each['qos'] for topic, each in graph.added.items()}
    assert found['/a'].reliability == ReliabilityPolicy.BEST_EFFORT
    assert found['/b'].durability == DurabilityPolicy.VOLATILE
    assert found['/c'].durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert [text.split(':')[0] for text in graph.said] == ['/a', '/b']
    assert graph.unknown == {}


def test_who_cannot_be_heard_is_named_once(graph: Graph) -> None:
    """Promise: a publisher that does not fit is named, at the start as later, and never twice."""
    graph.topic('/a', publisher(RELIABLE))
    graph.topic('/b', publisher(RELIABLE))
    discovery = graph.discovery(all_topics=True, overrides={'/b': LATCHED})
    discovery.look()
    assert list(graph.unknown) == ['/b']
    graph.publishers['/a'].append(publisher(WEAK, 'whisperer'))
    for _ in range(3):
        discovery.watch()
    assert graph.unknown['/a'] == 'messages of /whisperer are not received: its QoS does not fit'
    assert len(graph.said) == 2
    assert graph.said[1].startswith('/a: messages of /whisperer are not recorded: it offers best')


def test_what_others_made_up_does_not_end_it(graph: Graph) -> None:
    """Promise: a topic that cannot be subscribed to is refused once, whatever is wrong with it."""
    for name, error in {
        '/a': MessageTypeError('no such type'),
        '/b': RuntimeError('rcl says\nno'),
        '/c': ValueError('odd'),
    }.items():
        graph.topic(name, publisher(RELIABLE))
        graph.failures[name] = error
    graph.topic('/d', publisher(RELIABLE))
    discovery = graph.discovery(all_topics=True)
    assert discovery.look() == ['/d']
    assert discovery.look() == []
    assert graph.said == [
        '/a is not recorded: no such type',
        '/b is not recorded: rcl says no',
        '/c is not recorded: odd',
    ]


def test_topics_of_several_types_are_refused_once(graph: Graph) -> None:
    """Promise: a topic with two types is not recorded, said once, and only if it was wanted."""
    for name in ('/a', '/b'):
        graph.topic(name, publisher(RELIABLE), types=(STRING, 'std_msgs/msg/Int32'))
    discovery = graph.discovery(topics=frozenset({'/a'}))
    assert discovery.look() == discovery.look() == []
    (said,) = graph.said
    assert said.startswith('/a is not recorded: it has several types')
    graph.topic('/a', publisher(RELIABLE))
    assert discovery.look() == ['/a']


def test_a_type_that_comes_later_is_said_once(graph: Graph) -> None:
    """Promise: who publishes another type on a topic that is recorded is not left out in silence."""
    discovery = graph.discovery(all_topics=True)
    graph.topic('/a', publisher(RELIABLE))
    discovery.look()
    assert graph.said == []
    graph.publishers['/a'].append(publisher(RELIABLE, type_name='std_msgs/msg/Int32'))
    discovery.watch()
    discovery.watch()
    (said,) = graph.said
    assert 'only std_msgs/msg/String is recorded' in said


def test_the_recorder_does_not_record_itself(graph: Graph) -> None:
    """Promise: its own status, and what playbacks tell recorders, are taken by name only."""
    graph.topic('/recorder/status', publisher(RELIABLE))
    graph.topic('/playback/played', publisher(RELIABLE), types=(PLAYED,))
    own = ('/recorder/status',)
    assert graph.discovery(all_topics=True, own=own).look() == []
    named = frozenset(graph.topics)
    assert graph.discovery(topics=named, own=own).look() == sorted(named)


def test_hidden_topics_are_said(graph: Graph) -> None:
    """Promise: who asked for a hidden topic by name is told of it, who asked for all is not."""
    graph.topic('/_a', publisher(RELIABLE))
    assert graph.discovery(all_topics=True).look() == []
    assert graph.said == []
    discovery = graph.discovery(topics=frozenset({'/_a'}))
    assert discovery.look() == discovery.look() == []
    assert len(graph.said) == 1
    assert '/_a is not recorded: it is hidden' in graph.said[0]
    assert graph.discovery(all_topics=True, include_hidden_topics=True).look() == ['/_a']


def test_type_hashes_are_compared(graph: Graph) -> None:
    """Promise: publishers of another definition than the one in the bag are reported."""
    graph.topic('/a', publisher(RELIABLE, hash_byte=1), publisher(RELIABLE, hash_byte=2))
    graph.topic('/b', publisher(RELIABLE, hash_byte=3), publisher(RELIABLE))
    graph.topic('/c', publisher(RELIABLE))
    graph.discovery(all_topics=True).look()
    hashes = {topic: each['type_hash'] for topic, each in graph.added.items()}
    assert hashes == {'/a': '', '/b': f'RIHS01_{"03" * 32}', '/c': ''}
    assert [text.split(':')[0] for text in graph.said] == ['/a', '/b']
    assert 'different definitions' in graph.said[0]
    assert 'another definition' in graph.said[1]
