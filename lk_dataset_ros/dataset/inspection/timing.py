"""Rates, gaps, jitter and lost messages of a topic, from its times and counters alone."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

#: A counter that jumps further than this, in either direction, was started anew.
_FAR = 2**24
#: A run of known numbers up to this length is a repetition; a longer one was started anew.
_REPETITION = 3
#: A topic whose periods spread further than this share of their median is not periodic.
_PERIODIC_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """When the messages of a topic came; all times in nanoseconds of log time.

    Attributes:
        first_ns: Of the first message.
        last_ns: Of the last message.
        mean_hz: Messages per second between first and last; None for fewer than two.
        median_period_ns: Median time between two messages; the same holds for the next four.
        mean_period_ns: Mean.
        std_period_ns: Standard deviation: the jitter.
        p1_period_ns: 1st percentile.
        p99_period_ns: 99th percentile.
        gap_factor: Periods longer than this many medians are gaps.
        gaps: Number of gaps.
        largest_gap_ns: Longest period.
        largest_gap_at_ns: Log time of the message before it.
    """

    first_ns: int
    last_ns: int
    mean_hz: float | None
    median_period_ns: float | None
    mean_period_ns: float | None
    std_period_ns: float | None
    p1_period_ns: float | None
    p99_period_ns: float | None
    gap_factor: float
    gaps: int
    largest_gap_ns: int | None
    largest_gap_at_ns: int | None


@dataclass(frozen=True, slots=True)
class SequenceDrops:
    """What a publisher's counter tells of lost messages.

    Attributes:
        missing: Numbers that never came.
        duplicates: Numbers that came again.
        reordered: Numbers that came late, after a higher one.
        resets: How often the counter started anew.
    """

    missing: int
    duplicates: int
    reordered: int
    resets: int


@dataclass(frozen=True, slots=True)
class StampDrops:
    """What header stamps tell of lost messages.

    Attributes:
        period_ns: Median time between two stamps; None for fewer than two different ones.
        missing: Multiples of the period at which no stamp is; None where the stamps have no
            regular period.
        repeated: Messages with the stamp of the message before.
        backwards: Messages with an earlier stamp than the message before.
    """

    period_ns: float | None
    missing: int | None
    repeated: int
    backwards: int


def timing_of(log_time_ns: NDArray[np.int64], *, gap_factor: float) -> Timing | None:
    """Measure rate, jitter and gaps; None where there is no message.

    Args:
        log_time_ns: int64, (n,), ascending.
        gap_factor: A period longer than this many medians is a gap.
    """
    if not len(log_time_ns):
        return None
    first, last = int(log_time_ns[0]), int(log_time_ns[-1])
    nothing = (None,) * 6
    if len(log_time_ns) < 2:
        return Timing(first, last, *nothing, gap_factor, 0, None, None)
    periods = np.diff(log_time_ns)
    p1, median, p99 = (float(each) for each in np.percentile(periods, (1, 50, 99)))
    widest = int(periods.argmax())
    return Timing(
        first,
        last,
        len(periods) * 1e9 / (last - first) if last > first else None,
        median,
        float(periods.mean()),
        float(periods.std()),
        p1,
        p99,
        gap_factor,
        int((periods > gap_factor * median).sum()) if median > 0 else 0,
        int(periods[widest]),
        int(log_time_ns[widest]),
    )


def stamp_drops_of(stamp_ns: NDArray[np.int64]) -> StampDrops | None:
    """Find stamps that are missing, repeated or backwards; None where there are none.

    A message is missing where two neighbouring stamps are two or more periods apart; only topics
    whose periods lie close to their median (90 % of them within half of it) are judged.

    Args:
        stamp_ns: int64, (n,), in order of log time.
    """
    if not len(stamp_ns):
        return None
    steps = np.diff(stamp_ns)
    repeated, backwards = int((steps == 0).sum()), int((steps < 0).sum())
    if backwards:
        steps = np.diff(np.sort(stamp_ns))
    periods = steps[steps > 0]
    if not len(periods):
        return StampDrops(None, None, repeated, backwards)
    del steps
    # In place, as far as it goes: there may be many millions.
    median = float(np.median(periods, overwrite_input=True))
    off = periods / median
    whole = np.rint(off)
    off -= whole
    np.abs(off, out=off)
    is_periodic = len(periods) >= 2 and float(np.mean(off <= _PERIODIC_SPREAD / 2)) >= 0.9
    # Most steps are one period, or the median is no period.
    is_periodic = is_periodic and float(np.mean(whole == 1)) >= 0.5
    missing = int(np.maximum(whole, 1, out=whole).sum()) - len(whole) if is_periodic else None
    return StampDrops(median, missing, repeated, backwards)


def sequence_drops_of(sequence: NDArray[np.integer[Any]]) -> SequenceDrops | None:
    """Find numbers that are missing, doubled or late.

    Args:
        sequence: (n,) counters of 32 bits that may wrap, in order of log time.

    Returns:
        None where the numbers do not count this topic's messages: all the same (rosbag2 writes
        0), or counted over several topics or publishers (fewer than half are one more than the
        one before).
    """
    if len(sequence) < 2:
        return None
    counters = np.asarray(sequence).astype(np.uint32, copy=False)
    steps = np.diff(counters).view(np.int32).astype(np.int64)
    if 2 * int((steps == 1).sum()) < len(steps):
        return None
    numbers = np.zeros(len(sequence), np.int64)
    np.cumsum(steps, out=numbers[1:])
    breaks = np.flatnonzero(steps != 1) + 1
    del steps
    starts = numbers[np.concatenate([[0], breaks])].tolist()
    stops = numbers[np.concatenate([breaks, [len(numbers)]]) - 1].tolist()
    count = _Count()
    for index, (first, last) in enumerate(zip(starts, stops, strict=True)):
        following = starts[index + 1] if index + 1 < len(starts) else None
        count.add(first, last, following)
    return count.result()


class _Count:
    """Follows a counter, run by run of numbers that rise by one."""

    def __init__(self) -> None:
        self._top: int | None = None
        #: Spans of numbers not seen since the counter started, both ends included, ascending.
        self._holes: list[tuple[int, int]] = []
        self._missing = 0
        self._duplicates = 0
        self._reordered = 0
        self._resets = 0

    def add(self, first: int, last: int, following: int | None) -> None:
        """Take a run from `first` to `last`; the next run starts at `following`."""
        if self._top is None:
            self._top = last
        elif abs(first - self._top) > _FAR:
            self._reset(last)
        elif first > self._top:
            if first > self._top + 1:
                self._holes.append((self._top + 1, first - 1))
            self._top = last
        elif self._fill(first, last):
            self._reordered += last - first + 1
        elif self._repeats(first, last, following):
            self._duplicates += min(last, self._top) - first + 1
            self._top = max(last, self._top)
        else:
            self._reset(last)

    def _repeats(self, first: int, last: int, following: int | None) -> bool:
        """Tell whether a run of known numbers is a repetition, after which the counter goes on."""
        assert self._top is not None
        if last > self._top:
            return self._top - first < _REPETITION and first == self._top
        goes_on = last == self._top if following is None else following > self._top
        return last - first < _REPETITION and goes_on

    def _fill(self, first: int, last: int) -> bool:
        """Fill a hole, if the run lies in one."""
        at = bisect_left(self._holes, (first + 1,)) - 1
        if at < 0:
            return False
        low, high = self._holes[at]
        if not low <= first <= last <= high:
            return False
        self._holes[at : at + 1] = [
            (a, b) for a, b in ((low, first - 1), (last + 1, high)) if a <= b
        ]
        return True

    def _reset(self, last: int) -> None:
        self._resets += 1
        self._missing += sum(high - low + 1 for low, high in self._holes)
        self._holes.clear()
        self._top = last

    def result(self) -> SequenceDrops:
        """Return what was found."""
        missing = self._missing + sum(high - low + 1 for low, high in self._holes)
        return SequenceDrops(missing, self._duplicates, self._reordered, self._resets)
