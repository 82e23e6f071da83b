"""Send the service requests that a bag has recorded, instead of publishing the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.serialization import deserialize_message

from lk_dataset_ros.ros.types import message_class

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rclpy.node import Node

    from lk_dataset_ros.component.component import Log
    from lk_dataset_ros.dataset import SerializedMessage, Topic

#: End of a topic's name on which a service tells what it does, and of its type's name.
TOPIC_END = '/_service_event'
TYPE_END = '_Event'
#: Which events are requests (service_msgs/msg/ServiceEventInfo): seen by a client, or a service.
SOURCES = {'client_introspection': 0, 'service_introspection': 1}


def is_service_event(topic: Topic) -> bool:
    """Tell whether a topic holds the events of a service."""
    return topic.name.endswith(TOPIC_END) and topic.schema.name.endswith(TYPE_END)


class ServiceRequests:
    """Call services as they were called when the bag was recorded.

    Args:
        node: The node.
        topics: Topics of service events, by the names under which they would be published.
        source: Whose events are taken: `service_introspection` or `client_introspection`.
        log: Is told once per service why a request was not sent.

    Raises:
        MessageTypeError: If a service type is not installed.
    """

    def __init__(self, node: Node, topics: Mapping[str, Topic], *, source: str, log: Log) -> None:
        self._kind = SOURCES[source]
        self._log = log
        self._told: set[tuple[str, str]] = set()
        self._events: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        #: Requests sent so far.
        self.sent = 0
        #: Requests that could not be sent.
        self.failed = 0
        for name, topic in topics.items():
            service_type = message_class(topic.schema.name.removesuffix(TYPE_END))
            self._events[name] = message_class(topic.schema.name)
            self._clients[name] = node.create_client(service_type, name.removesuffix(TOPIC_END))

    @property
    def topics(self) -> Collection[str]:
        """Topics of events for which requests are sent."""
        return self._clients.keys()

    def is_served(self, topic: str) -> bool:
        """Tell whether the service of a topic is there."""
        return bool(self._clients[topic].service_is_ready())

    def send(self, message: SerializedMessage) -> None:
        """Call the service if the event is a request, and let the answer go."""
        service = message.key.removesuffix(TOPIC_END)
        try:
            event = deserialize_message(message.cdr, self._events[message.key])
        except Exception:  # noqa: BLE001 - rclpy's errors for damaged bytes share no class
            self._fail(service, 'an event in the bag is damaged')
            return
        if event.info.event_type != self._kind:
            return
        client = self._clients[message.key]
        if not event.request:
            self._fail(service, 'the bag holds no contents of its requests, metadata only')
        elif not client.service_is_ready():
            self._fail(service, 'the service is not there')
        else:
            client.call_async(event.request[0])
            self.sent += 1

    def _fail(self, service: str, why: str) -> None:
        self.failed += 1
        if (service, why) not in self._told:
            self._told.add((service, why))
            self._log.error(f'a request to {service} was not sent: {why}')
