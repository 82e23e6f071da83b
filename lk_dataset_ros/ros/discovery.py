"""Find the topics that are to be recorded, as they come, and subscribe to them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    ReliabilityPolicy,
    qos_check_compatible,
)

from lk_dataset_ros.ros.played import PLAYED
from lk_dataset_ros.ros.qos import offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.types import type_hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.topic_endpoint_info import TopicEndpointInfo

    from lk_dataset_ros.dataset import DataRecorder
    from lk_dataset_ros.dataset.recording.topic_choice import TopicChoice
    from lk_dataset_ros.ros.intake import Intake

#: How often the publishers of topics that are recorded are looked at again, s.
WATCH_PERIOD_S: Final = 1.0


class TopicDiscovery:
    """Subscribes to what is chosen, as soon as it is there.

    Args:
        node: The node.
        intake: Takes the topics.
        recorder: Is told what cannot be known of them.
        choice: What is asked for, by full names.
        overrides: Profiles to subscribe with instead of adapted ones, by topic.
        depth_of: Gives how many messages of a type may wait in the middleware.
        own: Topics that are only taken when asked for by name: those of the recorder itself.
    """

    def __init__(
        self,
        node: Node,
        intake: Intake,
        recorder: DataRecorder,
        choice: TopicChoice,
        *,
        overrides: Mapping[str, QoSProfile],
        depth_of: Callable[[str], int],
        own: Collection[str] = (),
    ) -> None:
        self._node = node
        self._log = node.get_logger()
        self._intake = intake
        self._recorder = recorder
        self._choice = choice
        self._overrides = overrides
        self._depth_of = depth_of
        self._own = own
        self._profiles: dict[str, QoSProfile] = {}
        self._types: dict[str, str] = {}
        self._said: set[tuple[str, str]] = set()
        self._refused: set[tuple[str, str]] = set()
        self._watch_at_s = 0.0

    def look(self) -> list[str]:
        """Subscribe to what is new on the graph; return the topics that were."""
        found = []
        for topic, types in sorted(self._node.get_topic_names_and_types()):
            if topic in self._profiles or not self._is_wanted(topic, types):
                continue
            try:
                if self._take(topic, types[0]):
                    found.append(topic)
            except Exception as error:  # noqa: BLE001 - names and types that others made up
                self._refused.add((topic, types[0]))
                self._log.error(f'{topic} is not recorded: {" ".join(str(error).split())}')
        return found

    def _take(self, topic: str, type_name: str) -> bool:
        """Subscribe to a topic if its endpoints are those that it has to have."""
        infos = self._node.get_publishers_info_by_topic(topic)
        subscribers = self._node.count_subscribers(topic)
        if not self._choice.takes_now(publishers=len(infos), subscribers=subscribers):
            return False
        self._subscribe(topic, type_name, infos)
        return True

    def missing(self) -> list[str]:
        """Return the topics that are asked for by name and not recorded."""
        return sorted(self._choice.names() - self._profiles.keys())

    def _is_wanted(self, topic: str, types: Sequence[str]) -> bool:
        # What a playback tells of its messages is for this recorder, not for its bag.
        is_own = topic in self._own or PLAYED in types
        if is_own and topic not in self._choice.topics:
            return False
        if len(set(types)) != 1:
            if any(self._choice.takes(topic, each) for each in types):
                self._say_once(
                    topic,
                    'types',
                    f'{topic} is not recorded: it has several types ({", ".join(types)})',
                )
            return False
        if not self._choice.takes(topic, types[0]):
            if self._choice.is_left_out_as_hidden(topic, types[0]):
                self._say_hidden(topic)
            return False
        return (topic, types[0]) not in self._refused

    def _say_hidden(self, topic: str) -> None:
        if topic in self._choice.topics:
            self._say_once(
                topic,
                'hidden',
                f'{topic} is not recorded: it is hidden (a part of its name begins with an '
                'underscore); include_hidden_topics records it',
            )
        elif not self._choice.all_topics:
            self._say_once('', 'hidden', f'hidden topics such as {topic} are not recorded')

    def _subscribe(self, topic: str, type_name: str, infos: Sequence[TopicEndpointInfo]) -> None:
        offers = [each.qos_profile for each in infos]
        profile = self._overrides.get(topic)
        if profile is None:
            profile = profile_for_offers(offers, self._depth_of(type_name))
            self._say_weakened(topic, offers)
        else:
            self._log.info(f'{topic}: subscribing as the QoS overrides say')
        self._intake.add(
            topic,
            type_name,
            profile,
            offers_yaml=offers_to_yaml(offers),
            type_hash=self._type_hash(topic, type_name, infos),
        )
        self._profiles[topic] = profile
        self._types[topic] = type_name
        self._log.info(f'recording {topic} ({type_name})')
        self._watch_topic(topic, infos)

    def _say_weakened(self, topic: str, offers: Sequence[QoSProfile]) -> None:
        """Say what is lost where publishers of one topic offer different things."""
        if len({each.reliability for each in offers}) > 1:
            self._log.warning(
                f'{topic}: some of its publishers are best effort, so it is recorded as best '
                'effort; messages of the reliable ones can be lost, too'
            )
        if len({each.durability for each in offers}) > 1:
            self._log.warning(
                f'{topic}: some of its publishers are volatile, so it is recorded as volatile; '
                'what the others had published before is not recorded'
            )

    def _type_hash(self, topic: str, type_name: str, infos: Sequence[TopicEndpointInfo]) -> str:
        """Return the type hash that the publishers agree on, empty if they do not."""
        hashes = {str(each.topic_type_hash) for each in infos} - {'INVALID'}
        if len(hashes) > 1:
            self._log.warning(
                f'{topic}: its publishers have different definitions of {type_name} '
                f'({", ".join(sorted(hashes))}); the bag holds the one that is installed here'
            )
            return ''
        found = next(iter(hashes), '')
        installed = type_hash_of(type_name) if found else ''
        if installed and found != installed:
            self._log.warning(
                f'{topic}: its publishers have another definition of {type_name} than the one '
                f'that is installed here and goes into the bag ({found[:19]}... there, '
                f'{installed[:19]}... here): the messages may not be readable'
            )
        return found

    def watch(self) -> None:
        """Check the publishers from time to time."""
        now_s = time.monotonic()
        if now_s >= self._watch_at_s:
            self._watch_at_s = now_s + WATCH_PERIOD_S
            self.check()

    def check(self) -> None:
        """Warn of publishers that came later and whose messages cannot be received."""
        for topic in self._profiles:
            self._watch_topic(topic, self._node.get_publishers_info_by_topic(topic))

    def _watch_topic(self, topic: str, infos: Sequence[TopicEndpointInfo]) -> None:
        wanted, type_name = self._profiles[topic], self._types[topic]
        if types := {info.topic_type for info in infos} - {type_name}:
            self._say_once(
                topic,
                'types',
                f'{topic} has several types ({", ".join(sorted({type_name, *types}))}): only '
                f'{type_name} is recorded',
            )
        for info in infos:
            compatibility, reason = qos_check_compatible(info.qos_profile, wanted)
            if compatibility == QoSCompatibility.ERROR:
                publisher = f'{info.node_namespace.rstrip("/")}/{info.node_name}'
                self._recorder.note_unknown(
                    topic, f'messages of {publisher} are not received: its QoS does not fit'
                )
                self._say_once(
                    topic,
                    'incompatible',
                    f'{topic}: messages of {publisher} are not recorded: it offers '
                    f'{_in_words(info.qos_profile)}, but the topic is recorded as '
                    f'{_in_words(wanted)} ({" ".join(reason.split())}); qos_overrides can ask for '
                    'less',
                )

    def _say_once(self, topic: str, what: str, text: str) -> None:
        if (topic, what) not in self._said:
            self._said.add((topic, what))
            self._log.warning(text)


def _in_words(profile: QoSProfile) -> str:
    reliability = (
        'reliable' if profile.reliability == ReliabilityPolicy.RELIABLE else 'best effort'
    )
    is_latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return f'{reliability}, {"transient local" if is_latched else "volatile"}'
