"""What is due, and when: the timing rules of a playback, for one thread."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.dataset.playback.actions import Action, Finished, Publish, PublishClock, Wait
from lk_dataset_ros.dataset.playback.clock import Clock, FollowedClock, PlayerClock
from lk_dataset_ros.dataset.playback.lateness import Lateness
from lk_dataset_ros.dataset.playback.reel import Reel
from lk_dataset_ros.dataset.playback.stats import Counted
from lk_dataset_ros.dataset.time import NS_PER_S, to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lk_dataset_ros.dataset.playback.config import PlaybackConfig
    from lk_dataset_ros.dataset.playback.restamp import Mover
    from lk_dataset_ros.dataset.playback.timeline import Entry, Timeline
    from lk_dataset_ros.dataset.records import SerializedMessage

#: How long a host may sleep while nothing is known of what comes (paused), nanoseconds.
PAUSED_WAIT_NS: Final = 50_000_000
#: Late messages that are left out before the host has a turn again.
_DROPPED_AT_ONCE: Final = 1000


class Pacing(Reel):
    """The timing rules of a playback; nothing in here blocks but reading.

    Args:
        timeline: What is played.
        config: How.
        now_ns: The wall clock, monotonic.
        read: Reads entries, perhaps ahead.
        waits: How often that came too late.
        latched: Topics whose messages are never dropped.
        restamped: What moves the stamps of a topic's messages.
        names: All topics.

    Attributes:
        rtf: Real-time factor asked for.
        counts: Messages handed out, by topic.
        dropped: Late messages that were left out, by topic.
        lateness: How late the messages were, by topic.
        starved: How often a message was due before it had been read.
        is_begun: Whether a message was handed out.
        is_stopped: Whether it is over before its end.
    """

    def __init__(
        self,
        timeline: Timeline,
        config: PlaybackConfig,
        *,
        now_ns: Callable[[], int],
        read: Callable[[Iterator[Entry]], Iterator[Entry]],
        waits: Callable[[], int],
        latched: Mapping[str, int],
        restamped: Mapping[str, Mover],
        names: list[str],
    ) -> None:
        super().__init__(timeline, read=read, waits=waits, loop=config.loop)
        self._now_ns = now_ns
        self._latched = latched
        self._restamped = restamped
        #: Time of day less that of the wall clock; its later corrections would tear stamps apart.
        self._day_ns = time.time_ns() - now_ns() if restamped else 0
        self._names = names
        self._delay_ns = to_ns(config.delay_s)
        self._limit_ns = to_ns(config.late_limit_s)
        self._policy = config.late_policy
        self._period_ns = round(NS_PER_S / config.clock_hz) if config.clock_hz else 0
        self._announced_topics = frozenset(
            names if config.clock_on_messages else config.clock_topics
        )
        self._follow = config.follow
        self.rtf: float = config.rtf
        self.is_paused: bool = config.start_paused
        self.begin()

    def begin(self) -> None:
        """Return to the start of the timeline, with nothing counted."""
        self.counts = dict.fromkeys(self._names, 0)
        self.dropped = dict.fromkeys(self._names, 0)
        self.lateness = {name: Lateness() for name in self._names}
        self.starved = self.round = 0
        self.is_stopped = False
        self._clock: Clock | None = None
        self._begin_ns: int | None = None
        self._next_tick_ns = 0
        #: Recorded time played before the last jump, and where that led to.
        self._played_ns = self._last_active_ns = 0
        self.is_begun = False
        self._open(self.timeline.start_ns)
        if self._follow:
            relative = self._follow == 'relative'
            self._clock = FollowedClock(self.timeline.start_ns, is_relative=relative)
            if self.is_paused:
                self._clock.pause(self._now_ns())

    def _open(self, position_ns: int) -> None:
        """Read on from another position."""
        self._last_ns = self._segment_ns = position_ns
        self._clock_ns: int | None = None
        self._is_announced = False
        self._thread(position_ns)

    # What comes next.

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left."""
        if not self._is_pulled:
            self._pull()
        return self.is_stopped or (self._is_over and self._failure is None)

    def advance(self) -> Action:
        """Return what is to be done now.

        Raises:
            Exception: What went wrong with reading.
        """
        if not self._is_pulled:
            self._pull()
        if self.is_stopped or self._is_over:
            return self._finish()
        now_ns = self._now_ns()
        clock = self._clock
        if clock is None:
            if self._begin_ns is None:
                self._begin_ns = now_ns + self._delay_ns
            if now_ns < self._begin_ns:
                return Wait(self._begin_ns - now_ns)
            clock = self._start_clock(self._begin_ns)
        if self.rtf == 0.0:
            return self._advance_unpaced(clock, now_ns)
        return self._advance_paced(clock, now_ns)

    def _advance_paced(self, clock: Clock, now_ns: int) -> Action:
        if self._period_ns and now_ns >= self._next_tick_ns:
            # Ticks that were missed are left out: a burst of old times helps nobody.
            missed = (now_ns - self._next_tick_ns) // self._period_ns
            self._next_tick_ns += self._period_ns * (missed + 1)
            return self._tell(min(clock.position_ns(now_ns), self._next_ns))
        for _ in range(_DROPPED_AT_ONCE):
            wait_ns = clock.wall_until_ns(self._next_ns, now_ns)
            if wait_ns is None or wait_ns > 0:
                return self._wait(PAUSED_WAIT_NS if wait_ns is None else wait_ns, now_ns)
            message = self._next_message
            if message is None:
                self._begin_round()
            elif -wait_ns > self._limit_ns and self._is_dropped(message.key):
                self.dropped[message.key] += 1
                self.lateness[message.key].late += 1
            else:
                return self._due(clock, message, now_ns, -wait_ns)
            self._pull()
            if self._is_over:
                return self._finish()
        return Wait(1)

    def _finish(self) -> Action:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return Finished()

    def _advance_unpaced(self, clock: Clock, now_ns: int) -> Action:
        if self.is_paused:
            return Wait(PAUSED_WAIT_NS)
        message = self._next_message
        while message is None:
            self._begin_round()
            self._pull()
            if self._is_over:
                return self._finish()
            message = self._next_message
        if self._period_ns and not self._is_announced and self._clock_ns != self._next_ns:
            self._is_announced = True
            return self._tell(self._next_ns)
        if not self._is_announced and message.key in self._announced_topics:
            self._is_announced = True
            return self._tell(self._next_ns)
        return self._take(clock, message, now_ns)

    def _due(self, clock: Clock, message: SerializedMessage, now_ns: int, late_ns: int) -> Action:
        key = message.key
        if not self._is_announced and key in self._announced_topics:
            self._is_announced = True
            return self._tell(self._next_ns)
        lateness = self.lateness[key]
        lateness.add(late_ns)
        if late_ns > self._limit_ns:
            lateness.late += 1
            if self._policy == 'slow_down':
                # The rest comes as much later: distances stay as they were recorded.
                clock.jump(self._next_ns, now_ns)
        return self._take(clock, message, now_ns)

    def _take(self, clock: Clock, message: SerializedMessage, now_ns: int) -> Publish:
        self._last_ns = self._next_ns
        self._last_active_ns = clock.active_ns(now_ns)
        self.counts[message.key] += 1
        self.is_begun = True
        self._is_pulled = self._is_announced = False
        move = self._restamped.get(message.key)
        if move is not None:
            moved = partial(self._moved_ns, clock, now_ns)
            message = message._replace(cdr=move(message.cdr, moved))
        return Publish(message)

    def _moved_ns(self, clock: Clock, now_ns: int, stamp_ns: int) -> int:
        """Return the time at which a stamp is played: equal stamps stay equal."""
        if isinstance(clock, FollowedClock):
            return stamp_ns + clock.offset_ns
        line_ns = stamp_ns + self._shift_ns
        until_ns = clock.wall_until_ns(line_ns, now_ns)
        if until_ns is None:
            until_ns = line_ns - self._last_ns
        return now_ns + until_ns + self._day_ns

    def _is_dropped(self, key: str) -> bool:
        """Tell whether a late message is left out; the state of latched topics never is."""
        return self._policy == 'drop_late' and key not in self._latched

    def _wait(self, wait_ns: int, now_ns: int) -> Wait:
        if self._period_ns:
            wait_ns = min(wait_ns, max(self._next_tick_ns - now_ns, 0))
        return Wait(wait_ns)

    def _tell(self, time_ns: int) -> PublishClock:
        """Publish a time of the line; the clock stands where it would run back."""
        last_ns = self._clock_ns
        self._clock_ns = time_ns if last_ns is None else max(time_ns, last_ns)
        return PublishClock(self._clock_ns - self._shift_ns)

    def _start_clock(self, begin_ns: int, active_ns: int = 0) -> Clock:
        clock = PlayerClock(self._last_ns, self.rtf or 1.0, begin_ns, active_ns)
        if self.is_paused:
            clock.pause(begin_ns)
        self._clock = clock
        self._next_tick_ns = max(self._next_tick_ns, begin_ns)
        return clock

    def _has_waited(self) -> None:
        if self.rtf and self._clock is not None:
            until_ns = self._clock.wall_until_ns(self._next_ns, self._now_ns())
            self.starved += until_ns is not None and until_ns <= 0

    # Where it is.

    @property
    def line_ns(self) -> int:
        """Where the playback is on the line of time."""
        clock = self._clock
        if clock is None or self.rtf == 0.0 or self._is_over:
            return self._last_ns
        return clock.position_ns(self._now_ns())

    @property
    def position_ns(self) -> int:
        """Recorded time of the playback head."""
        # At the end of a round the clock may be ahead of what was read.
        end_ns = max(self.timeline.end_ns + self._shift_ns, self._last_ns)
        return min(self.line_ns, end_ns) - self._shift_ns

    @property
    def achieved_rtf(self) -> float:
        """Recorded time per wall time, first to newest message, pauses left out."""
        if not self._last_active_ns:
            return math.nan
        return (self._played_ns + self._last_ns - self._segment_ns) / self._last_active_ns

    def counted(self, name: str) -> Counted:
        """Return a copy of what was counted of a topic."""
        lateness = self.lateness[name]
        return Counted(
            self.counts[name],
            self.dropped[name],
            lateness.late,
            lateness.max_ns,
            lateness.counts.copy(),
        )
