"""Topics on their way from DDS to a recorder: a thread of its own takes whatever has arrived."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import (
    QoSSubscriptionEventType,
    SubscriptionEventCallbacks,
    UnsupportedEventTypeError,
)
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import ReliabilityPolicy

from lk_dataset_ros.dataset import AsRecorded, Played
from lk_dataset_ros.dataset.threads import (
    ask_for_priority,
    ask_for_priority_of,
    prompt_switching,
)
from lk_dataset_ros.ros.taking import Arena, Taker
from lk_dataset_ros.ros.types import message_class, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from rclpy.subscription import Subscription

    from lk_dataset_ros.dataset import Arrivals, DataRecorder

#: How long the thread rests between two rounds, s: less when much comes, more when nothing does.
SHORTEST_REST_S: Final = 0.001
LONGEST_REST_S: Final = 0.02
#: A publisher that was held up sends what it owes at such a rate: the history must last meanwhile.
_BURST_PER_S: Final = 500_000
_BURST_BYTES_PER_S: Final = 2_000_000_000
#: One that begins does not, and is worth fewer rounds.
_BEGIN_PER_S: Final = 100_000
_IDLE_REST_S: Final = 0.005
#: Messages of one topic that may wait between two rounds, and the part of its history. Fast DDS
#: looks through what waits with every message that comes in: fewer cost more rounds, more cost it.
_ROUND: Final = 256
_ROUND_PART: Final = 0.1
#: How often the middleware is asked what it has lost, s.
EVENT_PERIOD_S: Final = 0.5
#: Names of the threads of Fast DDS. Of a message of 1 MB, what is not taken out of the publisher's
#: half a megabyte of shared memory at once is sent again later, until it is out of its history.
_RECEIVING: Final = 'dds.'


class NeverExecuted(CallbackGroup):
    """Keeps a subscription out of every executor: its messages are taken elsewhere."""

    def can_execute(self, entity: Any) -> bool:
        """Tell an executor not to look at it."""
        del entity
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Refuse to be executed."""
        del entity
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: nothing was begun."""


@dataclasses.dataclass(slots=True)
class _Topic:
    """One topic that is recorded."""

    subscription: Subscription
    taker: Taker
    lost: Event
    depth: int
    #: Messages taken since it was last looked at.
    count: int = 0

    def longest_rest_s(self) -> float:
        """Return how long the thread may rest without this history getting full."""
        if not self.count:
            return min(max(self.depth / _BEGIN_PER_S, _IDLE_REST_S), LONGEST_REST_S)
        self.count = 0
        lasts_s = max(
            self.depth / _BURST_PER_S, self.depth * self.taker.largest / _BURST_BYTES_PER_S
        )
        return min(max(lasts_s, SHORTEST_REST_S), LONGEST_REST_S)


class Event:
    """An event of a subscription that is asked for, now and then, instead of waited for.

    Args:
        subscription: The subscription.
        kind: Which event.
    """

    def __init__(self, subscription: Subscription, kind: QoSSubscriptionEventType) -> None:
        self._handle: Any = None
        # A middleware need not know every event.
        with contextlib.suppress(UnsupportedEventTypeError), subscription.handle:
            self._handle = rclpy_implementation.EventHandle(subscription.handle, kind)

    def count(self) -> int:
        """Return how often it has happened since the last time."""
        if self._handle is None:
            return 0
        with self._handle:
            status = self._handle.take_event()
        return status.total_count_change if status is not None else 0

    def close(self) -> None:
        """Ask no more."""
        if self._handle is not None:
            self._handle.destroy_when_not_in_use()
            self._handle = None


class Intake:
    """Subscribes to topics and hands what they bring to a recorder, bytes untouched.

    rclpy's executor costs more per message than everything else together. So the subscriptions
    are kept away from it: a thread takes from all of them in turn, many messages at once, and
    rests in between, the less the fuller the readers' histories get.

    Args:
        node: The node.
        recorder: The engine.
        now_ns: Gives the log time, where it is not when the middleware received a message.
        as_recorded: Everything comes from a playback that tells how it stood in its bag
            (`announce`), and is recorded so.
    """

    def __init__(
        self,
        node: Node,
        recorder: DataRecorder,
        *,
        now_ns: Callable[[], int] | None = None,
        as_recorded: bool = False,
    ) -> None:
        self._node = node
        self._recorder = recorder
        self._now_ns = now_ns
        self._arena = Arena()
        self._topics: dict[str, _Topic] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._group = NeverExecuted()
        self._ask_at_s = 0.0
        self._longest_s = _IDLE_REST_S
        self._as_recorded = AsRecorded(self._topics.keys()) if as_recorded else None
        #: What ended the thread.
        self.error: Exception | None = None

    @property
    def topics(self) -> list[str]:
        """The topics that are subscribed to."""
        return list(self._topics)

    def add(
        self,
        topic: str,
        type_name: str,
        qos: QoSProfile,
        *,
        offers_yaml: str,
        type_hash: str = '',
    ) -> None:
        """Record a topic from now on.

        Args:
            topic: Its name.
            type_name: Its type.
            qos: Profile to subscribe with.
            offers_yaml: What the publishers offer, for the bag.
            type_hash: The publishers' type hash, for the bag.

        Raises:
            MessageTypeError: If the type is not installed, or recorded otherwise already.
        """
        schema, kind = schema_of(type_name), message_class(type_name)
        if type_hash:
            schema = dataclasses.replace(schema, type_hash=type_hash)
        self._recorder.add_input(topic, schema, offers_yaml)
        if qos.reliability != ReliabilityPolicy.RELIABLE:
            self._recorder.note_unknown(
                topic, 'best effort: what is lost before the first and after the last is not known'
            )
        subscription = self._subscribe(kind, topic, qos)
        with self._lock:
            self._topics[topic] = _Topic(
                subscription,
                Taker(subscription, self._arena, topic),
                Event(subscription, QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST),
                qos.depth,
            )

    def _subscribe(self, kind: Any, topic: str, qos: QoSProfile) -> Subscription:
        # No event handlers: they make the executor wake up for every message (rmw_fastrtps).
        return self._node.create_subscription(
            kind,
            topic,
            _ignore,
            qos,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            raw=True,
        )

    def remove(self, topic: str) -> None:
        """Record a topic no more; what has arrived is taken first."""
        with self._lock:
            found = self._topics.pop(topic)
            self._take_all(found)
            self._end(found)

    def _end(self, topic: _Topic) -> None:
        topic.taker.close()
        topic.lost.close()
        self._node.destroy_subscription(topic.subscription)

    def publisher_count(self, topic: str) -> int:
        """Return how many publishers a topic's subscription has matched."""
        count: int = self._topics[topic].subscription.get_publisher_count()
        return count

    def start(self) -> None:
        """Take messages, in a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self._run, name='intake', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # A collection of all that was imported would take longer than a history of 1000 messages
        # lasts at 50,000 per second; another thread may keep the interpreter as long as that, too.
        ask_for_priority()
        ask_for_priority_of(_RECEIVING)
        gc.collect()
        gc.freeze()
        try:
            with prompt_switching():
                self._take_until_stopped()
        finally:
            gc.unfreeze()

    def _take_until_stopped(self) -> None:
        rest_s = SHORTEST_REST_S
        while not self._stopping.wait(rest_s):
            began_s = time.monotonic()
            try:
                fill = self._round()
            except Exception as error:  # noqa: BLE001 - told to the node, which ends
                self.error = error
                return
            # As long as it takes for the fullest history to get as full as it may.
            wanted_s = rest_s / fill if fill else LONGEST_REST_S
            busy_s = time.monotonic() - began_s
            rest_s = min(max(wanted_s - busy_s, SHORTEST_REST_S), 2 * rest_s, self._longest_s)

    def poll(self) -> int:
        """Take everything that has arrived; return how many messages that were."""
        before = self._recorder.count
        self._round()
        return self._recorder.count - before

    def _round(self) -> float:
        """Take everything that has arrived; return how full the fullest was, 1 is enough."""
        fullest = 0.0
        with self._lock:
            for topic in self._topics.values():
                enough = min(_ROUND, topic.depth * _ROUND_PART)
                fullest = max(fullest, self._take_all(topic) / enough)
            self._hand_on_in_order()
            now_s = time.monotonic()
            if now_s >= self._ask_at_s:
                self._ask_at_s = now_s + EVENT_PERIOD_S
                self._ask_events()
                rests = [topic.longest_rest_s() for topic in self._topics.values()]
                self._longest_s = min(rests, default=LONGEST_REST_S)
        return fullest

    def _ask_events(self) -> None:
        for name, topic in self._topics.items():
            if lost := topic.lost.count():
                self._recorder.note_reported_lost(name, lost)

    def _take_all(self, topic: _Topic) -> int:
        count = 0
        # A publisher that never rests must not keep the other topics waiting.
        while count < topic.depth and (arrivals := topic.taker.take()) is not None:
            count += len(arrivals)
            self._hand_on(arrivals)
        topic.count += count
        return count

    def _hand_on(self, arrivals: Arrivals) -> None:
        if self._now_ns is not None:
            arrivals.log_time_ns[:] = self._now_ns()
        if self._as_recorded is not None:
            self._as_recorded.take(arrivals)
        else:
            self._recorder.take(arrivals)

    def announce(self, played: Played) -> None:
        """Take note of what a playback says of the messages that it sends."""
        with self._lock:
            assert self._as_recorded is not None
            self._as_recorded.announce(played)

    def _hand_on_in_order(self, *, is_over: bool = False) -> None:
        if self._as_recorded is None:
            return
        for message in self._as_recorded.ready(is_over=is_over):
            self._recorder.record(message)
        lost, self._as_recorded.lost = self._as_recorded.lost, {}
        for topic, count in lost.items():
            self._recorder.note_lost(topic, count)
        if is_over and (others := self._as_recorded.unannounced()):
            self._node.get_logger().warning(
                f'{len(others)} messages did not come from the playback: they are recorded with '
                'the times at which they came'
            )
            for message in others:
                self._recorder.record(message)

    def stop(self) -> None:
        """Take what has arrived, and nothing more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._round()
        with self._lock:
            self._hand_on_in_order(is_over=True)
            self._ask_events()
            for topic in self._topics.values():
                self._end(topic)
            self._topics.clear()


def _ignore(message: Any) -> None:
    """Stand in for a callback: messages are taken elsewhere."""
    del message
