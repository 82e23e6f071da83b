"""The two ends of an arm's topics: what an input goes out through, what an output comes in by."""

from __future__ import annotations

import hashlib
import time
from array import array
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.message import codec_for
from lk_dataset_ros.ros.arms.answers import STAMP

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.publisher import Publisher
    from rclpy.subscription import Subscription

    from lk_dataset_ros.dataset import McapDatabase
    from lk_dataset_ros.message import Schema
    from lk_dataset_ros.ros.arms.answers import Owed

_HEADER: Final = 'std_msgs/msg/Header'


class Feed:
    """An input topic of one arm: publishes, counts, hashes, keeps times.

    Args:
        publisher: Of serialized messages.
        is_stamped: The messages begin with a header.
        is_heard: Somebody subscribes to it.
        is_reliable: Who subscribes to it does so reliably.

    Attributes:
        count: Messages sent.
        sent_ns: Wall clock when each was sent.
        times_ns: Recorded time of each.
        stamps: Stamp of each, where they are stamped.
    """

    def __init__(
        self, publisher: Publisher, *, is_stamped: bool, is_heard: bool, is_reliable: bool
    ) -> None:
        self.publisher = publisher
        self.is_heard = is_heard
        self.is_reliable = is_reliable
        self._publish: Callable[[bytes], None] = publisher.handle.publish_raw
        self._hash = hashlib.sha256()
        self._is_stamped = is_stamped
        self.count = 0
        self._noted: tuple[bytes, int] | None = None
        self.sent_ns = array('q')
        self.times_ns = array('q')
        self.stamps = bytearray()

    def publish(self, cdr: bytes, time_ns: int) -> None:
        """Publish a message; `note` has to follow."""
        self.sent_ns.append(time.time_ns())
        self._publish(cdr)
        self.count += 1
        self._noted = (cdr, time_ns)

    def note_sent(self, cdr: bytes, time_ns: int, sent_ns: int) -> None:
        """Count a message that was published elsewhere, at a time of the wall clock."""
        self.sent_ns.append(sent_ns)
        self.count += 1
        self._noted = (cdr, time_ns)
        self.note()

    def note(self) -> None:
        """Count what was published among all: the arm is at work already."""
        if self._noted is None:
            return
        cdr, time_ns = self._noted
        self._noted = None
        self.times_ns.append(time_ns)
        self._hash.update(len(cdr).to_bytes(8, 'little'))
        self._hash.update(cdr)
        if self._is_stamped:
            self.stamps += cdr[STAMP]

    @property
    def hash(self) -> str:
        """SHA-256 of all messages and their lengths, as hexadecimal text."""
        return self._hash.hexdigest()


class Hearing:
    """An output topic of one arm: takes, and keeps until it is written.

    Args:
        subscription: Kept away from every executor.
        owed: What it owes.
        is_stamped: The messages begin with a header.

    Attributes:
        topic: Its name.
        came_ns: Wall clock when the middleware had each message.
        numbers: Number of the input that each answers, -1 where it is one too many.
        stamps: Stamp of each, where they are stamped.
    """

    def __init__(self, subscription: Subscription, owed: Owed, *, is_stamped: bool) -> None:
        self.subscription = subscription
        self.topic = owed.topic
        self.owed = owed
        self._take = subscription.handle.take_message
        self._class = subscription.msg_type
        self._is_stamped = is_stamped
        self.came_ns = array('q')
        self.numbers = array('q')
        self.stamps = bytearray()
        self._kept: list[tuple[bytes, int]] = []
        self._newest_ns = -(2**63)

    def take(self) -> tuple[bytes, dict[str, Any]] | None:
        """Take one message, if there is one."""
        found: tuple[bytes, dict[str, Any]] | None = self._take(self._class, True)
        return found

    def keep(self, cdr: bytes, came_ns: int, time_ns: int, number: int) -> None:
        """Keep a message.

        Args:
            cdr: Its bytes.
            came_ns: Wall clock when the middleware had it.
            time_ns: Its recorded time.
            number: Of the input that it answers.
        """
        self.came_ns.append(came_ns)
        self.numbers.append(number)
        # An answer that comes after that to a later input must be seen to: the bag is read by time.
        self._newest_ns = max(self._newest_ns, time_ns)
        self._kept.append((cdr, self._newest_ns))
        if self._is_stamped:
            self.stamps += cdr[STAMP]

    def write_to(self, bag: McapDatabase) -> None:
        """Write what is kept."""
        kept, self._kept = self._kept, []
        number = len(self.came_ns) - len(kept)
        write = bag.write_serialized
        for sequence, (cdr, time_ns) in enumerate(kept, number + 1):
            write(self.topic, cdr, time_ns, time_ns, sequence & 0xFFFFFFFF)


def has_stamp(schema: Schema) -> bool:
    """Tell whether a message of a type begins with a header."""
    first = next(iter(codec_for(schema).fields.values()), None)
    return first is not None and first[1] == _HEADER
