"""Absolute and relative pose errors.

Sources: Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012; for errors
of whole poses Kuemmerle et al., On Measuring the Accuracy of SLAM Algorithms, 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.trajectory.pairs import pose_pairs
from lk_dataset_ros.comparison.trajectory.poses import check_associated
from lk_dataset_ros.comparison.trajectory.rotations import (
    angles,
    inverted,
    multiplied,
    rotated,
    sines,
)
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.trajectory.poses import Trajectory

#: What an error is of, and its unit.
RELATIONS = {'translation': 'm', 'rotation_angle': 'rad', 'rotation_part': '', 'full': ''}


@dataclass(frozen=True, slots=True, eq=False)
class PoseErrors:
    """How far poses lie apart.

    A pose that is not a number makes an error, and what is computed of all of them, NaN.

    Attributes:
        errors: float64, (n,): not negative.
        stamps_ns: int64, (n,): when, in the original; of relative errors where they end.
        unit: Of the errors, `m` or `rad`; empty where they have none.
    """

    errors: NDArray[np.float64]
    stamps_ns: NDArray[np.int64]
    unit: str = ''

    def __len__(self) -> int:
        """Return the number of errors."""
        return len(self.errors)

    @property
    def rmse(self) -> float:
        """Root of the mean square."""
        return float(np.sqrt(self.sse / len(self))) if len(self) else np.nan

    @property
    def mean(self) -> float:
        """Mean."""
        return self._of(np.mean)

    @property
    def median(self) -> float:
        """Median."""
        return self._of(np.median)

    @property
    def std(self) -> float:
        """Standard deviation of all there are (divided by n)."""
        return self._of(np.std)

    @property
    def min(self) -> float:
        """Smallest."""
        return self._of(np.min)

    @property
    def max(self) -> float:
        """Largest."""
        return self._of(np.max)

    @property
    def sse(self) -> float:
        """Sum of the squares."""
        with np.errstate(all='ignore'):
            return float(np.square(self.errors).sum())

    def _of(self, function: Callable[[NDArray[np.float64]], np.float64]) -> float:
        with np.errstate(all='ignore'):
            return float(function(self.errors)) if len(self) else np.nan


def absolute_pose_error(
    original: Trajectory, compiled: Trajectory, relation: str = 'translation'
) -> PoseErrors:
    """Return how far each pose of the compiled is from that of the original.

    Args:
        original: Poses.
        compiled: As many poses, in the same order; see `associate`, and `align` where both have
            frames of their own.
        relation: `translation` (m), `rotation_angle` (rad), `rotation_part` (norm of the error's
            rotation matrix less the identity) or `full` (likewise, of the matrix of the pose).

    Raises:
        ComparisonError: If the numbers of poses differ, or the relation is unknown.
    """
    check_associated(original, compiled)
    with np.errstate(all='ignore'):
        apart = compiled.positions - original.positions
    turned = multiplied(inverted(compiled.quaternions_xyzw), original.quaternions_xyzw)
    return _errors(relation, apart, turned, original.stamps_ns)


def relative_pose_error(
    original: Trajectory,
    compiled: Trajectory,
    relation: str = 'translation',
    *,
    delta: float = 1.0,
    unit: str = 'frames',
    all_pairs: bool = False,
    tolerance: float = 0.1,
    pairs_of: str = 'compiled',
) -> PoseErrors:
    """Return how far each movement of the compiled is from that of the original: its drift.

    Args:
        original: Poses.
        compiled: As many poses, in the same order; see `associate`.
        relation: As for `absolute_pose_error`.
        delta: How long a movement is.
        unit: Of `delta`: `frames`, `m`, `s`, `rad` or `deg`.
        all_pairs: Take the movement from every pose on, not one after the other.
        tolerance: How far off `delta` movements may be then, as a share of it.
        pairs_of: Whose way, time or turn `delta` is: `compiled` (as evo has it) or `original`.

    Raises:
        ComparisonError: If the numbers of poses differ, or an argument makes no sense.
    """
    check_associated(original, compiled)
    if pairs_of not in ('compiled', 'original'):
        raise ComparisonError(f"pairs_of is {pairs_of!r}; it has to be 'compiled' or 'original'")
    leader = compiled if pairs_of == 'compiled' else original
    first, second = pose_pairs(
        leader, delta=delta, unit=unit, all_pairs=all_pairs, tolerance=tolerance
    )
    moved, turned = _movements(original, first, second)
    moved_too, turned_too = _movements(compiled, first, second)
    with np.errstate(all='ignore'):
        apart = moved_too - moved
    turn = multiplied(inverted(turned), turned_too)
    return _errors(relation, apart, turn, original.stamps_ns[second])


def _movements(
    poses: Trajectory, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where second poses lie as seen from first ones, and how they are turned."""
    back = inverted(poses.quaternions_xyzw[first])
    with np.errstate(all='ignore'):
        way = poses.positions[second] - poses.positions[first]
    return rotated(back, way), multiplied(back, poses.quaternions_xyzw[second])


def _errors(
    relation: str,
    apart: NDArray[np.float64],
    turned: NDArray[np.float64],
    stamps_ns: NDArray[np.int64],
) -> PoseErrors:
    if relation not in RELATIONS:
        raise ComparisonError(
            f'relation is {relation!r}; it has to be one of {", ".join(RELATIONS)}'
        )
    with np.errstate(all='ignore'):
        if relation == 'translation':
            errors = np.sqrt(np.square(apart).sum(axis=1))
        elif relation == 'rotation_angle':
            errors = angles(turned)
        else:
            # |R - 1| (Frobenius) of a rotation by t is sqrt(8) |sin(t / 2)|.
            squared = 8.0 * np.square(sines(turned))
            errors = np.sqrt(squared + (np.square(apart).sum(axis=1) if relation == 'full' else 0))
    return PoseErrors(errors, stamps_ns, RELATIONS[relation])
