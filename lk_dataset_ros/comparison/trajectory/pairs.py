"""Which poses of a trajectory are taken together, for errors that are relative.

Source: Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, 2012 (section IV), with
the interval as a number of poses, a time, a way or a turn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lk_dataset_ros.comparison.trajectory.rotations import angles, inverted, multiplied
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.trajectory.poses import Trajectory

UNITS = ('frames', 'm', 's', 'rad', 'deg')
#: Pairs that are taken at most: 16 bytes each, and some 300 while errors are computed.
MOST_PAIRS = 10_000_000
_BLOCK = 1_000_000


class PosePairs(NamedTuple):
    """Pairs of poses.

    Attributes:
        first: int64, (n,): index of the earlier pose of each.
        second: int64, (n,): index of the later.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]


def pose_pairs(
    trajectory: Trajectory,
    *,
    delta: float = 1.0,
    unit: str = 'frames',
    all_pairs: bool = False,
    tolerance: float = 0.1,
) -> PosePairs:
    """Return which poses lie an interval apart.

    Consecutive pairs start where the pair before ends, and end with the first pose at which the
    interval is reached. All pairs start at every pose and end where the interval is met best, if
    that is within the tolerance; of turns, at every later pose within the tolerance (the direct
    angle between both poses).

    Args:
        trajectory: The poses.
        delta: The interval, above 0.
        unit: `frames`, `m` (way), `s`, `rad` or `deg` (turn).
        all_pairs: Start at every pose.
        tolerance: How far off `delta` all pairs may be, as a share of it.

    Raises:
        ComparisonError: If the interval makes no sense, or there are too many pairs.
    """
    _check(delta, unit, tolerance)
    count = len(trajectory)
    if unit == 'frames':
        step = min(int(delta), count)
        first = np.arange(0, max(count - step, 0), 1 if all_pairs else max(step, 1))
        return PosePairs(first, first + step)
    with np.errstate(all='ignore'):
        if unit in ('rad', 'deg'):
            turn = delta if unit == 'rad' else math.radians(delta)
            if all_pairs:
                return _turned(trajectory.quaternions_xyzw, turn, turn * tolerance)
            quaternions = trajectory.quaternions_xyzw
            turns = angles(multiplied(inverted(quaternions[:-1]), quaternions[1:]))
            return _consecutive(turns.tolist(), turn)
        if unit == 's':
            limit = delta * 1e9
            if not all_pairs:
                return _consecutive(np.diff(trajectory.stamps_ns).tolist(), limit)
            since = trajectory.stamps_ns - trajectory.stamps_ns[:1]
            if (np.diff(since) < 0).any():
                raise ComparisonError("all pairs by 's' need poses in order of their stamps")
            return _nearest(since.astype(np.float64), limit, limit * tolerance)
        ways = np.sqrt(np.square(np.diff(trajectory.positions, axis=0)).sum(axis=1))
        if all_pairs:
            travelled = np.concatenate(([0.0] if count else [], np.cumsum(ways)))
            return _nearest(travelled, delta, delta * tolerance)
        return _consecutive(ways.tolist(), delta)


def _check(delta: float, unit: str, tolerance: float) -> None:
    if unit not in UNITS:
        raise ComparisonError(f'unit is {unit!r}; it has to be one of {", ".join(UNITS)}')
    if not 0.0 < delta < math.inf:
        raise ComparisonError(f'delta is {delta!r}; it has to be above 0')
    if unit == 'frames' and delta != int(delta):
        raise ComparisonError(f'delta is {delta!r}; a number of frames has to be whole')
    most = {'rad': math.pi, 'deg': 180.0}.get(unit, math.inf)
    if delta > most:
        raise ComparisonError(f'delta is {delta!r} {unit}; poses are turned by {most:.6g} at most')
    if not 0.0 <= tolerance < math.inf:
        raise ComparisonError(f'tolerance is {tolerance!r}; it has to be 0 or greater')


def _consecutive(steps: Iterable[float], delta: float) -> PosePairs:
    """Return pairs of which each starts where the one before ends.

    One by one, on plain numbers: the sum starts anew with each pair, so where a pair ends follows
    from where the one before did. Differences of a running sum would be rounded otherwise, and
    even steps (0.1 m each) end elsewhere then.
    """
    ends, total = [0], 0.0
    for place, step in enumerate(steps, start=1):
        total += step
        if total >= delta:
            ends.append(place)
            total = 0.0
    bounds = np.array(ends, np.int64)
    return PosePairs(bounds[:-1], bounds[1:])


def _nearest(travelled: NDArray[np.float64], delta: float, most: float) -> PosePairs:
    """Return for each pose the later one that is nearest to `delta` on; the earlier of two."""
    count = len(travelled)
    places, firsts = np.unique(travelled, return_index=True)
    lasts = np.append(firsts[1:], count) - 1
    starts = np.arange(max(count - 1, 0))
    at = np.searchsorted(places, travelled[:-1] + delta)
    # The two around the goal, and one more each way: the goal itself is rounded.
    groups = np.clip(at[:, np.newaxis] + np.arange(-2, 2), 0, max(len(places) - 1, 0))
    ends = np.maximum(firsts[groups], starts[:, np.newaxis] + 1)
    errors = np.abs(places[groups] - travelled[:-1, np.newaxis] - delta)
    errors[~(errors <= most) | (ends > lasts[groups])] = np.inf
    best = errors.argmin(axis=1)[:, np.newaxis]
    is_met = np.isfinite(np.take_along_axis(errors, best, axis=1)[:, 0])
    found = np.take_along_axis(ends, best, axis=1)[:, 0]
    return PosePairs(starts[is_met], found[is_met])


def _turned(quaternions: NDArray[np.float64], turn: float, most: float) -> PosePairs:
    """Return all pairs with a turn between them, by blocks of the table of all of them."""
    count = len(quaternions)
    # Cosines choose roughly, as they can be multiplied out at once; angles decide.
    low = math.cos(min((turn + most) / 2.0, math.pi / 2.0)) - 1e-12
    high = math.cos(max(turn - most, 0.0) / 2.0) + 1e-12
    firsts: list[NDArray[np.int64]] = []
    seconds: list[NDArray[np.int64]] = []
    found = 0
    rows = max(_BLOCK // max(count, 1), 1)
    for start in range(0, count, rows):
        cosines = np.abs(quaternions[start : start + rows] @ quaternions[start:].T)
        chosen = (cosines >= low) & (cosines <= high)
        one, other = (each + start for each in np.nonzero(chosen))
        one, other = one[other > one], other[other > one]
        apart = angles(multiplied(inverted(quaternions[one]), quaternions[other]))
        is_met = (apart >= turn - most) & (apart <= turn + most)
        firsts.append(one[is_met])
        seconds.append(other[is_met])
        found += len(firsts[-1])
        if found > MOST_PAIRS:
            raise ComparisonError(
                f'more than {MOST_PAIRS:,} pairs of poses are turned by about {turn:.3g} rad; '
                'take consecutive pairs, or fewer poses'
            )
    none = [np.zeros(0, np.int64)]
    return PosePairs(np.concatenate(firsts or none), np.concatenate(seconds or none))
