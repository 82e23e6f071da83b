"""Judge rotations, positions, poses, angles and covariances as what they are.

Source: sensor_msgs/Imu (a covariance that begins with -1 is unknown).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lk_dataset_ros.comparison.comparators.members import numbers, vectors
from lk_dataset_ros.comparison.comparators.parts import in_parts
from lk_dataset_ros.comparison.judging.judged import Judged
from lk_dataset_ros.comparison.judging.segments import (
    aligned,
    relative_norms,
    segment_any,
    segment_max,
    spread,
)
from lk_dataset_ros.comparison.judging.values import judge_numbers
from lk_dataset_ros.comparison.judging.vectors import (
    beyond,
    component_errors,
    norms,
    rotation_errors,
    turned,
    wrapped_difference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Floats = NDArray[np.float64]
    Columns = Mapping[str, Column]

_XYZ: Final = ('x', 'y', 'z')
_XYZW: Final = (*_XYZ, 'w')
_POSITION: Final = tuple(f'position.{axis}' for axis in _XYZ)
_ORIENTATION: Final = tuple(f'orientation.{axis}' for axis in _XYZW)
_TRANSLATION: Final = tuple(f'translation.{axis}' for axis in _XYZ)
_ROTATION: Final = tuple(f'rotation.{axis}' for axis in _XYZW)
_LARGEST: Final = float(np.finfo(np.float64).max)


@in_parts(*_XYZW)
def quaternion_components(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge the components of quaternions, where q and -q are the same.

    Each component may be off by `atol + rtol * |component|`. An error is the angle between both
    rotations in rad, or the largest error of a component where that is larger (the quaternions
    have other norms, or are none).

    Args:
        original: x, y, z, w.
        compiled: Likewise.
        limit: Of each component.
    """
    left, right = vectors(original, _XYZW), vectors(compiled, _XYZW)
    right, apart = turned(left, right)
    largest = apart.max(axis=0)
    over = np.zeros(len(largest), np.bool_)
    rows = np.flatnonzero(beyond(largest, limit.atol))
    if len(rows):
        with np.errstate(all='ignore'):
            allowed = limit.atol + limit.rtol * np.abs(left[:, rows])
        over[rows] = beyond(apart[:, rows], allowed).any(axis=0)
    with np.errstate(all='ignore'):
        differences = (right - left).T
    return Judged(rotation_errors(left, right, largest), over, differences=differences)


