"""Judge laser scans beam by beam.

Sources: sensor_msgs/LaserScan (ranges outside range_min to range_max are to be discarded);
REP 117 (infinities are detections too near and none at all, NaN is no measurement).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lk_dataset_ros.comparison.comparators.members import numbers, vectors
from lk_dataset_ros.comparison.comparators.parts import in_parts
from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.comparison.judging.segments import (
    aligned,
    segment_any,
    segment_max,
    segment_sum,
    spread,
)
from lk_dataset_ros.comparison.judging.values import judge_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Columns = Mapping[str, Column]
    Bools = NDArray[np.bool_]


@in_parts('ranges', 'intensities', 'range_min', 'range_max')
def laser_scan(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge ranges in m, and intensities where there is a range.

    A range is invalid if it is not finite, or outside `range_min` to `range_max` of its message
    (as far as the message says what those are: a `range_max` above `range_min`). Two invalid
    ranges are equal; an invalid one has no finite error against a valid one, nor has a scan
    against one with another number of beams. Measures are `invalid_differ`, beams that are valid
    on one side only, and `beams_over`, beams beyond the limit.

    Args:
        original: ranges; range_min, range_max and intensities if they are there.
        compiled: Likewise.
        limit: Of each range and each intensity.
    """
    ranges = _Beams.of(original, compiled, 'ranges', limit)
    invalid = [
        _invalid(values, columns, ranges)
        for values, columns in ((ranges.left, original), (ranges.right, compiled))
    ]
    one, neither = invalid[0] != invalid[1], invalid[0] & invalid[1]
    ranges.errors[one], ranges.over[one] = np.inf, True
    ranges.errors[neither], ranges.over[neither] = 0.0, False
    beams_over, errors, over = ranges.over, ranges.errors_of_rows(), ranges.over_of_rows()
    if 'intensities' in original and 'intensities' in compiled:
        rays = _Beams.of(original, compiled, 'intensities', limit)
        discarded = _like(rays, ranges, one | neither)
        rays.errors[discarded], rays.over[discarded] = 0.0, False
        errors = np.maximum(errors, rays.errors_of_rows())
        over = over | rays.over_of_rows()
        if rays.over.any():
            beams_over = beams_over | _like(ranges, rays, rays.over)
    return Judged(
        errors,
        over,
        measures={
            'invalid_differ': ranges.counted(one),
            'beams_over': ranges.counted(beams_over),
        },
    )


class _Beams(NamedTuple):
    """Values of beams, judged one by one.

    Attributes:
        left: (m,): the original's, of all messages where both sides have as many.
        right: Likewise, the compiled's.
        errors: float64, (m,).
        over: bool, (m,): beyond the limit.
        offsets: int64, (k + 1,): which belong to which of those messages.
        same: bool, (n,): which of the messages those are.
    """

    left: NDArray[Any]
    right: NDArray[Any]
    errors: NDArray[np.float64]
    over: Bools
    offsets: NDArray[np.int64]
    same: Bools

    @classmethod
    def of(cls, original: Columns, compiled: Columns, name: str, limit: Limit) -> _Beams:
        """Judge one field."""
        left, right, offsets, same = aligned(numbers(original, name), numbers(compiled, name))
        values = judge_numbers(left, right, limit)
        assert values.errors is not None
        over = np.zeros(len(left), np.bool_) if values.over is None else values.over
        return cls(left, right, values.errors, over, offsets, same)

    def errors_of_rows(self) -> NDArray[np.float64]:
        """Return the largest error of each message, infinite where the lengths differ."""
        return spread(segment_max(self.errors, self.offsets), self.same, lost=np.inf)

    def over_of_rows(self) -> Bools:
        """Tell which messages are beyond the limit."""
        return spread(segment_any(self.over, self.offsets), self.same, lost=True)

    def counted(self, beams: Bools) -> NDArray[np.float64]:
        """Return the number of beams of each message, NaN where the lengths differ."""
        count = segment_sum(beams, self.offsets).astype(np.float64)
        return spread(count, self.same, lost=np.nan)

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of beams of each message, -1 where the lengths differ."""
        return spread(np.diff(self.offsets), self.same, lost=-1)


def _invalid(values: NDArray[Any], columns: Columns, ranges: _Beams) -> Bools:
    """Tell which ranges of one side are to be discarded."""
    found: Bools = ~np.isfinite(values)
    if 'range_min' not in columns or 'range_max' not in columns:
        return found
    low, high = vectors(columns, ('range_min', 'range_max'))[:, ranges.same]
    with np.errstate(all='ignore'):
        # A NaN is no bound; nor are two zeros, as drivers leave them.
        is_told = high > low
        low, high = np.where(is_told, low, -np.inf), np.where(is_told, high, np.inf)
        found |= (values < _each(low, ranges)) | (values > _each(high, ranges))
    return found


def _each(bounds: NDArray[np.float64], ranges: _Beams) -> Any:
    """Return the bound of each beam; one for all where the messages agree, as a sensor's do."""
    if len(bounds) and bool((bounds == bounds[0]).all()):
        return bounds[0]
    return np.repeat(bounds, np.diff(ranges.offsets))


def _like(wanted: _Beams, given: _Beams, flags: Bools) -> Bools:
    """Return flags of one field's beams for those of another, false where there are others."""
    if np.array_equal(wanted.offsets, given.offsets) and np.array_equal(wanted.same, given.same):
        return flags
    found: Bools = np.zeros(len(wanted.left), np.bool_)
    fits = wanted.lengths() == given.lengths()
    found[np.repeat(fits[wanted.same], np.diff(wanted.offsets))] = flags[
        np.repeat(fits[given.same], np.diff(given.offsets))
    ]
    return found
