"""What a world says of itself, where it does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rclpy.qos import DurabilityPolicy, QoSProfile

from lk_dataset_ros.msg import WorldStatus
from lk_dataset_ros.ros.subscription import DrainedSubscription

if TYPE_CHECKING:
    from rclpy.node import Node

_TYPE: Final = 'lk_dataset_ros/msg/WorldStatus'
#: Longest text of an outcome that is looked at.
_LONGEST: Final = 65536


class WorldEnd:
    """Listens to `lk_dataset_ros/msg/WorldStatus`, whatever its topic is called.

    Args:
        node: The node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._subscription: DrainedSubscription | None = None
        self._has_heard = False
        self.is_finished = False
        #: The outcome of the task, as far as it is known.
        self.outcome: dict[str, bool | float | str] = {}

    def listen(self) -> None:
        """Listen, if there is a world that speaks."""
        for topic, types in self._node.get_topic_names_and_types():
            if types == [_TYPE] and self._node.count_publishers(topic):
                profile = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
                self._subscription = DrainedSubscription(
                    self._node, WorldStatus, topic, profile, self._take
                )
                return

    def forget(self) -> None:
        """Forget what was before a reset."""
        if self._subscription is not None:
            self._subscription.drain()
        self._has_heard = self.is_finished = False
        self.outcome = {}

    @property
    def is_owed(self) -> bool:
        """Whether there is a world that speaks, and nothing has been heard of it."""
        return self._subscription is not None and not self._has_heard

    def freeze(self) -> None:
        """Listen no more: what comes is after the end."""
        if self._subscription is not None:
            self._subscription.destroy()
            self._subscription = None

    def _take(self, message: Any, info: dict[str, Any]) -> None:
        del info
        self._has_heard = True
        self.is_finished = message.is_finished
        self.outcome = _scalars(message.outcome)


def _scalars(text: str) -> dict[str, bool | float | str]:
    try:
        found = json.loads(text[:_LONGEST])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(name): value
        for name, value in found.items()
        if isinstance(value, (bool, int, float, str))
    }
