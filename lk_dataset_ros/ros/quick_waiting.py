"""Wait for messages without rclpy's executor, as long as nothing but messages comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rclpy.impl.implementation_singleton import rclpy_implementation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

    from lk_dataset_ros.ros.subscription import DrainedSubscription

_OTHERS: Final = ('guard_condition', 'timer', 'client', 'service')


class QuickWaiting:
    """Serves some subscriptions of a node until something else wants to be served.

    rclpy's executor makes a wait set and walks through the whole node for every message, which
    costs more than most callbacks. This waits for the same things in a wait set that is kept,
    serves the subscriptions itself, and returns for everything else: the executor has its turn
    then.

    Args:
        node: The node.
        subscriptions: Those that are served here.
    """

    def __init__(self, node: Node, subscriptions: Sequence[DrainedSubscription]) -> None:
        self._node = node
        self._drained = {each.subscription: each for each in subscriptions}
        self._sizes: tuple[int, ...] = ()
        self._wait_set: Any = None

    def run(self, limit_s: float) -> None:
        """Serve until something else is ready, or the limit has passed."""
        node, context = self._node, self._node.context.handle
        # A guard condition is reset by waiting for it: who waits next has to see it, too.
        guards = list(node.guards)
        others = [each for each in node.subscriptions if each not in self._drained]
        own = [
            (each.handle, each.handle.pointer, drained) for each, drained in self._drained.items()
        ]
        kinds = (
            [handle for handle, _, _ in own] + [each.handle for each in others],
            [each.handle for each in guards],
            [each.handle for each in node.timers],
            [each.handle for each in node.clients],
            [each.handle for each in node.services],
        )
        sizes = tuple(map(len, kinds))
        if sizes != self._sizes:
            self._wait_set = rclpy_implementation.WaitSet(*sizes, 0, context)
            self._sizes = sizes
        wait_set = self._wait_set
        added = [
            (add, handle)
            for add, handles in zip(
                (
                    wait_set.add_subscription,
                    wait_set.add_guard_condition,
                    wait_set.add_timer,
                    wait_set.add_client,
                    wait_set.add_service,
                ),
                kinds,
                strict=True,
            )
            for handle in handles
        ]
        deadline_s = time.monotonic() + limit_s
        ready_of = wait_set.get_ready_entities
        while (left_s := deadline_s - time.monotonic()) > 0.0:
            wait_set.clear_entities()
            for add, handle in added:
                add(handle)
            wait_set.wait(int(left_s * 1e9))
            ready = ready_of('subscription')
            # Asked before the callbacks run: they may change what is there.
            is_other = any(map(ready_of, _OTHERS))
            if is_other:
                triggered = ready_of('guard_condition')
                for each in guards:
                    if each.handle.pointer in triggered:
                        each.trigger()
            served = 0
            for _, pointer, drained in own:
                if pointer in ready:
                    drained.drain()
                    served += 1
            if is_other or served < len(ready):
                return
