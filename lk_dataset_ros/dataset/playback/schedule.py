"""The state of a playback and what changes its course, for one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.playback.clock import FollowedClock, PlayerClock
from lk_dataset_ros.dataset.playback.pacing import Pacing

if TYPE_CHECKING:
    from lk_dataset_ros.dataset.playback.actions import Action, Publish
    from lk_dataset_ros.dataset.playback.clock import Clock


class Schedule(Pacing):
    """A playback that can be steered; whoever does has it for himself.

    Attributes:
        credit: Messages that are handed out although the playback is paused.
        newest: The last of these.
    """

    def begin(self) -> None:
        """Return to the start of the timeline, with nothing counted."""
        self.credit = 0
        self.newest: Publish | None = None
        super().begin()

    def advance(self) -> Action:
        """Return what is to be done now.

        Raises:
            Exception: What went wrong with reading.
        """
        if self.credit and self.is_paused and not self.is_stopped:
            self.newest = self.take_next()
            self.credit = 0 if self.newest is None else self.credit - 1
            if self.newest is not None:
                return self.newest
        return super().advance()

    def pause(self) -> None:
        """Stand until `resume`."""
        self.is_paused = True
        if self._clock is not None:
            self._clock.pause(self._now_ns())

    def resume(self) -> None:
        """Go on."""
        self.is_paused = False
        self.credit = 0
        if self._clock is not None:
            self._clock.resume(self._now_ns())

    def set_rate(self, rtf: float) -> None:
        """Change the real-time factor from now on."""
        now_ns, clock = self._now_ns(), self._clock
        old, self.rtf = self.rtf, rtf
        if isinstance(clock, PlayerClock):
            if old == 0.0 or rtf == 0.0:
                self._start_clock(now_ns, clock.active_ns(now_ns))
            else:
                clock.set_rate(rtf, now_ns)

    def take_next(self) -> Publish | None:
        """Return the next message whatever its time, and go on from there; None at the end."""
        if not self._is_pulled:
            self._pull()
        while not self._is_over and self._next_message is None:
            self._begin_round()
            self._pull()
        message, now_ns = self._next_message, self._now_ns()
        if self._is_over or message is None:
            return None
        clock = self._clock or self._start_clock(now_ns)
        self._end_segment(clock, now_ns)
        clock.jump(max(self._next_ns, self.line_ns), now_ns)
        self._segment_ns = self._next_ns
        return self._take(clock, message, now_ns)

    def seek(self, time_ns: int) -> None:
        """Go on from another recorded time."""
        clock = self._clock
        if clock is not None:
            self._end_segment(clock, self._now_ns())
        self._open(time_ns)
        if clock is not None:
            # Reading has taken time, which makes nothing late.
            now_ns = self._now_ns()
            clock.jump(time_ns, now_ns)
            self._last_active_ns = clock.active_ns(now_ns)

    def follow(self, time_ns: int) -> None:
        """Take a tick of the clock that is followed."""
        clock = self._clock
        if not isinstance(clock, FollowedClock):
            return
        now_ns = self._now_ns()
        before_ns = clock.position_ns(now_ns)
        if not clock.tick(time_ns, now_ns):
            return
        position_ns = clock.position_ns(now_ns)
        start_ns = self.timeline.start_ns
        if self.is_begun or position_ns > start_ns:
            self._played_ns += before_ns - self._segment_ns
            self._open(max(position_ns, start_ns))

    def _end_segment(self, clock: Clock, now_ns: int) -> None:
        """Add up what was played before a jump."""
        reached_ns = self._last_ns if self.rtf == 0.0 else clock.position_ns(now_ns)
        self._played_ns += reached_ns - self._segment_ns
        self._segment_ns = self._last_ns = reached_ns
