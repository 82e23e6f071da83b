"""What happens to each message that a playback hands out, on the engine's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import DataPlayback, SerializedMessage
    from lk_dataset_ros.ros.acknowledgement import Acknowledgement
    from lk_dataset_ros.ros.announcing import PlayedAnnouncements
    from lk_dataset_ros.ros.playing import TopicPublishers
    from lk_dataset_ros.ros.service_requests import ServiceRequests

#: Longest time that a message with a time waits for room, s: it would come late otherwise.
ROOM_LIMIT_S = 0.05


class Sending:
    """Publish a message, or send the request in it, and wait where subscribers need time.

    Args:
        playback: The engine.
        publishers: One per topic.
        acknowledgement: Holds it back.
        requests: Calls services.
        played: Tells a recorder of it, or None.
    """

    def __init__(
        self,
        playback: DataPlayback,
        publishers: TopicPublishers,
        acknowledgement: Acknowledgement,
        requests: ServiceRequests,
        played: PlayedAnnouncements | None,
    ) -> None:
        self._playback = playback
        self._publish = publishers.publish
        self._acknowledgement = acknowledgement
        self._requests = requests
        self._called = frozenset(requests.topics)
        self._shallow = frozenset(acknowledgement.shallow)
        self._played = played

    def __call__(self, message: SerializedMessage) -> None:
        """Send a message."""
        topic = message.key
        if topic in self._called:
            self._requests.send(message)
            return
        is_unpaced = self._playback.rtf == 0.0
        if topic in self._shallow:
            self._acknowledgement.make_room(topic, limit_s=None if is_unpaced else ROOM_LIMIT_S)
        if self._played is not None:
            self._played.note(message)
        self._publish(message)
        if is_unpaced:
            self._acknowledgement.count(topic, len(message.cdr))
