"""One group of arms that should agree: pairs, judges and counts their messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lk_dataset_ros.dataset.consensus.judging import Pair, SetJudge, Waiting
from lk_dataset_ros.dataset.consensus.majority import majority_of
from lk_dataset_ros.dataset.consensus.matching import Arm, Matcher
from lk_dataset_ros.dataset.consensus.tallies import Counter, PairTally, Recently
from lk_dataset_ros.dataset.consensus.tracking import Disagreement
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.message.stamps import begins_with_header, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lk_dataset_ros.dataset.consensus.judging import Comparison
    from lk_dataset_ros.dataset.consensus.kept import Kept
    from lk_dataset_ros.dataset.consensus.matching import MessageSet, PairBy
    from lk_dataset_ros.dataset.consensus.settings import ConsensusConfig
    from lk_dataset_ros.message import Schema

#: At most that long errors wait to be counted.
DETAILS_NS = NS_PER_S // 2


@dataclass(slots=True)
class ArmTally:
    """What one arm has done lately."""

    answered: Counter = field(default_factory=Counter)
    missed: Counter = field(default_factory=Counter)
    judged: Counter = field(default_factory=Counter)
    outlier: Counter = field(default_factory=Counter)
    malformed: Counter = field(default_factory=Counter)

    def empty(self, slots: list[int]) -> None:
        """Forget parts of the window."""
        for each in (self.answered, self.missed, self.judged, self.outlier, self.malformed):
            each.empty(slots)


@dataclass(frozen=True, slots=True)
class Listener:
    """What is told of a group's disagreements.

    Attributes:
        number: Gives a disagreement its number.
        begins: A disagreement begins.
        ends: It has ended.
    """

    number: Callable[[], int]
    begins: Callable[[Group, Disagreement], None]
    ends: Callable[[Group, Disagreement], None]


class Group:
    """Arms that should agree.

    Args:
        name: Name of the group.
        arms: Topic of each arm, the original first.
        config: Settings.
        listener: Is told of disagreements.
        tolerance: A `Tolerance`, or None.
        comparison_fn: Judges instead.
    """

    def __init__(
        self,
        name: str,
        arms: Mapping[str, str],
        config: ConsensusConfig,
        *,
        listener: Listener,
        tolerance: Any = None,
        comparison_fn: Comparison | None = None,
    ) -> None:
        self.name, self.config = name, config
        self.arms = [Arm(arm, topic) for arm, topic in arms.items()]
        self.output = self.arms[0].topic
        self.places = {each.topic: place for place, each in enumerate(self.arms)}
        self._listener = listener
        self._tolerance, self._comparison = tolerance, comparison_fn
        self._types: list[Schema | None] = [None] * len(self.arms)
        self._judge: SetJudge | None = None
        self._judged_type = ''
        self._has_stamp = False
        self._limit_ns = round(config.limit_s * NS_PER_S)
        self._hysteresis_ns = round(config.hysteresis_s * NS_PER_S)
        self._matcher = Matcher(
            self.arms,
            limit_ns=self._limit_ns,
            tolerance_ns=round(config.stamp_tolerance_s * NS_PER_S),
            stale_ns=round(config.stale_s * NS_PER_S),
            most=config.max_waiting,
        )
        self._waiting = Waiting()
        self.recently = Recently(round(config.window_s * NS_PER_S))
        self.live: Disagreement | None = None
        self.now_ns = 0
        self._count_anew()

    def _count_anew(self) -> None:
        self.pairs = {each: PairTally() for each in combinations(range(len(self.arms)), 2)}
        self.tallies = [ArmTally() for _ in self.arms]
        self.since_ns = self.sets = self.disagreeing = self.failed = 0
        self.events = self.recorded = self.skipped = 0
        self.outlier = self._problem = self._details_problem = ''

    def reset(self) -> None:
        """End what is going on, and count from the beginning."""
        self.close()
        for arm in self.arms:
            arm.count_anew()
        self._count_anew()

    @property
    def problem(self) -> str:
        """Why the messages that came last could not be judged, or nothing."""
        return self._problem or self._details_problem

    def declare(self, topic: str, schema: Schema) -> bool:
        """Learn of an arm's type; tell whether its messages are taken."""
        place = self.places[topic]
        known = self._types[place]
        if known is None:
            before = next((each for each in self._types[:place] if each is not None), None)
            if before is None or before.name == schema.name:
                self._types[place] = known = schema
        arm = self.arms[place]
        arm.other_type = '' if known is not None and known.name == schema.name else schema.name
        reference = next((each for each in self._types if each is not None), None)
        if reference is not None and reference.name != self._judged_type:
            self._begin_with(reference)
        return not arm.other_type

    def _begin_with(self, schema: Schema) -> None:
        """Judge messages of a type from now on."""
        self._waiting.take()
        self._judge = SetJudge(
            self.output, schema, tolerance=self._tolerance, comparison_fn=self._comparison
        )
        self._judged_type = schema.name
        self._has_stamp = begins_with_header(schema)
        by = self.config.pair_by
        if by == 'auto':
            by = 'stamp' if self._has_stamp else 'arrival'
        self._matcher.by = cast('PairBy', by)
        for each, known in zip(self.arms, self._types, strict=True):
            if known is not None and known.name != schema.name:
                each.other_type = known.name

    def take(self, kept: Kept) -> None:
        """Take a message of an arm."""
        place = self.places[kept.message.key]
        arm = self.arms[place]
        arm.received += 1
        if arm.other_type:
            return
        self.since_ns = self.since_ns or kept.time_ns
        self._turn(kept.time_ns)
        stamp_ns = stamp_of(kept.message.cdr) if self._has_stamp else None
        if stamp_ns is None and self._has_stamp:
            self._malformed(place)
            return
        if self._matcher.by == 'stamp' and not self._has_stamp:
            self._problem = f'{self._judged_type} has no header to be paired by its stamp'
            return
        self._settle(self._matcher.put(place, stamp_ns, kept))

    def advance(self, now_ns: int) -> None:
        """Give up on what is due."""
        self._turn(now_ns)
        self._settle(self._matcher.due(now_ns))
        live = self.live
        if live is not None:
            if live.last_ns > now_ns + self._hysteresis_ns + self._limit_ns:
                # The clock was put back.
                self._end(live)
            elif now_ns - self._limit_ns - live.last_ns >= self._hysteresis_ns:
                self._end(live)
        waiting = self._waiting
        if waiting.is_due or not 0 <= now_ns - waiting.since_ns < DETAILS_NS:
            self.flush()

    def next_due_ns(self) -> int | None:
        """Return when `advance` has to be called."""
        due = [self._matcher.next_due_ns()]
        if self.live is not None:
            due.append(self.live.last_ns + self._hysteresis_ns + self._limit_ns)
        if self._waiting.pairs:
            due.append(self._waiting.since_ns + DETAILS_NS)
        return min((each for each in due if each is not None), default=None)

    def close(self) -> None:
        """Judge what waits; end what is going on."""
        self._settle(self._matcher.rest())
        if self.live is not None:
            self._end(self.live)
        self.flush()

    def _turn(self, now_ns: int) -> None:
        self.now_ns = now_ns
        emptied = self.recently.turn(now_ns)
        if emptied:
            for pair in self.pairs.values():
                pair.empty(emptied)
            for arm in self.tallies:
                arm.empty(emptied)

    def _settle(self, sets: Iterable[MessageSet]) -> None:
        for each in sets:
            self._count(each)
            there = each.there()
            while len(there) > 1 and (rest := self._judged(each, there)) is not None:
                there = rest
            if self.live is not None and (
                each.opened_ns - self.live.last_ns >= self._hysteresis_ns
            ):
                self._end(self.live)
        if self._waiting.is_full:
            self.flush()

    def _count(self, found: MessageSet) -> None:
        self.sets += 1
        slot, there, missed = self.recently.slot, found.there(), found.missed
        for place in there:
            self.tallies[place].answered.add(slot)
        for place in missed:
            self.tallies[place].missed.add(slot)
            for other in there:
                if other < place:
                    self.pairs[other, place].missing += 1
                else:
                    self.pairs[place, other].extra += 1

    def _judged(self, found: MessageSet, there: list[int]) -> list[int] | None:
        """Judge a set; return the arms whose messages can be judged, if not all can."""
        assert self._judge is not None
        kept = [found.answers[place] for place in there]
        messages = [each.message.cdr for each in kept if each is not None]
        try:
            over = self._judge.over(messages)
        except Exception as error:  # noqa: BLE001 - of a comparator, or a message of another type
            good = [
                place
                for place, cdr in zip(there, messages, strict=True)
                if self._judge.is_message(cdr)
            ]
            for place in set(there) - set(good):
                self._malformed(place)
            if len(good) < len(there):
                return good
            self.failed += 1
            self._problem = _told(error)
            return None
        self._problem = ''
        self._note(found, there, messages, over)
        return None

    def _malformed(self, place: int) -> None:
        self.arms[place].malformed += 1
        self.tallies[place].malformed.add(self.recently.slot)

    def _note(
        self, found: MessageSet, there: list[int], messages: list[bytes], over: list[bool]
    ) -> None:
        slot, differs = self.recently.slot, any(over)
        majority = majority_of(tuple(there), tuple(over)) if differs else tuple(there)
        if differs:
            self._disagree(found, there, majority)
        event = self.live if differs else None
        waiting = []
        for (left, right), is_over in zip(combinations(range(len(there)), 2), over, strict=True):
            arms = there[left], there[right]
            tally = self.pairs[arms]
            one, other = found.answers[arms[0]], found.answers[arms[1]]
            assert one is not None
            assert other is not None
            tally.note(slot, is_over=is_over, lag_ns=other.time_ns - one.time_ns)
            if messages[left] == messages[right]:
                tally.detailed.add(slot)
            else:
                waiting.append(Pair(arms, messages[left], messages[right], event))
        for place in there:
            self.tallies[place].judged.add(slot)
            if place not in majority:
                self.tallies[place].outlier.add(slot)
                self.arms[place].outlier += 1
        if waiting:
            self._waiting.put(waiting, self.now_ns)
        if event is not None and not event.is_known:
            self.flush()
            event.is_known = True
            self._listener.begins(self, event)

    def _disagree(self, found: MessageSet, there: list[int], majority: tuple[int, ...]) -> None:
        self.disagreeing += 1
        when = found.opened_ns, found.key if self._matcher.by == 'stamp' else found.opened_ns
        if self.live is not None and when[0] - self.live.last_ns >= self._hysteresis_ns:
            self._end(self.live)
        if self.live is None:
            self.events += 1
            names = [each.name for each in self.arms]
            self.live = Disagreement(self._listener.number(), self.name, self.output, names, when)
        self.live.add(when, there, majority)

    def _end(self, live: Disagreement) -> None:
        self.flush()
        live.is_over = True
        self.live = None
        outliers = live.event().outliers
        self.outlier = outliers[0] if len(outliers) == 1 else ''
        self._listener.ends(self, live)

    def flush(self) -> None:
        """Count the errors that wait to be."""
        pairs = self._waiting.take()
        if not pairs or self._judge is None:
            return
        try:
            details = self._judge.details(pairs)
        except Exception as error:  # noqa: BLE001 - of a comparator
            self.failed += 1
            self._details_problem = _told(error)
            return
        self._details_problem = ''
        for worst in details.worst:
            worst.pair.event.note(worst)
        slot = self.recently.slot
        rows: dict[tuple[int, int], list[int]] = {}
        for row, pair in enumerate(pairs):
            rows.setdefault(pair.arms, []).append(row)
        for arms, those in rows.items():
            places = np.array(those)
            fields = {
                path: (errors[places], over[places])
                for path, (errors, over) in details.fields.items()
            }
            self.pairs[arms].add(slot, len(those), fields)


def _told(error: Exception) -> str:
    return ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
