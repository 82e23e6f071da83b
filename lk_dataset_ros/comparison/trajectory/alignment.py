"""Put one trajectory onto another that has a frame of its own.

Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns,
IEEE PAMI 13(4), 1991.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.trajectory.poses import Trajectory, check_associated
from lk_dataset_ros.comparison.trajectory.rotations import (
    inverted,
    multiplied,
    of_matrix,
    rotated,
)
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """What puts a trajectory onto another: scaled, then rotated, then moved.

    Attributes:
        rotation_xyzw: float64, (4,): unit quaternion.
        translation: float64, (3,): in m.
        scale: Factor of the positions.
    """

    rotation_xyzw: NDArray[np.float64]
    translation: NDArray[np.float64]
    scale: float = 1.0

    def applied(self, trajectory: Trajectory) -> Trajectory:
        """Return a trajectory with this done to its poses."""
        with np.errstate(all='ignore'):
            positions = rotated(self.rotation_xyzw, self.scale * trajectory.positions)
            return Trajectory(
                trajectory.stamps_ns,
                positions + self.translation,
                multiplied(self.rotation_xyzw, trajectory.quaternions_xyzw),
            )


def align(
    original: Trajectory,
    compiled: Trajectory,
    *,
    by: str = 'positions',
    correct_scale: bool = False,
    n: int | None = None,
) -> Trajectory:
    """Return the compiled as it lies best on the original; see `alignment_of`."""
    found = alignment_of(original, compiled, by=by, correct_scale=correct_scale, n=n)
    return found.applied(compiled)


def alignment_of(
    original: Trajectory,
    compiled: Trajectory,
    *,
    by: str = 'positions',
    correct_scale: bool = False,
    n: int | None = None,
) -> Alignment:
    """Return what puts the compiled onto the original.

    Args:
        original: Poses.
        compiled: As many poses, in the same order; see `associate`.
        by: `positions` (least squares of their distances, Umeyama) or `origin` (the first pose).
        correct_scale: Scale the compiled, too.
        n: Use the first poses only; all when left out.

    Raises:
        ComparisonError: If the numbers of poses differ, no such alignment exists, or an argument
            makes no sense.
    """
    check_associated(original, compiled)
    if by not in ('positions', 'origin'):
        raise ComparisonError(f"by is {by!r}; it has to be 'positions' or 'origin'")
    if n is not None and n < 1:
        raise ComparisonError(f'n is {n}; it has to be 1 or greater')
    if not len(original):
        raise ComparisonError('there is no pose to align by')
    if by == 'positions':
        return _least_squares(original.positions[:n], compiled.positions[:n], correct_scale)
    if correct_scale or n is not None:
        raise ComparisonError("the origin has no scale, and is one pose; align by 'positions'")
    turn = multiplied(original.quaternions_xyzw[0], inverted(compiled.quaternions_xyzw[0]))
    with np.errstate(all='ignore'):
        return Alignment(turn, original.positions[0] - rotated(turn, compiled.positions[0]))


def _least_squares(
    original: NDArray[np.float64], compiled: NDArray[np.float64], correct_scale: bool
) -> Alignment:
    if not (np.isfinite(original).all() and np.isfinite(compiled).all()):
        raise ComparisonError('a position is not finite; poses like that cannot be aligned by')
    with np.errstate(all='ignore'):
        centre, own_centre = original.mean(axis=0), compiled.mean(axis=0)
        around, own_around = original - centre, compiled - own_centre
        covariance = around.T @ own_around / len(original)
        variance = float(np.square(own_around).sum() / len(original))
    if not (np.isfinite(covariance).all() and np.isfinite(variance)):
        raise ComparisonError('the positions are too large to be aligned by')
    left, singular, right = np.linalg.svd(covariance)
    # Points on a line (or one point) leave a turn open.
    if singular[1] <= 3.0 * np.finfo(np.float64).eps * singular[0]:
        raise ComparisonError(
            'the positions lie on a line or in one point, which leaves the rotation open; '
            "align by 'origin'"
        )
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = of_matrix(left * signs @ right)
    scale = float(singular @ signs) / variance if correct_scale else 1.0
    return Alignment(rotation, centre - rotated(rotation, scale * own_centre), scale)
