"""Publish a component's diagnostics on `/diagnostics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.publisher import Publisher

    from lk_dataset_ros.component import Component

PERIOD_S = 1.0


class DiagnosticsPublisher:
    """Publish once per second, from the moment the component first uses its `dx`."""

    def __init__(self, node: Node, component: Component) -> None:
        self._node = node
        self._component = component
        self._kind = type(component).__name__
        self._publisher: Publisher | None = None
        self._timer = node.create_timer(PERIOD_S, self.publish)

    def publish(self) -> None:
        """Publish the health as it is now."""
        if not self._component.has_dx:
            return
        if self._publisher is None:
            self._publisher = self._node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        array = DiagnosticArray(
            status=[
                DiagnosticStatus(
                    level=bytes([health.level]),
                    name=f'{self._node.get_name()}: {health.name or self._kind}',
                    message=health.message,
                    hardware_id=self._node.get_fully_qualified_name(),
                    values=[
                        KeyValue(key=key, value=value) for key, value in health.values.items()
                    ],
                )
                for health in self._component.dx.update()
            ]
        )
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
