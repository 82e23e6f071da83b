"""When the moments of a simulation are due."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NS_PER_S = 1_000_000_000
#: A simulation that is later than this does not catch up, s: whoever listens to it could not.
LATE_S = 0.1


class Pace:
    """Simulated time against that of the wall.

    Args:
        rtf: Simulated seconds per second; 0 is as fast as it computes.
        now_s: A monotonic clock.
    """

    def __init__(self, rtf: float, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._rtf = rtf
        self._now_s = now_s
        self._since_s = now_s()
        self._since_ns = 0

    @property
    def rtf(self) -> float:
        """Simulated seconds per second."""
        return self._rtf

    def begin(self, time_ns: int) -> None:
        """Let a moment of simulated time be now."""
        self._since_s, self._since_ns = self._now_s(), time_ns

    def change(self, rtf: float, time_ns: int) -> None:
        """Go on at another factor."""
        self._rtf = rtf
        self.begin(time_ns)

    def wait_s(self, time_ns: int) -> float:
        """Return how long it is until a moment of simulated time is due, s; 0 if it is."""
        if self._rtf == 0.0:
            return 0.0
        due_s = self._since_s + (time_ns - self._since_ns) / (NS_PER_S * self._rtf)
        left_s = due_s - self._now_s()
        if left_s < -LATE_S:
            self.begin(time_ns)
        return max(left_s, 0.0)
