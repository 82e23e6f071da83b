"""The `component` node: hosts any component, given by its import path."""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rclpy.duration import Duration
from rclpy.qos_overriding_options import QoSOverridingOptions

from lk_dataset_ros.component import Config, extend_python_path, load_component, option
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.ros.diagnostics import DiagnosticsPublisher
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node
from lk_dataset_ros.ros.parameters import declare_options, follow_changes, refuse_unknown
from lk_dataset_ros.ros.qos import profile_of_port
from lk_dataset_ros.ros.quick_messages import QuickMessages
from lk_dataset_ros.ros.quick_waiting import QuickWaiting
from lk_dataset_ros.ros.subscription import DrainedSubscription
from lk_dataset_ros.ros.types import message_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.publisher import Publisher

    from lk_dataset_ros.component import Component

#: How long the end waits for subscribers to acknowledge the last outputs, s.
ACKNOWLEDGE_LIMIT_S = 2.0


@dataclass(kw_only=True)
class HostConfig(Config):
    """Settings of the host, beside those of the component."""

    component: str = option('', 'import path of the component, package.module:Class')
    python_path: list[str] = option([], 'folders to import the component from')  # noqa: RUF009
    wait_for_subscribers: int = option(
        0, 'a source starts when each output has that many subscribers', minimum=0, maximum=1000
    )


class ComponentHost:
    """Ports become topics, the configuration parameters, log and diagnostics the node's."""

    def __init__(self, node: Node) -> None:
        self._node = node
        host = HostConfig(**declare_options(node, HostConfig.options(), read_only=True))
        if not host.component:
            raise ComponentError(
                'no component is given; name one: --ros-args -p component:=package.module:Class'
            )
        extend_python_path(host.python_path)
        cls = load_component(host.component)
        self._wait_for_subscribers = host.wait_for_subscribers
        self.component = self._construct(cls)
        messages = lru_cache(maxsize=None)(QuickMessages)
        self.component.message_factory = lambda name: messages(name).new()
        self._publishers = {
            name: node.create_publisher(
                message_class(port.type_name),
                name,
                profile_of_port(port),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, port in cls.outputs.items()
        }
        self._sends = {
            name: _sender(publisher, messages(cls.outputs[name].type_name))
            for name, publisher in self._publishers.items()
        }
        self._subscriptions = [
            DrainedSubscription(
                node,
                message_class(port.type_name),
                name,
                profile_of_port(port),
                self._handler(name, messages(port.type_name)),
                raw=messages(port.type_name).is_quickly_decoded,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, port in cls.inputs.items()
        ]
        refuse_unknown(node)
        follow_changes(node, self.component.config, self.component.configure)
        self._diagnostics = DiagnosticsPublisher(node, self.component)
        self._next_tick_s: float | None = None
        self._waiting = QuickWaiting(node, self._subscriptions)
        # What was made so far stays: the collector need not walk through it between callbacks.
        gc.freeze()

    def _construct(self, cls: type[Component]) -> Component:
        options = cls.Config.options()
        taken = {each.name for each in HostConfig.options()}
        for each in options:
            if each.name in taken:
                raise ComponentError(
                    f'{cls.__name__} has a setting {each.name!r}, a name that the host needs itself'
                )
        config = cls.Config(**declare_options(self._node, options))
        return cls(config=config, log=self._node.get_logger())

    def _handler(self, port: str, messages: QuickMessages) -> Any:
        decode = messages.decode

        def handle(message: Any, info: dict[str, Any]) -> None:
            del info
            self._publish(self.component(**{port: message}))

        def handle_raw(cdr: bytes, info: dict[str, Any]) -> None:
            del info
            self._publish(self.component(**{port: decode(cdr)}))

        return handle_raw if messages.is_quickly_decoded else handle

    def _publish(self, outputs: dict[str, Any]) -> None:
        for name, message in outputs.items():
            self._sends[name](message)

    def turn(self) -> float | None:
        """Step a source when it is due; wait for inputs otherwise."""
        period_s = self.component.period_s
        if period_s is None:
            self._waiting.run(LONGEST_WAIT_S)
            return 0.0
        if self.component.finished:
            return None
        now_s = time.monotonic()
        if self._next_tick_s is None:
            if not self._is_heard():
                return 0.02
            self.component.reset()
            self._next_tick_s = now_s
        if now_s < self._next_tick_s:
            return self._next_tick_s - now_s
        self._next_tick_s += period_s
        self._publish(self.component())
        return 0.0

    def _is_heard(self) -> bool:
        return all(
            publisher.get_subscription_count() >= self._wait_for_subscribers
            for publisher in self._publishers.values()
        )

    def close(self) -> None:
        """See the last outputs through to their subscribers."""
        self._diagnostics.publish()
        deadline_s = time.monotonic() + ACKNOWLEDGE_LIMIT_S
        for publisher in self._publishers.values():
            left_s = max(deadline_s - time.monotonic(), 0.0)
            publisher.wait_for_all_acked(Duration(seconds=left_s))


def _sender(publisher: Publisher, messages: QuickMessages) -> Callable[[Any], None]:
    """Return what publishes a message the quickest way."""
    if not messages.is_quickly_encoded:
        return publisher.publish
    encode, publish = messages.encode, publisher.handle.publish_raw

    def send(message: Any) -> None:
        publish(message if isinstance(message, bytes) else encode(message))

    return send


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('component', ComponentHost, argv)


if __name__ == '__main__':
    sys.exit(main())
