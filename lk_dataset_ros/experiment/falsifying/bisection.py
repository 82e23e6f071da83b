"""Find the shortest slice of a row of inputs that still shows a difference: only the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class BudgetSpentError(Exception):
    """Raise in an oracle that may not be asked any more: the search ends with what it has."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice that shows the difference.

    Attributes:
        start: First input.
        stop: First input that is left out.
        calls: How often the oracle was asked.
        is_minimal: With one input less at either end there is no difference any more.
    """

    start: int
    stop: int
    calls: int
    is_minimal: bool

    def __len__(self) -> int:
        """Return the number of inputs."""
        return self.stop - self.start


def shortest_slice(
    differs: Callable[[int, int], bool], count: int, first_divergence: int | None = None
) -> Slice | None:
    """Return a short slice for which the oracle says yes, locally minimal if it can be.

    First everything behind the first divergence is cut, then the start is looked for: galloping
    back from the end, then by bisection. An oracle for which a longer slice never shows less is
    asked O(log n) times. No oracle is relied upon to be like that: what is returned was said yes
    to, and as long as a slice that lacks an input at either end still differs, the search goes on
    from there.

    Args:
        differs: The oracle: whether inputs `start` to `stop` (left out) show the difference. It
            is asked once about a slice at most, never about an empty one, and may raise
            `BudgetSpentError`.
        count: Number of inputs.
        first_divergence: Index of the input whose answer is known to differ; only a hint.

    Returns:
        None if no slice that was asked about differs.
    """
    search = _Search(differs)
    is_minimal = False
    try:
        stop = search.end(count, first_divergence)
        if stop:
            search.shrink(stop)
            is_minimal = True
    except BudgetSpentError:
        pass
    if search.best is None:
        return None
    return Slice(*search.best, calls=search.calls, is_minimal=is_minimal)


class _Search:
    """A search: what was asked, and the shortest slice that was said yes to."""

    def __init__(self, differs: Callable[[int, int], bool]) -> None:
        self._differs = differs
        self._known: dict[tuple[int, int], bool] = {}
        self.best: tuple[int, int] | None = None
        self.calls = 0

    def shows(self, start: int, stop: int) -> bool:
        """Ask the oracle, once about each slice; an empty slice shows nothing."""
        where = start, stop
        if start >= stop:
            return False
        if where not in self._known:
            found = self._known[where] = self._differs(start, stop)
            self.calls += 1
            if found and (self.best is None or stop - start < self.best[1] - self.best[0]):
                self.best = where
        return self._known[where]

    def end(self, count: int, hint: int | None) -> int:
        """Return an end so that all inputs before it differ; 0 if there is none."""
        low, high = 0, count
        if hint is not None and 0 <= hint < count:
            if self.shows(0, hint + 1):
                return hint + 1
            low, step = hint + 1, 1
            while low + step < count and not self.shows(0, low + step):
                low, step = low + step, 2 * step
            high = min(low + step, count)
        if not self.shows(0, high):
            return 0
        return self._least(low, high, lambda stop: self.shows(0, stop))

    def shrink(self, stop: int) -> None:
        """Move both ends towards each other until neither can be moved by one."""
        start = self._latest_start(0, stop)
        while True:
            if self.shows(start, stop - 1):
                stop = self._earliest_stop(start, stop - 1)
            elif self.shows(start + 1, stop):
                start = self._latest_start(start + 1, stop)
            else:
                self.best = start, stop
                return

    def _latest_start(self, start: int, stop: int) -> int:
        """Return a later start that differs; the given one does."""
        return stop - self._gallop(stop - start, lambda size: self.shows(stop - size, stop))

    def _earliest_stop(self, start: int, stop: int) -> int:
        """Return an earlier end that differs; the given one does."""
        return start + self._gallop(stop - start, lambda size: self.shows(start, start + size))

    def _gallop(self, size: int, shows: Callable[[int], bool]) -> int:
        """Return a size that differs while the next smaller one does not; the given one does."""
        low, high = 0, 1
        while high < size and not shows(high):
            low, high = high, 2 * high
        return self._least(low, min(high, size), shows)

    @staticmethod
    def _least(low: int, high: int, shows: Callable[[int], bool]) -> int:
        """Return a number that shows while the one before it does not, given such at the ends."""
        while high - low > 1:
            middle = (low + high) // 2
            if shows(middle):
                high = middle
            else:
                low = middle
        return high
