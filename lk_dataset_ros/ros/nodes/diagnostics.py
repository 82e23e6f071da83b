"""The `diagnostics` node: how topics are, on /diagnostics, and what everybody says there."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from lk_dataset_ros.ros.diagnostics import DiagnosticsPublisher
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.parameters import refuse_unknown
from lk_dataset_ros.ros.watching.collection import Collection
from lk_dataset_ros.ros.watching.diagnostics_options import declare_diagnostics_options
from lk_dataset_ros.ros.watching.hearing import Topics
from lk_dataset_ros.ros.watching.intake import WatchIntake
from lk_dataset_ros.ros.watching.topics import TopicFollower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rclpy.node import Node

    from lk_dataset_ros.component import Health

STATUS_PERIOD_S: Final = 1.0
#: Statuses of others that may wait; they come once per second and node.
_DEPTH: Final = 500


class DiagnosticsNode:
    """Parameters, subscriptions and status around the watching."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._log = node.get_logger()
        use_overlays(self._log.warning)
        self._options = options = declare_diagnostics_options(node)
        refuse_unknown(node)
        self._uses_clock = bool(node.get_parameter('use_sim_time').value)
        now_ns = self._now_ns if self._uses_clock else time.monotonic_ns
        self._topics = Topics(
            options.expected, config=options.watching, log=self._log, now_ns=now_ns
        )
        self._intake = WatchIntake(
            node,
            self._topics,
            rest_s=options.node.rest_s,
            now_ns=self._now_ns if self._uses_clock else None,
        )
        self._exclude = re.compile(options.node.exclude_regex)
        self._follower = TopicFollower(
            node, self._intake, wanted=self._wanted, history_bytes=options.node.history_bytes
        )
        self._publisher = DiagnosticsPublisher(node, self._topics)
        self._collection: Collection | None = None
        if options.node.aggregate:
            self._aggregate()
        self._look_at_s = self._status_at_s = 0.0
        self._intake.start()

    def _now_ns(self) -> int:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return now_ns

    def _aggregate(self) -> None:
        options = self._options.node
        self._collection = Collection(options.stale_s, options.forget_s)
        # Best effort hears the reliable, too.
        qos = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._collection.take, qos)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = self._node.create_publisher(DiagnosticStatus, '~/status', latched)

    def _wanted(self) -> Iterator[str]:
        """Yield the topics to follow."""
        yield from self._options.expected
        if not self._options.node.all_topics:
            return
        own = {'/diagnostics', self._node.resolve_topic_name('~/status')}
        for topic, _ in self._node.get_topic_names_and_types():
            if topic in self._options.expected or topic in own or '/_' in topic:
                continue
            if not (self._options.node.exclude_regex and self._exclude.search(topic)):
                yield topic

    def turn(self) -> float | None:
        """Look for publishers; tell the status once per second.

        Raises:
            Exception: What has ended the intake.
        """
        if self._intake.error is not None:
            raise self._intake.error
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + self._options.node.polling_period_s
            self._follower.look()
            for topic, known in self._follower.topics.items():
                self._topics.note_publishers(topic, known.publishers, known.trouble)
        if now_s >= self._status_at_s:
            self._status_at_s = now_s + STATUS_PERIOD_S
            self._publish_status()
        return min(LONGEST_WAIT_S, self._options.node.polling_period_s)

    def _publish_status(self) -> None:
        if self._collection is not None:
            self._status.publish(_status(self._node, self._collection.health()))

    def close(self) -> None:
        """Take what has arrived; tell once more, and in the log."""
        self._intake.stop()
        self._publisher.publish()
        for status in self._topics.dx.update()[1:]:
            values = status.values
            text = f'{values["count"]} messages, {values["lost"]} lost; {status.message}'
            # One line of the program, one severity: rclpy insists.
            if status.level:
                self._log.warning(f'{status.name}: {text}')
            else:
                self._log.info(f'{status.name}: {text}')


def _status(node: Node, health: Health) -> Any:
    return DiagnosticStatus(
        level=bytes([health.level]),
        name=f'{node.get_name()}: everybody',
        message=health.message,
        hardware_id=node.get_fully_qualified_name(),
        values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
    )


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('diagnostics', DiagnosticsNode, argv)


if __name__ == '__main__':
    sys.exit(main())
