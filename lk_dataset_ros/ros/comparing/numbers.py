"""Number messages that carry no stamp, so that those which belong together have one number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.pairing.incremental import Side


class ArrivalNumbers:
    """Gives a message the number of the other side's first one that came within a limit.

    Args:
        limit_ns: How far apart two messages may come that belong together.
    """

    def __init__(self, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        #: Numbers that the other side has not used, and when they came.
        self._open: dict[Side, deque[tuple[int, int]]] = {'original': deque(), 'compiled': deque()}
        self._next = 0

    def number(self, side: Side, now_ns: int) -> int:
        """Return the number of a message that has come now."""
        others = self._open['compiled' if side == 'original' else 'original']
        while others and now_ns - others[0][1] > self._limit_ns:
            others.popleft()
        if others:
            return others.popleft()[0]
        number, self._next = self._next, self._next + 1
        own = self._open[side]
        while own and now_ns - own[0][1] > self._limit_ns:
            own.popleft()
        own.append((number, now_ns))
        return number
