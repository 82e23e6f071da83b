"""Judge point clouds, point by point in order or as sets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.comparators.neighbours import nearest_distances
from lk_dataset_ros.comparison.comparators.packed import (
    BLOCK,
    any_channel,
    judge_block,
    judge_packed,
    largest_of_rows,
)
from lk_dataset_ros.comparison.comparators.points import (
    Layout,
    header_names,
    points_of,
    positions_of,
)
from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.comparison.tolerance import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Column

    Columns = Mapping[str, Column]
    Bytes = NDArray[np.uint8]
    Header = tuple[Any, ...]

_EXACT: Final = Limit(0.0, 0.0)
_SET: Final = {'chamfer_m': 0.0, 'hausdorff_m': 0.0, 'invalid_differ': 0.0}


def cloud_in_order(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge clouds (sensor_msgs/PointCloud2) point by point, field by field.

    What lies between the fields and at the end of rows is not compared. Integers have to be equal,
    as have the four bytes of `rgb` and `rgba`, whatever type they are said to have; NaN equals
    NaN. A cloud has no finite error against one of another height or width, or of other fields
    (name, type and count, in order); nor has one whose sizes do not fit against another that is
    not the same byte by byte. The measure is `points_over`, points of which any field is beyond
    the limit.

    Args:
        original: height, width, fields.length, fields[i].name, .offset, .datatype and .count,
            is_bigendian, point_step, row_step, data.
        compiled: Likewise.
        limit: Of each floating-point number.
    """
    return judge_packed(
        original,
        compiled,
        header=header_names(original, compiled),
        equal={'points_over': 0.0},
        judge=partial(_judge_in_order, limit=limit),
    )


def cloud_as_set(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge the positions of clouds (sensor_msgs/PointCloud2), in whatever order they come.

    The error is the Hausdorff distance, the largest distance from a point of either side to the
    nearest of the other; it may be up to `limit.atol`. Measures are `hausdorff_m`, the same,
    `chamfer_m`, the mean distance to the nearest, averaged over both directions, and
    `invalid_differ`, by how many points that are not finite the sides differ. Those are left out.
    Two empty clouds are equal; an empty one has no finite error against another. Other fields than
    x, y and z are not compared. Clouds without these, or whose sizes do not fit, have to be the
    same byte by byte.

    Args:
        original: As of `cloud_in_order`.
        compiled: Likewise.
        limit: Of the Hausdorff distance, in m; a distance has no magnitude to be relative to.
    """
    return judge_packed(
        original,
        compiled,
        header=header_names(original, compiled),
        equal=_SET,
        judge=partial(_judge_as_set, limit=limit),
    )


def _judge_in_order(
    said: Header, left: Bytes, told: Header, right: Bytes, *, limit: Limit
) -> Judged | None:
    """Judge clouds of one layout."""
    one, other = Layout.of(said), Layout.of(told)
    if one is None or other is None or one.kinds != other.kinds:
        return None
    if (one.height, one.width) != (other.height, other.width):
        return None
    points, others = points_of(one, left), points_of(other, right)
    if points is None or others is None:
        return None
    count, size = points.shape
    errors, points_over = np.zeros((2, count))
    step = max(1, BLOCK // max(1, count * max(each.count for each in one.fields)))
    for first in range(0, size, step):
        part = slice(first, first + step)
        over = np.zeros((count, len(range(size)[part])), np.bool_)
        for index, field in enumerate(one.fields):
            name = f'f{index}'
            allowed = limit if field.dtype[0] == 'f' else _EXACT
            apart, beyond = judge_block(points[name][:, part], others[name][:, part], allowed)
            np.maximum(errors, largest_of_rows(apart), out=errors)
            over |= any_channel(beyond) if field.count > 1 else beyond
        points_over += over.sum(axis=1)
    return Judged(errors, points_over > 0, measures={'points_over': points_over})


def _judge_as_set(
    said: Header, left: Bytes, told: Header, right: Bytes, *, limit: Limit
) -> Judged | None:
    """Judge clouds of one layout, one by one."""
    one, other = Layout.of(said), Layout.of(told)
    if one is None or other is None:
        return None
    found = [
        _distances(positions_of(one, mine), positions_of(other, theirs))
        for mine, theirs in zip(left, right, strict=True)
    ]
    chamfer, hausdorff, invalid = np.array(found).T
    measures = dict(zip(_SET, (chamfer, hausdorff, invalid), strict=True))
    errors = np.nan_to_num(hausdorff, nan=np.inf, posinf=np.inf)
    return Judged(errors, ~(hausdorff <= limit.atol), measures=measures)


def _distances(
    left: NDArray[np.float64] | None, right: NDArray[np.float64] | None
) -> tuple[float, float, float]:
    """Return Chamfer distance, Hausdorff distance and the difference of invalid points."""
    if left is None or right is None:
        return np.nan, np.nan, np.nan
    finite = [np.isfinite(each).all(axis=1) for each in (left, right)]
    invalid = abs(int((~finite[0]).sum()) - int((~finite[1]).sum()))
    one, other = left[finite[0]], right[finite[1]]
    if not len(one) and not len(other):
        return 0.0, 0.0, float(invalid)
    there, back = nearest_distances(one, other), nearest_distances(other, one)
    if not len(one) or not len(other):
        return np.inf, np.inf, float(invalid)
    chamfer = (float(there.mean()) + float(back.mean())) / 2.0
    return chamfer, float(max(there.max(), back.max())), float(invalid)
