"""Read the points of a cloud as its fields say.

Sources: sensor_msgs/PointCloud2 and PointField; PCL's conversions (a count of 0 is 1; `rgb` and
`rgba` are four bytes whatever their type says).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message import Column

#: Of the whole cloud.
SHAPE: Final = ('height', 'width', 'fields.length', 'is_bigendian', 'point_step', 'row_step')
#: Of each field.
FIELD: Final = ('name', 'offset', 'datatype', 'count')
#: By number of sensor_msgs/PointField, 1 is INT8.
_TYPES: Final = ('i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'f4', 'f8')
_COLOURS: Final = frozenset({'rgb', 'rgba'})
_XYZ: Final = ('x', 'y', 'z')
_MOST_BYTES: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """Numbers that every point has.

    Attributes:
        name: Such as `x`.
        dtype: Of one number, such as `f4`.
        count: How many.
        offset: Byte of the point where they begin.
    """

    name: str
    dtype: str
    count: int
    offset: int

    @property
    def end(self) -> int:
        """Byte of the point after them."""
        return self.offset + self.count * int(self.dtype[1])


class Layout(NamedTuple):
    """What a sensor_msgs/PointCloud2 says of its bytes.

    Attributes:
        height: Rows.
        width: Points of a row.
        is_bigendian: Whether numbers of several bytes begin with the highest.
        point_step: Bytes of a point.
        row_step: Bytes of a row.
        fields: What a point is.
    """

    height: int
    width: int
    is_bigendian: int
    point_step: int
    row_step: int
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Number of points."""
        return self.height * self.width

    @property
    def kinds(self) -> list[tuple[str, str, int]]:
        """What the fields are, wherever they lie."""
        return [(each.name, each.dtype, each.count) for each in self.fields]

    @classmethod
    def of(cls, header: Sequence[Any]) -> Layout | None:
        """Take what a message says of itself, None if that is no layout.

        Args:
            header: What `header_names` names.
        """
        numbers = header[: len(SHAPE)]
        if not all(isinstance(each, int) for each in numbers):
            return None
        height, width, length, is_bigendian, point_step, row_step = numbers
        described = header[len(SHAPE) :]
        size = len(FIELD)
        if length * size > len(described) or not 0 < point_step <= _MOST_BYTES:
            return None
        fields = [_field(described[at : at + size]) for at in range(0, length * size, size)]
        known = tuple(each for each in fields if each is not None and each.end <= point_step)
        if len(known) < len(fields) or not known:
            return None
        return cls(height, width, is_bigendian, point_step, row_step, known)


def _field(described: Sequence[Any]) -> Field | None:
    name, offset, datatype, count = described
    is_one = isinstance(name, str) and all(isinstance(each, int) for each in described[1:])
    if not is_one or not 1 <= datatype <= len(_TYPES):
        return None
    dtype, count = _TYPES[datatype - 1], count or 1
    if name in _COLOURS and dtype in {'f4', 'u4', 'i4'} and count == 1:
        # As a float, any colour is nearly 0, or is NaN.
        dtype, count = 'u1', 4
    return Field(name, dtype, count, offset)


def header_names(*sides: Mapping[str, Column]) -> list[str]:
    """Return the names of all fields that say what the bytes are, of the longest list of fields."""
    count = 0
    while any(f'fields[{count}].name' in columns for columns in sides):
        count += 1
    return [*SHAPE, *(f'fields[{index}].{name}' for index in range(count) for name in FIELD)]


def points_of(layout: Layout, raw: NDArray[np.uint8]) -> NDArray[Any] | None:
    """Return the points of clouds of one layout.

    Args:
        layout: What the clouds say of themselves.
        raw: uint8, (k, size): their bytes.

    Returns:
        (k, height * width), with a field `f0`, `f1`, ... for each field; None if the sizes do not
        fit each other.
    """
    needed = layout.width * layout.point_step
    if needed > layout.row_step or layout.row_step * layout.height != raw.shape[1]:
        return None
    order = '>' if layout.is_bigendian else '<'
    dtype = np.dtype(
        {
            'names': [f'f{index}' for index in range(len(layout.fields))],
            'formats': [
                order + each.dtype if each.count == 1 else (order + each.dtype, (each.count,))
                for each in layout.fields
            ],
            'offsets': [each.offset for each in layout.fields],
            'itemsize': layout.point_step,
        }
    )
    if not layout.size:
        return np.zeros((len(raw), 0), dtype)
    if needed == layout.row_step:
        return raw.view(dtype)
    rows = raw.reshape(len(raw), layout.height, layout.row_step)[:, :, :needed]
    return rows.view(dtype).reshape(len(raw), layout.size)


def positions_of(layout: Layout, raw: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Return x, y and z of the points of one cloud, (n, 3).

    Args:
        layout: What the cloud says of itself.
        raw: uint8, (size,): its bytes.

    Returns:
        The positions; None if the sizes do not fit each other, or a coordinate is not there.
    """
    names = [each.name for each in layout.fields]
    if any(axis not in names for axis in _XYZ):
        return None
    indices = [names.index(axis) for axis in _XYZ]
    points = points_of(layout, raw[None])
    if points is None or any(layout.fields[index].count != 1 for index in indices):
        return None
    found = np.empty((points.shape[1], 3))
    for axis, index in enumerate(indices):
        found[:, axis] = points[0][f'f{index}']
    return found
