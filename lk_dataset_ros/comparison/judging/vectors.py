"""Errors of vectors, rotations and angles, many at once, whatever the values.

A NaN is equal to a NaN and an infinity to the same infinity; a number has an infinite error
against either. Vectors are (k, n): one row for each component.

Source: Kahan, How Futile are Mindless Assessments of Roundoff, 2006, section 12 (angles between
vectors).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_TURN: Final = 2.0 * math.pi


def component_errors(left: Floats, right: Floats) -> Floats:
    """Return absolute differences, infinite where one side only is no finite number."""
    with np.errstate(all='ignore'):
        found: Floats = np.abs(right - left)
        if not math.isfinite(found.max(initial=0.0)):
            same = (left == right) | (np.isnan(left) & np.isnan(right))
            found[~same & ~(np.isfinite(left) & np.isfinite(right))] = np.inf
            found[same] = 0.0
    return found


def beyond(errors: Floats, allowed: Any) -> NDArray[np.bool_]:
    """Tell which errors are larger than allowed; infinite ones are, whatever is allowed."""
    return np.asarray((errors > allowed) | np.isinf(errors))


def norms(vectors: Floats) -> Floats:
    """Return the Euclidean norms of vectors (k, n), whatever their size; infinite for infinity."""
    scale = np.abs(vectors).max(axis=0)
    with np.errstate(all='ignore'):
        scaled = vectors / np.where(scale > 0.0, scale, 1.0)
        found: Floats = scale * np.sqrt(_squared(scaled))
    found[np.isinf(scale)] = np.inf
    return found


def turned(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Turn the signs of right quaternions, in place, to what is nearer to the left.

    Returns:
        The right ones, and the errors of their components, both (4, n).
    """
    apart = component_errors(left, right)
    largest = apart.max(axis=0)
    with np.errstate(all='ignore'):
        # Any nearer than this, the opposite is three times as far.
        rows = np.flatnonzero(~(2.0 * largest < np.abs(left).max(axis=0)))
    if len(rows):
        other = component_errors(left[:, rows], -right[:, rows])
        nearer = other.max(axis=0) < largest[rows]
        flipped = rows[nearer]
        right[:, flipped] = -right[:, flipped]
        apart[:, flipped] = other[:, nearer]
    return right, apart


def rotation_errors(left: Floats, right: Floats, largest: Floats) -> Floats:
    """Return the angles between rotations in rad, or the errors of components that are larger."""
    rows: Any = np.flatnonzero(largest)
    if len(rows) == len(largest):
        rows = slice(None)
    with np.errstate(all='ignore'):
        sides = []
        for each in (left[:, rows], right[:, rows]):
            # By the largest first: the square of a huge number is infinite.
            scaled = each / np.abs(each).max(axis=0)
            sides.append(scaled / np.sqrt(_squared(scaled)))
        # The half-angle in the space of quaternions is exact for the tiniest, unlike its cosine.
        apart, along = sides[1] - sides[0], sides[1] + sides[0]
        one, other = (np.sqrt(_squared(each)) for each in (apart, along))
        angles = 4.0 * np.arctan2(np.minimum(one, other), np.maximum(one, other))
    errors: Floats = largest.copy()
    errors[rows] = np.fmax(largest[rows], angles)
    return errors


def wrapped_difference(left: Floats, right: Floats) -> Floats:
    """Return right - left without full turns, from -pi (not included) to pi.

    0 where both are NaN or the same infinity, NaN where one side only is no finite number.
    """
    with np.errstate(all='ignore'):
        signed: Floats = right - left
        rows = np.flatnonzero(~(np.abs(signed) < math.pi))
        if len(rows):
            one, other, found = left[rows], right[rows], signed[rows]
            whole = np.isinf(found)
            found[whole] = np.fmod(other[whole], _TURN) - np.fmod(one[whole], _TURN)
            found = np.fmod(found, _TURN)
            found[found > math.pi] -= _TURN
            found[found <= -math.pi] += _TURN
            found[(one == other) | (np.isnan(one) & np.isnan(other))] = 0.0
            signed[rows] = found
    return signed


def _squared(vectors: Floats) -> Floats:
    """Return squared norms, summed in order: rounded the same however many there are."""
    found: Floats = vectors[0] * vectors[0]
    for part in vectors[1:]:
        found += part * part
    return found
