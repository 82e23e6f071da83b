"""Compare original and compiled while both run: paired as they come, judged as `compare` does."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.comparison.live_topic import LiveCounts, LiveDivergence, LiveTopic
from lk_dataset_ros.component import Config, option
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.comparison.pairing.incremental import Settled, Side
    from lk_dataset_ros.comparison.tolerance import Tolerance
    from lk_dataset_ros.message import Schema

__all__ = ['PAIRED_BY', 'LiveComparison', 'LiveConfig', 'LiveCounts', 'LiveDivergence']

#: What messages can be paired by while they come.
PAIRED_BY: Final = ('auto', 'header_stamp', 'relative_time', 'arrival', 'index')


@dataclass(kw_only=True)
class LiveConfig(Config):
    """How messages are paired while they come."""

    pair_by: str = option(
        'auto',
        'what messages are paired by; auto is the header stamp where the type begins with a header, '
        'otherwise the arrival',
        choices=PAIRED_BY,
    )
    limit_s: float = option(
        0.0,
        'how far stamps of a pair may lie apart; 0 pairs equal stamps',
        minimum=0.0,
        maximum=3600.0,
    )
    arrival_limit_s: float = option(
        0.05,
        'how far apart two messages may arrive that are paired by their arrival; less than half '
        'of their period',
        minimum=0.0,
        maximum=3600.0,
    )
    answer_limit_s: float = option(
        1.0,
        'how long a message waits for its partner, which is missing or extra then',
        minimum=0.001,
        maximum=3600.0,
    )
    late_s: float = option(
        0.0,
        'how much later than the original the compiled may answer; 0 does not look',
        minimum=0.0,
        maximum=3600.0,
    )
    max_waiting: int = option(
        1000,
        'most messages of a topic and side that wait for their partner',
        minimum=1,
        maximum=1_000_000,
    )
    waiting_bytes: int = option(
        64 * 1024 * 1024, 'most bytes of a topic and side that wait', minimum=1024
    )


class LiveComparison:
    """Original and compiled topics, compared while they are heard.

        live = LiveComparison(Tolerance(atol=0.01))
        live.add('/cmd', '/cpp/cmd', schema)
        live.take('original', '/cmd', cdr, log_time_ns=received_ns, now_ns=now_ns)
        for each in live.advance(now_ns): ...

    Messages are judged by `MessageJudge`, those that have gathered between two calls of `advance`
    at once. Any thread may call.

    Args:
        tolerance: How far values may lie apart; patterns name the original's topics.
        config: How messages are paired.
        on_settled: Called with the original's topic and each pair, and each message without
            partner, in the order in which they are settled; not with what came before the first
            pair.
    """

    def __init__(
        self,
        tolerance: Tolerance | None = None,
        config: LiveConfig | None = None,
        *,
        on_settled: Callable[[str, Settled], None] | None = None,
    ) -> None:
        self.config = config or LiveConfig()
        self._tolerance = tolerance
        self._on_settled = on_settled
        self._topics: dict[str, LiveTopic] = {}
        #: Topics that cannot be compared, and why.
        self._problems: dict[str, str] = {}
        #: Topics that are to be compared, by the original's name.
        self._expected: set[str] = set()
        self._lock = threading.RLock()

    def expect(self, original: str) -> None:
        """Say that a topic will be added: until then there is no verdict on it."""
        with self._lock:
            self._expected.add(original)

    def add(self, original: str, compiled: str, schema: Schema) -> None:
        """Compare two topics from now on.

        Args:
            original: The original's topic.
            compiled: The compiled's.
            schema: The type of both.

        Raises:
            ComparisonError: If they cannot be paired so.
        """
        with self._lock:
            self._problems.pop(original, None)
            known = self._topics.get(original)
            if known is None or known.compiled != compiled or known.schema.name != schema.name:
                self._topics[original] = LiveTopic(
                    original, compiled, schema, self._tolerance, self.config
                )

    def refuse(self, original: str, problem: str) -> None:
        """Say why a topic cannot be compared, or nothing any more; that makes the verdict."""
        with self._lock:
            if problem:
                self._problems[original] = problem
            else:
                self._problems.pop(original, None)

    @property
    def problems(self) -> dict[str, str]:
        """Why topics cannot be compared, by the original's name."""
        with self._lock:
            return dict(self._problems)

    def paired_by(self, original: str) -> str:
        """Return what a topic's messages are paired by: never `auto`."""
        return self._known(original).by

    def take(
        self,
        side: Side,
        original: str,
        cdr: bytes,
        *,
        log_time_ns: int,
        now_ns: int,
        publish_time_ns: int = 0,
        sequence: int = 0,
    ) -> None:
        """Take a message.

        Args:
            side: Whose it is.
            original: The topic, by the original's name.
            cdr: The message, serialized.
            log_time_ns: When it was received, by the clock of the bags.
            now_ns: The time, of the clock of `advance`.
            publish_time_ns: When it was sent; when it was received if not known.
            sequence: Its publisher's counter.

        Raises:
            ComparisonError: If the topic was not added.
        """
        with self._lock:
            topic = self._known(original)
            heard = topic.heard(side, cdr, log_time_ns, publish_time_ns or log_time_ns, sequence)
            for settled in topic.pairing.take(side, heard, now_ns):
                self._settle(topic, settled)

    def advance(self, now_ns: int) -> list[LiveDivergence]:
        """Judge what has gathered, give up what has waited too long.

        Returns:
            What has diverged for the first time, by topic and field, since the last `reset`.
        """
        found = []
        with self._lock:
            for topic in self._topics.values():
                for settled in topic.pairing.advance(now_ns):
                    self._settle(topic, settled)
                found += topic.judge()
        return found

    def _settle(self, topic: LiveTopic, settled: Settled) -> None:
        topic.take(settled)
        if self._on_settled is not None and not settled.is_early:
            self._on_settled(topic.original, settled)

    def note_lost(self, original: str, count: int) -> None:
        """Count messages that were lost on their way here: nobody knows what they said."""
        with self._lock:
            self._known(original).counts.lost += count

    def reset(self) -> None:
        """Begin anew: no counts, no divergences, nothing waits. Topics stay."""
        with self._lock:
            for topic in list(self._topics.values()):
                self._topics[topic.original] = LiveTopic(
                    topic.original, topic.compiled, topic.schema, self._tolerance, self.config
                )

    @property
    def counts(self) -> LiveCounts:
        """What was counted, over all topics."""
        with self._lock:
            return LiveCounts.sum_of([each.counts for each in self._topics.values()])

    def counts_of(self, original: str) -> LiveCounts:
        """Return what was counted of a topic, by the original's name."""
        return self._known(original).counts

    @property
    def first(self) -> Sequence[LiveDivergence]:
        """The first divergence of each topic that has one."""
        with self._lock:
            return [each.first for each in self._topics.values() if each.first is not None]

    @property
    def verdict(self) -> str:
        """`differs`, `equivalent`, or `inconclusive` if a topic has no pair, or messages were lost.

        Messages without partner prove nothing about a topic of which some were lost.
        """
        with self._lock:
            if self._problems:
                return 'differs'
            verdicts = {each.counts.verdict for each in self._topics.values()}
            if self._expected - self._topics.keys():
                verdicts.add('inconclusive')
        for verdict in ('differs', 'inconclusive', 'equivalent'):
            if verdict in verdicts:
                return verdict
        return 'inconclusive'

    def _known(self, original: str) -> LiveTopic:
        topic = self._topics.get(original)
        if topic is None:
            known: Any = ', '.join(self._topics) or 'nothing'
            raise ComparisonError(f'{original} is not compared; {known} is')
        return topic
