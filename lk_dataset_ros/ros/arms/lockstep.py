"""Feed arms in lockstep: the next input comes when each has answered the last one."""

from __future__ import annotations

import time
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from lk_dataset_ros.ros.arms.exchange import Exchange
from lk_dataset_ros.ros.arms.wake import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lk_dataset_ros.ros.arms.job import Job, OutputJob
    from lk_dataset_ros.ros.arms.station import Station

#: Longest wait for outputs before it is looked whether an arm has ended, s.
PIECE_S: Final = 0.05
#: The same where an arm may become idle meanwhile.
_LOOK_S: Final = 0.0002
#: So many inputs in a row without any answer, and an arm is given up; without that of one output,
#: and it is no longer waited for as long.
SILENT: Final = 3
#: Most inputs that are fed at once, and bytes after which there are no more of them.
_MANY: Final = 64
_MANY_BYTES: Final = 4 * 1024 * 1024
#: How long an arm that has not answered may take to answer a question instead, s.
_PROBE_S: Final = 0.5


class Item(NamedTuple):
    """Something that an arm is fed.

    Attributes:
        topic: The topic, empty for the time alone.
        cdr: The serialized message.
        time_ns: Recorded or simulated time.
    """

    topic: str
    cdr: bytes
    time_ns: int


class Lockstep:
    """Feeds all arms beside each other, one input at a time.

    Args:
        stations: The arms; they are ready.
        job: Limits.
        outputs: What the arms give.
        is_stopping: Tells whether to give up.
        on_step: Is called after each step.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        job: Job,
        outputs: Sequence[OutputJob],
        *,
        is_stopping: Callable[[], bool],
        on_step: Callable[[], None],
    ) -> None:
        self._stations = stations
        self._job = job
        self._outputs = outputs
        self._is_stopping = is_stopping
        self._on_step = on_step
        self._wake = Wake(stations)
        self._is_loop = job.world is not None
        self._exchange = Exchange(stations, outputs, PIECE_S)
        #: What comes next, by arm.
        self._next: dict[str, deque[Item]] = {each.label: deque() for each in stations}
        self._waited_s = dict.fromkeys((each.label for each in stations), 0.0)

    def run(self, sources: Mapping[str, Iterator[Item]]) -> None:
        """Feed every arm what its source gives, until all are through.

        Args:
            sources: By the arms' labels.
        """
        live = [each for each in self._stations if not each.is_through]
        while live and not self._is_stopping():
            if self._feed_many(live, sources):
                self._on_step()
                live = [each for each in live if not each.is_through]
                continue
            fed = [each for each in live if self._feed(each, sources[each.label])]
            for each in fed:
                each.note()
                self._ahead(each, sources[each.label])
            self._wait(fed)
            self._on_step()
            # Nobody is always the first.
            live = [each for each in reversed(live) if not each.is_through]
        self._wake.close()
        self._exchange.close()

    def _feed_many(self, live: list[Station], sources: Mapping[str, Iterator[Item]]) -> bool:
        """Feed at once as many inputs as are sure to be answered; tell whether there were any."""
        if self._is_loop or not self._exchange.is_possible(live):
            return False
        for each in live:
            _fill(self._next[each.label], sources[each.label])
        # All are fed the same.
        topics = self._exchange.topics
        many = list(takewhile(lambda item: item.topic in topics, self._next[live[0].label]))
        if not many:
            return False
        count, waited_s = self._exchange.run(live, many)
        for each in live:
            for _ in range(count):
                self._next[each.label].popleft()
        self._wait(live, waited_s)
        return True

    def _feed(self, station: Station, source: Iterator[Item]) -> bool:
        ahead = self._next[station.label]
        item = ahead.popleft() if ahead else next(source, None)
        if item is None:
            self._see_through(station)
            return False
        if item.topic:
            station.send(item.topic, item.cdr, item.time_ns)
            return True
        if station.send_clock(item.time_ns):
            self._settle([station])
        return False

    def _ahead(self, station: Station, source: Iterator[Item]) -> None:
        """Get the next input while the arm is at work, where it does not depend on the answer."""
        ahead = self._next[station.label]
        if not self._is_loop and not ahead and (item := next(source, None)) is not None:
            ahead.append(item)

    def _wait(self, fed: Sequence[Station], waited_s: float = 0.0) -> None:
        """Wait until all have answered, or are given up.

        Args:
            fed: Those that got an input.
            waited_s: How long ago that was, s.
        """
        waiting = [each for each in fed if each.answers.pending > 0]
        if waiting:
            self._wait_for(waiting, time.monotonic() - waited_s)
        undecided = [each for each in fed if each.answers.may_come and not each.is_through]
        if undecided:
            self._settle([each for each in undecided if _is_worth_waiting(each)])
        for each in fed:
            each.answers.close()

    def _wait_for(self, waiting: list[Station], since_s: float) -> None:
        limit_s = PIECE_S
        while waiting:
            self._wake.wait(waiting, limit_s)
            is_any = False
            for each in waiting:
                is_any |= each.take()
            waited_s = time.monotonic() - since_s
            if waited_s > limit_s or not is_any:
                for each in waiting:
                    each.check()
                    if each.answers.pending > 0 and not each.is_through:
                        self._lose_patience(each, waited_s)
            waiting = [
                each for each in waiting if each.answers.pending > 0 and not each.is_through
            ]
            if self._is_stopping():
                return

    def _lose_patience(self, station: Station, waited_s: float) -> None:
        """Declare answers missing whose limit has passed."""
        answers, job = station.answers, self._job
        missing = answers.missing
        is_hopeless = all(answers.missed_in_a_row[each.topic] >= SILENT for each in missing)
        limit_s = min(job.silence_s, job.answer_s) if is_hopeless else job.answer_s
        if waited_s < limit_s:
            return
        if is_hopeless and waited_s < job.answer_s and not _is_idle(station):
            return
        is_busy = not self._is_through_with_it(station)
        station.take()
        if not answers.pending:
            return
        if not is_busy:
            answers.forgive()
        answers.close(is_busy=is_busy)
        self._waited_s[station.label] += waited_s
        if answers.silent_in_a_row >= SILENT:
            station.fail(self._say_silence(station, missing[0].topic))
        elif self._waited_s[station.label] > job.patience_s:
            # The others are to get through before the time of the run is over.
            station.fail(
                f'{self._waited_s[station.label]:.3g} s were waited for answers that did not come, '
                f'the last on {missing[0].topic}; limits.answer_s is {job.answer_s:g} s, '
                'limits.run_s bounds the sum'
            )

    def _is_through_with_it(self, station: Station) -> bool:
        """Tell whether an arm has nothing to do with what it was sent."""
        if station.probe is not None and station.probe.is_possible:
            return station.probe.wait(_PROBE_S)
        return _is_idle(station)

    def _settle(self, stations: list[Station]) -> None:
        """Wait until arms are idle: what they have not sent by then stays away."""
        since_s = time.monotonic()
        looked_s = 0.0
        while stations and not self._is_stopping():
            idle = [each for each in stations if _is_idle(each)]
            for each in stations:
                each.take()
            now_s = time.monotonic()
            if now_s - looked_s > PIECE_S:
                looked_s = now_s
                for each in stations:
                    each.check()
            stations = [
                each
                for each in stations
                if each not in idle
                and not each.is_through
                and each.answers.may_come
                and not self._is_silent(each, now_s - since_s)
            ]
            if stations:
                self._wake.wait(stations, _LOOK_S)

    def _is_silent(self, station: Station, waited_s: float) -> bool:
        """Tell whether an arm that is not idle has had its time.

        One that is seen to work may take as long as for an answer; but some are never idle.
        """
        if waited_s < self._job.silence_s:
            return False
        if station.idleness is None or not station.idleness.is_telling:
            return True
        if waited_s >= self._job.answer_s:
            station.idleness.is_telling = False
            return True
        return False

    def _see_through(self, station: Station) -> None:
        """Take what is still on its way after the last input."""
        deadline_s = time.monotonic() + self._job.answer_s
        while station.answers.is_owed and time.monotonic() < deadline_s:
            self._wake.wait([station], PIECE_S)
            station.take()
            station.check()
        station.answers.send('', b'', 0, 0)
        self._settle([station])
        station.check()
        station.finish()
        if not station.problem and not station.is_confirmed(self._job.answer_s):
            station.unconfirmed.update(t for t, feed in station.feeds.items() if feed.is_heard)

    def _say_silence(self, station: Station, topic: str) -> str:
        asked = next(each.answers for each in self._outputs if each.topic == topic)
        first = station.feeds[asked].count - SILENT + 1
        return (
            f'no answer on {topic} to message {first} of {asked} within {self._job.answer_s:g} s, '
            f'nor to the {SILENT - 1} after it'
        )


def _fill(ahead: deque[Item], source: Iterator[Item]) -> None:
    """Get what comes next, as much as is fed at once."""
    size = sum(len(each.cdr) for each in ahead)
    while len(ahead) < _MANY and size < _MANY_BYTES and (item := next(source, None)) is not None:
        ahead.append(item)
        size += len(item.cdr)


def _is_idle(station: Station) -> bool:
    return station.idleness is not None and station.idleness.is_idle()


def _is_worth_waiting(station: Station) -> bool:
    newest = station.newest
    return newest is None or newest.is_heard
