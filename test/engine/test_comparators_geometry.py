"""Rotations, positions, poses, angles and covariances, against sums done row by row."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison.comparators import geometry, parts
from lk_dataset_ros.comparison.tolerance import Limit
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.comparison.judging.judged import Judged

#: What sensors and bugs send.
WILD = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 1.0, -1.0, 0.5, math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324]
    ),
    st.floats(-2.0, 2.0),
    st.floats(),
)
LIMITS = st.builds(Limit, st.sampled_from([0.0, 1e-6, 0.1]), st.sampled_from([0.0, 1e-7, 0.5]))


def column(values: Any) -> Column:
    """Make a column of one value, or one array, to a row."""
    found = np.asarray(values)
    return Column(found, np.arange(len(found)))


def ragged(rows: Sequence[Sequence[float]], dtype: Any = np.float64) -> Column:
    """Make a column of rows that vary in length."""
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Column(np.array([x for row in rows for x in row], dtype), np.arange(len(rows)), offsets)


def fields(rows: Any, names: Sequence[str]) -> dict[str, Column]:
    """Make one column of each component of vectors."""
    table = np.asarray(rows, np.float64).reshape(-1, len(names))
    return {name: column(table[:, place].copy()) for place, name in enumerate(names)}


def quaternions(judge: Any, left: Any, right: Any, limit: Limit) -> Judged:
    """Judge quaternions."""
    found: Judged = judge(fields(left, 'xyzw'), fields(right, 'xyzw'), limit)
    return found


def apart(left: float, right: float) -> float:
    """Return the error of one number."""
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    return abs(right - left) if math.isfinite(left) and math.isfinite(right) else math.inf


def is_over(left: float, right: float, limit: Limit) -> bool:
    """Judge one number."""
    error = apart(left, right)
    return math.isinf(error) or error > limit.atol + (limit.rtol * abs(left) if error else 0.0)


def nearer_sign(left: Sequence[float], right: Sequence[float]) -> list[float]:
    """Return the right quaternion with the sign whose worst component is better."""
    return min(
        ([sign * x for x in right] for sign in (1.0, -1.0)),
        key=lambda turned: max(map(apart, left, turned)),
    )


def exact_angle(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the angle between rotations by the product of quaternions, in exact fractions."""
    (*a, s), (*b, t) = ([Fraction(x) for x in each] for each in (left, right))
    cross = [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]
    axis = [s * b[i] - t * a[i] - cross[i] for i in range(3)]
    along = s * t + sum(x * y for x, y in zip(a, b, strict=True))
    squared = sum(x * x for x in axis)
    if along == 0:
        return math.pi
    return 2.0 * math.atan(math.sqrt(squared / along**2))


