"""Which poses of two trajectories belong together: the nearest in time, within a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lk_dataset_ros.comparison.trajectory.poses import Trajectory, check_range
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Associated(NamedTuple):
    """Two trajectories, pose by pose.

    Attributes:
        original: Poses of the original that have a partner.
        compiled: The partners, with their own stamps.
    """

    original: Trajectory
    compiled: Trajectory


def associate(
    original: Trajectory,
    compiled: Trajectory,
    *,
    max_difference_ns: int = 10_000_000,
    offset_ns: int = 0,
) -> Associated:
    """Give each pose of the trajectory that has fewer the one of the other that is nearest in time.

    Where both have as many, each of the compiled gets one. Of two equally near ones it is the
    earlier. A pose may be the partner of several.

    Args:
        original: Poses.
        compiled: Poses.
        max_difference_ns: How far apart partners may be.
        offset_ns: Added to the stamps of the compiled first.

    Raises:
        ComparisonError: If the limit is negative, or the offset too large.
    """
    if max_difference_ns < 0:
        raise ComparisonError(f'max_difference_ns is {max_difference_ns}; it has to be 0 or more')
    check_range(compiled.stamps_ns, offset_ns)
    shifted_ns = compiled.stamps_ns + np.int64(offset_ns)
    if len(compiled) > len(original):
        mine, theirs = _partners(original.stamps_ns, shifted_ns, max_difference_ns)
    else:
        theirs, mine = _partners(shifted_ns, original.stamps_ns, max_difference_ns)
    return Associated(original.taken(mine), compiled.taken(theirs))


def _partners(
    few_ns: NDArray[np.int64], many_ns: NDArray[np.int64], most_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return indices of those that have a partner, and of the partners."""
    last = len(many_ns) - 1
    if last < 0:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing
    if (np.diff(many_ns) < 0).any():
        chosen = _unsorted(few_ns, many_ns)
    else:
        # Of equal stamps it is the one next to where the other would be inserted (to the right).
        above = np.minimum(np.searchsorted(many_ns, few_ns, side='right'), last)
        below = np.maximum(above - 1, 0)
        is_above = (many_ns[above] - few_ns < few_ns - many_ns[below]) | (above == 0)
        chosen = np.where(is_above, above, below)
    mine = np.flatnonzero(np.abs(many_ns[chosen] - few_ns) <= most_ns)
    return mine, chosen[mine]


def _unsorted(few_ns: NDArray[np.int64], many_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the nearest of stamps in any order; of equally near ones the one that stands first."""
    order = np.argsort(many_ns, kind='stable')
    stamps_ns, firsts = np.unique(many_ns[order], return_index=True)
    place = order[firsts]
    above = np.minimum(np.searchsorted(stamps_ns, few_ns), len(stamps_ns) - 1)
    below = np.maximum(above - 1, 0)
    up, down = (np.abs(stamps_ns[at] - few_ns) for at in (above, below))
    is_above = (up < down) | ((up == down) & (place[above] < place[below]))
    return np.where(is_above, place[above], place[below])
