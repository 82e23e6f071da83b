"""Tolerances: the numbers, the patterns, and torch as second opinion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lk_dataset_ros.comparison import Limit, Tolerance, compare_columns
from lk_dataset_ros.errors import ComparisonError

torch = pytest.importorskip('torch')

DTYPES = [np.float32, np.float64]


def ours(left: Any, right: Any, tolerance: Tolerance | None = None) -> bool:
    """Return our verdict over two arrays."""
    return compare_columns({'f': left}, {'f': right}, tolerance=tolerance).is_equivalent


def theirs(left: Any, right: Any, **options: Any) -> bool:
    """Return torch's verdict; the original is what is expected."""
    try:
        torch.testing.assert_close(
            torch.from_numpy(right), torch.from_numpy(left), equal_nan=True, **options
        )
    except AssertionError:
        return False
    return True


def near_the_limit(left: Any, right: Any, limit: Limit) -> bool:
    """Tell whether a value is so close to its limit that rounding decides."""
    with np.errstate(all='ignore'):
        a, b = left.astype(np.float64), right.astype(np.float64)
        allowed = limit.atol + limit.rtol * np.abs(a)
        slack = 4.0 * np.finfo(left.dtype).eps * (np.abs(a) + np.abs(b) + allowed)
        return bool(np.any(np.abs(np.abs(b - a) - allowed) <= slack))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), dtype=st.sampled_from(DTYPES), size=st.integers(1, 5))
