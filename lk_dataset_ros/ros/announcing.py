"""Tell a recorder how the messages that are played stand in the bag."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

from rclpy.duration import Duration
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from lk_dataset_ros.msg import PlayedMessages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node

    from lk_dataset_ros.dataset import SerializedMessage

#: Messages that one announcement tells of at most, and how old the first of them gets, s.
BATCH = 200
AGE_S = 0.1


class PlayedAnnouncements:
    """Publish `PlayedMessages` on `~/played`, in batches.

    Args:
        node: The node.
        topics: What is played: the names that messages have, and those on the graph.
    """

    def __init__(self, node: Node, topics: Sequence[tuple[str, str]]) -> None:
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_ALL, depth=1, reliability=ReliabilityPolicy.RELIABLE
        )
        self._publisher: Any = node.create_publisher(PlayedMessages, '~/played', profile)
        self._player = node.get_fully_qualified_name()
        self._names = [graph_name for _, graph_name in topics]
        self._places = {name: place for place, (name, _) in enumerate(topics)}
        self._publications = [0] * len(topics)
        self._playback = random.getrandbits(64)
        self._first = 0
        self._pending: list[tuple[int, int, int, int, int]] = []
        self._since_s = 0.0
        # The engine's thread notes messages; the node's announces what has got old.
        self._lock = threading.Lock()

    @property
    def subscription_count(self) -> int:
        """Recorders that listen."""
        count: int = self._publisher.get_subscription_count()
        return count

    def note(self, message: SerializedMessage) -> None:
        """Take note of a message that is published next."""
        place = self._places[message.key]
        with self._lock:
            self._publications[place] += 1
            if not self._pending:
                self._since_s = time.monotonic()
            self._pending.append(
                (
                    place,
                    self._publications[place],
                    message.log_time_ns,
                    message.publish_time_ns,
                    message.sequence,
                )
            )
            if len(self._pending) >= BATCH:
                self._announce()

    def announce_old(self) -> None:
        """Announce what has waited for long: the playback may stand still."""
        with self._lock:
            if self._pending and time.monotonic() - self._since_s >= AGE_S:
                self._announce()

    def finish(self, limit_s: float) -> None:
        """Announce the rest and that nothing follows; what comes then is another playback."""
        with self._lock:
            self._announce(last=True)
            self._first = 0
            self._playback = random.getrandbits(64)
        self._publisher.wait_for_all_acked(Duration(seconds=limit_s))

    def _announce(self, *, last: bool = False) -> None:
        columns = list(zip(*self._pending, strict=True)) or [()] * 5
        self._publisher.publish(
            PlayedMessages(
                player=self._player,
                playback=self._playback,
                first=self._first,
                topics=self._names,
                topic=columns[0],
                publication=columns[1],
                log_time_ns=columns[2],
                publish_time_ns=columns[3],
                sequence=columns[4],
                last=last,
            )
        )
        self._first += len(self._pending)
        self._pending.clear()