def units(seed: int, count: int = 32) -> Any:
    """Return random unit quaternions."""
    found = np.random.default_rng(seed).normal(size=(count, 4))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def turned_by(quaternion: Any, axis: Any, angle: float) -> Any:
    """Return a unit quaternion that is rotated about an axis, in its own frame."""
    vector = np.sin(angle / 2) * np.asarray(axis) / np.linalg.norm(axis)
    v, w = quaternion[:3], quaternion[3]
    c = np.cos(angle / 2)
    return np.array([*(w * vector + c * v + np.cross(v, vector)), w * c - v @ vector])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(*[WILD] * 8), min_size=1, max_size=6),
    LIMITS,
)
def test_components_are_judged_as_one_by_one(rows: list[Any], limit: Limit) -> None:
    """Promise: whatever the values, a quaternion passes if and only if each component does."""
    left, right = [row[:4] for row in rows], [row[4:] for row in rows]
    judged = quaternions(geometry.quaternion_components, left, right, limit)
    by_angle = quaternions(geometry.quaternion_angle, left, right, limit)
    for place, (one, other) in enumerate(zip(left, right, strict=True)):
        turned = nearer_sign(one, other)
        errors = list(map(apart, one, turned))
        is_beyond = any(is_over(x, y, limit) for x, y in zip(one, turned, strict=True))
        assert judged.over[place] == is_beyond
        assert judged.errors[place] >= max(errors)
        assert (judged.errors[place] == 0.0) == (max(errors) == 0.0)
        assert judged.errors[place] == by_angle.errors[place]
        assert by_angle.over[place] == (
            math.isinf(max(errors)) or by_angle.errors[place] > limit.atol + limit.rtol
        )


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(*[WILD] * 4), min_size=1, max_size=8), LIMITS, st.data())
def test_the_other_sign_is_the_same_rotation(
    rows: list[Any], limit: Limit, data: st.DataObject
) -> None:
    """Promise: q and -q never differ, by components, by angle or as part of a pose."""
    signs = [data.draw(st.sampled_from([1.0, -1.0])) for _ in rows]
    flipped = [[sign * x for x in row] for sign, row in zip(signs, rows, strict=True)]
    for judge in (geometry.quaternion_components, geometry.quaternion_angle):
        judged = quaternions(judge, rows, flipped, limit)
        assert not judged.errors.any()
        assert not judged.over.any()


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 1e-3),
    st.floats(1e-9, 1e-2),
    st.floats(1.01, 10.0),
)
def test_one_component_beyond_its_limit_is_always_found(
    seed: int, rtol: float, atol: float, factor: float
) -> None:
    """Promise: 1.01 times the limit in one component is a fault, noise below it never is."""
    numbers = np.random.default_rng(seed)
    left = units(seed)
    allowed = atol + rtol * np.abs(left)
    signs = numbers.choice([-1.0, 1.0], (len(left), 1))
    noisy = left + numbers.uniform(-0.99, 0.99, left.shape) * allowed
    limit = Limit(rtol, atol)
    assert not quaternions(geometry.quaternion_components, left, signs * noisy, limit).over.any()
    faulty, place = noisy.copy(), numbers.integers(0, 4, len(left))
    every = np.arange(len(left))
    off = factor * allowed * numbers.choice([-1.0, 1.0], left.shape)
    faulty[every, place] = (left + off)[every, place]
    judged = quaternions(geometry.quaternion_components, left, signs * faulty, limit)
    assert judged.over.all()
    assert (judged.errors > atol).all()


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.floats(-14.0, 0.4), st.booleans())
def test_angles_are_exact_and_bound_the_components(
    seed: int, magnitude: float, is_flipped: bool
) -> None:
    """Promise: angles from 1e-14 rad to pi are right to rounding, and twice any component's error.

    So no component of unit quaternions is beyond a limit that the angle is within.
    """
    numbers = np.random.default_rng(seed)
    left = units(seed, 8)
    right = np.array([turned_by(q, numbers.normal(size=3), 10.0**magnitude) for q in left])
    turned = -right if is_flipped else right
    judged = quaternions(geometry.quaternion_angle, left, turned, Limit(0.0, 1.0))
    expected = [exact_angle(one, other) for one, other in zip(left, right, strict=True)]
    np.testing.assert_allclose(judged.errors, expected, rtol=1e-14, atol=2e-15)
    nearest = np.minimum(np.abs(left - right).max(axis=1), np.abs(left + right).max(axis=1))
    assert (nearest <= judged.errors / 2.0 + 1e-15).all()
    assert (judged.over == (judged.errors > 1.0)).all()


def test_angles_of_rotations_that_have_nothing_in_common() -> None:
    """Promise: the smaller of both angles is taken whichever sign is nearer, at any small norm."""
    left, right = units(7, 500), units(8, 500)
    left[0], right[0] = [1.0, 0.6, 0.6, 0.6], [-1.0, 0.6, 0.6, 0.6]
    expected = [exact_angle(one, other) for one, other in zip(left, right, strict=True)]
    for norm in (0.1, 1e-200):
        judged = quaternions(
            geometry.quaternion_angle, norm * left, norm * right, Limit(0.0, math.inf)
        )
        np.testing.assert_allclose(judged.errors, expected, rtol=1e-14, atol=4e-15)


def test_angles_that_can_be_looked_up() -> None:
    """Promise: a nanoradian is a nanorad, a half turn is pi, a quarter turn is pi / 2."""
    identity: Any = np.array([0.0, 0.0, 0.0, 1.0])
    for angle in (1e-9, 1e-12, 1.0, math.pi / 2, math.pi, -3.0):
        other = turned_by(identity, [0.0, 1.0, 0.0], angle)
        judged = quaternions(geometry.quaternion_components, identity, other, Limit(0.0, 1e-7))
        assert judged.errors[0] == pytest.approx(abs(angle), rel=1e-12)
    judged = quaternions(
        geometry.quaternion_components,
        [identity, identity],
        [turned_by(identity, [0, 0, 1], 1e-9), turned_by(identity, [0, 0, 1], 2.1e-7)],
        Limit(0.0, 1e-7),
    )
    assert judged.over.tolist() == [False, True]


