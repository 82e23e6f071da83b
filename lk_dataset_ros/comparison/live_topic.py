"""One topic of a comparison of what is running: pairs gathered, judged together, counted."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.judge import Judgement, MessageJudge
from lk_dataset_ros.comparison.pairing.incremental import Heard, IncrementalPairing
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComparisonError, LkError
from lk_dataset_ros.message.stamps import begins_with_header, stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from lk_dataset_ros.comparison.live import LiveConfig
    from lk_dataset_ros.comparison.pairing.incremental import Settled, Side
    from lk_dataset_ros.comparison.tolerance import Tolerance
    from lk_dataset_ros.message import Schema

#: Pairs that are judged at once at the latest, and bytes of them.
_MOST_GATHERED: Final = 256
_MOST_BYTES: Final = 64 * 1024 * 1024
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class LiveDivergence:
    """Something that differs for the first time.

    Attributes:
        original_topic: The original's topic.
        compiled_topic: The compiled's.
        field: Field path; `missing`, `extra`, `late` or `undecodable` instead of one.
        stamp_ns: The message's stamp, or when it was received where it has none.
        index: Number of its pair, from 0.
        original: The value that lies furthest from the compiled's, NaN where it is no number.
        compiled: The compiled's.
        error: By how much, infinite where there is no number.
        limit: What was allowed, NaN where no single number says it.
        text: Both values, for a person.
    """

    original_topic: str
    compiled_topic: str
    field: str
    stamp_ns: int
    index: int
    original: float = math.nan
    compiled: float = math.nan
    error: float = math.inf
    limit: float = math.nan
    text: str = ''


@dataclass(slots=True)
class LiveCounts:
    """What was counted.

    Attributes:
        paired: Pairs.
        missing: Messages of the original that the compiled has not answered.
        extra: Messages of the compiled that answer nothing.
        late: Pairs whose compiled came too late.
        differing: Pairs beyond the tolerance.
        early: Messages before the first pair, which do not count.
        lost: Messages lost on their way here.
    """

    paired: int = 0
    missing: int = 0
    extra: int = 0
    late: int = 0
    differing: int = 0
    early: int = 0
    lost: int = 0

    @classmethod
    def sum_of(cls, counts: Sequence[LiveCounts]) -> Self:
        """Add up."""
        return cls(*(sum(each) for each in zip(*map(astuple, counts), strict=True)))

    @property
    def verdict(self) -> str:
        """`equivalent`, `differs` or `inconclusive`."""
        if self.differing or self.late:
            return 'differs'
        if not self.paired or self.lost:
            return 'inconclusive'
        return 'differs' if self.missing or self.extra else 'equivalent'


class LiveTopic:
    """One topic of both sides.

    Args:
        original: The original's topic.
        compiled: The compiled's.
        schema: The type of both.
        tolerance: How far values may lie apart.
        config: How messages are paired.

    Raises:
        ComparisonError: If messages are to be paired by a stamp that they do not have.

    Attributes:
        by: What messages are paired by.
        first: What diverged first.
    """

    def __init__(
        self,
        original: str,
        compiled: str,
        schema: Schema,
        tolerance: Tolerance | None,
        config: LiveConfig,
    ) -> None:
        self.original, self.compiled, self.schema = original, compiled, schema
        self._is_stamped = begins_with_header(schema)
        self.by = config.pair_by
        if self.by == 'auto':
            self.by = 'header_stamp' if self._is_stamped else 'arrival'
        if self.by == 'header_stamp' and not self._is_stamped:
            raise ComparisonError(
                f'{original}: {schema.name} has no header to be paired by its stamp; arrival, '
                'relative_time and index need none'
            )
        self._judge = MessageJudge(
            original, schema, tolerance, with_stamp=self._is_stamped and self.by == 'index'
        )
        limit_s = {'index': 0.0, 'arrival': config.arrival_limit_s}.get(self.by, config.limit_s)
        self.pairing = IncrementalPairing(
            round(limit_s * NS_PER_S),
            round(config.answer_limit_s * NS_PER_S),
            max_waiting=config.max_waiting,
            max_bytes=config.waiting_bytes,
        )
        self._late_ns = round(config.late_s * NS_PER_S)
        self.counts = LiveCounts()
        self.first: LiveDivergence | None = None
        self._said: set[str] = set()
        self._found: list[LiveDivergence] = []
        self._gathered: list[tuple[Heard, Heard]] = []
        self._bytes = 0
        #: Messages of each side, and the first one's time.
        self._numbers: dict[Side, int] = {'original': 0, 'compiled': 0}
        self._begun: dict[Side, int] = {}

    def heard(
        self, side: Side, cdr: bytes, log_time_ns: int, publish_time_ns: int, sequence: int
    ) -> Heard:
        """Make a message of what has come, with the time that it is paired by."""
        time_ns = log_time_ns
        if self.by == 'index':
            time_ns = self._numbers[side]
            self._numbers[side] += 1
        elif self.by != 'arrival' and self._is_stamped:
            stamp_ns = stamp_of(cdr)
            time_ns = log_time_ns if stamp_ns is None else stamp_ns
        if self.by == 'relative_time':
            time_ns -= self._begun.setdefault(side, time_ns)
        return Heard(cdr, time_ns, log_time_ns, publish_time_ns, sequence)

    def take(self, settled: Settled) -> None:
        """Count a pair, or a message without one."""
        original, compiled, counts = settled.original, settled.compiled, self.counts
        if settled.is_early:
            counts.early += 1
        elif original is not None and compiled is not None:
            self._gathered.append((original, compiled))
            self._bytes += len(original.cdr) + len(compiled.cdr)
            if len(self._gathered) >= _MOST_GATHERED or self._bytes > _MOST_BYTES:
                self._judge_gathered()
        elif original is not None:
            counts.missing += 1
            self._say('missing', original, counts.paired, 'the compiled has no such message')
        elif compiled is not None:
            counts.extra += 1
            self._say('extra', compiled, counts.paired, 'the original has no such message')

    def judge(self) -> list[LiveDivergence]:
        """Judge what has gathered; return what diverges for the first time."""
        self._judge_gathered()
        found, self._found = self._found, []
        return found

    def _judge_gathered(self) -> None:
        gathered, self._gathered, self._bytes = self._gathered, [], 0
        if not gathered:
            return
        try:
            self._note(gathered, self._judgement(gathered))
        except LkError:
            # One that cannot be decoded must not keep the others from being judged.
            for each in gathered:
                self._judge_one(each)

    def _judgement(self, pairs: Sequence[tuple[Heard, Heard]]) -> Judgement:
        return self._judge([each.cdr for each, _ in pairs], [each.cdr for _, each in pairs])

    def _judge_one(self, pair: tuple[Heard, Heard]) -> None:
        try:
            self._note([pair], self._judgement([pair]))
        except LkError as error:
            self.counts.differing += 1
            self._say('undecodable', pair[0], self.counts.paired, str(error))
            self._note([pair], Judgement(np.zeros(1, np.bool_), {}))

    def _note(self, pairs: Sequence[tuple[Heard, Heard]], judgement: Judgement) -> None:
        counts, base = self.counts, self.counts.paired
        late = [
            place
            for place, (original, compiled) in enumerate(pairs)
            if self._late_ns and compiled.log_time_ns - original.log_time_ns > self._late_ns
        ]
        counts.paired += len(pairs)
        counts.late += len(late)
        counts.differing += int(judgement.over.sum())
        news = []
        for path, each in judgement.fields.items():
            if path not in self._said and each.over.any():
                news.append((int(each.over.argmax()), path))
        for place, path in sorted(news):
            each = judgement.fields[path]
            error, severity = float(each.errors[place]), float(each.severity[place])
            self._say_values(path, pairs[place], base + place, error, severity)
        if late:
            original, compiled = pairs[late[0]]
            after_s = (compiled.log_time_ns - original.log_time_ns) / NS_PER_S
            self._say('late', original, base + late[0], f'{after_s:.6g} s after the original')

    def _say_values(
        self, path: str, pair: tuple[Heard, Heard], index: int, error: float, severity: float
    ) -> None:
        texts, numbers = self._values(path, pair)
        limit = math.nan
        if severity > 0.0 and not math.isnan(severity):
            limit = 0.0 if math.isinf(severity) else error / severity
        self._say(
            path,
            pair[0],
            index,
            f'{texts[0]} in the original, {texts[1]} in the compiled',
            values=(*numbers, error, limit),
        )

    def _values(
        self, path: str, pair: tuple[Heard, Heard]
    ) -> tuple[tuple[str, str], tuple[float, float]]:
        """Return both values of a field as texts, and the numbers that lie furthest apart."""
        found: list[NDArray[Any]] = []
        for heard in pair:
            columns = self._judge.columns([heard.cdr])
            # A part that is compared as a whole has no column.
            found.append(np.ravel(columns[path].values) if path in columns else np.zeros(0))
        left, right = found
        place = 0
        if (
            left.dtype.kind in 'fiub'
            and right.dtype.kind in 'fiub'
            and len(left) == len(right) > 1
        ):
            apart = np.abs(left.astype(np.float64) - right.astype(np.float64))
            place = int(np.argmax(np.nan_to_num(apart, nan=np.inf)))
        texts, numbers = [], []
        for each in found:
            value: Any = each[place] if place < len(each) else None
            is_number = value is not None and each.dtype.kind in 'fiub'
            numbers.append(float(value) if is_number else math.nan)
            is_short = len(each) <= 1
            said = str(value) if is_number or is_short else str(each.tolist())
            texts.append(f'{len(each)} values' if value is None else said[:_LONGEST_TEXT])
        return (texts[0], texts[1]), (numbers[0], numbers[1])

    def _say(
        self,
        field: str,
        heard: Heard,
        index: int,
        text: str,
        *,
        values: tuple[float, float, float, float] = (math.nan, math.nan, math.inf, math.nan),
    ) -> None:
        """Note what diverges, the first time that it does."""
        if field in self._said:
            return
        self._said.add(field)
        stamp_ns = stamp_of(heard.cdr) if self._is_stamped else None
        found = LiveDivergence(
            self.original,
            self.compiled,
            field,
            heard.log_time_ns if stamp_ns is None else stamp_ns,
            index,
            *values,
            text,
        )
        self.first = self.first or found
        self._found.append(found)