@in_parts(*_XYZW)
def quaternion_angle(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge quaternions by the angle between both rotations, where q and -q are the same.

    No component may be off by more than that, either: so another norm is seen. Of unit
    quaternions no component is off by more than half the angle.

    Args:
        original: x, y, z, w.
        compiled: Likewise.
        limit: `atol + rtol`, in rad.
    """
    errors = _rotation_errors(original, compiled, _XYZW)
    return Judged(errors, beyond(errors, limit.atol + limit.rtol))


@in_parts(*_XYZ)
def position(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge points by their distance in m, which may be `atol + rtol * |original|`.

    Args:
        original: x, y, z.
        compiled: Likewise.
        limit: Of the distance.
    """
    return Judged(*_distances(original, compiled, _XYZ, limit))


@in_parts(*_POSITION, *_ORIENTATION)
def pose(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge poses by distance, as `position`, and by rotation, as `quaternion_angle`.

    An error is the larger of both; measures are `translation_m` and `rotation_rad`.

    Args:
        original: position.x to position.z, orientation.x to orientation.w.
        compiled: Likewise.
        limit: Of the distance in m, and `atol + rtol` of the rotation in rad.
    """
    return _pose(original, compiled, limit, (_POSITION, _ORIENTATION))


@in_parts(*_TRANSLATION, *_ROTATION)
def transform(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge transforms as `pose` does poses.

    Args:
        original: translation.x to translation.z, rotation.x to rotation.w.
        compiled: Likewise.
        limit: Of the distance in m, and `atol + rtol` of the rotation in rad.
    """
    return _pose(original, compiled, limit, (_TRANSLATION, _ROTATION))


@in_parts('')
def angle(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge angles in rad, one or many to a message, where full turns do not count.

    Args:
        original: The angles as the only field, named ''.
        compiled: Likewise.
        limit: Of the difference, which is from -pi (not included) to pi.
    """
    left, right, offsets, same = aligned(numbers(original, ''), numbers(compiled, ''))
    left = left.astype(np.float64, copy=False)
    signed = wrapped_difference(left, right.astype(np.float64, copy=False))
    errors = np.abs(signed)
    errors[np.isnan(errors)] = np.inf
    with np.errstate(all='ignore'):
        over = beyond(errors, limit.atol + limit.rtol * np.abs(left))
    if len(errors) == len(same) and bool((np.diff(offsets) == 1).all()):
        return Judged(errors, over, signed)
    return Judged(
        spread(segment_max(errors, offsets), same, lost=np.inf),
        spread(segment_any(over, offsets), same, lost=True),
    )


@in_parts('')
def covariance(original: Columns, compiled: Columns, limit: Limit) -> Judged:
    """Judge covariance matrices element by element; those that begin with -1 are unknown.

    Two unknown ones are equal, one that is known and one that is not have no finite error. The
    measure is `relative_frobenius`, |compiled - original| / |original| by Frobenius norms.

    Args:
        original: The elements as the only field, named ''.
        compiled: Likewise.
        limit: Of each element.
    """
    left, right, offsets, same = aligned(numbers(original, ''), numbers(compiled, ''))
    values = judge_numbers(left, right, limit)
    assert values.errors is not None
    errors = segment_max(values.errors, offsets)
    over = np.zeros(len(errors), np.bool_)
    if values.over is not None:
        over = segment_any(values.over, offsets)
    filled = np.flatnonzero(np.diff(offsets))
    unknown = np.zeros((2, len(errors)), np.bool_)
    for side, each in enumerate((left, right)):
        unknown[side, filled] = each[offsets[filled]] == -1
    relative = relative_norms(left, values.errors, errors, offsets)
    neither, one = unknown[0] & unknown[1], unknown[0] != unknown[1]
    errors[neither], over[neither], relative[neither] = 0.0, False, np.nan
    errors[one], over[one], relative[one] = np.inf, True, np.inf
    return Judged(
        spread(errors, same, lost=np.inf),
        spread(over, same, lost=True),
        measures={'relative_frobenius': spread(relative, same, lost=np.nan)},
    )


def _pose(
    original: Columns,
    compiled: Columns,
    limit: Limit,
    names: tuple[tuple[str, ...], tuple[str, ...]],
) -> Judged:
    distances, is_off = _distances(original, compiled, names[0], limit)
    rotations = _rotation_errors(original, compiled, names[1])
    return Judged(
        np.maximum(distances, rotations),
        is_off | beyond(rotations, limit.atol + limit.rtol),
        measures={'translation_m': distances, 'rotation_rad': rotations},
    )


def _rotation_errors(original: Columns, compiled: Columns, names: tuple[str, ...]) -> Floats:
    left = vectors(original, names)
    right, apart = turned(left, vectors(compiled, names))
    return rotation_errors(left, right, apart.max(axis=0))


def _distances(
    original: Columns, compiled: Columns, names: tuple[str, ...], limit: Limit
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the distances between points, and which are beyond the limit."""
    left, right = vectors(original, names), vectors(compiled, names)
    errors = norms(component_errors(left, right))
    allowed = np.full(len(errors), limit.atol)
    rows = np.flatnonzero(errors > limit.atol) if limit.rtol else np.zeros(0, np.int64)
    if len(rows):
        # A part that is no finite number on both sides allows the others nothing.
        sizes = norms(np.nan_to_num(left[:, rows], nan=0.0, posinf=0.0, neginf=0.0))
        with np.errstate(all='ignore'):
            allowed[rows] += limit.rtol * np.minimum(sizes, _LARGEST)
    return errors, beyond(errors, allowed)
