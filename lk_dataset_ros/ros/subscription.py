"""A subscription that is drained: one executor turn takes everything that has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.subscription import Subscription


class DrainedSubscription:
    """Take all waiting messages at each wake-up, in order.

    rclpy rebuilds its wait set for every message; taking until nothing is left costs a tenth.

    Args:
        node: The node.
        message_type: Class of the messages.
        topic: Topic name.
        qos: Profile.
        on_message: Called with each message (serialized bytes if `raw`) and rclpy's message info
            (`source_timestamp`, `received_timestamp`, `publication_sequence_number`, ...).
        raw: Hand over serialized bytes.
        options: More for `Node.create_subscription`.
    """

    def __init__(
        self,
        node: Node,
        message_type: Any,
        topic: str,
        qos: QoSProfile,
        on_message: Callable[[Any, dict[str, Any]], None],
        *,
        raw: bool = False,
        **options: Any,
    ) -> None:
        self._node = node
        self.on_message = on_message
        self._message_type = message_type
        self._raw = raw
        self.subscription: Subscription = node.create_subscription(
            message_type, topic, self._on_first, qos, raw=raw, **options
        )

    @property
    def publisher_count(self) -> int:
        """Publishers that are matched."""
        return self.subscription.get_publisher_count()

    def _on_first(self, message: Any, info: dict[str, Any]) -> None:
        self.on_message(message, info)
        self.drain()

    def drain(self) -> None:
        """Take everything that is there."""
        handle = self.subscription.handle
        with handle:
            while (taken := handle.take_message(self._message_type, self._raw)) is not None:
                self.on_message(*taken)

    def destroy(self) -> None:
        """Stop receiving."""
        self._node.destroy_subscription(self.subscription)
