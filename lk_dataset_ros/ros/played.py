"""Listen to what playbacks say of the messages that they send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rclpy.qos import QoSProfile, ReliabilityPolicy

from lk_dataset_ros.dataset import Played
from lk_dataset_ros.errors import MessageFormatError
from lk_dataset_ros.msg import PlayedMessages
from lk_dataset_ros.ros.subscription import DrainedSubscription

if TYPE_CHECKING:
    from rclpy.node import Node

    from lk_dataset_ros.ros.intake import Intake

#: Type of the topic on which a playback tells how its messages stood in their bag.
PLAYED: Final = 'lk_dataset_ros/msg/PlayedMessages'
#: Each holds many messages.
_DEPTH: Final = 10_000


class PlayedListener:
    """Tells an intake what playbacks say, for a bag `as_recorded`.

    Args:
        node: The node.
        intake: Where the messages come in; made with `as_recorded`.
    """

    def __init__(self, node: Node, intake: Intake) -> None:
        self._node = node
        self._intake = intake
        self._subscriptions: dict[str, DrainedSubscription] = {}
        self._playback: tuple[str, int] | None = None
        self._count = 0

    def look(self) -> bool:
        """Listen to playbacks that are new on the graph; return whether there is one."""
        for name, types in self._node.get_topic_names_and_types():
            if PLAYED in types and name not in self._subscriptions:
                self._subscriptions[name] = DrainedSubscription(
                    self._node,
                    PlayedMessages,
                    name,
                    QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE),
                    self._take,
                )
        return bool(self._subscriptions)

    def _take(self, message: PlayedMessages, info: object) -> None:
        del info
        playback = (message.player, message.playback)
        try:
            if playback != (self._playback or playback):
                raise MessageFormatError(
                    f'{message.player} plays, too: only one playback is recorded as recorded'
                )
            if message.first != self._count:
                raise MessageFormatError(
                    f'{message.player} tells of message {message.first} when {self._count} is next'
                )
            played = Played(
                message.topics,
                message.topic,
                message.publication,
                message.log_time_ns,
                message.publish_time_ns,
                message.sequence,
            )
        except MessageFormatError as error:
            self._node.get_logger().error(f'left out: {error}')
            return
        self._playback = playback
        self._count += len(message.topic)
        self._intake.announce(played)

    def close(self) -> None:
        """Take what has arrived, and listen no more."""
        for each in self._subscriptions.values():
            each.drain()
            each.destroy()
        self._subscriptions.clear()
