"""Hold a playback back to what its subscribers take."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lk_dataset_ros.component.component import Log

#: A wait is cut into pieces of this length, s, so that a stop is noticed.
PIECE_S = 0.1
#: How long a wait lasts before it is told about, s.
PATIENCE_S = 5.0
#: A message this old is acknowledged, s: Fast DDS's subscribers answer after 5 ms by default.
ANSWERED_S = 0.05
#: Messages between two acknowledgements where nothing else is known: ROS 2's default depth.
DEFAULT_EVERY = 10
#: Most messages between two acknowledgements from subscribers that are watched: what gets lost on
#: the way is sent again, out of the history of our publisher. It is fewer at first, and after an
#: acknowledgement that was not prompt, s: then something was sent again, and a subscriber gets all
#: that came after it at once.
WATCHED_EVERY = 1900
PROMPT_S = 0.012
#: Bytes that are sent at once without waiting for an acknowledgement: the transport through shared
#: memory holds 512 KiB.
BURST_BYTES = 200_000
#: How long subscribers may be busy before their acknowledgement is waited for instead, s; and how
#: long from then on: some processes are never idle.
BUSY_S = 1.0
ALWAYS_BUSY_S = 0.005
#: The time that subscribers get which do not acknowledge and cannot be watched, s: that which an
#: acknowledgement takes.
UNKNOWN_S = 0.005
#: How long to sleep between two looks, s, at first and after a while.
LOOK_S, SLOW_LOOK_S = 0.00001, 0.001
#: prctl: how late the kernel may wake a thread, ns.
_SET_TIMER_SLACK, _SLACK_NS = 29, 1000


class Acknowledged(Protocol):
    """Knows what has been acknowledged."""

    def wait_for_acknowledgement(
        self, limit_s: float, topics: Collection[str] | None = None
    ) -> bool:
        """Wait until every reliable subscriber of some topics has acknowledged everything."""


class Watched(Protocol):
    """Knows whether subscribers are busy."""

    @property
    def is_watching(self) -> bool:
        """Whether all subscribers are known."""

    @property
    def depth(self) -> int:
        """How many messages every subscriber is taken to keep, at least."""

    def are_idle(self) -> bool | None:
        """Tell whether all have dealt with what they were sent; None if none has noticed it."""


class Acknowledgement:
    """Wait for subscribers, so often that the history of none of them overflows.

    What is acknowledged lies in the subscriber's history, which keeps the newest messages of each
    topic and whose depth nobody tells. Where the subscribers can be watched, a few messages are
    sent whenever they are idle. Elsewhere they have the time that an acknowledgement takes, 5 ms
    with Fast DDS.

    Args:
        publishers: Know what has been acknowledged.
        every: How many messages are published, over all topics, between two acknowledgements; 0
            is few, or as many as subscribers that are watched deal with.
        depths: Topics whose publisher keeps few messages, and how many.
        subscribers: Know whether they are idle.
        is_stopping: Tells whether waiting is to be given up.
        log: Is told when an acknowledgement takes long.
        now_s: A monotonic clock.
        sleep: Sleeps, s; promptly when left out.
    """

    def __init__(
        self,
        publishers: Acknowledged,
        every: int,
        depths: Mapping[str, int],
        *,
        subscribers: Watched,
        is_stopping: Callable[[], bool],
        log: Log,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._publishers = publishers
        self._every = every
        self._sent_s = {topic: deque[float](maxlen=depth) for topic, depth in depths.items()}
        self._subscribers = subscribers
        self._is_stopping = is_stopping
        self._log = log
        self._now_s = now_s
        self._sleep = sleep or PromptSleep()
        self._open: set[str] = set()
        self._count = 0
        self._bytes = 0
        #: Messages to watched subscribers between two acknowledgements, for now.
        self._window = DEFAULT_EVERY
        self._busy_limit_s = BUSY_S
        self._has_told_busy = False
        #: Topics that are waited for just now.
        self.waiting_for: tuple[str, ...] = ()

    @property
    def shallow(self) -> Collection[str]:
        """Topics that need room before a message."""
        return self._sent_s.keys()

    def make_room(self, topic: str, *, limit_s: float | None = None) -> None:
        """Wait until the next message of a topic does not push out one that is on its way.

        Args:
            topic: A topic, any.
            limit_s: Give up after this time.
        """
        sent_s = self._sent_s.get(topic)
        if sent_s is None:
            return
        now_s = self._now_s()
        if len(sent_s) == sent_s.maxlen and now_s - sent_s[0] < ANSWERED_S:
            self._wait((topic,), limit_s)
            sent_s.clear()
            now_s = self._now_s()
        sent_s.append(now_s)

    @property
    def burst(self) -> int:
        """How many messages may be sent after `make_way`."""
        if self._every or not self._subscribers.is_watching:
            return 1
        return self._subscribers.depth

    def make_way(self) -> None:
        """Wait until a burst of messages may be sent."""
        if not self._every and self._subscribers.is_watching:
            if self._count >= self._window:
                self._complete_window()
            if not self._become_idle():
                self.complete()
        elif self._count >= (self._every or self._subscribers.depth):
            self.complete()
            if not self._every and self._subscribers.depth < DEFAULT_EVERY:
                self._sleep(UNKNOWN_S)

    def has_room(self) -> bool:
        """Tell at once whether a burst may be sent."""
        if self._subscribers.is_watching and self._subscribers.are_idle():
            return True
        return self._publishers.wait_for_acknowledgement(0.001, tuple(self._open))

    def count(self, topic: str, size: int) -> None:
        """Count a message that was published, bytes, and wait if the transport would be full."""
        self._open.add(topic)
        self._count += 1
        self._bytes += size
        if self._bytes >= BURST_BYTES and not self._every:
            self.complete()

    def complete(self) -> None:
        """Wait until everything that was counted is acknowledged."""
        if self._open:
            self._wait(tuple(self._open), None)
        self._open.clear()
        self._count = self._bytes = 0

    def _complete_window(self) -> None:
        """Wait for an acknowledgement, and trust the way more, or begin anew to learn to."""
        since_s = self._now_s()
        self.complete()
        is_prompt = self._now_s() - since_s < PROMPT_S
        self._window = min(2 * self._window, WATCHED_EVERY) if is_prompt else DEFAULT_EVERY

    def _become_idle(self) -> bool:
        """Wait until the subscribers are idle; return False if they are busy for long."""
        self._bytes = 0
        until_s = self._now_s() + self._busy_limit_s
        pause_s = LOOK_S
        while not (idle := self._subscribers.are_idle()):
            # What was sent is on its way still, or nobody hears it: then this takes no time.
            if idle is None:
                return False
            if self._now_s() >= until_s or self._is_stopping():
                self._busy_limit_s = ALWAYS_BUSY_S
                self._tell_busy()
                return False
            self._sleep(pause_s)
            pause_s = min(1.1 * pause_s, SLOW_LOOK_S)
        self._busy_limit_s = BUSY_S
        return True

    def _tell_busy(self) -> None:
        if not self._has_told_busy and not self._is_stopping():
            self._has_told_busy = True
            self._log.warning(
                f'a subscriber is busy for {BUSY_S:g} s: it gets more as soon as it has '
                'acknowledged, and can lose some if its history is short'
            )

    def _wait(self, topics: tuple[str, ...], limit_s: float | None) -> None:
        since_s = self._now_s()
        told = False
        piece_s = PIECE_S if limit_s is None else min(PIECE_S, limit_s)
        self.waiting_for = topics
        while not self._publishers.wait_for_acknowledgement(piece_s, topics):
            waited_s = self._now_s() - since_s
            if self._is_stopping() or (limit_s is not None and waited_s >= limit_s):
                break
            if waited_s >= PATIENCE_S and not told:
                told = True
                self._log.warning(
                    f'{", ".join(topics)}: a subscriber has not acknowledged for '
                    f'{PATIENCE_S:g} s; the playback waits for it'
                )
        self.waiting_for = ()


class PromptSleep:
    """Sleep for microseconds: by default Linux wakes a thread 50 us late, to save energy."""

    def __init__(self) -> None:
        self._threads: set[int] = set()

    def __call__(self, s: float) -> None:
        """Sleep."""
        thread = threading.get_ident()
        if thread not in self._threads:
            self._threads.add(thread)
            with contextlib.suppress(AttributeError, OSError):  # another operating system
                ctypes.CDLL(None).prctl(_SET_TIMER_SLACK, ctypes.c_ulong(_SLACK_NS))
        time.sleep(s)
