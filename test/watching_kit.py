"""What the tests of the watching nodes share: a node in this process that publishes and listens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longest that anything on the graph may take, s: discovery alone takes up to 2.4 s by chance.
LIMIT_S = 60.0
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NS_PER_S = 1_000_000_000


class Peer:
    """A participant in this process, in the graph's domain."""

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('peer', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        #: Last status by name, as heard on /diagnostics.
        self.health: dict[str, Any] = {}

    def publisher(self, topic: str, kind: Any, qos: Any = 1000) -> Any:
        """Make a publisher."""
        return self.node.create_publisher(kind, topic, qos)

    def listen(self, kind: Any, topic: str, qos: Any = 1000) -> list[Any]:
        """Collect what is said on a topic."""
        found: list[Any] = []
        self.node.create_subscription(kind, topic, found.append, qos)
        return found

    def watch_diagnostics(self) -> None:
        """Keep what is said on /diagnostics."""

        def take(array: Any) -> None:
            self.health.update({each.name: each for each in array.status})

        self.node.create_subscription(DiagnosticArray, '/diagnostics', take, 100)

    def level(self, name: str) -> int | None:
        """Return the level of the status whose name ends so, None before there is one."""
        found = [each for key, each in self.health.items() if key.endswith(name)]
        return found[0].level[0] if found else None

    def until(
        self,
        condition: Callable[[], Any],
        what: str = 'it',
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Spin until a condition holds; 50 times a second do something meanwhile."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, f'{what} did not happen within {LIMIT_S} s'
            if meanwhile is not None:
                meanwhile()
            until = time.monotonic() + 0.02
            while (left := until - time.monotonic()) > 0.0:
                self._executor.spin_once(timeout_sec=left)

    def call(self, kind: Any, service: str) -> Any:
        """Call a service that takes nothing and return its answer."""
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready, service)
        future = client.call_async(kind.Request())
        self.until(future.done, f'an answer of {service}')
        return future.result()

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