def test_another_norm_is_seen_although_the_rotation_is_the_same() -> None:
    """Promise: a quaternion of another norm has an error, one of no norm has no angle."""
    left = [[0.0, 0.0, 0.6, 0.8], [0.0] * 4, [0.0, 0.0, 0.0, 1e300], [0.0] * 4]
    right = [[0.0, 0.0, 0.6003, 0.8004], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, -1e300], [0.0] * 4]
    for judge in (geometry.quaternion_components, geometry.quaternion_angle):
        judged = quaternions(judge, left, right, Limit(0.0, 1e-4))
        assert judged.errors.tolist() == pytest.approx([4e-4, 1.0, 0.0, 0.0])
        assert judged.over.tolist() == [True, True, False, False]


def test_what_is_not_a_number_is_never_within() -> None:
    """Promise: NaN against a number is beyond even an infinite limit; NaN against NaN is equal."""
    limit = Limit(0.0, math.inf)
    left: list[list[float]] = [[math.nan, 0, 0, 1], [math.nan, 0, 0, 1]]
    right: list[list[float]] = [[math.nan, 0, 0, 5], [0, 0, 0, 1]]
    for judge in (geometry.quaternion_components, geometry.quaternion_angle):
        judged = quaternions(judge, left, right, limit)
        assert judged.errors.tolist() == [4.0, math.inf]
        assert judged.over.tolist() == [False, True]
    points = fields([row[:3] for row in left], 'xyz'), fields([row[:3] for row in right], 'xyz')
    assert geometry.position(*points, limit).over.tolist() == [False, True]
    angles = {'': column([math.nan, math.nan])}, {'': column([math.nan, 0.0])}
    assert geometry.angle(*angles, limit).over.tolist() == [False, True]
    assert geometry.covariance(*angles, limit).over.tolist() == [False, True]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(*[WILD] * 6), min_size=1, max_size=6), LIMITS)
def test_positions_are_judged_by_distance(rows: list[Any], limit: Limit) -> None:
    """Promise: whatever the values, a point is judged by its distance, its way off being m."""
    left, right = [row[:3] for row in rows], [row[3:] for row in rows]
    judged = geometry.position(fields(left, 'xyz'), fields(right, 'xyz'), limit)
    for place, (one, other) in enumerate(zip(left, right, strict=True)):
        distance = math.hypot(*map(apart, one, other))
        size = math.hypot(*(x for x in one if math.isfinite(x)))
        assert judged.errors[place] == pytest.approx(distance, rel=1e-14)
        allowed = limit.atol + limit.rtol * min(size, 1.7976931348623157e308)
        if distance != pytest.approx(allowed, rel=1e-13) or math.isinf(distance):
            assert judged.over[place] == (distance > allowed)


def test_a_point_may_be_off_by_a_share_of_its_own_distance() -> None:
    """Promise: the relative part of the limit is of the vector's length, not of a component's."""
    left = [[100.0, 0.0, 0.0], [3.0, 4.0, math.inf]]
    right = [[100.0, 0.9, 0.0], [3.0, 4.06, math.inf]]
    judged = geometry.position(fields(left, 'xyz'), fields(right, 'xyz'), Limit(0.01, 0.0))
    assert judged.over.tolist() == [False, True]
    assert judged.errors.tolist() == pytest.approx([0.9, 0.06])


