"""The `consensus` node: several arms side by side, their disagreements told and recorded."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from lk_dataset_ros.component import Health, Level
from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.consensus import ConsensusRecorder
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.msg import ConsensusEvent, ConsensusStatus
from lk_dataset_ros.ros.diagnostics import DiagnosticsPublisher
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.parameters import refuse_unknown
from lk_dataset_ros.ros.watching.consensus_options import ONLY_GROUP, declare_consensus_options
from lk_dataset_ros.ros.watching.intake import WatchIntake
from lk_dataset_ros.ros.watching.latency import Latency
from lk_dataset_ros.ros.watching.nowhere import Nowhere
from lk_dataset_ros.ros.watching.telling import event_of, line_of, status_of, summary_of
from lk_dataset_ros.ros.watching.topics import TopicFollower

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rclpy.node import Node

    from lk_dataset_ros.dataset.consensus import Event

STATUS_PERIOD_S: Final = 1.0
#: How long the end waits for subscribers to have the last status and events, s.
LAST_WORDS_S: Final = 1.0
#: Events that a subscriber may be behind.
_EVENTS_DEPTH: Final = 1000


class ConsensusNode:
    """Parameters, subscriptions, services and status around a consensus recorder."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._log = node.get_logger()
        use_overlays(self._log.warning)
        self._options = options = declare_consensus_options(node)
        refuse_unknown(node)
        self._uses_clock = bool(node.get_parameter('use_sim_time').value)
        self._now_ns: Callable[[], int] = self._clock_ns if self._uses_clock else time.time_ns
        self.has_failed = False
        self._is_closed = False
        self._latency = Latency()
        self._outlier = ''
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = node.create_publisher(ConsensusStatus, '~/status', latched)
        self._events = node.create_publisher(ConsensusEvent, '~/events', _EVENTS_DEPTH)
        self._engine = self._begin()
        self._intake = WatchIntake(
            node,
            self._engine,
            rest_s=options.node.rest_s,
            after_round=self._decide,
            now_ns=self._now_ns if self._uses_clock else None,
        )
        self._follower = TopicFollower(
            node,
            self._intake,
            wanted=lambda: options.topics,
            history_bytes=options.node.history_bytes,
        )
        dx = self._engine.dx
        dx.add_task('topics', self._topics_health)
        dx.add_task('decisions', self._latency)
        self._diagnostics = DiagnosticsPublisher(node, self._engine)
        self._look_at_s = self._status_at_s = 0.0
        self._has_started = False
        for name, action in (
            ('pause', self._pause),
            ('resume', self._resume),
            ('reset', self._reset),
        ):
            node.create_service(Trigger, f'~/{name}', _answering(action))

    def _begin(self) -> ConsensusRecorder:
        options = self._options
        bag = Path(options.node.bag).absolute() if options.node.bag else None
        database = McapDatabase(bag, 'w', **options.storage) if bag else Nowhere()
        only = options.arms.get(ONLY_GROUP) if len(options.arms) == 1 else None
        try:
            engine = ConsensusRecorder(
                database,
                only or options.arms,
                options.inputs,
                tolerance=options.tolerance,
                config=options.engine,
                log=self._log,
                now_ns=self._now_ns,
            )
        except BaseException:
            database.close()
            raise
        self._log.info(f'recording into {bag}' if bag else 'recording nothing: no bag is given')
        return engine

    def _clock_ns(self) -> int:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return now_ns

    def _decide(self, came_ns: list[Any]) -> None:
        """Tell of what has begun or ended; called by the thread that takes, after each round."""
        if came_ns and not self._uses_clock:
            # A set is judged as soon as its last message has been handed on.
            self._latency.add(time.time_ns() - np.concatenate(came_ns))
        self._tell(self._engine.advance(self._now_ns()))

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._events.publish(event_of(event))
            if event.is_over:
                self._log.warning(line_of(event))
            self._outlier = event.outliers[0] if event.majority and event.outliers else ''

    def turn(self) -> float | None:
        """Look for publishers and trouble; tell the status once per second."""
        failure = self._engine.error or self._intake.error
        if failure is not None:
            self._log.error(f'{type(failure).__name__}: {failure}')
            self.has_failed = True
            return None
        now_s = time.monotonic()
        if now_s >= self._look_at_s and not (self._uses_clock and self._now_ns() == 0):
            self._look_at_s = now_s + self._options.node.polling_period_s
            self._follower.look()
            if not self._has_started:
                self._has_started = True
                self._intake.start()
        if now_s >= self._status_at_s:
            self._status_at_s = now_s + STATUS_PERIOD_S
            self._publish_status()
        return min(LONGEST_WAIT_S, self._options.node.polling_period_s)

    def _publish_status(self) -> None:
        stats = self._engine.get_consensus_stats()
        self._status.publish(status_of(stats, self._now_ns(), self._outlier))

    def _topics_health(self, now_ns: int) -> Health:
        """Tell which topics are heard, as a task of the diagnostics."""
        del now_ns
        values, troubles, silent = {}, [], []
        stats = self._engine.get_stats()
        for topic in self._options.topics:
            known = self._follower.topics.get(topic)
            if known is None or not known.publishers:
                silent.append(topic)
            if known is not None and known.trouble:
                troubles.append(f'{topic}: {known.trouble}')
            lost = stats[topic].lost if topic in stats else 0
            values[topic] = (
                f'{known.type_name or "no type yet"}, {known.publishers} publishers, {lost} lost'
                if known is not None
                else 'not looked for yet'
            )
        if troubles:
            return Health(Level.ERROR, '; '.join(troubles), values)
        if silent:
            return Health(Level.WARN, f'nobody publishes {", ".join(silent)}', values)
        return Health(Level.OK, 'all are there', values)

    def _pause(self) -> str:
        was_paused = self._engine.is_paused
        self._engine.pause()
        return 'was paused already' if was_paused else 'paused'

    def _resume(self) -> str:
        was_paused = self._engine.is_paused
        self._engine.resume()
        return 'recording again' if was_paused else 'was not paused'

    def _reset(self) -> str:
        self._engine.reset()
        self._outlier = ''
        self._publish_status()
        return 'counting from the beginning'

    def close(self) -> None:
        """Take what has arrived, end what has begun, finish the bag, sum up."""
        self._intake.stop()
        try:
            self._engine.close()
        except Exception as error:  # noqa: BLE001 - the rest is still to be told
            self.has_failed = True
            self._log.error(f'recording failed: {error}')
        with contextlib.suppress(LkError):
            self._tell(self._engine.advance(self._now_ns()))
        self._publish_status()
        self._diagnostics.publish()
        for line in summary_of(self._engine.get_consensus_stats()):
            self._log.info(line)
        if self._latency.count:
            self._log.info(
                f'decided within {1e3 * self._latency.percentile_s(50.0):.2f} ms (median), '
                f'{1e3 * self._latency.percentile_s(99.0):.2f} ms (p99) of receiving'
            )
        if self._options.node.bag:
            self._log.info(f'bag finished: {Path(self._options.node.bag).absolute()}')
        for publisher in (self._status, self._events):
            publisher.wait_for_all_acked(Duration(seconds=LAST_WORDS_S))


def _answering(action: Callable[[], str]) -> Any:
    """Return a service's callback that tells what an action returns, or why it failed."""

    def handle(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        del request
        try:
            response.message = action()
            response.success = True
        except (LkError, OSError, ValueError) as error:
            response.message = str(error)
        return response

    return handle


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    made: list[ConsensusNode] = []

    def make(node: Node) -> ConsensusNode:
        made.append(ConsensusNode(node))
        return made[-1]

    code = run_node('consensus', make, argv)
    return 1 if code == 0 and any(each.has_failed for each in made) else code


if __name__ == '__main__':
    sys.exit(main())
