"""What became of the messages that samples were made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What became of one key's messages.

    Attributes:
        key: Topic name.
        role: `input` or `output`.
        count: Messages.
        unmatched_ns: int64, (m,): times of those that found no partner (header stamps where the
            type has them, log times otherwise).
    """

    key: str
    role: str
    count: int
    unmatched_ns: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MatchReport:
    """What became of the messages that samples were made of; its text is one line.

    Attributes:
        match: How they were matched.
        keys: Each key in its role.
        paired: Samples before any was dropped.
        samples: Samples that are there, of all blocks.
        dropped_by_nan: Samples with NaN in inputs or outputs.
        dropped_by_window: Samples without enough rows before them, or with a gap among these.
        dropped_by_split: Samples in the gap between blocks, behind the last block, or whose
            window would reach over a boundary.
        rows_with_nan: Rows (of inputs or outputs) that hold NaN.
        rows_with_infinity: Rows (of inputs or outputs) that hold an infinity.
    """

    match: str
    keys: tuple[KeyReport, ...]
    paired: int
    samples: int
    dropped_by_nan: int = 0
    dropped_by_window: int = 0
    dropped_by_split: int = 0
    rows_with_nan: int = 0
    rows_with_infinity: int = 0
    blocks: tuple[int, ...] = field(default=())

    @property
    def is_complete(self) -> bool:
        """Tell whether every message found a partner and no value was missing."""
        return not self.rows_with_nan and all(not len(each.unmatched_ns) for each in self.keys)

    def __str__(self) -> str:
        """Return one line."""
        matched = ', '.join(
            f'{each.key} {each.count - len(each.unmatched_ns)} of {each.count}'
            for each in self.keys
        )
        dropped = {
            'NaN': self.dropped_by_nan,
            'window': self.dropped_by_window,
            'split': self.dropped_by_split,
        }
        lost = ', '.join(f'{name} {count}' for name, count in dropped.items() if count)
        blocks = f' in blocks of {", ".join(map(str, self.blocks))}' if self.blocks else ''
        infinite = (
            f'; {self.rows_with_infinity} rows hold an infinity' if self.rows_with_infinity else ''
        )
        return (
            f'{self.samples} samples{blocks} by {self.match}: matched {matched}'
            f'{f"; dropped by {lost}" if lost else ""}{infinite}'
        )
