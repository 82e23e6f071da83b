"""Judge messages as they come: the same rules as `compare`, a few pairs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.judging.blocks import Side
from lk_dataset_ros.comparison.judging.key import Judging
from lk_dataset_ros.comparison.matching import STAMP_PATHS
from lk_dataset_ros.comparison.pairing import Pairs
from lk_dataset_ros.comparison.quick_judge import QuickJudge
from lk_dataset_ros.comparison.tolerance import Tolerance
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Batch, Columns, codec_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.judging.pieces import Piece
    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Schema


@dataclass(frozen=True, slots=True)
class FieldJudgement:
    """One field of some pairs.

    Attributes:
        errors: float64, (n,): largest absolute error of each pair, 0 where both are equal,
            infinite where there is no finite one; 0 or infinite for what is no number.
        over: bool, (n,): which pairs are beyond the limit.
        severity: float64, (n,): the error in multiples of what is allowed; 1 and less is within,
            infinite where nothing is allowed.
    """

    errors: NDArray[np.float64]
    over: NDArray[np.bool_]
    severity: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Some pairs of messages.

    Attributes:
        over: bool, (n,): which pairs differ in any field.
        fields: What differs at all in any pair, by field path; a field that is not here is equal
            in all of them.
    """

    over: NDArray[np.bool_]
    fields: Mapping[str, FieldJudgement]

    def worst(self, pair: int) -> tuple[str, float, float]:
        """Return the field of a pair with the largest severity, its error, and the severity.

        Empty and zero for a pair that is equal.
        """
        found = ('', 0.0, 0.0)
        for path, each in self.fields.items():
            if each.over[pair] and not found[2] >= each.severity[pair]:
                found = (path, float(each.errors[pair]), float(each.severity[pair]))
        return found


class MessageJudge:
    """Judges serialized messages of one type.

        judge = MessageJudge('/cmd', builtin_schema('geometry_msgs/msg/Twist'), Tolerance(atol=0.1))
        judge([original], [compiled]).over[0]

    Args:
        key: Topic name that the patterns of the tolerance are for.
        schema: The type.
        tolerance: How far values may lie apart.
        with_stamp: Compare the stamps of headers too; they are what pairs are made by otherwise.
    """

    def __init__(
        self,
        key: str,
        schema: Schema,
        tolerance: Tolerance | None = None,
        *,
        with_stamp: bool = False,
    ) -> None:
        self.key = key
        self.schema = schema
        self.tolerance = tolerance or Tolerance()
        self._codec = codec_for(schema)
        self._parts = self._codec.layout.parts
        self._left_out = () if with_stamp else STAMP_PATHS
        self._quick = QuickJudge(key, self._codec, self.tolerance, self._left_out)

    def quickly(self, messages: Sequence[bytes]) -> list[bool | None] | None:
        """Tell of a few messages which are beyond the limit of each other, where that is plain.

        Args:
            messages: Serialized messages, two or more.

        Returns:
            For the pairs (0, 1), (0, 2) and so on to the last two what judging them would say;
            None for a pair that has to be judged, or for all of them.

        Raises:
            MessageFormatError: If the first one is not of the type.
        """
        return self._quick(messages)

    def __call__(self, original: Sequence[bytes], compiled: Sequence[bytes]) -> Judgement:
        """Judge pairs.

        Args:
            original: Serialized messages (CDR with encapsulation header).
            compiled: As many.

        Raises:
            ComparisonError: If the numbers differ.
            MessageFormatError: If a message is not of the type.
        """
        count = len(original)
        if count != len(compiled):
            raise ComparisonError(f'{count} messages cannot be judged against {len(compiled)}')
        over = np.zeros(count, np.bool_)
        unequal = [place for place in range(count) if original[place] != compiled[place]]
        if not unequal:
            return Judgement(over, {})
        sides = [
            Side.of_columns(self.columns([messages[place] for place in unequal]))
            for messages in (original, compiled)
        ]
        rows = np.arange(len(unequal))
        nothing = np.zeros(0, np.int64)
        judging = Judging(
            self.key,
            self._parts,
            (sides[0], sides[1]),
            Pairs(rows, rows, nothing, nothing),
            sides[0].times_ns,
            self.tolerance,
            self._left_out,
        )
        places = np.asarray(unequal)
        fields: dict[str, FieldJudgement] = {}
        for path, limit, piece in judging.every_piece():
            if piece.over is None and (piece.errors is None or not piece.errors.any()):
                continue
            known = fields.get(path)
            if known is None:
                known = fields[path] = FieldJudgement(
                    np.zeros(count), np.zeros(count, np.bool_), np.zeros(count)
                )
            at = places[piece.positions]
            beyond = np.zeros(len(at), np.bool_) if piece.over is None else piece.over
            errors = np.where(beyond, np.inf, 0.0) if piece.errors is None else piece.errors
            known.errors[at] = errors
            known.over[at] = beyond
            known.severity[at] = _severity(errors, limit, piece)
            over[at] |= beyond
        return Judgement(over, fields)

    def columns(self, messages: Sequence[bytes]) -> Columns:
        """Return serialized messages as columns, the first at time 0, the next at 1."""
        size = np.array([len(each) for each in messages], np.int64)
        ends = np.cumsum(size)
        batch = Batch(np.frombuffer(b''.join(messages), np.uint8), ends - size, size)
        return Columns.from_batches([(batch, np.arange(len(size)))], self._codec)


def _severity(errors: NDArray[np.float64], limit: Limit, piece: Piece) -> NDArray[np.float64]:
    """Return errors in multiples of what is allowed."""
    allowed = np.full(len(errors), limit.atol)
    with np.errstate(all='ignore'):
        if limit.rtol and piece.arrays is not None:
            values = np.abs(piece.arrays[0].astype(np.float64)).reshape(len(errors), -1)
            largest = values.max(axis=1, initial=0.0)
            allowed += limit.rtol * np.where(np.isfinite(largest), largest, 0.0)
        found = np.where(errors > 0.0, errors / allowed, 0.0)
    # An infinite error of what may be off infinitely far.
    found[np.isnan(found)] = np.inf
    return found
