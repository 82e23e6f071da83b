"""Rotations as unit quaternions (x, y, z, w), many at once, exact for tiny angles.

Sources: Shuster, A Survey of Attitude Representations, 1993; Shepperd, Quaternion from rotation
matrix, 1978.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

#: Squared norm below which a quaternion is taken as one that was never set: no rotation.
_NO_NORM = 4.0 * np.finfo(np.float64).eps


def normalized(quaternions: NDArray[Any]) -> NDArray[np.float64]:
    """Return unit quaternions; one that is zero becomes the identity.

    Args:
        quaternions: (n, 4): x, y, z, w of any length.
    """
    found = np.array(quaternions, np.float64)
    with np.errstate(all='ignore'):
        # By the largest part first: the square of a huge number is infinite.
        largest = np.abs(found).max(axis=-1, keepdims=True)
        found /= np.where(largest == 0.0, 1.0, largest)
        squared = np.einsum('...i,...i->...', found, found)[..., np.newaxis]
        is_unset = squared * np.square(np.minimum(largest, 1.0)) < _NO_NORM
        found /= np.sqrt(np.where(is_unset, 1.0, squared))
    identity = np.array([0.0, 0.0, 0.0, 1.0])
    unit: NDArray[np.float64] = np.where(is_unset, identity, found)
    return unit


def multiplied(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Return the products: what rotates first by `right`, then by `left`."""
    with np.errstate(all='ignore'):
        a, b = left[..., :3], right[..., :3]
        v, w = left[..., 3:], right[..., 3:]
        vector = v * b + w * a + np.cross(a, b)
        scalar = v * w - np.einsum('...i,...i->...', a, b)[..., np.newaxis]
        found: NDArray[np.float64] = np.concatenate((vector, scalar), axis=-1)
        return found


def inverted(quaternions: NDArray[Any]) -> NDArray[np.float64]:
    """Return the inverses of unit quaternions."""
    found: NDArray[np.float64] = quaternions * np.array([-1.0, -1.0, -1.0, 1.0])
    return found


def rotated(quaternions: NDArray[Any], vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Return vectors, (n, 3), rotated by unit quaternions, (n, 4)."""
    with np.errstate(all='ignore'):
        axis, scalar = quaternions[..., :3], quaternions[..., 3:]
        twice = 2.0 * np.cross(axis, vectors)
        found: NDArray[np.float64] = vectors + scalar * twice + np.cross(axis, twice)
        return found


def sines(quaternions: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sine of half the angle of each rotation, not negative."""
    with np.errstate(all='ignore'):
        vector = quaternions[..., :3]
        found: NDArray[np.float64] = np.sqrt(np.einsum('...i,...i->...', vector, vector))
        return found


def angles(quaternions: NDArray[Any]) -> NDArray[np.float64]:
    """Return the angle of each rotation in rad, 0 to pi; as exact at 1e-12 as at 1."""
    with np.errstate(all='ignore'):
        found: NDArray[np.float64] = 2.0 * np.arctan2(
            sines(quaternions), np.abs(quaternions[..., 3])
        )
        return found


def of_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit quaternion, (4,), of a rotation matrix, (3, 3)."""
    trace = float(np.trace(matrix))
    diagonal = np.array([*np.diag(matrix), trace])
    place = int(diagonal.argmax())
    x, y, z = (matrix[k, j] - matrix[j, k] for j, k in ((1, 2), (2, 0), (0, 1)))
    if place == 3:
        return normalized(np.array([x, y, z, 1.0 + trace]))
    # The row of 4 q q^T with the largest diagonal: no small number is divided by.
    row = matrix[place] + matrix[:, place]
    row[place] = 1.0 - trace + 2.0 * matrix[place, place]
    return normalized(np.array([*row, (x, y, z)[place]]))
