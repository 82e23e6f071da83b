"""What is on the graph: types, endpoints, and whether everything has found everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.qos import QoSProfile


def types_of(node: Node, topic: str) -> list[str]:
    """Return the types of a topic, an empty list if nobody has it."""
    for name, types in node.get_topic_names_and_types():
        if name == topic:
            return list(types)
    return []


def offers_on(node: Node, topic: str) -> list[tuple[QoSProfile, str]]:
    """Return profile and type hash of each publisher of a topic."""
    return [
        (info.qos_profile, str(info.topic_type_hash))
        for info in node.get_publishers_info_by_topic(topic)
    ]
