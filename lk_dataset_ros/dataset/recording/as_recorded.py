"""Bring what a playback sent back into the order, and to the times, of the bag it came from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.errors import MessageFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lk_dataset_ros.dataset.recording.arrivals import Arrivals

#: Most messages that wait for what the playback says of them, or the other way round.
MAX_WAITING: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Played:
    """What a playback says of messages that it sends, as in `msg/PlayedMessages`.

    Attributes:
        topics: Names of all topics that are played.
        topic: Place of each message's topic in `topics`.
        publication: Place of each among the messages of its publisher, from 1.
        log_time_ns: When each was received when the bag was recorded.
        publish_time_ns: When each was sent then.
        sequence: The counter of its publisher then.
    """

    topics: Sequence[str]
    topic: Sequence[int]
    publication: Sequence[int]
    log_time_ns: Sequence[int]
    publish_time_ns: Sequence[int]
    sequence: Sequence[int]

    def __post_init__(self) -> None:
        """Check that it is whole.

        Raises:
            MessageFormatError: If it is not.
        """
        count = len(self.topic)
        columns = (self.publication, self.log_time_ns, self.publish_time_ns, self.sequence)
        if any(len(each) != count for each in columns):
            raise MessageFormatError(
                f'what a playback says of {count} messages is not whole: its columns have '
                f'{", ".join(str(len(each)) for each in columns)} entries'
            )
        if count and not 0 <= min(self.topic) <= max(self.topic) < len(self.topics):
            raise MessageFormatError(
                f'a playback names topic {max(self.topic)} of {len(self.topics)}'
            )


class _Place(NamedTuple):
    """Where a message stands in the bag it came from."""

    key: str
    publication: int
    log_time_ns: int
    publish_time_ns: int
    sequence: int


class AsRecorded:
    """Puts messages that arrive by topic into the order in which a playback sent them.

    A message is handed on when all that were played before it are, or are known to be lost: a
    topic's messages arrive in order, so one that is overtaken by a later one never comes.

    Args:
        keys: Topics that are recorded; it may grow. What is played of others is passed over.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = keys
        self._course: deque[_Place] = deque()
        self._arrived: dict[str, dict[int, SerializedMessage]] = {}
        self._newest: dict[str, int] = {}
        self._waiting = 0
        #: Messages that were played and never came, by topic.
        self.lost: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """Messages that have arrived and cannot be handed on yet."""
        return self._waiting

    def announce(self, played: Played) -> None:
        """Take note of what was played."""
        self._course.extend(
            _Place(played.topics[topic], *rest)
            for topic, *rest in zip(
                played.topic,
                played.publication,
                played.log_time_ns,
                played.publish_time_ns,
                played.sequence,
                strict=True,
            )
        )

    def take(self, arrivals: Arrivals) -> None:
        """Take messages of the playback."""
        arrived = self._arrived.setdefault(arrivals.key, {})
        numbers = arrivals.sequence.tolist()
        log, sent = arrivals.log_time_ns.tolist(), arrivals.publish_time_ns.tolist()
        for number, cdr, *times in zip(numbers, arrivals.messages(), log, sent, strict=True):
            log_time_ns, publish_time_ns = times
            arrived[number] = SerializedMessage(
                arrivals.key, cdr, log_time_ns, publish_time_ns, number
            )
        self._newest[arrivals.key] = max(self._newest.get(arrivals.key, 0), *numbers)
        self._waiting += len(arrivals)

    def ready(self, *, is_over: bool = False) -> list[SerializedMessage]:
        """Return the messages whose turn it is.

        Args:
            is_over: Nothing comes any more: what is missing is lost.
        """
        found: list[SerializedMessage] = []
        while self._course:
            place = self._course[0]
            message = self._arrived.get(place.key, {}).pop(place.publication, None)
            if message is not None:
                self._waiting -= 1
                times = (place.log_time_ns, place.publish_time_ns, place.sequence)
                found.append(SerializedMessage(place.key, message.cdr, *times))
            elif place.key in self._keys:
                if not (is_over or self._is_overtaken(place)):
                    break
                self.lost[place.key] = self.lost.get(place.key, 0) + 1
            self._course.popleft()
        return found

    def _is_overtaken(self, place: _Place) -> bool:
        too_many = max(self._waiting, len(self._course)) > MAX_WAITING
        return too_many or self._newest.get(place.key, 0) > place.publication

    def unannounced(self) -> list[SerializedMessage]:
        """Return, at the end, messages of which no playback has told anything, as they came."""
        found = [message for each in self._arrived.values() for message in each.values()]
        self._arrived.clear()
        self._waiting = 0
        return found
