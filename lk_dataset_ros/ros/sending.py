"""What happens to each message that a playback hands out, on the engine's thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lk_dataset_ros.ros.background import LARGE_BYTES

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import DataPlayback, SerializedMessage
    from lk_dataset_ros.ros.acknowledgement import Acknowledgement
    from lk_dataset_ros.ros.announcing import PlayedAnnouncements
    from lk_dataset_ros.ros.background import BackgroundPublishing
    from lk_dataset_ros.ros.playing import TopicPublishers
    from lk_dataset_ros.ros.service_requests import ServiceRequests

#: Longest time that a message with a time waits for room, s: it would come late otherwise.
ROOM_LIMIT_S = 0.05
#: A message of this size is not held back, bytes: ten of them would fill the transport.
HOLD_BYTES = 20_000


class Sending:
    """Publish a message, or send the request in it, and wait where subscribers need time.

    As fast as possible, messages are sent in bursts: the next one is got out of the engine while
    the subscribers are busy with the one before. What is held back then, `flush` sends.

    Args:
        playback: The engine.
        publishers: One per topic.
        acknowledgement: Holds it back.
        requests: Calls services.
        played: Tells a recorder of it, or None.
        background: Publishes large messages meanwhile.
        may_hold: Messages may be sent a little later; not where `/clock` is sent with them.
    """

    def __init__(
        self,
        playback: DataPlayback,
        publishers: TopicPublishers,
        acknowledgement: Acknowledgement,
        requests: ServiceRequests,
        played: PlayedAnnouncements | None,
        *,
        background: BackgroundPublishing,
        may_hold: bool,
    ) -> None:
        self._playback = playback
        self._publishers = publishers
        self._publish = publishers.publish
        self._background = background
        #: Topics with large messages: all of theirs go the same way, and stay in order.
        self._large: set[str] = set()
        self._acknowledgement = acknowledgement
        self._requests = requests
        self._called = frozenset(requests.topics)
        self._shallow = frozenset(acknowledgement.shallow)
        self._played = played
        self._may_hold = may_hold
        self._held: list[SerializedMessage] = []
        # The engine's thread sends, and the node's what was held back when that one stands.
        self._lock = threading.Lock()

    def __call__(self, message: SerializedMessage) -> None:
        """Send a message, or hold it until there is a burst."""
        playback = self._playback
        is_unpaced = playback.rtf == 0.0
        with self._lock:
            self._held.append(message)
            if (
                is_unpaced
                and self._may_hold
                and len(self._held) < self._acknowledgement.burst
                and len(message.cdr) < HOLD_BYTES
                and message.key not in self._shallow
                and not playback.is_paused
            ):
                return
            if is_unpaced:
                self._acknowledgement.make_way()
            self._send_held(is_unpaced=is_unpaced)

    def flush(self) -> bool:
        """Send what is held back, unless the subscribers are busy; tell whether nothing is left.

        Never waits.
        """
        if not self._held:
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            is_unpaced = self._playback.rtf == 0.0
            if is_unpaced and not self._acknowledgement.has_room():
                return False
            self._send_held(is_unpaced=is_unpaced)
        finally:
            self._lock.release()
        return True

    def _send_held(self, *, is_unpaced: bool) -> None:
        acknowledgement = self._acknowledgement
        for message in self._held:
            topic = message.key
            if topic in self._called:
                self._requests.send(message)
                continue
            if topic in self._shallow:
                acknowledgement.make_room(topic, limit_s=None if is_unpaced else ROOM_LIMIT_S)
            if self._played is not None:
                self._played.note(message)
            if len(message.cdr) >= LARGE_BYTES or topic in self._large:
                self._publish_large(message, is_unpaced=is_unpaced)
            else:
                self._publish(message)
            if is_unpaced:
                acknowledgement.count(topic, len(message.cdr))
        self._held.clear()

    def _publish_large(self, message: SerializedMessage, *, is_unpaced: bool) -> None:
        topic = message.key
        if self._background.is_possible and not is_unpaced:
            self._large.add(topic)
            self._background.publish(self._publishers.publisher(topic), message.cdr)
            return
        if topic in self._large:
            self._background.drain()
        self._publish(message)
