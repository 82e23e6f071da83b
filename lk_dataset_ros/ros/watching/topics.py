"""Follow topics as their publishers come, go, and come back as something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rclpy.qos import QoSCompatibility, qos_check_compatible

from lk_dataset_ros.dataset.recording.history import history_depth
from lk_dataset_ros.ros.qos import offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.types import schema_of, type_hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from lk_dataset_ros.ros.watching.intake import WatchIntake

#: Topics that are followed at most: a graph that makes up names must not fill the memory.
MOST_TOPICS: Final = 2000


@dataclass(slots=True)
class Followed:
    """What is known of a topic.

    Attributes:
        type_name: The type it is subscribed to as; empty before there is a publisher.
        profile: How it is subscribed to; None as long as it is not.
        publishers: How many there are now.
        trouble: Why not all is heard, empty if it is.
    """

    type_name: str = ''
    profile: QoSProfile | None = None
    publishers: int = 0
    trouble: str = ''


class TopicFollower:
    """Subscribes to topics as soon as somebody publishes them, with what the publishers offer.

    Where all publishers are gone and others come with another type, or with less than was asked
    for, the topic is subscribed to anew.

    Args:
        node: The node.
        intake: Takes the topics.
        wanted: Gives the topics to follow; asked at every look.
        history_bytes: Of a topic, that may wait in the middleware.
    """

    def __init__(
        self,
        node: Node,
        intake: WatchIntake,
        *,
        wanted: Callable[[], Iterable[str]],
        history_bytes: int,
    ) -> None:
        self._node = node
        self._log = node.get_logger()
        self._intake = intake
        self._wanted = wanted
        self._history_bytes = history_bytes
        self._topics: dict[str, Followed] = {}
        self._refused: set[tuple[str, str]] = set()

    @property
    def topics(self) -> Mapping[str, Followed]:
        """What is known, by topic."""
        return self._topics

    def look(self) -> None:
        """Look at the graph; subscribe to what is new or has become another."""
        for topic in self._wanted():
            if topic not in self._topics and len(self._topics) >= MOST_TOPICS:
                self._log.warning(f'{topic} is not watched: {MOST_TOPICS} topics are', once=True)
                continue
            known = self._topics.setdefault(topic, Followed())
            try:
                self._look_at(topic, known)
            except Exception as error:  # noqa: BLE001 - types and names that others made up
                self._refuse(topic, known, ' '.join(str(error).split()))

    def _look_at(self, topic: str, known: Followed) -> None:
        infos = self._node.get_publishers_info_by_topic(topic)
        known.publishers = len(infos)
        if not infos:
            return
        type_name = self._type_among(infos, known.type_name)
        own = [each for each in infos if each.topic_type == type_name]
        if known.profile is None or type_name != known.type_name:
            if (topic, type_name) not in self._refused:
                self._subscribe(topic, known, type_name, own)
        elif any(_why_not(each.qos_profile, known.profile) for each in own):
            self._subscribe(topic, known, type_name, own)
        self._tell_of(topic, known, infos)

    def _type_among(self, infos: Sequence[TopicEndpointInfo], current: str) -> str:
        """Return the type to take: the one that is taken, as long as somebody publishes it."""
        types = sorted({each.topic_type for each in infos})
        return current if current in types else types[0]

    def _subscribe(
        self, topic: str, known: Followed, type_name: str, infos: Sequence[TopicEndpointInfo]
    ) -> None:
        if known.profile is not None:
            self._intake.remove(topic)
            known.profile = None
        known.type_name = type_name
        offers = [each.qos_profile for each in infos]
        depth = history_depth(schema_of(type_name), self._history_bytes)
        profile = profile_for_offers(offers, depth)
        self._intake.add(
            topic,
            type_name,
            profile,
            offers_yaml=offers_to_yaml(offers),
            type_hash=self._type_hash(infos, type_name),
        )
        known.profile = profile
        self._log.info(f'listening to {topic} ({type_name})')

    def _type_hash(self, infos: Sequence[TopicEndpointInfo], type_name: str) -> str:
        """Return the type hash that the publishers agree on, empty if they do not."""
        hashes = {str(each.topic_type_hash) for each in infos} - {'INVALID'}
        installed = type_hash_of(type_name)
        return installed if hashes == {installed} else ''

    def _tell_of(self, topic: str, known: Followed, infos: Sequence[TopicEndpointInfo]) -> None:
        if known.profile is None:
            return
        trouble = ''
        for each in infos:
            name = f'{each.node_namespace.rstrip("/")}/{each.node_name}'
            if each.topic_type != known.type_name:
                trouble = f'{name} publishes {each.topic_type}, not {known.type_name}'
            elif why := _why_not(each.qos_profile, known.profile):
                trouble = f'messages of {name} are not received: {why}'
        if trouble and trouble != known.trouble:
            self._log.warning(f'{topic}: {trouble}')
        known.trouble = trouble

    def _refuse(self, topic: str, known: Followed, why: str) -> None:
        if (topic, known.type_name) not in self._refused:
            self._refused.add((topic, known.type_name))
            self._log.error(f'{topic} is not listened to: {why}')
        known.trouble = why


def _why_not(offered: QoSProfile, wanted: QoSProfile) -> str:
    """Return why a publisher's messages are not received, empty if they are."""
    compatibility, reason = qos_check_compatible(offered, wanted)
    return ' '.join(reason.split()) if compatibility == QoSCompatibility.ERROR else ''
