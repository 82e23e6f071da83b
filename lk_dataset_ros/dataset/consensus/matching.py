"""Which messages of several arms belong together: by stamp, arrival or number, never waiting."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from lk_dataset_ros.dataset.time import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.dataset.consensus.kept import Kept

PairBy = Literal['stamp', 'arrival', 'index']
#: Sets that are remembered after they were given up, so that late answers are known as such.
_MOST_CLOSED: Final = 4096
#: Closed sets that are searched for a stamp that is only near.
_MOST_SEARCHED: Final = 64
#: A stamp that lies so far before the arm's last one: it has begun anew.
_RESTART_NS: Final = NS_PER_S
#: Messages in a row without any partner after which an arm is not waited for.
ASTRAY_AFTER: Final = 10


@dataclass(slots=True)
class Arm:
    """What is known of one arm's messages.

    Attributes:
        name: Its name.
        topic: Its output.
        heard_ns: When it was heard last, None before the first time.
        stamp_ns: Its last stamp.
        count: Messages, for pairing by number.
        alone_in_row: Messages in a row that found no partner.
    """

    name: str
    topic: str
    heard_ns: int | None = None
    stamp_ns: int | None = None
    count: int = 0
    alone_in_row: int = 0
    received: int = 0
    missing: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    alone: int = 0
    malformed: int = 0
    outlier: int = 0
    other_type: str = ''

    def count_anew(self) -> None:
        """Forget the counts."""
        self.received = self.missing = self.late = self.duplicates = self.restarts = 0
        self.alone = self.malformed = self.outlier = 0

    @property
    def is_astray(self) -> bool:
        """Its messages find no partners."""
        return self.alone_in_row >= ASTRAY_AFTER


@dataclass(slots=True)
class MessageSet:
    """Messages that belong together.

    Attributes:
        key: What they were paired by: a stamp, a time, a number.
        opened_ns: When the first came.
        answers: By arm; None for one that has not answered.
        expected: Arms that were alive when it was opened.
        missed: Arms that were waited for in vain.
        late: Arms that answered too late.
    """

    key: int
    opened_ns: int
    answers: list[Kept | None]
    expected: set[int] = field(default_factory=set)
    missed: tuple[int, ...] = ()
    late: set[int] = field(default_factory=set)

    def there(self) -> list[int]:
        """Return the arms that have answered."""
        return [place for place, each in enumerate(self.answers) if each is not None]


class Matcher:
    """Puts the messages of a group's arms together.

    Args:
        arms: The arms; their counters are kept here.
        limit_ns: How long a set waits.
        tolerance_ns: How far stamps of one set may lie apart.
        stale_ns: An arm that says nothing for so long is not waited for.
        most: Most sets that wait.
    """

    def __init__(
        self, arms: list[Arm], *, limit_ns: int, tolerance_ns: int, stale_ns: int, most: int
    ) -> None:
        self.arms = arms
        self.by: PairBy = 'stamp'
        self._limit_ns, self._tolerance_ns, self._stale_ns = limit_ns, tolerance_ns, stale_ns
        self._most = most
        self._open: OrderedDict[int, MessageSet] = OrderedDict()
        #: Which arms had answered, as bits.
        self._closed: OrderedDict[int, int] = OrderedDict()
        self._next = 0
        self._first_ns: int | None = None

    def put(self, place: int, stamp_ns: int | None, kept: Kept) -> list[MessageSet]:
        """Take a message of an arm; return the sets that are complete now, or given up.

        Args:
            place: Which arm.
            stamp_ns: Its stamp, None for a type without.
            kept: The message.
        """
        arm, now_ns = self.arms[place], kept.time_ns
        was_silent = arm.heard_ns is None or not 0 <= now_ns - arm.heard_ns <= self._stale_ns
        arm.heard_ns = now_ns
        if self._first_ns is None or now_ns < self._first_ns:
            self._first_ns = now_ns
        key = self._key(place, stamp_ns, now_ns, was_silent=was_silent)
        if key is None:
            return []
        found = self._open.get(key)
        if found is None:
            if self._is_closed(place, key):
                return []
            done = self._make_room()
            answers: list[Kept | None] = [None] * len(self.arms)
            alive = self._alive(now_ns)
            found = self._open[key] = MessageSet(key, now_ns, answers, alive)
        else:
            done = []
            if found.answers[place] is not None or place in found.late:
                arm.duplicates += 1
                return []
            if now_ns - found.opened_ns > self._limit_ns:
                arm.late += 1
                found.late.add(place)
                return []
        # Topics are read one after the other: what is taken first need not have come first.
        found.opened_ns = min(found.opened_ns, now_ns)
        found.answers[place] = kept
        there = found.there()
        if len(there) > 1:
            for each in there:
                self.arms[each].alone_in_row = 0
            if self._awaited(now_ns) <= set(there):
                del self._open[key]
                done.append(self._close(found))
        return done

    def _key(
        self, place: int, stamp_ns: int | None, now_ns: int, *, was_silent: bool
    ) -> int | None:
        """Return the key of the set that a message belongs to, whether it is open or not."""
        arm = self.arms[place]
        if self.by == 'stamp':
            if stamp_ns is None:
                arm.malformed += 1
                return None
            if arm.stamp_ns is not None and stamp_ns < arm.stamp_ns - _RESTART_NS:
                arm.restarts += 1
                # What had these stamps before has nothing to do with what has them now.
                self._closed.clear()
            arm.stamp_ns = stamp_ns
            return self._nearest(place, stamp_ns)
        if self.by == 'index':
            if was_silent and arm.heard_ns is not None:
                others = [each.count for each in self.arms if each is not arm]
                arm.count = max([arm.count, *(count - 1 for count in others)])
            arm.count += 1
            return arm.count
        for key, each in self._open.items():
            if each.answers[place] is None and abs(now_ns - each.opened_ns) <= self._limit_ns:
                return key
        self._next += 1
        return self._next

    def _nearest(self, place: int, stamp_ns: int) -> int:
        if not self._tolerance_ns or stamp_ns in self._open:
            return stamp_ns
        near = [
            key
            for key, each in self._open.items()
            if abs(key - stamp_ns) <= self._tolerance_ns and each.answers[place] is None
        ]
        if not near:
            closed = list(self._closed)[-_MOST_SEARCHED:]
            near = [key for key in closed if abs(key - stamp_ns) <= self._tolerance_ns]
            near = [key for key in near if not self._closed[key] >> place & 1]
        return min(near, key=lambda key: abs(key - stamp_ns), default=stamp_ns)

    def _is_closed(self, place: int, key: int) -> bool:
        """Tell whether a set is no longer waited for, and count the message."""
        answered = self._closed.get(key)
        if answered is None:
            return False
        arm = self.arms[place]
        if answered >> place & 1:
            arm.duplicates += 1
        else:
            arm.late += 1
            self._closed[key] = answered | 1 << place
        arm.alone_in_row = 0
        return True

    def _alive(self, now_ns: int) -> set[int]:
        """Return the arms that can be expected to answer."""
        return {
            place
            for place, arm in enumerate(self.arms)
            if arm.heard_ns is not None
            and not arm.is_astray
            and not arm.other_type
            and now_ns - arm.heard_ns <= self._stale_ns
        }

    def _awaited(self, now_ns: int) -> set[int]:
        """Return the arms that are waited for: at the beginning all, they may only start."""
        alive = self._alive(now_ns)
        if self._first_ns is not None and now_ns - self._first_ns <= self._stale_ns:
            alive |= {
                place
                for place, arm in enumerate(self.arms)
                if arm.heard_ns is None and not arm.other_type
            }
        return alive

    def _make_room(self) -> list[MessageSet]:
        if len(self._open) < self._most:
            return []
        _, oldest = self._open.popitem(last=False)
        return [self._close(oldest)]

    def due(self, now_ns: int) -> Iterator[MessageSet]:
        """Yield the sets that have waited for too long."""
        for key, each in list(self._open.items()):
            if each.opened_ns > now_ns + self._limit_ns:
                # The clock was put back.
                each.opened_ns = now_ns
            if now_ns - each.opened_ns > self._limit_ns:
                del self._open[key]
                yield self._close(each)

    def rest(self) -> Iterator[MessageSet]:
        """Yield all sets that still wait."""
        while self._open:
            yield self._close(self._open.popitem(last=False)[1])

    def next_due_ns(self) -> int | None:
        """Return when a set will have waited for too long."""
        first = next(iter(self._open.values()), None)
        return None if first is None else first.opened_ns + self._limit_ns + 1

    def _close(self, found: MessageSet) -> MessageSet:
        there = found.there()
        bits = sum(1 << place for place in (*there, *found.late))
        if self.by != 'arrival':
            self._closed[found.key] = bits
            if len(self._closed) > _MOST_CLOSED:
                self._closed.popitem(last=False)
        expected = {
            place
            for place in found.expected
            if not self.arms[place].is_astray and not self.arms[place].other_type
        }
        found.missed = tuple(sorted(expected - set(there)))
        if len(there) == 1 and len(expected | set(there)) > 1:
            arm = self.arms[there[0]]
            arm.alone += 1
            arm.alone_in_row += 1
            # Of several, it is the one that is wrong; of two, nobody can tell.
            if len(expected | set(there)) > 2:
                found.missed = ()
        for place in found.missed:
            self.arms[place].missing += 1
        return found
