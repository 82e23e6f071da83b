"""Pair messages as they come: each is settled as soon as its partner is there, or is given up."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Side = Literal['original', 'compiled']


class Heard(NamedTuple):
    """One message of one side.

    Attributes:
        cdr: It, serialized.
        time_ns: What pairs are made by: its stamp, when it came, or its number.
        log_time_ns: When it was received.
        publish_time_ns: When it was sent.
        sequence: Its publisher's counter, 0 if unknown.
    """

    cdr: bytes
    time_ns: int
    log_time_ns: int
    publish_time_ns: int
    sequence: int = 0


class Settled(NamedTuple):
    """A pair, or a message that found no partner (the other one is None).

    Attributes:
        original: The original's.
        compiled: The compiled's.
        is_early: It came before the first pair: one side was heard before the other, which tells
            nothing about them.
    """

    original: Heard | None
    compiled: Heard | None
    is_early: bool = False


class _Waiting:
    """Messages of one side without partner, in order of their arrival."""

    def __init__(self) -> None:
        self.messages: OrderedDict[int, tuple[Heard, int]] = OrderedDict()
        self.size = 0
        self._times: list[tuple[int, int]] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, heard: Heard, now_ns: int) -> None:
        self.messages[self._next] = heard, now_ns
        insort(self._times, (heard.time_ns, self._next))
        self.size += len(heard.cdr)
        self._next += 1

    def pop(self, number: int) -> tuple[Heard, int]:
        heard, arrived_ns = self.messages.pop(number)
        del self._times[bisect_left(self._times, (heard.time_ns, number))]
        self.size -= len(heard.cdr)
        return heard, arrived_ns

    def pop_oldest(self) -> tuple[Heard, int]:
        return self.pop(next(iter(self.messages)))

    def nearest(self, time_ns: int, limit_ns: int) -> int | None:
        """Return the number of the nearest within a limit; of equally near ones the first."""
        place = bisect_left(self._times, (time_ns, -1))
        best, found = limit_ns + 1, None
        if place:
            # The first of those with that time.
            before = self._times[place - 1][0]
            if time_ns - before < best:
                best = time_ns - before
                found = self._times[bisect_left(self._times, (before, -1))][1]
        if place < len(self._times) and self._times[place][0] - time_ns < best:
            found = self._times[place][1]
        return found


class IncrementalPairing:
    """Pairs the messages of a topic one to one, the nearest that is there when one comes.

    With a limit of half a period and more, a message that is missing makes its partner take the
    next one: keep it below.

    Args:
        limit_ns: How far the times of a pair may lie apart; 0 pairs equal ones.
        wait_ns: How long a message waits for its partner.
        max_waiting: Most messages of a side that wait; the oldest are given up.
        max_bytes: Most bytes of a side that wait.
    """

    def __init__(
        self, limit_ns: int, wait_ns: int, *, max_waiting: int = 1000, max_bytes: int = 2**26
    ) -> None:
        self._limit_ns, self._wait_ns = limit_ns, wait_ns
        self._max_waiting, self._max_bytes = max_waiting, max_bytes
        self._waiting: dict[Side, _Waiting] = {'original': _Waiting(), 'compiled': _Waiting()}
        #: Time of the first pair, and when that was made.
        self._first: tuple[int, int] | None = None

    @property
    def waiting(self) -> int:
        """Messages that wait, of both sides."""
        return sum(map(len, self._waiting.values()))

    def take(self, side: Side, heard: Heard, now_ns: int) -> Iterator[Settled]:
        """Take a message; yield what is settled by it.

        Args:
            side: Whose it is.
            heard: The message.
            now_ns: The time, of the clock of `advance`.
        """
        other: Side = 'compiled' if side == 'original' else 'original'
        number = self._waiting[other].nearest(heard.time_ns, self._limit_ns)
        if number is None:
            waiting = self._waiting[side]
            waiting.add(heard, now_ns)
            while len(waiting) > self._max_waiting or (
                waiting.size > self._max_bytes and len(waiting) > 1
            ):
                yield self._given_up(side, *waiting.pop_oldest())
            return
        if self._first is None:
            self._first = heard.time_ns, now_ns
            yield from self._drop_early(other, number)
            yield from self._drop_early(side, None)
        partner, _ = self._waiting[other].pop(number)
        yield Settled(heard, partner) if side == 'original' else Settled(partner, heard)

    def advance(self, now_ns: int) -> Iterator[Settled]:
        """Give up what has waited long enough; yield it."""
        for side, waiting in self._waiting.items():
            while waiting and now_ns - next(iter(waiting.messages.values()))[1] > self._wait_ns:
                yield self._given_up(side, *waiting.pop_oldest())

    def _drop_early(self, side: Side, until: int | None) -> Iterator[Settled]:
        """Drop what came before the first pair's message, or all that has a lower time."""
        assert self._first is not None
        waiting = self._waiting[side]
        for number, (heard, _) in list(waiting.messages.items()):
            if number == until:
                return
            if until is not None or heard.time_ns < self._first[0]:
                waiting.pop(number)
                yield _alone(side, heard, is_early=True)

    def _given_up(self, side: Side, heard: Heard, arrived_ns: int) -> Settled:
        is_early = self._first is None or (
            heard.time_ns < self._first[0] and arrived_ns - self._first[1] <= self._wait_ns
        )
        return _alone(side, heard, is_early=is_early)


def _alone(side: Side, heard: Heard, *, is_early: bool) -> Settled:
    return Settled(heard, None, is_early) if side == 'original' else Settled(None, heard, is_early)
