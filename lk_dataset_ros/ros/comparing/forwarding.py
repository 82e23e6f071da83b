"""Messages on their way to an actuator: a thread of its own hands them on as they come."""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation

from lk_dataset_ros.dataset.consensus.switching import ORIGINAL
from lk_dataset_ros.dataset.threads import ask_for_priority, prompt_switching
from lk_dataset_ros.ros.intake import NeverExecuted

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.publisher import Publisher
    from rclpy.qos import QoSProfile
    from rclpy.subscription import Subscription

    from lk_dataset_ros.comparison.pairing.incremental import Side
    from lk_dataset_ros.dataset.consensus.switching import ActuatorSwitch

#: Longest wait, s: subscriptions may have changed.
_LONGEST_WAIT_S: Final = 0.02


class Forwarding:
    """Takes both sides' messages, asks the switch, publishes.

    The subscriptions are kept away from the executor: a wait set of their own, made once, wakes
    the thread for a message or for the moment at which the switch gives up waiting.

    Args:
        node: The node.
        switch: Decides.
        key_of: Gives what a side's message is paired by, from its bytes and when it came.
        on_change: Called, on this thread, when somebody else drives or wants to.
    """

    def __init__(
        self,
        node: Node,
        switch: ActuatorSwitch,
        key_of: Callable[[Side, bytes, int], int],
        on_change: Callable[[], None],
    ) -> None:
        self._node, self._switch = node, switch
        self._key_of, self._on_change = key_of, on_change
        self._publisher: Publisher | None = None
        self._sides: dict[Side, Subscription] = {}
        self._kind: Any = None
        self._group = NeverExecuted()
        #: Held while the switch or the subscriptions are used.
        self.lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='forwarding', daemon=True)
        self._rounds = 0
        self._round_over = threading.Condition()
        self._wait_sets: dict[int, Any] = {}
        #: What ended the thread.
        self.error: Exception | None = None

    def start(self, publisher: Publisher, kind: Any) -> None:
        """Publish from now on.

        Args:
            publisher: Of the actuator's topic.
            kind: Class of the messages.
        """
        self._publisher, self._kind = publisher, kind
        self._thread.start()

    def listen(self, side: Side, topic: str, kind: Any, profile: QoSProfile) -> None:
        """Take a side's messages from a topic, instead of what they were taken from."""
        # No event handlers: they make the executor wake up for every message (rmw_fastrtps).
        subscription = self._node.create_subscription(
            kind,
            topic,
            lambda _: None,
            profile,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            raw=True,
        )
        with self.lock:
            before = self._sides.get(side)
            self._sides[side] = subscription
        self._drop(before)

    def leave(self, side: Side) -> None:
        """Take a side's messages no more."""
        with self.lock:
            before = self._sides.pop(side, None)
        self._drop(before)

    def _drop(self, subscription: Subscription | None) -> None:
        if subscription is None:
            return
        if self._thread.is_alive():
            # It may be waiting for this one now.
            with self._round_over:
                seen = self._rounds
                self._round_over.wait_for(lambda: self._rounds > seen + 1, timeout=1.0)
        self._node.destroy_subscription(subscription)

    def _run(self) -> None:
        ask_for_priority()
        gc.collect()
        gc.freeze()
        try:
            with prompt_switching():
                while not self._stopping.is_set():
                    self._round()
        except Exception as error:  # noqa: BLE001 - told to the node, which ends
            self.error = error
            self._on_change()

    def _round(self) -> None:
        with self.lock:
            sides = list(self._sides.items())
            wait_s = self._until_due_s()
        self._wait([subscription for _, subscription in sides], wait_s)
        with self.lock:
            before = self._state()
            for side, subscription in sides:
                if self._sides.get(side) is subscription:
                    self._drain(side, subscription)
            self._publish(self._switch.advance(time.monotonic_ns()))
            has_changed = self._state() != before
        with self._round_over:
            self._rounds += 1
            self._round_over.notify_all()
        if has_changed:
            self._on_change()

    def _state(self) -> tuple[str, str, int]:
        return self._switch.active, self._switch.wanted, self._switch.fallbacks

    def _until_due_s(self) -> float:
        due_ns = self._switch.next_due_ns()
        if due_ns is None:
            return _LONGEST_WAIT_S
        return min(max((due_ns - time.monotonic_ns()) / 1e9, 0.0), _LONGEST_WAIT_S)

    def _wait(self, subscriptions: list[Subscription], limit_s: float) -> None:
        if not subscriptions:
            self._stopping.wait(limit_s)
            return
        count = len(subscriptions)
        wait_set = self._wait_sets.get(count)
        if wait_set is None:
            context = self._node.context.handle
            wait_set = rclpy_implementation.WaitSet(count, 0, 0, 0, 0, 0, context)
            self._wait_sets[count] = wait_set
        wait_set.clear_entities()
        for each in subscriptions:
            wait_set.add_subscription(each.handle)
        wait_set.wait(int(limit_s * 1e9))

    def _drain(self, side: Side, subscription: Subscription) -> None:
        handle = subscription.handle
        with handle:
            while (taken := handle.take_message(self._kind, True)) is not None:
                self._take(side, taken[0])

    def _take(self, side: Side, cdr: bytes) -> None:
        now_ns = time.monotonic_ns()
        switch, key = self._switch, self._key_of(side, cdr, now_ns)
        if side != ORIGINAL:
            self._publish(switch.compiled(cdr, key, now_ns))
            return
        self._publish(switch.advance(now_ns))
        if switch.active != ORIGINAL:
            self._publish(switch.original(cdr, key, now_ns))
            return
        # It goes out in any case: it need not wait until it is judged.
        self._publish([cdr])
        self._publish([each for each in switch.original(cdr, key, now_ns) if each is not cdr])

    def _publish(self, messages: list[bytes]) -> None:
        if self._publisher is not None:
            for each in messages:
                self._publisher.publish(each)

    def want(self, side: str) -> str:
        """Ask for a side, and publish what was held back; return why it does not drive at once.

        Raises:
            ComponentError: If there is no such side.
        """
        with self.lock:
            now_ns = time.monotonic_ns()
            reason = self._switch.want(side, now_ns)
            self._publish(self._switch.advance(now_ns))
            return reason

    def close(self) -> None:
        """Hand on no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with self.lock:
            if self._switch.active != ORIGINAL:
                self._switch.want(ORIGINAL, time.monotonic_ns())
                self._publish(self._switch.advance(time.monotonic_ns()))
        for each in self._wait_sets.values():
            each.destroy_when_not_in_use()
        self._wait_sets = {}
