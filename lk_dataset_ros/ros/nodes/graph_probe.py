"""The `graph_probe` node: says who is on the graph, as JSON, when discovery has settled.

Started by `lk init --graph`, in the ROS domain of who asks.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.ros.host import run_node
from lk_dataset_ros.ros.parameters import declare_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rclpy.node import Node
    from rclpy.topic_endpoint_info import TopicEndpointInfo

#: How often the graph is looked at, s.
POLL_S = 0.1
#: More than this is not told of.
MOST_NODES, MOST_TOPICS = 2_000, 5_000

Endpoint = dict[str, str]
Graph = dict[str, dict[str, list[Endpoint]]]


@dataclass(kw_only=True)
class ProbeConfig(Config):
    """Settings of the node."""

    quiet_s: float = option(
        2.5, 'how long nothing may have changed for the graph to be known, s', minimum=0.0
    )
    limit_s: float = option(15.0, 'after that it is said as it is, s', minimum=0.1, maximum=600.0)
    wait_for: str = option('', 'a node that has to be there before it is known')


class GraphProbe:
    """Look until nothing changes any more.

    Args:
        node: The node.
        now_s: Tells the time, s.
    """

    def __init__(self, node: Node, now_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._now_s = node, now_s
        self._config = ProbeConfig(**declare_options(node, ProbeConfig.options(), read_only=True))
        self._own = node.get_fully_qualified_name()
        self._graph: Graph | None = None
        self._begin_s = self._changed_s = now_s()

    def turn(self) -> float | None:
        """Look at the graph; say what is there when it has settled."""
        now_s, graph = self._now_s(), self._look()
        if graph != self._graph:
            self._graph, self._changed_s = graph, now_s
        is_there = not self._config.wait_for or self._config.wait_for in graph
        is_settled = is_there and bool(graph) and now_s - self._changed_s >= self._config.quiet_s
        if not is_settled and now_s - self._begin_s < self._config.limit_s:
            return POLL_S
        print(json.dumps({'settled': is_settled, 'nodes': graph}), flush=True)
        return None

    def close(self) -> None:
        """Do nothing: there is nothing to end."""

    def _look(self) -> Graph:
        """Return what each node but this one publishes and subscribes to."""
        graph: Graph = {
            _full(namespace, name): {'publishers': [], 'subscriptions': []}
            for name, namespace in self._node.get_node_names_and_namespaces()[:MOST_NODES]
        }
        for topic, _ in sorted(self._node.get_topic_names_and_types())[:MOST_TOPICS]:
            self._note(graph, topic, 'publishers', self._node.get_publishers_info_by_topic(topic))
            self._note(
                graph, topic, 'subscriptions', self._node.get_subscriptions_info_by_topic(topic)
            )
        graph.pop(self._own, None)
        for node in graph.values():
            for kind in node:
                node[kind].sort(key=lambda each: [*each.values()])
        return dict(sorted(graph.items()))

    @staticmethod
    def _note(graph: Graph, topic: str, kind: str, infos: Iterable[TopicEndpointInfo]) -> None:
        for info in infos:
            node = graph.get(_full(info.node_namespace, info.node_name))
            endpoint = _endpoint(topic, info)
            # Whose node is not known yet, or is none of ROS, comes later or not at all.
            if node is not None and endpoint not in node[kind]:
                node[kind].append(endpoint)


def _endpoint(topic: str, info: Any) -> Endpoint:
    return {
        'topic': topic,
        'type': info.topic_type,
        'reliability': info.qos_profile.reliability.name.lower(),
        'durability': info.qos_profile.durability.name.lower(),
    }


def _full(namespace: str, name: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('graph_probe', GraphProbe, argv)


if __name__ == '__main__':
    sys.exit(main())
