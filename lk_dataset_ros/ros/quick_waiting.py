"""Wait for messages without rclpy's executor, as long as nothing but messages comes."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any

from rclpy.impl.implementation_singleton import rclpy_implementation

from lk_dataset_ros.ros.serving import Kept, library, pointers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

    from lk_dataset_ros.ros.subscription import DrainedSubscription


class QuickWaiting:
    """Serves some subscriptions of a node until something else wants to be served.

    rclpy's executor makes a wait set and walks through the whole node for every message, which
    costs more than most callbacks. This waits for the same things in a wait set that is kept,
    serves the subscriptions itself, and returns for everything else: the executor has its turn
    then.

    Args:
        node: The node.
        subscriptions: Those that are served here; `raw` ones are served quickest.
    """

    def __init__(self, node: Node, subscriptions: Sequence[DrainedSubscription]) -> None:
        self._node = node
        self._raw = [each for each in subscriptions if each.subscription.raw]
        self._converted = [each for each in subscriptions if not each.subscription.raw]
        self._sizes: tuple[int, ...] = ()
        self._wait_set: Any = None
        self._kept = Kept()
        self._serve = library().lk_serve

    def run(self, limit_s: float) -> None:
        """Serve until something else is ready, or the limit has passed."""
        node, kept = self._node, self._kept
        # A guard condition is reset by waiting for it: who waits next has to see it, too.
        guards = list(node.guards)
        drained = [*self._raw, *self._converted]
        served = {each.subscription for each in drained}
        kinds = (
            [each.subscription.handle for each in drained]
            + [each.handle for each in node.subscriptions if each not in served],
            [each.handle for each in guards],
            [each.handle for each in node.timers],
            [each.handle for each in node.clients],
            [each.handle for each in node.services],
        )
        wait_set = self._wait_set_of(tuple(map(len, kinds)))
        entities = pointers([handle for handles in kinds for handle in handles])
        counts = (ctypes.c_uint64 * len(kinds))(*map(len, kinds))
        handlers = [each.on_message for each in self._raw]
        arguments = ctypes.c_void_p(wait_set.pointer), entities, counts, len(handlers)
        deadline_s = time.monotonic() + limit_s
        while (left_s := deadline_s - time.monotonic()) > 0.0:
            others = self._serve(*arguments, int(left_s * 1e9), kept.pointer)
            if others < 0:
                raise RuntimeError(f'waiting for messages failed: rcl says {-1 - others}')
            converted: list[DrainedSubscription] = []
            if others:
                # Asked before the callbacks run: they may change what is there.
                triggered = wait_set.get_ready_entities('guard_condition')
                for guard in guards:
                    if guard.handle.pointer in triggered:
                        guard.trigger()
                ready = wait_set.get_ready_entities('subscription')
                converted = [
                    each for each in self._converted if each.subscription.handle.pointer in ready
                ]
            for number, _, received_ns, cdr in kept:
                handlers[number](cdr, {'received_timestamp': received_ns})
            for each in converted:
                each.drain()
            if others > len(converted):
                return

    def _wait_set_of(self, sizes: tuple[int, ...]) -> Any:
        if sizes != self._sizes:
            context = self._node.context.handle
            self._wait_set = rclpy_implementation.WaitSet(*sizes, 0, context)
            self._sizes = sizes
        return self._wait_set
