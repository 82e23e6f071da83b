"""Publish what a playback engine hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.duration import Duration
from rosgraph_msgs.msg import Clock

from lk_dataset_ros.dataset import Finished, Publish, PublishClock, Wait
from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.ros.host import to_time
from lk_dataset_ros.ros.qos import profile_for_playback
from lk_dataset_ros.ros.types import message_class, type_hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from rclpy.node import Node
    from rclpy.publisher import Publisher
    from rclpy.qos import QoSProfile

    from lk_dataset_ros.dataset import DataPlayback, SerializedMessage, Topic


class TopicPublishers:
    """One publisher per topic of a bag, for serialized messages.

    Args:
        node: The node.
        topics: The topics, by the name under which they are published.
        latched: Those whose subscribers ask for the last message.
        keeps: How many last messages a late subscriber gets of the transient-local ones.
        overrides: Profiles that the user demands, by topic.

    Raises:
        MessageTypeError: If a type is not installed, or is installed with another definition.
    """

    def __init__(
        self,
        node: Node,
        topics: Mapping[str, Topic],
        latched: Collection[str] = (),
        *,
        keeps: Mapping[str, int] | None = None,
        overrides: Mapping[str, QoSProfile] | None = None,
    ) -> None:
        self.topics = topics
        for topic in topics.values():
            check_same_type(topic)
        self.profiles: dict[str, QoSProfile] = {
            name: (overrides or {}).get(name)
            or profile_for_playback(
                topic.qos, latched=name in latched, keeps=(keeps or {}).get(name, 0)
            )
            for name, topic in topics.items()
        }
        self._publishers: dict[str, Publisher] = {
            name: node.create_publisher(
                message_class(topic.schema.name), name, self.profiles[name]
            )
            for name, topic in topics.items()
        }
        # The call itself: rclpy's publish() around it costs as much again.
        self._calls: dict[str, Callable[[bytes], None]] = {
            name: publisher.handle.publish_raw for name, publisher in self._publishers.items()
        }

    def publish(self, message: SerializedMessage) -> None:
        """Publish a message as it is."""
        self._calls[message.key](message.cdr)

    def publisher(self, topic: str) -> Publisher:
        """Return the publisher of a topic."""
        return self._publishers[topic]

    def graph_name(self, topic: str) -> str:
        """Return the name that a topic has on the graph, after ROS's own remapping."""
        name: str = self._publishers[topic].topic_name
        return name

    def subscription_count(self, topic: str) -> int:
        """Return how many subscribers a topic's publisher has matched."""
        count: int = self._publishers[topic].get_subscription_count()
        return count

    def wait_for_acknowledgement(
        self, limit_s: float, topics: Collection[str] | None = None
    ) -> bool:
        """Wait until every reliable subscriber (of some topics) has acknowledged everything."""
        limit = Duration(seconds=limit_s)
        chosen = self._publishers if topics is None else topics
        return all(self._publishers[each].wait_for_all_acked(limit) for each in chosen)


def check_same_type(topic: Topic) -> None:
    """Make sure that a topic's type is installed as it was recorded.

    Raises:
        MessageTypeError: If it is not.
    """
    recorded, name = topic.schema.type_hash, topic.schema.name
    message_class(name)
    installed = type_hash_of(name)
    if recorded and installed and recorded != installed:
        raise MessageTypeError(
            f'{topic.name}: the installed {name} is not the recorded one '
            f'(type hash {installed[:19]}... here, {recorded[:19]}... in the bag)'
        )


class PlaybackDriver:
    """Do what a playback engine says: publish messages and clock, tell how long to wait.

    Args:
        node: The node.
        playback: The engine.
        latched: Topics whose subscribers ask for the last message.
    """

    def __init__(self, node: Node, playback: DataPlayback, latched: Collection[str] = ()) -> None:
        self.playback = playback
        self.publishers = TopicPublishers(node, playback.topics, latched)
        self._clock: Any = None
        if playback.config.clock_hz:
            self._clock = node.create_publisher(Clock, '/clock', 10)

    def drive(self) -> float | None:
        """Do what is due; return how long to wait, s, or None at the end."""
        action = self.playback.advance()
        match action:
            case Publish(message):
                self.publishers.publish(message)
                return 0.0
            case PublishClock(time_ns):
                self._clock.publish(Clock(clock=to_time(time_ns)))
                return 0.0
            case Wait(ns):
                return ns * 1e-9
            case Finished():
                return None
