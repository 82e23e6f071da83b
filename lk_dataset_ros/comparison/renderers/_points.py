"""Which few points of a long series are shown, and which spans of it are shaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def pick(series: Sequence[Floats], limit: int) -> NDArray[np.int64]:
    """Choose points to show: first, last, smallest and largest of each series in each bucket.

    Args:
        series: Arrays of one length; what is not finite is no extreme.
        limit: How many points at most; at least 2 + 2 per series.

    Returns:
        Ascending indices.
    """
    count = len(series[0])
    if count <= limit:
        return np.arange(count)
    buckets = max((limit - 2) // (2 * len(series)), 1)
    shown = _extremes(series, buckets)
    # Series have many extremes in common: there is room for more buckets.
    finer = _extremes(series, buckets * (limit - 2) * 49 // (50 * len(shown)) or 1)
    return finer if len(finer) <= limit else shown


def _extremes(series: Sequence[Floats], buckets: int) -> NDArray[np.int64]:
    count = len(series[0])
    width = -(-count // buckets)
    buckets = -(-count // width)
    chosen = [np.array([0, count - 1])]
    for each in series:
        for sign in (1.0, -1.0):
            padded = np.full(buckets * width, np.inf)
            padded[:count] = np.where(np.isfinite(each), sign * each, np.inf)
            lowest = padded.reshape(buckets, width).argmin(axis=1) + np.arange(buckets) * width
            chosen.append(lowest[lowest < count])
    return np.unique(np.concatenate(chosen))


def spans(x: Floats, over: NDArray[np.bool_], limit: int) -> list[list[float]]:
    """Return start and end of the runs beyond the tolerance, the nearest joined if too many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8)))
    starts, ends = x[edges[::2]], x[edges[1::2] - 1]
    if len(starts) > limit:
        gaps = starts[1:] - ends[:-1]
        kept = np.sort(np.argpartition(gaps, -(limit - 1))[-(limit - 1) :])
        starts, ends = starts[[0, *(kept + 1)]], ends[[*kept, -1]]
    return [[round(float(a), 6), round(float(b), 6)] for a, b in zip(starts, ends, strict=True)]


def digits_of(*series: Floats) -> int:
    """Return how many digits tell values apart, also small changes of large numbers."""
    finite = np.concatenate([each[np.isfinite(each)] for each in series])
    if not finite.size:
        return 5
    peak, spread = float(np.abs(finite).max()), float(finite.max()) - float(finite.min())
    if not spread or not math.isfinite(spread):
        return 9
    return min(max(math.ceil(math.log10(peak / spread)) + 4, 5), 16)
