"""Normalised cross-correlation of sampled signals on a common grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Half of what a grid may have.
BINS = 2**15
#: Peaks this much lower than the highest count as equally high (a period later, in noise).
_EQUALLY_HIGH = 1e-3


class Signal(NamedTuple):
    """One signal of one side: float64 ascending seconds, float64 finite values between 0 and 1."""

    times_s: NDArray[np.float64]
    values: NDArray[np.float64]


def best_shift(
    signals: Sequence[tuple[Signal, Signal]],
    begin_s: float,
    end_s: float,
    step_s: float,
    *,
    centre_s: float,
    reach_s: float,
) -> tuple[float, float]:
    """Return the shift of the largest correlation, seconds, and the correlation there.

    Args:
        signals: Both sides of each signal.
        begin_s: Where the original's part begins.
        end_s: Where it ends.
        step_s: Width of a bin.
        centre_s: The shift around which to look.
        reach_s: How far around it.

    Returns:
        Shift and coefficient; 0 and 0 if nothing correlates.
    """
    bins, reach = int((end_s - begin_s) / step_s), int(np.ceil(reach_s / step_s)) + 1
    size = 1 << int(bins + 2 * reach - 1).bit_length()
    covariance = np.zeros(2 * reach + 1)
    left_power, right_power = np.zeros_like(covariance), np.zeros_like(covariance)
    for left, right in signals:
        sums = _sums(
            _standard(left, begin_s, step_s, bins),
            _standard(right, begin_s + centre_s - reach * step_s, step_s, bins + 2 * reach),
            size,
            2 * reach + 1,
        )
        covariance += sums[0]
        left_power += sums[1]
        right_power += sums[2]
    power = left_power * right_power
    known = power > 0.0
    correlation = np.zeros_like(covariance)
    correlation[known] = covariance[known] / np.sqrt(power[known])
    place, height = _peak(correlation)
    if height <= 0.0:
        return 0.0, 0.0
    return centre_s + (place - reach) * step_s, min(height, 1.0)


def _standard(
    signal: Signal, begin_s: float, step_s: float, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the signal's mean within each bin, of mean 0 and deviation 1, and which bins it covers.

    Between samples the signal is a straight line, so that bins may be narrower or wider than the
    samples lie apart.
    """
    edges = step_s * np.arange(bins + 1)
    first, last = np.searchsorted(signal.times_s, [begin_s, begin_s + edges[-1]]).tolist()
    part = slice(max(first - 1, 0), last + 1)
    times, values = signal.times_s[part] - begin_s, signal.values[part]
    covered = np.zeros(bins)
    if len(times) < 2:
        return covered, covered
    widths = np.diff(times)
    area = np.concatenate([[0.0], np.cumsum(widths * (values[1:] + values[:-1]) / 2.0)])
    slope = np.diff(values) / np.where(widths > 0.0, widths, np.inf)
    place = np.clip(np.searchsorted(times, edges, side='right') - 1, 0, len(times) - 2)
    beyond = edges - times[place]
    area_at = area[place] + beyond * (values[place] + 0.5 * beyond * slope[place])
    means = np.diff(area_at) / step_s
    inside = (edges[:-1] >= times[0]) & (edges[1:] <= times[-1])
    if not inside.any():
        return covered, covered
    covered = inside.astype(np.float64)
    means = np.where(inside, means - means[inside].mean(), 0.0)
    deviation = float(np.sqrt((means**2).sum() / covered.sum()))
    if deviation <= 1e-12:
        return np.zeros_like(covered), np.zeros_like(covered)
    return means / deviation, covered


def _sums(
    left: tuple[NDArray[np.float64], NDArray[np.float64]],
    right: tuple[NDArray[np.float64], NDArray[np.float64]],
    size: int,
    shifts: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return covariance and both variances (times the count) of the overlap at each shift."""
    values, covered, squares = (
        np.conj(np.fft.rfft(each, size)) for each in (left[0], left[1], left[0] ** 2)
    )
    other_values, other_covered, other_squares = (
        np.fft.rfft(each, size) for each in (right[0], right[1], right[0] ** 2)
    )

    def overlap(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> NDArray[np.float64]:
        return np.fft.irfft(one * other, size)[:shifts]

    count = np.round(overlap(covered, other_covered))
    enough = count >= max(8.0, count.max() / 2.0)
    safe = np.where(enough, count, 1.0)
    total, other_total = overlap(values, other_covered), overlap(covered, other_values)
    covariance = overlap(values, other_values) - total * other_total / safe
    variance = overlap(squares, other_covered) - total**2 / safe
    other_variance = overlap(covered, other_squares) - other_total**2 / safe
    # What little varies within the overlap is rounding.
    enough &= (variance > 1e-6 * safe) & (other_variance > 1e-6 * safe)
    return (
        np.where(enough, covariance, 0.0),
        np.where(enough, variance, 0.0),
        np.where(enough, other_variance, 0.0),
    )


def _peak(correlation: NDArray[np.float64]) -> tuple[float, float]:
    """Return place (in bins, between them too) and height of the highest peak nearest the middle."""
    top = correlation.max()
    # What is lacking to 1 is noise, which ripples the top by a part of it.
    near_top = correlation >= top - 10.0 * _EQUALLY_HIGH - 0.3 * max(1.0 - top, 0.0)
    starts = np.flatnonzero(near_top & ~np.concatenate([[False], near_top[:-1]]))
    stops = np.flatnonzero(near_top & ~np.concatenate([near_top[1:], [False]]))
    middle = len(correlation) // 2
    peaks = np.array(
        [a + np.argmax(correlation[a : b + 1]) for a, b in zip(starts, stops, strict=True)]
    )
    is_high = correlation[peaks] >= top - _EQUALLY_HIGH
    peak = np.flatnonzero(is_high)[np.argmin(np.abs(peaks[is_high] - middle))]
    place = int(peaks[peak])
    # Of a broad peak the whole top says best where the middle is.
    reach = max(1, int(stops[peak] - starts[peak]) // 2)
    reach = min(reach, place, len(correlation) - 1 - place)
    if not reach:
        return float(place), float(correlation[place])
    around = np.arange(-reach, reach + 1, dtype=np.float64)
    bend, slope, _ = np.polyfit(around, correlation[place - reach : place + reach + 1], 2).tolist()
    offset = -0.5 * slope / bend if bend < 0.0 else 0.0
    return place + min(max(offset, -reach), reach), float(correlation[place])
