"""How well something is, and what finds out: rates, ages of stamps."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NS_PER_S: Final = 1_000_000_000
#: Most ticks that a rate remembers; where more come in its window they are thinned out.
_MOST_MARKS: Final = 512


class Level(IntEnum):
    """Health levels, numbered as in diagnostic_msgs/msg/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


#: What outweighs what: an error is worse than hearing nothing.
_GRAVITY: Final = (Level.OK, Level.WARN, Level.STALE, Level.ERROR)


def gravest(levels: Iterable[Level]) -> Level:
    """Return the worst level: error, stale, warning, ok."""
    return max(levels, key=_GRAVITY.index, default=Level.OK)


@dataclass(frozen=True, slots=True)
class Health:
    """What a task finds.

    Attributes:
        level: How well it is.
        message: One line for a person.
        values: Named values.
    """

    level: Level = Level.OK
    message: str = 'ok'
    values: Mapping[str, Any] = field(default_factory=dict)


class Frequency:
    """Watches how often something happens.

    Args:
        minimum_hz: Least rate.
        maximum_hz: Largest rate.
        tolerance: How far the rate may lie outside, as a part of the bound.
        window_s: What the rate is taken over, s.

    Raises:
        ComponentError: If the bounds make no sense.
    """

    def __init__(
        self,
        minimum_hz: float = 0.0,
        maximum_hz: float = math.inf,
        *,
        tolerance: float = 0.1,
        window_s: float = 5.0,
    ) -> None:
        if not 0.0 <= minimum_hz <= maximum_hz:
            raise ComponentError(
                f'a rate between {minimum_hz:g} and {maximum_hz:g} Hz cannot be; give 0 <= '
                'minimum <= maximum'
            )
        if not (0.0 <= tolerance < math.inf and 0.0 < window_s < math.inf):
            raise ComponentError(
                f'tolerance {tolerance!r} and window {window_s!r} s do not do; give 0 or more, '
                'and more than 0'
            )
        self._least_hz = minimum_hz * (1.0 - min(tolerance, 1.0))
        self._most_hz = maximum_hz * (1.0 + tolerance)
        self._window_ns = round(window_s * _NS_PER_S)
        self._spacing_ns = self._window_ns // _MOST_MARKS
        #: Time and count, oldest first.
        self._marks: deque[tuple[int, int]] = deque()
        self._since_ns: int | None = None
        self.count = 0

    def tick(self, now_ns: int, count: int = 1) -> None:
        """Note that it has happened.

        Args:
            now_ns: When, by a monotonic clock.
            count: How often.
        """
        if self._since_ns is None:
            self._since_ns = now_ns
        self.count += count
        if self._marks and now_ns - self._marks[-1][0] < self._spacing_ns:
            self._marks[-1] = (self._marks[-1][0], self._marks[-1][1] + count)
        else:
            self._marks.append((now_ns, count))
        self._forget(now_ns)

    def rate_hz(self, now_ns: int) -> float:
        """Return how often it has happened lately, Hz; NaN before anything can be said."""
        self._forget(now_ns)
        if self._since_ns is None:
            return math.nan
        span_ns = min(now_ns - self._since_ns, self._window_ns)
        if span_ns <= 0:
            return math.nan
        return sum(count for _, count in self._marks) * _NS_PER_S / span_ns

    def __call__(self, now_ns: int) -> Health:
        """Judge the rate."""
        rate = self.rate_hz(now_ns)
        values = {'count': self.count, 'rate_hz': rate}
        if self._since_ns is None:
            return Health(Level.STALE, 'nothing has come yet', values)
        if not self._marks:
            return Health(Level.STALE, f'nothing for {self._window_ns / _NS_PER_S:g} s', values)
        if math.isnan(rate):
            return Health(values=values)
        if rate < self._least_hz:
            return Health(Level.WARN, f'too slow: {rate:.4g} Hz', values)
        if rate > self._most_hz:
            return Health(Level.WARN, f'too fast: {rate:.4g} Hz', values)
        return Health(message=f'{rate:.4g} Hz', values=values)

    def _forget(self, now_ns: int) -> None:
        marks = self._marks
        # A clock that jumps back leaves marks in the future: they mean nothing any more.
        if marks and marks[-1][0] > now_ns + self._spacing_ns:
            marks.clear()
            self._since_ns = now_ns
        while marks and marks[0][0] < now_ns - self._window_ns:
            marks.popleft()


class StampAge:
    """Watches how old stamps are when messages arrive.

    Args:
        minimum_s: Least age; a negative one lets stamps lie in the future.
        maximum_s: Largest age.
    """

    def __init__(self, minimum_s: float = -1.0, maximum_s: float = 5.0) -> None:
        if not minimum_s <= maximum_s:
            raise ComponentError(f'an age between {minimum_s:g} and {maximum_s:g} s cannot be')
        self._minimum_s, self._maximum_s = minimum_s, maximum_s
        self._least_s, self._most_s = math.inf, -math.inf
        self.count = self.outside = 0

    def tick(self, stamp_ns: int, now_ns: int) -> None:
        """Note a stamp, and the time of the same clock at which it came."""
        age_s = (now_ns - stamp_ns) / _NS_PER_S
        self._least_s, self._most_s = min(self._least_s, age_s), max(self._most_s, age_s)
        self.count += 1
        self.outside += not self._minimum_s <= age_s <= self._maximum_s

    def __call__(self, now_ns: int) -> Health:
        """Judge the ages since the last time."""
        del now_ns
        if self._most_s < self._least_s:
            return Health(values={'count': self.count, 'outside': self.outside})
        values = {
            'count': self.count,
            'outside': self.outside,
            'least_s': self._least_s,
            'largest_s': self._most_s,
        }
        least_s, most_s = self._least_s, self._most_s
        self._least_s, self._most_s = math.inf, -math.inf
        if least_s < self._minimum_s:
            return Health(Level.WARN, f'a stamp lies {-least_s:.3g} s in the future', values)
        if most_s > self._maximum_s:
            return Health(Level.WARN, f'a stamp is {most_s:.3g} s old', values)
        return Health(values=values)
