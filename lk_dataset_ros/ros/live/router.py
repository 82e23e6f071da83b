"""From one intake to several bags: inputs, and the outputs of every arm under their own names."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.ros.live.clock_times import CLOCK, ClockTimes
from lk_dataset_ros.ros.live.lineage import stamps_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Arrivals, DataRecorder
    from lk_dataset_ros.message import Schema
    from lk_dataset_ros.ros.live.lineage import Lineage

#: How long an answer waits for its input, ns: both come on ways of their own.
_HELD_NS: Final = 500_000_000
#: What is kept until it is known when time began: as old as that, ns, and as many bytes.
_RECENT_NS: Final = 2_000_000_000
_RECENT_BYTES: Final = 64 * 1024 * 1024
#: How long after the end an answer may come that carries no stamp of its input, ns.
_GRACE_NS: Final = 10_000_000_000


@dataclass(slots=True)
class Route:
    """Where the messages of a topic go.

    Attributes:
        recorder: Writes them; None for what is only looked at.
        name: Their topic in the bag.
        answers: An output's: which inputs they answer.
        asks: An input's: what answers it.
        is_latched: Late subscribers get its last messages: they are recorded whenever they came.
        count: Messages recorded.
        has_header: Its messages begin with a stamp.
        held: An output's messages that may answer inputs which have not come yet.
        digest: Hash of the messages of an input.
    """

    recorder: DataRecorder | None
    name: str
    answers: Lineage | None = None
    asks: list[Lineage] = field(default_factory=list)
    is_latched: bool = False
    is_input: bool = False
    has_header: bool = False
    held: list[Arrivals] = field(default_factory=list)
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class Router:
    """Takes what an intake takes, as a recorder would, and hands it on between two moments.

    Args:
        is_simulated: Messages are recorded at the time of `/clock` when they were received.

    Attributes:
        clock: What `/clock` says, if the intake takes it.
    """

    def __init__(self, *, is_simulated: bool) -> None:
        self.clock = ClockTimes()
        self._is_simulated = is_simulated
        self._routes: dict[str, Route] = {}
        self._pending: list[Arrivals] = []
        self._early: list[Arrivals] = []
        self._recent: list[Arrivals] = []
        self._begin_headed_ns = 0
        # By order an answer is known by when it comes only.
        self._grace_ns = 0 if is_simulated else _GRACE_NS
        self._begin_ns: int | None = None
        self._stale: int | None = None
        self._end_ns: int | None = None
        #: Messages taken; the intake asks.
        self.count = 0
        #: Topics of which anything has come.
        self.heard: set[str] = set()

    def lead(self, topic: str, route: Route) -> None:
        """Say where a topic goes; to be done before the intake takes it."""
        self._routes[topic] = route

    def route(self, topic: str) -> Route:
        """Return where a topic goes."""
        return self._routes[topic]

    def add_input(self, topic: str, schema: Schema, qos: str) -> None:
        """Declare a topic in its bag."""
        route = self._routes.get(topic)
        if route is not None and route.recorder is not None:
            route.recorder.add_input(route.name, schema, qos)

    def note_unknown(self, topic: str, why: str) -> None:
        """Pass on why not all losses can be known."""
        route = self._routes.get(topic)
        if route is not None and route.recorder is not None:
            route.recorder.note_unknown(route.name, why)

    def note_reported_lost(self, topic: str, count: int) -> None:
        """Pass on what the middleware has lost."""
        route = self._routes.get(topic)
        if route is not None and route.recorder is not None and self._begin_ns is not None:
            route.recorder.note_reported_lost(route.name, count)

    def take(self, arrivals: Arrivals) -> None:
        """Keep messages until `settle`."""
        self.count += len(arrivals)
        self._pending.append(arrivals)
        self.heard.add(arrivals.key)

    def begin(
        self,
        received_ns: int,
        end_ns: int | None = None,
        *,
        stale_ns: int | None = None,
        asked_ns: int = 0,
    ) -> None:
        """Record what is received from a moment on, by the wall's clock.

        Args:
            received_ns: The moment.
            end_ns: As in `end`, where it is known before.
            stale_ns: Simulated time before the world was reset, if it was: topics overtake each
                other, and some messages from then are still on their way.
            asked_ns: When it was asked to be reset, by the wall's clock.
        """
        self._stale = stale_ns
        # What tells its time by itself may have overtaken the clock.
        self._begin_headed_ns = received_ns if stale_ns is None else min(asked_ns, received_ns)
        self._begin_ns, self._end_ns = received_ns, end_ns
        early, self._early = self._early, []
        for each in early:
            self._record(self._routes[each.key], each, self._times(each, received_ns))
        recent, self._recent = self._recent, []
        for each in recent:
            self._settle_input(self._routes[each.key], self._without_stale(each))

    def end(self, end_ns: int) -> None:
        """Record no inputs from a moment on, by the clock that counts, but what answers them."""
        self._end_ns = end_ns

    def settle(self) -> None:
        """Hand on what was taken: inputs were polled before the clock, so their time is known."""
        pending, self._pending = self._pending, []
        for each in pending:
            if each.key == CLOCK:
                self.clock.take(each)
        for each in pending:
            route = self._routes.get(each.key)
            if route is None:
                continue
            if self._stale is not None:
                each = self._without_stale(each)  # noqa: PLW2901
            if route.is_input:
                self._settle_input(route, each)
            else:
                route.held.append(each)
        for route in self._routes.values():
            if route.answers is not None:
                held, route.held = route.held, []
                for each in held:
                    self._settle_output(route, route.answers, each)

    def _settle_input(self, route: Route, arrivals: Arrivals) -> None:
        begin_ns = self._begin_ns
        if begin_ns is None:
            if route.is_latched:
                self._early.append(arrivals)
            elif self._is_simulated:
                self._keep_for_a_while(arrivals)
            return
        times = self._times(arrivals, begin_ns)
        since_ns = self._begin_headed_ns if route.has_header else begin_ns
        wanted = (arrivals.log_time_ns >= since_ns) | route.is_latched
        if self._end_ns is not None:
            wanted &= times < self._end_ns
        arrivals, times = arrivals.chosen(wanted), times[wanted]
        if not len(arrivals):
            return
        for lineage in route.asks:
            lineage.ask(arrivals)
        self._record(route, arrivals, times)

    def _keep_for_a_while(self, arrivals: Arrivals) -> None:
        """Keep what is recorded if it turns out that time had begun."""
        since_ns = int(arrivals.log_time_ns[-1]) - _RECENT_NS
        while self._recent and int(self._recent[0].log_time_ns[-1]) < since_ns:
            self._recent.pop(0)
        while sum(each.size for each in self._recent) > _RECENT_BYTES:
            self._recent.pop(0)
        self._recent.append(arrivals)

    def _settle_output(self, route: Route, answers: Lineage, arrivals: Arrivals) -> None:
        is_old = arrivals.log_time_ns < time.time_ns() - _HELD_NS
        belongs, waits = answers.sort(arrivals)
        begin_ns = self._begin_ns
        if begin_ns is None:
            route.held.append(arrivals.chosen(~is_old))
            return
        if (waits & is_old).any() and answers.has_inputs and not answers.has_hit:
            # What it stamps its outputs with is something else.
            answers.go_by_order()
            belongs, waits = answers.sort(arrivals)
        times = self._times(arrivals, begin_ns)
        if not answers.looks_at_stamps:
            belongs &= arrivals.log_time_ns >= begin_ns
            if self._end_ns is not None:
                belongs &= times < self._end_ns + self._grace_ns
        if (kept := waits & ~is_old).any():
            route.held.append(arrivals.chosen(kept))
        if belongs.any():
            answers.answer(arrivals.chosen(belongs))
            self._record(route, arrivals.chosen(belongs), times[belongs])

    def _without_stale(self, arrivals: Arrivals) -> Arrivals:
        """Drop what was on its way when the world was reset."""
        before_ns = self._stale
        now_ns = self.clock.now_ns or 0
        route = self._routes[arrivals.key]
        if before_ns is None or now_ns > before_ns // 2 or not route.has_header:
            return arrivals
        return arrivals.chosen(stamps_of(arrivals) <= (now_ns + before_ns) // 2)

    def _times(self, arrivals: Arrivals, begin_ns: int) -> NDArray[np.int64]:
        """Return when messages are to have come, ns: int64, (n,)."""
        if not self._is_simulated:
            return arrivals.log_time_ns
        times = self.clock.at(arrivals.log_time_ns)
        times[arrivals.log_time_ns < begin_ns] = self.clock.begun_at_ns
        return np.maximum(times, 0)

    def _record(self, route: Route, arrivals: Arrivals, times: NDArray[np.int64]) -> None:
        if not len(arrivals):
            return
        route.count += len(arrivals)
        if route.is_input:
            for cdr in arrivals.messages():
                route.digest.update(len(cdr).to_bytes(8, 'little'))
                route.digest.update(cdr)
        if route.recorder is not None:
            sent = times if self._is_simulated else arrivals.publish_time_ns
            route.recorder.take(
                dataclasses.replace(
                    arrivals, key=route.name, log_time_ns=times, publish_time_ns=sent
                )
            )

    def lost(self, topics: Iterable[str]) -> dict[str, int]:
        """Return how many messages of topics were lost on their way here, where some were."""
        found = {}
        for topic in topics:
            route = self._routes.get(topic)
            if route is None or route.recorder is None:
                continue
            stats = route.recorder.get_stats().get(route.name)
            if stats is not None and (count := stats.lost + stats.dropped):
                found[route.name] = count
        return found
