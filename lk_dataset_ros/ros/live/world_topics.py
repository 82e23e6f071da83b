"""The topics of a simulated world on the graph: clock, sensors, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from lk_dataset_ros.errors import ComponentError, LkError
from lk_dataset_ros.message import codec_for
from lk_dataset_ros.ros.host import to_time
from lk_dataset_ros.ros.subscription import DrainedSubscription
from lk_dataset_ros.ros.types import message_class, schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rclpy.node import Node

    from lk_dataset_ros.world import World

#: Messages that a sensor keeps for a listener that is busy.
KEPT = 1000


class WorldTopics:
    """Publish what a world gives, keep what it is commanded.

    Args:
        node: The node.
        world: The world.

    Raises:
        MessageTypeError: If one of its types is not installed.
    """

    def __init__(self, node: Node, world: World) -> None:
        self._log = node.get_logger()
        self._clock: Any = node.create_publisher(Clock, '/clock', 10)
        profile = QoSProfile(depth=KEPT)
        self._sensors: dict[str, Any] = {}
        self._codecs: dict[str, Any] = {}
        for topic, kind in (*world.sensors.items(), *world.commands.items()):
            self._codecs[topic] = codec_for(schema_of(kind))
        for topic, kind in world.sensors.items():
            self._sensors[topic] = node.create_publisher(message_class(kind), topic, profile)
        self._waiting: list[tuple[str, Any]] = []
        self._commands = {
            topic: DrainedSubscription(
                node, message_class(kind), topic, profile, self._keeper(topic), raw=True
            )
            for topic, kind in world.commands.items()
        }

    def _keeper(self, topic: str) -> Any:
        decode = self._codecs[topic].decode

        def keep(cdr: bytes, info: Mapping[str, Any]) -> None:
            del info
            try:
                self._waiting.append((topic, decode(cdr)))
            except LkError as error:
                self._log.warning(f'a command on {topic} is not used: {error}')

        return keep

    def check(self, topics: Sequence[str]) -> None:
        """Refuse names of topics that the world does not have.

        Raises:
            ComponentError: If there is one.
        """
        for topic in topics:
            if topic not in self._codecs and topic != '/clock':
                raise ComponentError(
                    f'wait_for: the world has no {topic}; it has /clock, {", ".join(self._codecs)}'
                )

    def others_on(self, topic: str) -> int:
        """Return how many have been matched that listen to a sensor, or give a command."""
        if topic in self._commands:
            return self._commands[topic].publisher_count
        publisher = self._clock if topic == '/clock' else self._sensors[topic]
        count: int = publisher.get_subscription_count()
        return count

    def publish(self, time_ns: int, messages: Sequence[tuple[str, Any, int]]) -> None:
        """Publish the time, then what the sensors give at it."""
        self._clock.publish(Clock(clock=to_time(time_ns)))
        for topic, message, _ in messages:
            self._sensors[topic].publish(self._codecs[topic].encode(message))

    def take_commands(self) -> list[tuple[str, Any]]:
        """Return the commands that have come since the last time."""
        taken, self._waiting = self._waiting, []
        return taken

    def forget_commands(self) -> None:
        """Drop the commands that have come."""
        for each in self._commands.values():
            each.drain()
        self._waiting.clear()
