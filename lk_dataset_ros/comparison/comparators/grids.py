"""Judge occupancy grids cell by cell.

Source: nav_msgs/OccupancyGrid (0 to 100, -1 is unknown).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.comparison.comparators.members import numbers, vectors
from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.comparison.judging.segments import aligned, spread
from lk_dataset_ros.comparison.judging.values import judge_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Columns = Mapping[str, Column]

_SIZE: Final = ('info.width', 'info.height')
_UNKNOWN: Final = -1
#: Cells from here on are occupied: `occupied_thresh` of nav2_map_server is 0.65 when left out.
_OCCUPIED: Final = 65


def occupancy_grid(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge the cells of maps.

    An unknown cell has no finite error against a known one, nor has a map against one of another
    size. Measures are `cells_differ`, `unknown_differ` (cells unknown on one side only) and
    `iou_occupied`, occupied cells of both sides over those of either (intersection over union),
    where there are any.

    Args:
        original: data; info.width and info.height if they are there.
        compiled: Likewise.
        limit: Of each known cell.
    """
    left, right, offsets, same = aligned(numbers(original, 'data'), numbers(compiled, 'data'))
    with np.errstate(all='ignore'):
        # What is equal needs no second look: in most maps that is nearly everything.
        cells = np.flatnonzero(left != right)
        occupied = _counted(np.flatnonzero(left >= _OCCUPIED), offsets)
        one, other = left[cells], right[cells]
        values = judge_numbers(one, other, limit)
        assert values.errors is not None
        errors = values.errors
        over = np.zeros(len(cells), np.bool_) if values.over is None else values.over
        unknown = (one == _UNKNOWN) != (other == _UNKNOWN)
        errors[unknown], over[unknown] = np.inf, True
        lost = _counted(cells[(one >= _OCCUPIED) & ~(other >= _OCCUPIED)], offsets)
        more = _counted(cells[(other >= _OCCUPIED) & ~(one >= _OCCUPIED)], offsets)
        iou = (occupied - lost) / (occupied + more)
    largest = np.zeros(len(offsets) - 1)
    np.maximum.at(largest, _rows(cells, offsets), errors)
    of_other_size = ~same
    if all(name in side for name in _SIZE for side in (original, compiled)):
        of_other_size |= (vectors(original, _SIZE) != vectors(compiled, _SIZE)).any(axis=0)
    measures = {
        'cells_differ': _counted(cells, offsets),
        'unknown_differ': _counted(cells[unknown], offsets),
        'iou_occupied': iou,
    }
    spaced = {name: spread(each, same, lost=np.nan) for name, each in measures.items()}
    for each in spaced.values():
        each[of_other_size] = np.nan
    found = spread(largest, same, lost=np.inf)
    beyond = spread(_counted(cells[over], offsets) > 0, same, lost=True)
    found[of_other_size], beyond[of_other_size] = np.inf, True
    return Judged(found, beyond, measures=spaced)


def _rows(cells: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which map each cell belongs to."""
    return np.searchsorted(offsets, cells, 'right') - 1


def _counted(cells: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many of some cells, in order, each map has."""
    return np.diff(np.searchsorted(cells, offsets)).astype(np.float64)
