"""One topic on its way from DDS to a recorder, bytes untouched."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset import SerializedMessage
from lk_dataset_ros.ros.subscription import DrainedSubscription
from lk_dataset_ros.ros.types import message_class, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile

    from lk_dataset_ros.dataset import DataRecorder


class TopicRecording:
    """Subscribe to a topic and hand every message to a recorder.

    Args:
        node: The node.
        recorder: The engine.
        topic: Topic name.
        type_name: Its type.
        qos: Profile to subscribe with.
        offers_yaml: What the publishers offer, for the bag.
        type_hash: The publishers' type hash, for the bag.
        on_record: Called after each message.

    Raises:
        MessageTypeError: If the type is not installed.
    """

    def __init__(
        self,
        node: Node,
        recorder: DataRecorder,
        topic: str,
        type_name: str,
        qos: QoSProfile,
        *,
        offers_yaml: str,
        type_hash: str = '',
        on_record: Callable[[SerializedMessage], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._topic = topic
        self._on_record = on_record
        self._next_sequence: int | None = None
        schema = schema_of(type_name)
        if type_hash:
            schema = dataclasses.replace(schema, type_hash=type_hash)
        recorder.add_input(topic, schema, offers_yaml)
        self._subscription = DrainedSubscription(
            node, message_class(type_name), topic, qos, self._on_message, raw=True
        )

    @property
    def publisher_count(self) -> int:
        """Publishers that are matched."""
        return self._subscription.publisher_count

    def drain(self) -> None:
        """Take what has arrived."""
        self._subscription.drain()

    def _on_message(self, cdr: bytes, info: dict[str, Any]) -> None:
        received_ns = info.get('received_timestamp') or time.time_ns()
        sent_ns = info.get('source_timestamp') or received_ns
        sequence = info.get('publication_sequence_number') or 0
        message = SerializedMessage(self._topic, cdr, received_ns, sent_ns, sequence)
        self._recorder.record(message)
        if self._on_record is not None:
            self._on_record(message)