def test_poses_and_transforms_have_a_translation_and_a_rotation() -> None:
    """Promise: a pose is off if its position or its rotation is, and both errors are told."""
    identity: Any = np.array([0.0, 0.0, 0.0, 1.0])
    small, large = (turned_by(identity, [0.0, 0.0, 1.0], each) for each in (0.005, 0.1))
    left = [[1.0, 2.0, 3.0, *identity]] * 4
    right = [
        [1.0, 2.0, 3.005, *-small],
        [1.0, 2.0, 3.5, *identity],
        [1.0, 2.0, 3.0, *large],
        [1.0, math.nan, 3.0, *identity],
    ]
    for judge, names in (
        (geometry.pose, ('position', 'orientation')),
        (geometry.transform, ('translation', 'rotation')),
    ):
        paths = [f'{names[0]}.{x}' for x in 'xyz'] + [f'{names[1]}.{x}' for x in 'xyzw']
        judged = judge(fields(left, paths), fields(right, paths), Limit(0.0, 0.01))
        assert judged.over.tolist() == [False, True, True, True]
        assert judged.measures['translation_m'].tolist() == pytest.approx(
            [0.005, 0.5, 0, math.inf]
        )
        assert judged.measures['rotation_rad'].tolist() == pytest.approx([0.005, 0.0, 0.1, 0.0])
        assert judged.errors.tolist() == pytest.approx([0.005, 0.5, 0.1, math.inf])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(WILD | st.floats(-100, 100), WILD | st.floats(-100, 100)), max_size=8),
    LIMITS,
)
def test_angles_are_judged_without_full_turns(rows: list[Any], limit: Limit) -> None:
    """Promise: whatever the values, an angle is off by the shorter way round, sign included."""
    left, right = (np.array([row[side] for row in rows]) for side in (0, 1))
    judged = geometry.angle({'': column(left)}, {'': column(right)}, limit)
    assert judged.signed is not None
    for place, (one, other) in enumerate(rows):
        error, signed, is_off = (
            float(each[place]) for each in (judged.errors, judged.signed, judged.over)
        )
        if apart(one, other) == 0.0:
            assert (error, signed, is_off) == (0.0, 0.0, False)
        elif not (math.isfinite(one) and math.isfinite(other)):
            assert (error, math.isnan(signed), is_off) == (math.inf, True, True)
        else:
            assert error == abs(signed)
            assert -math.pi < signed <= math.pi
            assert is_off == (error > limit.atol + limit.rtol * abs(one))
            if max(abs(one), abs(other)) <= 100.0:
                turns = (other - one - signed) / math.tau
                assert turns == pytest.approx(round(turns), abs=1e-14)


def test_an_angle_across_the_cut_is_near() -> None:
    """Promise: 3.14 and -3.14 are 3 mrad apart, half a turn is +pi either way, fields may be many."""
    left = np.array([3.14, -3.14, 0.0, math.pi, 0.0, 1.0], np.float64)
    right = np.array([-3.14, 3.14, -math.pi, 0.0, 8 * math.pi + 0.1, 1.0])
    judged = geometry.angle({'': column(left)}, {'': column(right)}, Limit(0.0, 0.01))
    assert judged.signed is not None
    gap = 2 * math.pi - 6.28
    assert judged.signed.tolist() == pytest.approx([gap, -gap, math.pi, math.pi, 0.1, 0.0])
    assert judged.over.tolist() == [False, False, True, True, True, False]
    table = {'': column(left.reshape(2, 3))}, {'': column(right.reshape(2, 3))}
    judged = geometry.angle(*table, Limit(0.0, 0.01))
    assert judged.errors.tolist() == pytest.approx([math.pi, math.pi])
    rows = {'': ragged([[3.14], [], [1.0, 2.0], [0.0]])}, {'': ragged([[-3.14], [], [1.0], [9.0]])}
    judged = geometry.angle(*rows, Limit(0.0, 0.01))
    assert judged.errors.tolist() == pytest.approx([gap, 0.0, math.inf, 9 - 2 * math.pi])
    assert judged.over.tolist() == [False, False, True, True]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(*[WILD] * 18), min_size=1, max_size=4), LIMITS, st.data())
def test_covariances_are_judged_element_by_element(
    rows: list[Any], limit: Limit, data: st.DataObject
) -> None:
    """Promise: whatever the values, a matrix is off if an element is; unknown ones are equal."""
    tables = [np.array([row[first : first + 9] for row in rows]) for first in (0, 9)]
    for table in tables:
        table[[data.draw(st.booleans()) for _ in rows], 0] = -1.0
    left, right = tables
    judged = geometry.covariance({'': column(left)}, {'': column(right)}, limit)
    for place, (one, other) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        relative = judged.measures['relative_frobenius'][place]
        unknown = (one[0] == -1.0) + (other[0] == -1.0)
        if unknown:
            assert judged.errors[place] == (0.0 if unknown == 2 else math.inf)
            assert judged.over[place] == (unknown == 1)
            assert math.isnan(relative) == (unknown == 2)
            continue
        errors = list(map(apart, one, other))
        assert judged.errors[place] == max(errors)
        assert judged.over[place] == any(
            is_over(x, y, limit) for x, y in zip(one, other, strict=True)
        )
        size = math.hypot(*(x for x in one if math.isfinite(x)))
        if max(errors) == 0.0:
            assert relative == 0.0
        elif size == 0.0 or math.isinf(max(errors)):
            assert relative == math.inf
        elif 1e-290 < size < 1e300 and math.hypot(*errors) < 1e300:
            assert relative == pytest.approx(math.hypot(*errors) / size, rel=1e-12)


