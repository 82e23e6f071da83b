"""Arms that run beside the one in charge: whether they keep to their own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rclpy.node import Node

#: What every node publishes, and nobody acts on.
HARMLESS: Final = frozenset({'/parameter_events', '/rosout'})
#: Bytes of an endpoint's identity that name the participant: the process, as a rule.
_PARTICIPANT: Final = 12


def is_below(name: str, prefix: str) -> bool:
    """Tell whether a name lies in a namespace."""
    return name.startswith(f'{prefix}/')


class Shadows:
    """Looks at what arms do on the graph, by the namespace that they were started in.

    Args:
        node: The node that looks.
        prefix: The namespace.
    """

    def __init__(self, node: Node, prefix: str) -> None:
        self._node = node
        self._prefix = prefix

    def nodes(self) -> list[tuple[str, str]]:
        """Return name and namespace of the arm's nodes."""
        return [
            (name, space)
            for name, space in self._node.get_node_names_and_namespaces()
            if is_below(f'{space}/', self._prefix)
        ]

    def leak(self) -> str:
        """Return a topic outside of the namespace that a node of the arm publishes, or nothing."""
        for name, space in self.nodes():
            for topic in self._of(self._node.get_publisher_names_and_types_by_node, name, space):
                if self._is_outside(topic):
                    return topic
        return ''

    def hidden_leak(self) -> str:
        """Return such a topic of the same process, whatever its node calls itself.

        Looks at every publisher of the graph.
        """
        topics = [topic for topic, _ in self._node.get_topic_names_and_types()]
        infos = {topic: self._node.get_publishers_info_by_topic(topic) for topic in topics}
        own = {
            bytes(info.endpoint_gid[:_PARTICIPANT])
            for each in infos.values()
            for info in each
            if is_below(f'{info.node_namespace}/', self._prefix)
        }
        for topic, each in infos.items():
            if self._is_outside(topic) and any(
                bytes(info.endpoint_gid[:_PARTICIPANT]) in own for info in each
            ):
                return topic
        return ''

    def _is_outside(self, topic: str) -> bool:
        return topic not in HARMLESS and not is_below(topic, self._prefix)

    def deaf_on(self) -> str:
        """Return a topic that the arm should hear, but listens to in its own namespace."""
        for name, space in self.nodes():
            for topic in self._of(self._node.get_subscriber_names_and_types_by_node, name, space):
                if not is_below(topic, self._prefix) or self._node.count_publishers(topic):
                    continue
                ordinary = topic.removeprefix(self._prefix)
                if self._node.count_publishers(ordinary):
                    return ordinary
        return ''

    def calls(self) -> list[str]:
        """Return the services outside of the namespace that the arm may call."""
        return sorted(
            {
                service
                for name, space in self.nodes()
                for service in self._of(self._node.get_client_names_and_types_by_node, name, space)
                if not is_below(service, self._prefix)
            }
        )

    @staticmethod
    def _of(ask: object, name: str, space: str) -> Iterator[str]:
        try:
            found = ask(name, space)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 - it has gone since; rclpy's errors share no class
            return
        for each, _ in found:
            yield each
