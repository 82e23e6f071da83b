"""Distribution tests against plain loops and against figures of scipy 1.17.1."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.comparison import distribution
from lk_dataset_ros.comparison.distribution import (
    DistributionTest,
    compare_distributions,
    ks_2samp,
    wasserstein,
)
from lk_dataset_ros.errors import ComparisonError

TIED = st.integers(-4, 4).map(float)
FINITE = st.floats(-1e6, 1e6)
SAMPLE = st.lists(st.one_of(TIED, FINITE), min_size=1, max_size=20)
ANY = st.lists(st.one_of(TIED, st.floats()), max_size=20)

FEW = np.array([0.1, 0.4, 0.4, 0.7, 1.3, 2.0, 2.0, 3.1])
MORE = np.array([0.4, 0.5, 0.9, 2.0, 2.2, 2.9, 3.3, 4.1, 4.1, 5.0, 6.2])
NORMAL = np.random.default_rng(12345)
STANDARD, WIDER = NORMAL.normal(size=500), NORMAL.normal(0.2, 1.1, size=300)
RAMP = np.arange(100) / 100.0


def distance(a: list[float], b: list[float], at: float) -> Fraction:
    """Return F_a - F_b at a place, by counting."""
    below = sum(x <= at for x in a), sum(x <= at for x in b)
    return Fraction(below[0], len(a)) - Fraction(below[1], len(b))


@given(SAMPLE, SAMPLE)
def test_both_are_what_counting_says(a: list[float], b: list[float]) -> None:
    """Promise: statistic and distance are those of counted distribution functions, ties too."""
    places = sorted({*a, *b})
    heights = [abs(distance(a, b, at)) for at in places]
    left, right = np.array(a), np.array(b)
    assert ks_2samp(left, right).statistic == float(max(heights))
    widths = [Fraction(after) - Fraction(at) for at, after in pairwise(places)]
    area = sum((h * w for h, w in zip(heights, widths, strict=False)), Fraction(0))
    assert wasserstein(left, right) == pytest.approx(float(area), rel=1e-12, abs=1e-12)


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
def test_of_equal_counts_the_distance_is_that_of_sorted_values(
    both: list[tuple[float, float]],
) -> None:
    """Promise: with as many values on both sides it is the mean distance of the sorted ones."""
    a, b = np.array(both).T
    expected = float(np.abs(np.sort(a) - np.sort(b)).mean())
    assert wasserstein(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(ANY, ANY)
def test_what_is_not_finite_is_left_out_and_counted(a: list[float], b: list[float]) -> None:
    """Promise: NaN and infinities change nothing but the counts, and nothing crashes."""
    left, right = ([x for x in side if math.isfinite(x)] for side in (a, b))
    found = compare_distributions(np.array(a, float), np.array(b, float))
    if not left or not right:
        assert found is None
        return
    assert found == DistributionTest(
        *ks_2samp(np.array(left), np.array(right)),
        wasserstein(np.array(left), np.array(right)),
        len(left),
        len(right),
        len(a) - len(left),
        len(b) - len(right),
    )
    assert 0.0 <= found.statistic <= 1.0
    assert 0.0 <= found.p_value <= 1.0
    assert found.wasserstein >= 0.0


@pytest.mark.parametrize(
    ('a', 'b', 'statistic', 'p_value', 'moved'),
    [
        (FEW, MORE, 0.5113636363636364, 0.12820512820512822, 1.6227272727272724),
        (FEW, FEW[::-1], 0.0, 1.0, 0.0),
        (FEW, MORE + 100.0, 1.0, 2.646132677092429e-05, 101.62272727272729),
        (STANDARD, WIDER, 0.12266666666666666, 0.006532666405279925, 0.2645017705715038),
        (RAMP, RAMP + 0.07, 0.08, 0.9084105017744525, 0.07),
        (FEW[:1], MORE, 1.0, 0.16666666666666666, 2.772727272727273),
    ],
    ids=['few', 'same', 'apart', 'normal', 'shifted', 'one'],
)
def test_figures_are_those_of_scipy(
    a: Any, b: Any, statistic: float, p_value: float, moved: float
) -> None:
    """Promise: statistic and distance are scipy's; the p-value is near scipy's exact one."""
    found = compare_distributions(a, b)
    assert found is not None
    assert found.statistic == pytest.approx(statistic, rel=1e-12)
    assert found.wasserstein == pytest.approx(moved, rel=1e-12)
    near = 0.1 if min(len(a), len(b)) < 60 else 0.01 if p_value < 0.2 else 0.04
    assert found.p_value == pytest.approx(p_value, abs=near)


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (0.03, 1.0),
        (0.2, 0.999999999999495),
        (0.5, 0.9639452436648751),
        (0.8, 0.5441424115741981),
        (1.0, 0.26999967167735456),
        (1.17, 0.12939004218561884),
        (1.18, 0.1234538094297657),
        (1.5, 0.022217962616525127),
        (2.0, 0.0006709252557796953),
        (3.0, 3.045995948942526e-08),
        (5.0, 3.8574996959278356e-22),
    ],
)
def test_kolmogorovs_distribution_is_that_of_scipy(value: float, expected: float) -> None:
    """Promise: the p-value's distribution is scipy.special.kolmogorov to 12 digits."""
    assert distribution._kolmogorov(value) == pytest.approx(expected, rel=1e-12)


def test_p_values_are_uniform_when_there_is_one_distribution() -> None:
    """Promise: of 400 pairs of samples of one distribution, about 5 % have a p-value below 5 %."""
    generator = np.random.default_rng(7)
    found = [
        ks_2samp(generator.normal(size=200), generator.normal(size=120)).p_value
        for _ in range(400)
    ]
    assert 8 <= sum(each < 0.05 for each in found) <= 34
    assert 0.4 < float(np.mean(found)) < 0.6


def test_the_largest_numbers_do_not_overflow() -> None:
    """Promise: values at the ends of float64 give a distance, infinite only beyond float64."""
    ends = np.array([-1.7e308, 1.7e308])
    assert wasserstein(ends, ends[:1]) == pytest.approx(1.7e308)
    assert wasserstein(ends[1:], ends[:1]) == math.inf
    assert wasserstein(np.array([5e-324]), np.array([0.0])) >= 0.0


def test_any_kind_of_number_and_shape_is_taken() -> None:
    """Promise: booleans, integers, float32 and tables are samples; words and nothing are not."""
    assert ks_2samp(np.array([True, False]), np.array([0, 1], np.uint8)).statistic == 0.0
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert wasserstein(table, table.ravel() + 1) == pytest.approx(1.0)
    with pytest.raises(ComparisonError, match='type <U1 have no distribution'):
        compare_distributions(np.array(['a']), np.array(['b']))
    with pytest.raises(ComparisonError, match='b has 1 values and none is finite'):
        ks_2samp(np.array([1.0]), np.array([math.nan]))