def test_a_covariance_of_36_elements() -> None:
    """Promise: the relative error of a matrix is that of its Frobenius norm."""
    left = np.tile(np.eye(6).ravel(), (3, 1))
    right = left.copy()
    right[1, 1] = 0.3
    right[2, 0] = -1.0
    judged = geometry.covariance({'': column(left)}, {'': column(right)}, Limit(0.0, 0.1))
    assert judged.errors.tolist() == [0.0, 0.3, math.inf]
    assert judged.over.tolist() == [False, True, True]
    found = judged.measures['relative_frobenius'].tolist()
    assert found == pytest.approx([0.0, 0.3 / math.sqrt(6), math.inf])


def test_many_pairs_are_judged_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: in how many parts the pairs are judged changes nothing."""
    numbers = np.random.default_rng(5)
    left, right = units(1, 200), units(1, 200) + 1e-3 * numbers.normal(size=(200, 4))
    right[::3] *= -1.0
    rows = [numbers.normal(size=size).tolist() for size in numbers.integers(0, 5, 200)]
    poses = [f'position.{x}' for x in 'xyz'] + [f'orientation.{x}' for x in 'xyzw']
    tables = [np.hstack([each[:, :3], each]) for each in (left, right)]
    cases: list[Any] = [
        (geometry.quaternion_components, fields(left, 'xyzw'), fields(right, 'xyzw')),
        (geometry.pose, fields(tables[0], poses), fields(tables[1], poses)),
        (geometry.covariance, {'': column(left)}, {'': column(right)}),
        (geometry.angle, {'': column(left[:, 0])}, {'': column(right[:, 0])}),
        (geometry.angle, {'': ragged(rows)}, {'': ragged([row[:3] for row in rows])}),
    ]
    for judge, original, compiled in cases:
        found = []
        for size in (11, 1 << 30):
            monkeypatch.setattr(parts, 'VALUES', size)
            found.append(judge(original, compiled, Limit(1e-4, 1e-3)))
        few, many = found
        assert 0 < few.over.sum() < 200
        np.testing.assert_array_equal(few.errors, many.errors)
        np.testing.assert_array_equal(few.over, many.over)
        assert list(few.measures) == list(many.measures)
        for name in few.measures:
            np.testing.assert_array_equal(few.measures[name], many.measures[name])
        assert (few.signed is None) == (many.signed is None)


def test_single_precision_and_integers_are_taken_too() -> None:
    """Promise: a comparator takes whatever numbers a definition has."""
    for dtype in (np.float32, np.int8, np.uint64):
        left = {name: column(np.array([1, 0], dtype)) for name in 'xyzw'}
        right = {name: column(np.array([1, 3], dtype)) for name in 'xyzw'}
        assert geometry.quaternion_components(left, right, Limit(0, 1)).errors.tolist() == [0, 3]
        assert geometry.position(left, right, Limit(0, 1)).over.tolist() == [False, True]
        angles = {'': left['x']}, {'': right['x']}
        assert geometry.angle(*angles, Limit(0, 1)).errors.tolist() == [0.0, 3.0]


def test_fields_that_do_not_fit_are_named() -> None:
    """Promise: a comparator that is named for another part says which field it lacks."""
    limit = Limit(0.0, 0.1)
    good = fields([[1.0, 2.0, 3.0]], 'xyz')
    with pytest.raises(ComparisonError, match="'w' is not there"):
        geometry.quaternion_angle(good, good, limit)
    array = {**good, 'y': column([[1.0, 2.0]])}
    with pytest.raises(ComparisonError, match="'y' holds an array"):
        geometry.position(array, array, limit)
    text = {'': Column(np.array(['a'], object), np.arange(1))}
    with pytest.raises(ComparisonError, match='holds text'):
        geometry.angle(text, text, limit)
    for names, judge in (
        (('x', 'y', 'z', 'w'), geometry.quaternion_components),
        (('',), geometry.covariance),
    ):
        nothing = {name: column(np.zeros(0)) for name in names}
        assert len(judge(nothing, nothing, limit).errors) == 0
