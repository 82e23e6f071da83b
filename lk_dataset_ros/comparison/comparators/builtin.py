"""The comparators of common types: which type has which, and what tolerances call them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.comparators import (
    clouds,
    geometry,
    grids,
    images,
    scans,
)
from lk_dataset_ros.comparison.comparators.registered import Comparator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.comparison.comparators.registered import Judge
    from lk_dataset_ros.comparison.judging.judged import Judged
    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column


def _of_field(judge: Judge, field: str) -> Judge:
    """Make the judge of a field one of a part that has such a field."""

    def of_part(
        original: Mapping[str, Column], compiled: Mapping[str, Column], limit: Limit
    ) -> Judged:
        return judge({'': original[field]}, {'': compiled[field]}, limit)

    return of_part


def _field(comparator: Comparator, field: str) -> Comparator:
    judge = _of_field(comparator.judge, field)
    return replace(comparator, judge=judge, field=field, covers=(field,), needs=(field,))


_XYZW: Final = ('x', 'y', 'z', 'w')
_POSE_FIELDS: Final = (
    *(f'position.{axis}' for axis in 'xyz'),
    *(f'orientation.{axis}' for axis in _XYZW),
)
_TRANSFORM_FIELDS: Final = (
    *(f'translation.{axis}' for axis in 'xyz'),
    *(f'rotation.{axis}' for axis in _XYZW),
)
_ANGLE: Final = Comparator('angle', geometry.angle, 'rad')
_COVARIANCE: Final = Comparator('covariance', geometry.covariance)
_QUATERNION: Final = Comparator(
    'quaternion',
    geometry.quaternion_components,
    'rad',
    needs=_XYZW,
    when_named=Comparator('quaternion', geometry.quaternion_angle, 'rad'),
)
#: Poses are looked at as such, and judged as such where a tolerance names the pose itself.
_POSE: Final = Comparator(
    'pose',
    geometry.pose,
    needs=_POSE_FIELDS,
    is_judged=False,
    when_named=Comparator('pose', geometry.pose),
)
_TRANSFORM: Final = Comparator(
    'transform',
    geometry.transform,
    needs=_TRANSFORM_FIELDS,
    is_judged=False,
    when_named=Comparator('transform', geometry.transform),
)
_POSITION: Final = Comparator('position', geometry.position, 'm', needs=('x', 'y', 'z'))
_FLOAT: Final = np.dtype(np.float32)
#: Of sensor_msgs/PointField.
_FLOAT32, _FLOAT64 = 7, 8


def _of_pixels(columns: Mapping[str, Column]) -> np.dtype[Any]:
    """Return the type of an image's pixels: floats have a tolerance, integers do not."""
    encodings = set(columns['encoding'].values.tolist() if 'encoding' in columns else ())
    kinds = {str(each).partition('F')[0] for each in encodings if 'FC' in str(each)}
    if len(kinds) != 1 or not all('FC' in str(each) for each in encodings):
        return np.dtype(np.uint8)
    return np.dtype({'16': 'float16', '64': 'float64'}.get(kinds.pop(), 'float32'))


def _of_points(columns: Mapping[str, Column]) -> np.dtype[Any]:
    """Return the type of a cloud's points: that of its floats, the narrower of both."""
    floats = {
        int(each)
        for name, column in columns.items()
        if name.endswith('.datatype')
        for each in np.unique(column.values)
    } & {_FLOAT32, _FLOAT64}
    return np.dtype(np.float64) if floats == {_FLOAT64} else _FLOAT


_IMAGE: Final = Comparator(
    'image',
    images.image,
    field='data',
    covers=('data', 'encoding', 'is_bigendian', 'step'),
    needs=('data', 'encoding'),
    dtype=_of_pixels,
)
_COMPRESSED: Final = Comparator(
    'compressed_image', images.compressed_image, field='data', covers=('data',), needs=('data',)
)
_CLOUD: Final = Comparator(
    'cloud',
    clouds.cloud_in_order,
    field='data',
    covers=('data', 'is_bigendian', 'point_step', 'row_step'),
    needs=('data', 'point_step'),
    dtype=_of_points,
)
_CLOUD_SET: Final = replace(_CLOUD, name='cloud_set', judge=clouds.cloud_as_set, unit='m')
_SCAN: Final = Comparator(
    'laser_scan',
    scans.laser_scan,
    'm',
    field='ranges',
    covers=('ranges', 'intensities'),
    needs=('ranges',),
)
_GRID: Final = Comparator(
    'occupancy_grid', grids.occupancy_grid, field='data', covers=('data',), needs=('data',)
)

#: By the name that tolerances use; `values` compares value by value.
NAMED: Final[dict[str, Comparator | None]] = {
    'values': None,
    'angle': _ANGLE,
    'quaternion': _QUATERNION,
    'position': _POSITION,
    'pose': replace(_POSE, is_judged=True),
    'transform': replace(_TRANSFORM, is_judged=True),
    'covariance': _COVARIANCE,
    'laser_scan': _SCAN,
    'occupancy_grid': _GRID,
    'image': _IMAGE,
    'compressed_image': _COMPRESSED,
    'cloud': _CLOUD,
    'cloud_set': _CLOUD_SET,
}

#: By full type name.
BY_TYPE: Final[dict[str, tuple[Comparator, ...]]] = {
    'geometry_msgs/msg/Quaternion': (_QUATERNION,),
    'geometry_msgs/msg/Pose': (_POSE,),
    'geometry_msgs/msg/Transform': (_TRANSFORM,),
    'geometry_msgs/msg/Pose2D': (_field(_ANGLE, 'theta'),),
    'turtlesim/msg/Pose': (_field(_ANGLE, 'theta'),),
    'geometry_msgs/msg/PoseWithCovariance': (_field(_COVARIANCE, 'covariance'),),
    'geometry_msgs/msg/TwistWithCovariance': (_field(_COVARIANCE, 'covariance'),),
    'geometry_msgs/msg/AccelWithCovariance': (_field(_COVARIANCE, 'covariance'),),
    'sensor_msgs/msg/Imu': tuple(
        _field(_COVARIANCE, f'{name}_covariance')
        for name in ('orientation', 'angular_velocity', 'linear_acceleration')
    ),
    'sensor_msgs/msg/MagneticField': (_field(_COVARIANCE, 'magnetic_field_covariance'),),
    'sensor_msgs/msg/NavSatFix': (_field(_COVARIANCE, 'position_covariance'),),
    'sensor_msgs/msg/LaserScan': (_SCAN,),
    'sensor_msgs/msg/Image': (_IMAGE,),
    'sensor_msgs/msg/CompressedImage': (_COMPRESSED,),
    'sensor_msgs/msg/PointCloud2': (_CLOUD,),
    'nav_msgs/msg/OccupancyGrid': (_GRID,),
}
