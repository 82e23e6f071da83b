"""The clocks of a playback: recorded time as a function of wall time. They sleep nowhere."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """What an engine asks of its clock; `now_ns` is monotonic wall time."""

    def position_ns(self, now_ns: int) -> int:
        """Return the recorded time."""

    def active_ns(self, now_ns: int) -> int:
        """Return the wall time that the clock has run, pauses left out."""

    def wall_until_ns(self, recorded_ns: int, now_ns: int) -> int | None:
        """Return the wall time until a recorded time; None if unknown, negative if past."""

    def pause(self, now_ns: int) -> None:
        """Stand."""

    def resume(self, now_ns: int) -> None:
        """Run on."""

    def jump(self, recorded_ns: int, now_ns: int) -> None:
        """Go on from another recorded time."""


class PlayerClock:
    """Recorded time that runs at a rate, and stands while paused.

    Args:
        start_ns: Recorded time at which it starts.
        rate: Recorded time per wall time, greater than 0.
        now_ns: Wall time at which it starts.
        active_ns: Wall time that has run before.
    """

    __slots__ = ('_active_ns', '_anchor_recorded_ns', '_anchor_wall_ns', '_paused', '_rate')

    def __init__(self, start_ns: int, rate: float, now_ns: int, active_ns: int = 0) -> None:
        self._rate = rate
        self._anchor_recorded_ns = start_ns
        self._anchor_wall_ns = now_ns
        self._paused = False
        self._active_ns = active_ns

    def position_ns(self, now_ns: int) -> int:
        """Return the recorded time."""
        if self._paused:
            return self._anchor_recorded_ns
        return self._anchor_recorded_ns + round((now_ns - self._anchor_wall_ns) * self._rate)

    def active_ns(self, now_ns: int) -> int:
        """Return the wall time that the clock has run, pauses left out."""
        return self._active_ns + (0 if self._paused else now_ns - self._anchor_wall_ns)

    def wall_until_ns(self, recorded_ns: int, now_ns: int) -> int | None:
        """Return the wall time until a recorded time; None while paused, negative if past."""
        if self._paused:
            return None
        due_ns = round((recorded_ns - self._anchor_recorded_ns) / self._rate)
        return due_ns - (now_ns - self._anchor_wall_ns)

    def set_rate(self, rate: float, now_ns: int) -> None:
        """Run at another rate from now on."""
        self._set_anchor(now_ns)
        self._rate = rate

    def pause(self, now_ns: int) -> None:
        """Stand."""
        self._set_anchor(now_ns)
        self._paused = True

    def resume(self, now_ns: int) -> None:
        """Run on."""
        self._set_anchor(now_ns)
        self._paused = False

    def jump(self, recorded_ns: int, now_ns: int) -> None:
        """Go on from another recorded time."""
        self._set_anchor(now_ns)
        self._anchor_recorded_ns = recorded_ns

    def _set_anchor(self, now_ns: int) -> None:
        position_ns, active_ns = self.position_ns(now_ns), self.active_ns(now_ns)
        self._anchor_recorded_ns, self._active_ns = position_ns, active_ns
        self._anchor_wall_ns = now_ns


class FollowedClock:
    """Recorded time that somebody else's clock gives, tick by tick.

    Between two ticks it stands: nothing is ever played ahead of the clock that is followed.

    Args:
        start_ns: Recorded time before the first tick.
        is_relative: Whether the first tick stands for `start_ns`; else ticks are recorded time.
    """

    def __init__(self, start_ns: int, *, is_relative: bool) -> None:
        self._start_ns = start_ns
        self._is_relative = is_relative
        self._position_ns = start_ns
        self._first_tick_ns = 0
        self._tick_ns: int | None = None
        self._tick_wall_ns = 0
        #: Time of the followed clock less recorded time.
        self.offset_ns = 0
        self._paused = False
        self._active_ns = 0
        self._active_since_ns: int | None = None

    @property
    def has_ticked(self) -> bool:
        """Whether there was a tick."""
        return self._tick_ns is not None

    def tick(self, time_ns: int, now_ns: int) -> bool:
        """Take the time of the followed clock.

        Returns:
            Whether this is a jump, to `position_ns`, and not time going on: backwards, or at the
            first tick.
        """
        last_ns, self._tick_ns = self._tick_ns, time_ns
        is_jump = last_ns is None or time_ns < last_ns
        if self._is_relative and (last_ns is None or time_ns < self._first_tick_ns):
            # A simulator that was reset begins again, whatever its first time was.
            self._first_tick_ns = time_ns
            self.offset_ns = time_ns - self._start_ns
        if self._paused:
            if self._is_relative and not is_jump:
                self.offset_ns = time_ns - self._position_ns
                return False
            if not is_jump:
                return False
        elif self._active_since_ns is None:
            self._active_since_ns = now_ns
        self._position_ns = time_ns - self.offset_ns
        self._tick_wall_ns = now_ns
        return is_jump

    def position_ns(self, now_ns: int) -> int:
        """Return the recorded time of the last tick."""
        del now_ns
        return self._position_ns

    def active_ns(self, now_ns: int) -> int:
        """Return the wall time since the first tick, pauses left out."""
        since_ns = self._active_since_ns
        return self._active_ns + (0 if since_ns is None else now_ns - since_ns)

    def wall_until_ns(self, recorded_ns: int, now_ns: int) -> int | None:
        """Return None until a tick has reached a recorded time, then the time since that tick."""
        if self._paused or self._tick_ns is None or recorded_ns > self._position_ns:
            return None
        return self._tick_wall_ns - now_ns

    def pause(self, now_ns: int) -> None:
        """Stand, whatever the followed clock does."""
        self._active_ns = self.active_ns(now_ns)
        self._active_since_ns = None
        self._paused = True

    def resume(self, now_ns: int) -> None:
        """Follow again: from here where the clock is relative, else from where it has got to."""
        if self._paused and self._tick_ns is not None:
            self._active_since_ns = now_ns
            self._position_ns = self._tick_ns - self.offset_ns
            self._tick_wall_ns = now_ns
        self._paused = False

    def jump(self, recorded_ns: int, now_ns: int) -> None:
        """Go on from another recorded time; of a relative clock only it has an effect that lasts."""
        self._position_ns = recorded_ns
        self._tick_wall_ns = now_ns
        if self._is_relative and self._tick_ns is not None:
            self.offset_ns = self._tick_ns - recorded_ns
