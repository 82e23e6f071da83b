"""Poses over time, and where a key's messages have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.trajectory.rotations import normalized
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.message import Column, Columns

#: Stamps beyond this (the year 2116) cannot be subtracted safely.
_MOST_NS = 2**62
#: How poses name their parts.
_PARTS = (('position', 'orientation'), ('translation', 'rotation'))


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Poses over time.

    Attributes:
        stamps_ns: int64, (n,): when; associations are faster if they ascend.
        positions: float64, (n, 3): x, y, z in m.
        quaternions_xyzw: float64, (n, 4): orientations. They are made unit quaternions; one that
            is zero, as in a message where it was never set, becomes the identity.

    Raises:
        ComparisonError: If the arrays do not fit each other, or a stamp is beyond the year 2116.
    """

    stamps_ns: NDArray[np.int64]
    positions: NDArray[np.float64]
    quaternions_xyzw: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the shapes."""
        stamps_ns = np.asarray(self.stamps_ns)
        if stamps_ns.ndim != 1 or (stamps_ns.size and stamps_ns.dtype.kind not in 'iu'):
            raise ComparisonError(
                f'stamps are {stamps_ns.dtype} {stamps_ns.shape}; they have to be int64 (n,)'
            )
        check_range(stamps_ns)
        object.__setattr__(self, 'stamps_ns', stamps_ns.astype(np.int64))
        for name, width in (('positions', 3), ('quaternions_xyzw', 4)):
            values = np.asarray(getattr(self, name), np.float64)
            if values.shape != (len(stamps_ns), width):
                raise ComparisonError(
                    f'{name} are {values.shape}; {(len(stamps_ns), width)} fit the stamps'
                )
            object.__setattr__(self, name, values)
        object.__setattr__(self, 'quaternions_xyzw', normalized(self.quaternions_xyzw))

    def __len__(self) -> int:
        """Return the number of poses."""
        return len(self.stamps_ns)

    def taken(self, indices: NDArray[np.int64]) -> Trajectory:
        """Return some of the poses."""
        return Trajectory(
            self.stamps_ns[indices], self.positions[indices], self.quaternions_xyzw[indices]
        )

    @classmethod
    def from_columns(cls, columns: Columns, path: str = '') -> Trajectory:
        """Take the pose of each message: of Odometry, PoseStamped, TransformStamped, ...

        Args:
            columns: A key's messages; their time is the header's stamp, or the log time.
            path: Which pose, such as `pose.pose`; may be left out where there is one only.

        Raises:
            ComparisonError: If there is no such pose, or more than one.
        """
        found = {
            prefix: names for prefix, names in _poses(columns) if path in ('', prefix.rstrip('.'))
        }
        if len(found) != 1:
            known = ', '.join(
                prefix.rstrip('.') or '(the message)' for prefix, _ in _poses(columns)
            )
            wanted = f'no pose {path}' if path else 'no single pose'
            raise ComparisonError(f'there is {wanted} in the messages; there is {known or "none"}')
        prefix, (position, orientation) = next(iter(found.items()))
        named = [
            *((f'{prefix}{position}.{axis}') for axis in 'xyz'),
            *((f'{prefix}{orientation}.{axis}') for axis in 'xyzw'),
        ]
        parts = [columns[name] for name in named]
        rows = parts[0].rows
        for name, part in zip(named, parts, strict=True):
            _check_part(name, part, rows)
        times_ns = columns.log_time_ns if columns.stamp_ns is None else columns.stamp_ns
        values = np.stack([part.values.astype(np.float64) for part in parts], axis=-1)
        return cls(times_ns[rows], values[:, :3], values[:, 3:])


def check_associated(original: Trajectory, compiled: Trajectory) -> None:
    """Refuse trajectories that are not pose by pose.

    Raises:
        ComparisonError: If they are not.
    """
    if len(original) != len(compiled):
        raise ComparisonError(
            f'the original has {len(original)} poses, the compiled {len(compiled)}; '
            'associate them first'
        )


def check_range(stamps_ns: NDArray[np.int64], offset_ns: int = 0) -> None:
    """Refuse stamps that cannot be subtracted from others.

    Raises:
        ComparisonError: If one is beyond the year 2116.
    """
    if not stamps_ns.size:
        return
    for stamp_ns in (int(stamps_ns.min()) + offset_ns, int(stamps_ns.max()) + offset_ns):
        if abs(stamp_ns) >= _MOST_NS:
            raise ComparisonError(f'{stamp_ns} ns is not a time that poses can be paired by')


def _poses(columns: Columns) -> list[tuple[str, tuple[str, str]]]:
    """Return the prefixes of complete poses, and what their parts are called."""
    return [
        (prefix, names)
        for names in _PARTS
        for prefix in (
            name.removesuffix(f'{names[0]}.x') for name in columns if _ends(name, f'{names[0]}.x')
        )
        if all(f'{prefix}{names[1]}.{axis}' in columns for axis in 'xyzw')
        and all(f'{prefix}{names[0]}.{axis}' in columns for axis in 'xyz')
    ]


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f'.{end}')


def _check_part(name: str, part: Column, rows: NDArray[np.int64]) -> None:
    if part.offsets is not None or part.values.ndim != 1 or part.values.dtype.kind not in 'fiu':
        raise ComparisonError(f'{name} is not one number in each message')
    if not np.array_equal(part.rows, rows):
        raise ComparisonError(f'{name} is not in the same messages as the rest of the pose')
