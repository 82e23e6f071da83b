"""Bring samples of several clocks onto one, and say what that costs.

Pure arithmetic on arrays: times are int64 nanoseconds in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.errors import ExportError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]

Method = Literal['hold', 'nearest', 'linear']
METHODS: tuple[Method, ...] = ('hold', 'nearest', 'linear')
NS_PER_S = 1_000_000_000
#: Frames of one bag; more are taken for a wrong time stamp.
MAX_FRAMES = 50_000_000


def frames_per_second(value: float | Fraction) -> Fraction:
    """Return a frame rate as a fraction, so that 29.97 does not drift.

    Raises:
        ExportError: If it is not between 0.001 and 100000.
    """
    try:
        fps = Fraction(value).limit_denominator(1001)
    except (ValueError, OverflowError):
        fps = Fraction(0)
    if not Fraction(1, 1001) <= fps <= 100_000:
        raise ExportError(f'{value} frames per second are not possible; 0.001 to 100000 are')
    return fps


def clock(start_ns: int, stop_ns: int, fps: Fraction) -> Times:
    """Return the times of frames from start to stop, both included.

    Frame k is at start + k / fps, rounded to the nanosecond; the error does not add up.

    Raises:
        ExportError: If there would be more than 50 million frames.
    """
    count = max((stop_ns - start_ns) * fps // NS_PER_S + 1, 0)
    if count > MAX_FRAMES:
        raise ExportError(
            f'{(stop_ns - start_ns) / NS_PER_S:.0f} s at {float(fps):g} frames per second are '
            f'{count} frames, more than {MAX_FRAMES}: is a time stamp wrong?'
        )
    whole, part = np.divmod(np.arange(count, dtype=np.int64), fps.numerator)
    period = fps.denominator * NS_PER_S
    times: Times = start_ns + whole * period + _rounded(part * period, fps.numerator)
    return times


def _rounded(dividend: Times, divisor: int) -> Times:
    return (dividend + divisor // 2) // divisor


@dataclass(frozen=True, slots=True)
class Partners:
    """Which samples make each frame: `before` and `after`, mixed by `weight` (0: `before`).

    Attributes:
        before: int64, (n,): index of a sample.
        after: int64, (n,): the same one, or the next.
        weight: float64, (n,).
        distance_ns: int64, (n,): how far in time the farther sample that is used lies.
        found: bool, (n,): there is one, within the limit.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    weight: NDArray[np.float64]
    distance_ns: Times
    found: NDArray[np.bool_]

    def of(self, chosen: Any) -> Partners:
        """Return those of some of the frames."""
        return Partners(
            self.before[chosen],
            self.after[chosen],
            self.weight[chosen],
            self.distance_ns[chosen],
            self.found[chosen],
        )


def partners(
    times: Times, frames: Times, method: Method, max_age_ns: int | None = None
) -> Partners:
    """Find the samples that make each frame.

    Args:
        times: When the samples were taken.
        frames: When the frames are.
        method: `hold`: the last sample before or at the frame. `nearest`: the nearest one, the
            earlier of two. `linear`: those around it; nothing is extrapolated.
        max_age_ns: A sample farther away than this is none.
    """
    if not len(times):
        nothing = np.zeros(len(frames), np.int64)
        return Partners(nothing, nothing, nothing.astype(float), nothing, nothing.astype(bool))
    last = len(times) - 1
    left = np.searchsorted(times, frames, 'right') - 1
    before = np.clip(left, 0, last)
    after = np.clip(left + 1, 0, last)
    weight = np.zeros(len(frames))
    if method == 'hold':
        after = before
        found = left >= 0
    elif method == 'nearest':
        is_after = np.abs(times[after] - frames) < np.abs(frames - times[before])
        before = after = np.where(is_after, after, before)
        found = np.ones(len(frames), bool)
    else:
        exact = times[before] == frames
        found = exact | ((left >= 0) & (left < last))
        after = np.where(exact, before, after)
        span = times[after] - times[before]
        np.divide(frames - times[before], span, out=weight, where=span > 0)
    distance = np.maximum(np.abs(frames - times[before]), np.abs(times[after] - frames))
    if max_age_ns is not None:
        found = found & (distance <= max_age_ns)
    return Partners(before, after, weight, distance, found)


def sampled(values: NDArray[Any], found: Partners) -> NDArray[np.float64]:
    """Return the value of each frame: float64, (n, d), from samples (m, d)."""
    first = values[found.before].astype(np.float64)
    weight = found.weight[:, None]
    if not weight.any():
        return first
    second = values[found.after].astype(np.float64)
    with np.errstate(invalid='ignore'):
        return np.where(weight == 0, first, first * (1 - weight) + second * weight)


def slerped(values: NDArray[Any], found: Partners) -> NDArray[np.float64]:
    """Return the rotation of each frame: quaternions float64, (n, 4), from samples (m, 4).

    Spherical linear interpolation on the shorter way (Shoemake, Animating Rotation with
    Quaternion Curves, 1985). Samples are taken as they are where nothing is to be mixed.
    """
    first = values[found.before].astype(np.float64)
    second = values[found.after].astype(np.float64)
    weight = found.weight[:, None]
    with np.errstate(invalid='ignore', divide='ignore'):
        unit_a = first / np.linalg.norm(first, axis=1, keepdims=True)
        unit_b = second / np.linalg.norm(second, axis=1, keepdims=True)
        dot = np.sum(unit_a * unit_b, axis=1, keepdims=True)
        unit_b = np.where(dot < 0, -unit_b, unit_b)
        angle = np.arccos(np.clip(np.abs(dot), 0, 1))
        sine = np.sin(angle)
        close = sine < 1e-6
        mix_a = np.where(close, 1 - weight, np.sin((1 - weight) * angle) / sine)
        mix_b = np.where(close, weight, np.sin(weight * angle) / sine)
        mixed = mix_a * unit_a + mix_b * unit_b
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(weight == 0, first, mixed)


def back_error(
    values: NDArray[Any], times: Times, frames: Times, made: NDArray[np.float64], method: Method
) -> NDArray[np.float64]:
    """Return what is lost: frames resampled at the samples' times, minus the samples.

    Args:
        values: Samples, (m, d).
        times: When they were taken.
        frames: When the frames are.
        made: Their values, float64, (n, d).
        method: As the frames were made; quaternions are mixed linearly here, with equal signs.

    Returns:
        float64, (k, d), for the k samples that lie within the frames.
    """
    if not len(frames):
        return np.empty((0, values.shape[1]))
    first, last = np.searchsorted(times, [frames[0], frames[-1] + 1])
    inside = slice(int(first), int(last))
    again = sampled(made, partners(frames, times[inside], method))
    with np.errstate(invalid='ignore'):
        return again - values[inside].astype(np.float64)


def runs(found: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and end of each unbroken run of frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], found.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
