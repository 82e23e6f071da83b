"""How late something is, counted in bins: bounded, and cheap for every message."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from lk_dataset_ros.component import Health

#: Bounds of the bins, ns: 10 us to 100 s, each 5 % wider than the one before.
_BOUNDS: Final = np.round(1e4 * 1.05 ** np.arange(331)).astype(np.int64)


class Latency:
    """Counts how long things took.

    Attributes:
        largest_ns: The longest.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(len(_BOUNDS) + 1, np.int64)
        self.largest_ns = 0

    def add(self, taken_ns: Any) -> None:
        """Count durations.

        Args:
            taken_ns: int64, (n,).
        """
        if len(taken_ns):
            self._counts += np.bincount(
                np.searchsorted(_BOUNDS, taken_ns), minlength=len(self._counts)
            )
            self.largest_ns = max(self.largest_ns, int(taken_ns.max()))

    @property
    def count(self) -> int:
        """How many were counted."""
        return int(self._counts.sum())

    def percentile_s(self, percent: float) -> float:
        """Return a percentile, s, at most 5 % too long; NaN before anything was counted."""
        total = self.count
        if not total:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self._counts), total * percent / 100.0))
        bound_ns = int(_BOUNDS[place]) if place < len(_BOUNDS) else self.largest_ns
        return min(bound_ns, self.largest_ns) / 1e9

    def __call__(self, now_ns: int) -> Health:
        """Tell, as a task of diagnostics."""
        del now_ns
        values = {
            'count': self.count,
            'p50_ms': 1e3 * self.percentile_s(50.0),
            'p99_ms': 1e3 * self.percentile_s(99.0),
            'largest_ms': self.largest_ns / 1e6,
        }
        return Health(message=f'p99 {values["p99_ms"]:.3g} ms', values=values)
