"""Whether two messages agree, asked for one pair at a time while somebody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.judge import MessageJudge
from lk_dataset_ros.message import codec_for, new_message

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.tolerance import Tolerance
    from lk_dataset_ros.message import Schema


class Agreement:
    """Judges pairs as `compare` does; what cannot be judged does not agree.

    Args:
        key: Topic that the patterns of the tolerance are for.
        schema: The type.
        tolerance: How far values may lie apart.

    Attributes:
        problem: Why the last pair could not be judged, or empty.
    """

    def __init__(self, key: str, schema: Schema, tolerance: Tolerance) -> None:
        self._judge = MessageJudge(key, schema, tolerance)
        self.problem = ''
        # What is made at the first use must not be made while an actuator waits.
        cdr = codec_for(schema).encode(new_message(schema))
        self(cdr, cdr[:-1] + bytes([cdr[-1] ^ 1]))
        self.problem = ''

    def __call__(self, original: bytes, compiled: bytes) -> bool:
        """Tell whether the compiled's message is within tolerance of the original's."""
        self.problem = ''
        try:
            quick = self._judge.quickly([original, compiled])
            if quick is not None and quick[0] is not None:
                return not quick[0]
            return not self._judge([original], [compiled]).over[0]
        except Exception as error:  # noqa: BLE001 - whatever it is, the original drives on
            self.problem = ' '.join(str(error).split()) or type(error).__name__
            return False
