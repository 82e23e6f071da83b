"""When a disagreement begins and ends, and what is known of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.dataset.consensus.event import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.dataset.consensus.judging import Worst

#: An arm is named if it was outside of the majority in so many of the disagreeing sets.
_NAMED: Final = 0.25


class Disagreement:
    """One disagreement in the making.

    Attributes:
        number: Counted from 1.
        group: Name of the group.
        first_ns: When the first set that disagrees was opened, log time.
        last_ns: When the last one was.
        is_over: It has ended.
        is_known: Its beginning has been told.
        severity: The largest error in multiples of what is allowed.
        window_ns: First and last log time that is recorded.
    """

    def __init__(
        self, number: int, group: str, output: str, arms: Sequence[str], first: tuple[int, int]
    ) -> None:
        self.number = number
        self.group, self._output, self._arms = group, output, tuple(arms)
        self.first_ns, self._start_ns = first
        self.last_ns, self._end_ns = first
        self._heard: set[int] = set()
        self._outlier = [0] * len(self._arms)
        self._had_majority = 0
        self._messages = 0
        self._worst: Worst | None = None
        self.is_over = self.is_known = False
        self.window_ns = (self.first_ns, self.last_ns)

    @property
    def severity(self) -> float:
        """The largest error in multiples of what is allowed, as far as is known."""
        return 0.0 if self._worst is None else self._worst.severity

    def add(self, when: tuple[int, int], there: Sequence[int], majority: Sequence[int]) -> None:
        """Take a set that disagrees.

        Args:
            when: Log time at which it was opened, and its stamp.
            there: Arms that have answered.
            majority: Those of them that agree, if they are more than half.
        """
        self.last_ns = max(self.last_ns, when[0])
        self._end_ns = when[1]
        self._messages += 1
        self._heard.update(there)
        if majority:
            self._had_majority += 1
        for place in there:
            if place not in majority:
                self._outlier[place] += 1

    def note(self, worst: Worst) -> None:
        """Learn of a large error."""
        if worst.severity > self.severity:
            self._worst = worst

    def event(self) -> Event:
        """Return what is known."""
        least = _NAMED * self._messages
        outliers = [
            place for place in sorted(self._heard) if self._outlier[place] >= max(least, 1)
        ]
        majority = [place for place in sorted(self._heard) if place not in outliers]
        if not self._had_majority:
            majority = []
        worst = self._worst
        values = (math.nan, math.nan) if worst is None else worst.values
        return Event(
            start_ns=self._start_ns,
            end_ns=self._end_ns,
            window_start_ns=self.window_ns[0],
            window_end_ns=self.window_ns[1],
            number=self.number,
            output=self._output,
            arms=self._arms,
            outliers=tuple(self._arms[place] for place in outliers),
            majority=tuple(self._arms[place] for place in majority),
            messages=self._messages,
            field='' if worst is None else worst.field,
            error=self.severity,
            original=values[0],
            compiled=values[1],
            is_over=self.is_over,
            group=self.group,
        )
