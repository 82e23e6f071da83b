"""Constant lag between two recordings of the same signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lk_dataset_ros.comparison.pairing.correlation import BINS, Signal, best_shift
from lk_dataset_ros.comparison.pairing.pairs import in_order, shift
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

#: Fewer finite samples than these say nothing about a lag.
_FEWEST = 8
#: A field may have thousands of elements (an image): what is looked at, and what is used of it.
_COLUMNS_LOOKED_AT, _COLUMNS_USED = 256, 16
_LEVELS = 6


class Lag(NamedTuple):
    """How much later the compiled is.

    Attributes:
        lag_ns: Nanoseconds by which the compiled's stamps are later; negative if earlier.
        quality: Correlation coefficient at this lag, 0 (nothing known) to 1.
    """

    lag_ns: int
    quality: float


def estimate_lag(
    original: NDArray[Any],
    original_ns: NDArray[np.int64],
    compiled: NDArray[Any],
    compiled_ns: NDArray[np.int64],
    max_lag_ns: int,
) -> Lag:
    """Estimate by how much the compiled's signals are later than the original's.

    Both sides are averaged within the bins of a common grid, and the lag is where the normalised
    cross-correlation (over the time that both cover, all columns together; D. Padfield, Masked
    Object Registration in the Fourier Domain, IEEE TIP 21(5), 2012) is largest, refined by a
    parabola through the top of that peak. A grid has at most 2^16 bins: a search that is wider
    begins with coarse bins and narrows down, and of a longer recording the liveliest part is used.
    Of equally good lags (a periodic signal) it is the smallest. Of many columns, the first 16 that
    vary on both sides are used, out of 256 taken evenly.

    Args:
        original: (n,) or (n, k): numbers; what is not finite is left out.
        original_ns: int64, (n,): stamps of the rows, in any order.
        compiled: (m,) or (m, k): numbers.
        compiled_ns: int64, (m,): stamps of the rows.
        max_lag_ns: The largest lag to look for, in either direction.

    Returns:
        The lag; of 0 and quality 0 where nothing can be told: constant signals, fewer than 8
        samples, no time in common.

    Raises:
        ComparisonError: If the arrays do not fit each other, or are not numbers.
    """
    if max_lag_ns < 0:
        raise ComparisonError(f'max_lag_ns is {max_lag_ns}; it has to be 0 or more nanoseconds')
    lefts = _table('original', original, original_ns)
    rights = _table('compiled', compiled, compiled_ns)
    if lefts.shape[1] != rights.shape[1]:
        raise ComparisonError(
            f'the original has {lefts.shape[1]} signals and the compiled {rights.shape[1]}; '
            'a lag is estimated from as many on both sides'
        )
    if min(len(lefts), len(rights)) < _FEWEST:
        return Lag(0, 0.0)
    base_ns = int(np.partition(original_ns, len(original_ns) // 2)[len(original_ns) // 2])
    signals = _signals(lefts, original_ns, rights, compiled_ns, base_ns)
    if not signals:
        return Lag(0, 0.0)
    reach_s = max_lag_ns * 1e-9
    lag_s, quality = _narrow_down(signals, reach_s)
    return Lag(round(min(max(lag_s, -reach_s), reach_s) * 1e9), quality)


def _table(side: str, values: NDArray[Any], stamps_ns: NDArray[np.int64]) -> NDArray[Any]:
    if values.dtype.kind not in 'biuf':
        raise ComparisonError(
            f'the {side} is of type {values.dtype}; a lag is estimated from numbers'
        )
    if values.ndim == 0 or len(values) != len(stamps_ns):
        raise ComparisonError(
            f'the {side} has values of shape {values.shape} and {len(stamps_ns)} stamps; '
            'there has to be one stamp for each row'
        )
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def _signals(
    lefts: NDArray[Any],
    left_ns: NDArray[np.int64],
    rights: NDArray[Any],
    right_ns: NDArray[np.int64],
    base_ns: int,
) -> list[tuple[Signal, Signal]]:
    """Return the columns that vary on both sides, in order of time, of moderate size."""
    sides = [(lefts, *_seconds(left_ns, base_ns)), (rights, *_seconds(right_ns, base_ns))]
    count = lefts.shape[1]
    if not count:
        return []
    looked_at = np.unique(np.linspace(0, count - 1, min(count, _COLUMNS_LOOKED_AT)).astype(int))
    found: list[tuple[Signal, Signal]] = []
    for column in looked_at.tolist():
        pair = [_signal(table[rows, column], times_s) for table, rows, times_s in sides]
        if pair[0] is not None and pair[1] is not None:
            found.append((pair[0], pair[1]))
        if len(found) == _COLUMNS_USED:
            break
    return found


def _seconds(
    stamps_ns: NDArray[np.int64], base_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows in order of time, and the time of each."""
    shifted, fits = shift(stamps_ns, base_ns)
    rows: NDArray[np.int64] = np.flatnonzero(fits)
    ordered, order = in_order(shifted[rows])
    return (rows if order is None else rows[order]), ordered.astype(np.float64) * 1e-9


