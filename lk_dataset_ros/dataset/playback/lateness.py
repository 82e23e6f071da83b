"""How late messages were, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Each power of two is divided into so many (2 ** 5 = 32): percentiles are within 3 %.
_FINE_BITS: Final = 5
_FINE: Final = 2**_FINE_BITS
#: Everything later than this (18 minutes) is counted as if it were this late, ns.
_LATEST_NS: Final = 2**40 - 1
_BINS: Final = (40 - _FINE_BITS) * _FINE + _FINE


class Lateness:
    """Counts of messages by how late they were; quick to add to."""

    __slots__ = ('counts', 'late', 'max_ns')

    def __init__(self) -> None:
        self.counts = [0] * _BINS
        self.max_ns = 0
        self.late = 0

    def add(self, late_ns: int) -> None:
        """Take note of a message; one that is early (by rounding) was in time."""
        if late_ns < _FINE:
            self.counts[max(late_ns, 0)] += 1
        else:
            clipped_ns = min(late_ns, _LATEST_NS)
            shift = clipped_ns.bit_length() - _FINE_BITS - 1
            self.counts[(shift << _FINE_BITS) + (clipped_ns >> shift)] += 1
        self.max_ns = max(self.max_ns, late_ns)


def percentiles_s(counts: Sequence[Sequence[int]], fractions: Sequence[float]) -> list[float]:
    """Return percentiles of the lateness that several counts have together, s.

    Args:
        counts: `Lateness.counts` of topics.
        fractions: From 0 to 1.
    """
    if not counts:
        return [0.0] * len(fractions)
    summed = np.cumsum(np.sum(np.array(counts, np.int64), axis=0))
    if not summed[-1]:
        return [0.0] * len(fractions)
    # The first bin at which enough have been counted.
    places = np.searchsorted(summed, np.ceil(np.array(fractions) * summed[-1]), 'left')
    return [_upper_ns(int(place)) * 1e-9 for place in places]


def _upper_ns(place: int) -> int:
    """Return the latest lateness that a bin counts."""
    if place < 2 * _FINE:
        return place
    shift, fine = divmod(place, _FINE)
    return ((fine + _FINE + 1) << (shift - 1)) - 1
