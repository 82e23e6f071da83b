"""Count how two arms agree, since the beginning and lately, in bounded memory."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.dataset.consensus.stats import FieldStats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Parts of the sliding window; the oldest is forgotten as a whole.
SLOTS: Final = 6
#: Fields of a pair that are counted.
MOST_FIELDS: Final = 64
_MOST_LAGS: Final = 256
#: Errors are counted by their binary logarithm, in steps of 1/8.
_STEPS: Final = 8
_LOWEST, _HIGHEST = -50, 34
_BUCKETS: Final = (_HIGHEST - _LOWEST) * _STEPS + 2


class Recently:
    """Which part of the sliding window it is now.

    Args:
        window_ns: Length of the window.
    """

    def __init__(self, window_ns: int) -> None:
        self._slot_ns = max(window_ns // SLOTS, 1)
        self._number: int | None = None
        self.slot = 0

    def turn(self, now_ns: int) -> list[int]:
        """Go on to a time; return the parts that are to be emptied."""
        number = now_ns // self._slot_ns
        if self._number is None:
            self._number, self.slot = number, number % SLOTS
        passed = number - self._number
        if passed == 0:
            return []
        # Messages of several topics come out of order a little; a clock that is put back is not.
        if -1 <= passed < 0:
            return []
        emptied = [each % SLOTS for each in range(self._number + 1, number + 1)][-SLOTS:]
        self._number, self.slot = number, number % SLOTS
        return emptied if passed > 0 else list(range(SLOTS))


class Counter:
    """A number since the beginning, and lately."""

    __slots__ = ('parts', 'total')

    def __init__(self) -> None:
        self.total = 0
        self.parts = [0] * SLOTS

    def add(self, slot: int, by: int = 1) -> None:
        """Count."""
        self.total += by
        self.parts[slot] += by

    def empty(self, slots: Sequence[int]) -> None:
        """Forget parts of the window."""
        for slot in slots:
            self.parts[slot] = 0

    @property
    def recent(self) -> int:
        """The number lately."""
        return sum(self.parts)


def part_of(count: int, whole: int) -> float:
    """Return a part, NaN of nothing."""
    return count / whole if whole else math.nan


class FieldTally:
    """Errors of one field."""

    def __init__(self) -> None:
        self.differing = Counter()
        self.largest = 0.0
        #: Errors that are not zero, by part of the window.
        self._counts: NDArray[np.uint32] = np.zeros((SLOTS, _BUCKETS), np.uint32)

    def add(self, slot: int, errors: NDArray[np.float64], over: NDArray[np.bool_]) -> None:
        """Count errors, those that are zero may be among them."""
        self.differing.add(slot, int(over.sum()))
        errors = errors[errors > 0.0]
        if len(errors):
            self.largest = max(self.largest, float(errors.max()))
            steps = np.floor((np.log2(errors) - _LOWEST) * _STEPS) + 1
            places = np.clip(np.nan_to_num(steps, posinf=_BUCKETS), 0, _BUCKETS - 1)
            np.add.at(self._counts[slot], places.astype(np.int64), 1)

    def empty(self, slots: Sequence[int]) -> None:
        """Forget parts of the window."""
        self.differing.empty(slots)
        self._counts[list(slots)] = 0

    def percentiles(self, compared: int, which: Sequence[float]) -> list[float]:
        """Return percentiles of the recent errors.

        Args:
            compared: Pairs in the window; those that were not counted here were equal.
            which: Parts, such as 0.5.
        """
        if not compared:
            return [math.nan] * len(which)
        counts = self._counts.sum(axis=0, dtype=np.int64)
        summed = np.cumsum(counts) + max(compared - int(counts.sum()), 0)
        found = []
        for part in which:
            rank = max(math.ceil(part * compared), 1)
            if rank <= summed[0] - counts[0]:
                found.append(0.0)
                continue
            place = int(np.searchsorted(summed, rank))
            if place >= _BUCKETS - 1:
                found.append(self.largest)
                continue
            middle = 2.0 ** (_LOWEST + (place - 0.5) / _STEPS)
            found.append(min(middle, self.largest))
        return found


class PairTally:
    """How two arms agree."""

    def __init__(self) -> None:
        self.compared, self.agreeing = Counter(), Counter()
        self.missing = self.extra = self.late = 0
        self.lags_ns: deque[int] = deque(maxlen=_MOST_LAGS)
        self.fields: dict[str, FieldTally] = {}
        #: Pairs whose details are known.
        self.detailed = Counter()

    def note(self, slot: int, *, is_over: bool, lag_ns: int) -> None:
        """Count a pair of messages."""
        self.compared.add(slot)
        if not is_over:
            self.agreeing.add(slot)
        self.lags_ns.append(lag_ns)

    def add(
        self, slot: int, count: int, fields: dict[str, tuple[NDArray[Any], NDArray[Any]]]
    ) -> None:
        """Count the errors of pairs, by field."""
        self.detailed.add(slot, count)
        for path, (errors, over) in fields.items():
            tally = self.fields.get(path)
            if tally is None:
                if len(self.fields) >= MOST_FIELDS or not errors.any():
                    continue
                tally = self.fields[path] = FieldTally()
            tally.add(slot, errors, over)

    def empty(self, slots: Sequence[int]) -> None:
        """Forget parts of the window."""
        for each in (self.compared, self.agreeing, self.detailed):
            each.empty(slots)
        for field in self.fields.values():
            field.empty(slots)

    @property
    def lag_s(self) -> float:
        """Median of the newest lags, s; NaN before the first."""
        return float(np.median(list(self.lags_ns))) * 1e-9 if self.lags_ns else math.nan

    def field_stats(self) -> tuple[FieldStats, ...]:
        """Return the statistics of the fields that differ, worst first."""
        compared, recent = self.detailed.total, self.detailed.recent
        found = []
        for path, each in self.fields.items():
            p50, p95, p99 = each.percentiles(recent, (0.5, 0.95, 0.99))
            differing = each.differing
            found.append(
                FieldStats(
                    field=path,
                    compared=compared,
                    differing=differing.total,
                    agreement=part_of(compared - differing.total, compared),
                    recent_agreement=part_of(recent - differing.recent, recent),
                    p50=p50,
                    p95=p95,
                    p99=p99,
                    max=each.largest,
                )
            )
        return tuple(sorted(found, key=lambda each: (-each.differing, -each.max, each.field)))
