"""Judge sets of messages: at once which arms disagree, later in one go by how much and where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from lk_dataset_ros.message import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Schema

    Comparison = Callable[[Any, Any], bool | float]

#: Pairs that are worth a go, and bytes that may wait for it.
MOST_PAIRS: Final = 512
_MOST_BYTES: Final = 4 * 1024 * 1024


class Pair(NamedTuple):
    """Two messages of a set.

    Attributes:
        arms: Which arms' they are.
        original: The first one's message.
        compiled: The second one's.
        event: What is told of the worst pair of a disagreement; None for a set that agrees.
    """

    arms: tuple[int, int]
    original: bytes
    compiled: bytes
    event: Any = None


@dataclass(frozen=True, slots=True)
class Worst:
    """The largest error of a pair.

    Attributes:
        field: Where.
        severity: The error in multiples of what is allowed.
        pair: Whose.
        values: Both values there, NaN where they are no numbers.
    """

    field: str
    severity: float
    pair: Pair
    values: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Details:
    """What judging some pairs has found.

    Attributes:
        pairs: The pairs.
        over: bool, (n,): which are beyond the limit.
        fields: Errors (n,) and which are beyond the limit (n,), by path of those that differ.
        worst: The worst pair of each event.
    """

    pairs: Sequence[Pair]
    over: NDArray[np.bool_]
    fields: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]
    worst: Sequence[Worst]


class SetJudge:
    """Judges the messages of one group.

    Args:
        key: Topic that the patterns of the tolerance are for: the first arm's.
        schema: Type of all arms.
        tolerance: A `Tolerance` of lk_dataset_ros.comparison, or None for its defaults.
        comparison_fn: Judges instead: takes both messages, tells whether they agree, or how far
            they are apart in multiples of what is allowed.
    """

    def __init__(
        self,
        key: str,
        schema: Schema,
        *,
        tolerance: Any = None,
        comparison_fn: Comparison | None = None,
    ) -> None:
        # The door to the one meaning of equal.
        from lk_dataset_ros.comparison.judge import MessageJudge  # noqa: PLC0415

        self._judge = MessageJudge(key, schema, tolerance)
        self._own = comparison_fn
        self._codec = codec_for(schema)

    def is_message(self, cdr: bytes) -> bool:
        """Tell whether bytes are a message of the type."""
        try:
            self._codec.decode(cdr)
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            return False
        return True

    def over(self, messages: Sequence[bytes]) -> list[bool]:
        """Tell of each pair of messages, in order, whether they disagree.

        Raises:
            LkError: If one is not of the type.
            Exception: Whatever a comparator or an own comparison raises.
        """
        if all(each == messages[0] for each in messages):
            return [False] * (len(messages) * (len(messages) - 1) // 2)
        if self._own is not None:
            return [not severity <= 1.0 for severity in self._own_severities(messages)]
        quick = self._judge.quickly(messages)
        pairs = list(combinations(messages, 2))
        answers: list[bool | None] = [None] * len(pairs) if quick is None else quick
        unsure = [place for place, each in enumerate(answers) if each is None]
        if unsure:
            judged = self._judge(
                [pairs[place][0] for place in unsure], [pairs[place][1] for place in unsure]
            )
            for place, is_over in zip(unsure, judged.over.tolist(), strict=True):
                answers[place] = is_over
        return [bool(each) for each in answers]

    def _own_severities(self, messages: Sequence[bytes]) -> list[float]:
        assert self._own is not None
        decoded = [self._codec.decode(each) for each in messages]
        found = []
        for left, right in combinations(range(len(messages)), 2):
            answer = self._own(decoded[left], decoded[right])
            if isinstance(answer, (bool, np.bool_)):
                severity = 0.0 if answer else math.inf
            else:
                severity = abs(float(answer))
            found.append(severity)
        return found

    def details(self, pairs: Sequence[Pair]) -> Details:
        """Judge pairs in one go: their errors by field, and the worst pair of each event."""
        if self._own is not None:
            severity = np.array(
                [self._own_severities([each.original, each.compiled])[0] for each in pairs]
            )
            over = ~(severity <= 1.0)
            fields = {'(comparison_fn)': (severity, over)}
            severities = {'(comparison_fn)': severity}
        else:
            judged = self._judge(
                [each.original for each in pairs], [each.compiled for each in pairs]
            )
            over = judged.over
            fields = {path: (each.errors, each.over) for path, each in judged.fields.items()}
            severities = {
                path: np.where(each.over, each.severity, 0.0)
                for path, each in judged.fields.items()
            }
        return Details(pairs, over, fields, self._worst(pairs, severities))

    def _worst(
        self, pairs: Sequence[Pair], severities: Mapping[str, NDArray[np.float64]]
    ) -> list[Worst]:
        events: dict[int, list[int]] = {}
        for row, pair in enumerate(pairs):
            if pair.event is not None:
                events.setdefault(id(pair.event), []).append(row)
        if not events or not severities:
            return []
        paths = list(severities)
        table = np.stack([severities[path] for path in paths])
        found = []
        for rows in events.values():
            column, place = np.unravel_index(int(table[:, rows].argmax()), (len(paths), len(rows)))
            row = rows[int(place)]
            severity, path = float(table[column, row]), paths[int(column)]
            if severity > 0.0:
                found.append(Worst(path, severity, pairs[row], self._values(path, pairs[row])))
        return found

    def _values(self, path: str, pair: Pair) -> tuple[float, float]:
        """Return both values of a field, of several those that are farthest apart."""
        if self._own is not None:
            return math.nan, math.nan
        sides = []
        for cdr in (pair.original, pair.compiled):
            columns = self._judge.columns([cdr])
            if path not in columns or not len(columns[path]):
                return math.nan, math.nan
            sides.append(np.asarray(columns[path].row(0)).reshape(-1))
        left, right = sides
        if left.dtype.kind not in 'fiu' or right.dtype.kind not in 'fiu':
            return math.nan, math.nan
        if left.shape != right.shape or not left.size:
            return math.nan, math.nan
        with np.errstate(all='ignore'):
            apart = np.abs(left.astype(np.float64) - right)
            apart[left == right] = 0.0
        place = int(np.nan_to_num(apart, nan=np.inf).argmax())
        return float(left[place]), float(right[place])


class Waiting:
    """Pairs that wait for their details: bounded by number and bytes."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self._bytes = 0
        self.since_ns = 0

    def put(self, pairs: Sequence[Pair], now_ns: int) -> None:
        """Let pairs wait."""
        if not self.pairs:
            self.since_ns = now_ns
        self.pairs += pairs
        # The messages of a set are shared by its pairs.
        self._bytes += sum(len(each.compiled) for each in pairs)

    @property
    def is_due(self) -> bool:
        """Whether it is time to judge them."""
        return len(self.pairs) >= MOST_PAIRS or self.is_full

    @property
    def is_full(self) -> bool:
        """Whether it cannot be put off any longer."""
        return len(self.pairs) >= 4 * MOST_PAIRS or self._bytes >= _MOST_BYTES

    def take(self) -> list[Pair]:
        """Return them; none wait any more."""
        pairs, self.pairs, self._bytes = self.pairs, [], 0
        return pairs
