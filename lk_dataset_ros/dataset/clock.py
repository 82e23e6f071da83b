"""The clock of a playback: recorded time as a function of wall time. Sleeps nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class PlayerClock:
    """Recorded time that runs at a rate, and stands while paused.

    Args:
        start_ns: Recorded time at which it starts.
        rate: Recorded time per wall time, greater than 0.
        now_ns: The wall clock, monotonic.
        active_ns: Wall time that has run before.
    """

    def __init__(
        self, start_ns: int, rate: float, now_ns: Callable[[], int], active_ns: int = 0
    ) -> None:
        self._now_ns = now_ns
        self._rate = rate
        self._anchor_recorded_ns = start_ns
        self._anchor_wall_ns = now_ns()
        self._paused = False
        self._active_ns = active_ns

    @property
    def rate(self) -> float:
        """Recorded time per wall time."""
        return self._rate

    @property
    def is_paused(self) -> bool:
        """Whether the clock stands."""
        return self._paused

    def position_ns(self) -> int:
        """Return the recorded time now."""
        if self._paused:
            return self._anchor_recorded_ns
        return self._anchor_recorded_ns + round(self._elapsed_ns() * self._rate)

    def active_ns(self) -> int:
        """Return the wall time that the clock has run, pauses left out."""
        return self._active_ns + (0 if self._paused else self._elapsed_ns())

    def wall_until_ns(self, recorded_ns: int) -> int | None:
        """Return the wall time until a recorded time; None while paused, negative if past."""
        if self._paused:
            return None
        due_ns = round((recorded_ns - self._anchor_recorded_ns) / self._rate)
        return due_ns - self._elapsed_ns()

    def set_rate(self, rate: float) -> None:
        """Run at another rate from now on."""
        self._set_anchor()
        self._rate = rate

    def pause(self) -> None:
        """Stand."""
        self._set_anchor()
        self._paused = True

    def resume(self) -> None:
        """Run on."""
        self._set_anchor()
        self._paused = False

    def _elapsed_ns(self) -> int:
        return self._now_ns() - self._anchor_wall_ns

    def _set_anchor(self) -> None:
        position_ns, active_ns = self.position_ns(), self.active_ns()
        self._anchor_recorded_ns, self._active_ns = position_ns, active_ns
        self._anchor_wall_ns = self._now_ns()
