"""What two datasets may differ by besides their values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.pairing import late_pairs
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.pairing import Pairs


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What counts as a difference besides values beyond their tolerance.

    Attributes:
        keys: A key that one side lacks counts; if not, only common keys are compared.
        counts: A message without partner counts.
        order: A message that the compiled sent in another order than the original counts.
        relative_time_s: How much later a message may have been recorded than its partner, both
            counted from the first message of their side, s; None does not look.
        absolute_time_s: The same by the clock that recorded both, s.
    """

    keys: bool = True
    counts: bool = True
    order: bool = True
    relative_time_s: float | None = None
    absolute_time_s: float | None = None

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ComparisonError: If one is negative or no number.
        """
        for name in ('relative_time_s', 'absolute_time_s'):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < math.inf:
                raise ComparisonError(f'{name} is {value!r}; give seconds, 0 or more')

    @classmethod
    def everything(cls) -> Acceptance:
        """Let nothing but values count."""
        return cls(keys=False, counts=False, order=False)

    def late(
        self,
        pairs: Pairs,
        original_ns: NDArray[np.int64],
        compiled_ns: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return the positions of the pairs whose compiled message came too late."""
        found = [
            late_pairs(
                pairs,
                original_ns,
                compiled_ns,
                round(min(limit_s, 9e9) * 1e9),
                absolute=name == 'absolute',
            )
            for name, limit_s in (
                ('relative', self.relative_time_s),
                ('absolute', self.absolute_time_s),
            )
            if limit_s is not None
        ]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def reordered(self, pairs: Pairs) -> NDArray[np.int64]:
        """Return the positions of the pairs that come in another order in the compiled."""
        if not self.order or bool((pairs.compiled[1:] > pairs.compiled[:-1]).all()):
            return np.zeros(0, np.int64)
        return np.flatnonzero(pairs.compiled != np.sort(pairs.compiled))
