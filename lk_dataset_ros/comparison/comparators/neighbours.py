"""Find the distance of points to the nearest of other points."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Points that are looked at together.
_GROUP: Final = 32
#: Groups whose points are looked at in one step.
_STEP: Final = 8


def nearest_distances(points: Floats, others: Floats) -> Floats:
    """Return how far each point is from the nearest of the others, infinite if there is none.

    SciPy's k-d tree is used where it is installed; what is done without it gives the same.

    Args:
        points: float64, (n, d), finite.
        others: float64, (m, d), finite.
    """
    if not len(points) or not len(others):
        return np.full(len(points), np.inf)
    found = np.zeros(len(points))
    # Often nearly all points are where they were.
    asked = np.arange(len(points))
    if len(points) == len(others):
        asked = np.flatnonzero((points != others).any(axis=1))
    if not len(asked):
        return found
    tree = _tree()
    if tree is None:
        found[asked] = nearest_in_groups(points[asked], others)
    else:
        # Split in the middle of the space: equal points would be slow to split by their median.
        built = tree(others, balanced_tree=False, compact_nodes=False)
        found[asked] = built.query(points[asked])[0]
    return found


def _tree() -> Any:
    try:
        return import_module('scipy.spatial').cKDTree
    except ImportError:
        return None


def nearest_in_groups(points: Floats, others: Floats) -> Floats:
    """Return the same with NumPy alone.

    Both sets are cut into groups of neighbours. The points of a group look at the groups of the
    others in order of their distance, until none is left that is nearer than what was found.

    Args:
        points: float64, (n, d), finite, one at least.
        others: float64, (m, d), finite, one at least.
    """
    order = _in_groups(points)
    theirs = others[_in_groups(others)]
    # What fills the last group up is a point of it, which changes no distance.
    filler = np.repeat(theirs[-1:], -len(theirs) % _GROUP, axis=0)
    groups = np.concatenate([theirs, filler]).reshape(-1, _GROUP, theirs.shape[1])
    low, high = groups.min(axis=1), groups.max(axis=1)
    found = np.empty(len(points))
    with np.errstate(over='ignore'):
        for first in range(0, len(order), _GROUP):
            chosen = order[first : first + _GROUP]
            found[chosen] = _nearest(points[chosen], groups, low, high)
        return np.sqrt(found)


def _nearest(points: Floats, groups: Floats, low: Floats, high: Floats) -> Floats:
    """Return squared distances of a few points to the nearest of all in the groups."""
    apart = np.maximum(low - points.max(axis=0), points.min(axis=0) - high)
    bounds = _squares(np.maximum(apart, 0.0))
    best = np.full(len(points), np.inf)
    near = np.argpartition(bounds, min(2, len(bounds) - 1))[:2]
    _look(points, groups[near], best)
    bounds[near] = np.inf
    left = np.flatnonzero(bounds < best.max())
    left = left[np.argsort(bounds[left])]
    for first in range(0, len(left), _STEP):
        step = left[first : first + _STEP]
        if bounds[step[0]] >= best.max():
            break
        _look(points, groups[step], best)
    return best


def _look(points: Floats, groups: Floats, best: Floats) -> None:
    """Take in the squared distances to the points of some groups."""
    there = groups.reshape(-1, groups.shape[2])
    squares = np.zeros((len(points), len(there)))
    for axis in range(points.shape[1]):
        apart = points[:, axis, None] - there[None, :, axis]
        apart *= apart
        squares += apart
    np.minimum(best, squares.min(axis=1), out=best)


def _squares(vectors: Floats) -> Floats:
    return np.asarray((vectors * vectors).sum(axis=-1))


def _in_groups(points: Floats) -> NDArray[np.int64]:
    """Return an order in which every `_GROUP` points are neighbours.

    The set is halved across its longest side until no part is larger.
    """
    order = np.arange(len(points))
    parts = [(0, len(points))]
    while parts:
        first, end = parts.pop()
        if end - first <= _GROUP:
            continue
        some = points[order[first:end]]
        with np.errstate(over='ignore'):
            axis = int((some.max(axis=0) - some.min(axis=0)).argmax())
        # Parts begin at whole groups, so that only the last of all can be smaller.
        middle = (end - first + _GROUP - 1) // _GROUP // 2 * _GROUP
        order[first:end] = order[first:end][np.argpartition(some[:, axis], middle)]
        parts += [(first, first + middle), (first + middle, end)]
    return order