def test_the_verdict_is_torchs(data: Any, dtype: Any, size: int) -> None:
    """Promise: on any float arrays our default verdict is torch.testing.assert_close's."""
    special = st.sampled_from([0.0, -0.0, float('nan'), float('inf'), float('-inf')])
    elements = st.one_of(special, hnp.from_dtype(np.dtype(dtype)))
    left = data.draw(hnp.arrays(dtype, size, elements=elements))
    limit = Tolerance().limit_for('/k', 'f', left.dtype)
    with np.errstate(all='ignore'):
        factor = data.draw(hnp.arrays(np.float64, size, elements=st.floats(-2.0, 2.0)))
        moved = (left + factor * (limit.atol + limit.rtol * np.abs(left))).astype(dtype)
    other = data.draw(hnp.arrays(dtype, size, elements=elements))
    right = np.where(data.draw(hnp.arrays(np.bool_, size)), moved, other)
    assume(not near_the_limit(left, right, limit))
    assert ours(left, right) == theirs(left, right)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    left=st.floats(-1e6, 1e6),
    right=st.floats(-1e6, 1e6),
    rtol=st.floats(0.0, 0.5),
    atol=st.floats(0.0, 10.0),
)
def test_given_tolerances_are_torchs_too(
    left: float, right: float, rtol: float, atol: float
) -> None:
    """Promise: rtol and atol mean what they mean to torch."""
    a, b = np.array([left]), np.array([right])
    assume(not near_the_limit(a, b, Limit(rtol, atol)))
    assert ours(a, b, Tolerance(rtol=rtol, atol=atol)) == theirs(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_the_defaults_are_torchs(dtype: Any) -> None:
    """Promise: the default rtol and atol of each type are those that torch uses."""
    from torch.testing._comparison import default_tolerances

    limit = Tolerance().limit_for('/k', 'f', np.dtype(dtype))
    expected = default_tolerances(torch.from_numpy(np.zeros(1, dtype)).dtype)
    assert (limit.rtol, limit.atol) == expected


@pytest.mark.parametrize('dtype', ['int8', 'uint64', 'bool', 'object'])
def test_what_is_not_float_has_to_be_equal(dtype: str) -> None:
    """Promise: integers, booleans and strings have no tolerance, whatever was asked for."""
    rule = Tolerance(rtol=1.0, atol=1.0, fields={'**': Limit(1.0, 1.0)})
    assert rule.limit_for('/k', 'f', np.dtype(dtype)) == Limit(0.0, 0.0)


@pytest.mark.parametrize('pattern', ['/k.n', '**.n', 'n'])
def test_an_integer_may_be_named(pattern: str) -> None:
    """Promise: a pattern that names an integer field itself gives it a tolerance."""
    rule = Tolerance(fields={pattern: Limit(0.0, 2.0)})
    assert rule.limit_for('/k', 'n', np.dtype('int32')) == Limit(0.0, 2.0)
    assert rule.limit_for('/k', 'n', np.dtype('bool')) == Limit(0.0, 0.0)


@pytest.mark.parametrize(
    ('pattern', 'matches', 'misses'),
    [
        ('/odom.pose.**', ['/odom.pose.pose.x'], ['/odom2.pose.x', '/odom.twist.x', '/odom.pose']),
        ('**.orientation.*', ['/o.pose.orientation.x', '/o.orientation.x.y'], ['/o.x']),
        ('**.orientation', ['/o.pose.orientation.x'], ['/o.pose.orientations.x']),
        ('header.**', ['/odom.header.stamp.sec'], ['/odom.a.header.x']),
        ('*.x', ['/o.a.x'], ['/o.a.b.x']),
        ('pose.x', ['/o.pose.x'], ['/o.posexx', '/o.a.pose.x']),
        ('**', ['/o.anything.at.all'], []),
        ('a[0].b', ['/o.a[0].b'], ['/o.a0.b', '/o.a[1].b']),
        ('a[*].b', ['/o.a[0].b', '/o.a[12].b'], ['/o.a[0].c.b']),
    ],
)
def test_patterns_mean_what_they_say(pattern: str, matches: list[str], misses: list[str]) -> None:
    """Promise: `*` stays within a name, `**` crosses; key and path, or the path alone.

    What is said of a part of the message holds for all in it.
    """
    rule = Tolerance(ignore={pattern: 'a reason'})
    for full in (*matches, *misses):
        key, _, path = full.partition('.')
        assert (rule.reason_to_ignore(key, path) == 'a reason') == (full in matches), full


def test_the_last_pattern_wins() -> None:
    """Promise: where several patterns fit, the last one counts, over rtol and atol for all."""
    rule = Tolerance(
        rtol=0.5,
        fields={'**': Limit(0.1, 0.0), 'pose.*': Limit(0.2, 0.0), 'x': Limit(0.3, 0.0)},
    )
    double = np.dtype(np.float64)
    assert rule.limit_for('/k', 'pose.x', double).rtol == 0.2
    assert rule.limit_for('/k', 'x', double).rtol == 0.3
    assert rule.limit_for('/k', 'y', double).rtol == 0.1


@pytest.mark.parametrize('value', [-1e-9, float('nan')])
def test_tolerances_that_are_none_are_refused(value: float) -> None:
    """Promise: a negative or undefined tolerance is a ComparisonError."""
    for options in ({'rtol': value}, {'atol': value}):
        with pytest.raises(ComparisonError, match='0 or greater'):
            Tolerance(**options)
        with pytest.raises(ComparisonError, match='0 or greater'):
            Limit(**{'rtol': 0.0, 'atol': 0.0, **options})


@pytest.mark.parametrize('reason', ['', '  '])
def test_every_exception_needs_a_reason(reason: str) -> None:
    """Promise: an ignored field without a reason is refused."""
    with pytest.raises(ComparisonError, match='without a reason'):
        Tolerance(ignore={'header.**': reason})


def test_integers_too_large_for_a_float_are_told_apart() -> None:
    """Promise: 2^53 and 2^53 + 1 differ, although they are one float."""
    left = np.array([2**53], np.int64)
    assert not ours(left, left + 1)
    assert ours(left, left.copy())


@pytest.mark.parametrize('value', [1e200, float('inf')])
def test_huge_errors_make_no_noise(value: float) -> None:
    """Promise: an error too large to be squared is a mismatch, not a warning of NumPy."""
    exact = Tolerance(rtol=0.0, atol=0.0)
    comparison = compare_columns(
        {'f': np.zeros(2)}, {'f': np.array([0.0, value])}, tolerance=exact
    )
    (found,) = comparison.keys[0].fields
    assert (found.matched, found.mismatched, found.max_error) == (1, 1, value)