def _signal(values: NDArray[Any], times_s: NDArray[np.float64]) -> Signal | None:
    numbers = values.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        numbers, times_s = numbers[finite], times_s[finite]
    if len(numbers) < _FEWEST or numbers.min() == numbers.max():
        return None
    # To 0..1, without a difference that overflows or a reciprocal of the smallest numbers.
    numbers /= np.abs(numbers).max()
    numbers -= numbers.min()
    return Signal(times_s, numbers / numbers.max())


def _narrow_down(signals: list[tuple[Signal, Signal]], reach_s: float) -> tuple[float, float]:
    """Search with the finest bins that reach so far, then around what was found with finer ones."""
    finest_s = max(_interval(signals[0][0].times_s), _interval(signals[0][1].times_s)) / 2.0
    if finest_s <= 0.0:
        return 0.0, 0.0
    starts = [pair[0].times_s[0] - pair[1].times_s[-1] for pair in signals]
    ends = [pair[0].times_s[-1] - pair[1].times_s[0] for pair in signals]
    # No lag lies beyond where the recordings stop to overlap.
    reach_s = min(reach_s, max(-min(starts), *ends, 0.0))
    lag_s, quality = 0.0, 0.0
    for _ in range(_LEVELS):
        begin_s, end_s = _window(signals, lag_s, reach_s, max(BINS * finest_s, 4.0 * reach_s))
        step_s = max(finest_s, (end_s - begin_s + 2.0 * reach_s) / (2 * BINS))
        if not end_s - begin_s > step_s:
            break
        found_s, found = best_shift(
            signals, begin_s, end_s, step_s, centre_s=lag_s, reach_s=reach_s
        )
        if found <= 0.5 * quality:
            break
        lag_s, quality = found_s, found
        if step_s == finest_s:
            break
        reach_s = 2.0 * step_s
    return lag_s, quality


def _interval(times_s: NDArray[np.float64]) -> float:
    steps = np.diff(times_s)
    steps = steps[steps > 0.0]
    return float(np.median(steps)) if len(steps) else 0.0


def _window(
    signals: list[tuple[Signal, Signal]], lag_s: float, reach_s: float, width_s: float
) -> tuple[float, float]:
    """Return the part of the original's time to use: where its signals change most."""
    begin_s = max(
        min(pair[0].times_s[0] for pair in signals),
        min(pair[1].times_s[0] for pair in signals) - lag_s - reach_s,
    )
    end_s = min(
        max(pair[0].times_s[-1] for pair in signals),
        max(pair[1].times_s[-1] for pair in signals) - lag_s + reach_s,
    )
    if end_s - begin_s <= width_s:
        return begin_s, end_s
    original = signals[0][0]
    first, last = np.searchsorted(original.times_s, [begin_s, end_s]).tolist()
    if last - first < 2:
        return begin_s, end_s
    # Starts by message, not by time: a stray stamp far away makes most of the time empty.
    starts = np.unique(np.linspace(first, last - 1, 65).astype(np.int64))
    begins = np.minimum(original.times_s[starts], end_s - width_s)
    activity = np.zeros(len(begins))
    for each, _ in signals:
        change = np.abs(np.diff(each.values, prepend=each.values[:1]))
        total = np.cumsum(np.minimum(change, 10.0 * change.mean()))
        edges = np.searchsorted(each.times_s, [begins, begins + width_s]) - 1
        covered = total[np.maximum(edges, 0)]
        activity += (covered[1] - covered[0]) / total[-1]
    begin_s = float(begins[int(np.argmax(activity))])
    return begin_s, begin_s + width_s
