"""What arms cost: percentiles, ratios, and how far they can be believed."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from result_kit import cost_of, run_of

from lk_dataset_ros.experiment.cost.cost import (
    MEASURES,
    cpu_per_input_s,
    latency_s,
    percentile_s,
    ratios,
)
from lk_dataset_ros.experiment.cost.intervals import Estimate, quantile, t_quantile

RUNS = 500


def correlated(rng, count, *, phi, sigma=0.3, runs=RUNS):
    """Return log-normal latencies with median 1 that follow an AR(1) process, (runs, count)."""
    noise = rng.standard_normal((count, runs))
    found = np.empty_like(noise)
    found[0] = noise[0]
    for index in range(1, count):
        found[index] = phi * found[index - 1] + math.sqrt(1.0 - phi**2) * noise[index]
    return np.exp(sigma * found.T)


@pytest.mark.parametrize(('count', 'phi'), [(1_000, 0.0), (2_639, 0.5), (5_000, 0.9)])
def test_the_interval_of_a_ratio_covers_the_true_one(count, phi):
    """Promise: of correlated latencies, the true ratio is in 93 % of the intervals at least."""
    rng = np.random.default_rng(17)
    original = 5e-3 * correlated(rng, count, phi=phi)
    compiled = 1e-3 * correlated(rng, count, phi=phi, sigma=0.4)
    hits, widths = dict.fromkeys(('p50', 'p99'), 0), []
    for left, right in zip(original, compiled, strict=True):
        sides = [[run_of(cost=cost_of(1.0, each))] for each in (left, right)]
        found = ratios(*sides)
        for name, z in (('p50', 0.0), ('p99', 2.3263)):
            hits[name] += found[name].low <= 5.0 * math.exp(-0.1 * z) <= found[name].high
        widths.append(found['p50'].high / found['p50'].low)
    assert min(hits.values()) >= 0.93 * RUNS, hits
    # And it says something.
    assert np.median(widths) < 1.3


def test_an_interval_that_takes_latencies_for_independent_would_be_wrong():
    """Promise: the coverage is no accident: without the correlation it would be far too low."""
    rng = np.random.default_rng(17)
    hits = 0
    for each in correlated(rng, 2_000, phi=0.9):
        ordered = np.sort(each)
        reach = 1.96 * math.sqrt(0.25 / 2_000) * 2_000
        hits += ordered[int(1_000 - reach)] <= 1.0 <= ordered[int(1_000 + reach)]
    assert hits < 0.7 * RUNS


@pytest.mark.parametrize(('originals', 'compiled'), [(2, 1), (3, 1), (3, 3), (10, 1)])
def test_what_runs_differ_by_goes_into_the_interval(originals, compiled):
    """Promise: processor time that varies by 5 % between runs: 93 % of the intervals are right."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(RUNS):
        sides = [
            [run_of(cost=cost_of(each * math.exp(0.05 * rng.standard_normal()))) for _ in range(n)]
            for each, n in ((50.0, originals), (10.0, compiled))
        ]
        found = ratios(*sides)['cpu']
        hits += found.low <= 5.0 <= found.high
    assert hits >= 0.93 * RUNS


def test_latencies_that_differ_between_runs_are_believed_less():
    """Promise: with runs of the original that differ, the interval of a latency is wider."""
    rng = np.random.default_rng(1)
    latencies = [scale * correlated(rng, 2_000, phi=0.0, runs=1)[0] for scale in (1.0, 1.2, 0.9)]
    runs = [run_of('original', cost=cost_of(1.0, each)) for each in latencies]
    one, all_three = (ratios(each, [runs[0]])['p50'] for each in (runs[:1], runs))
    assert all_three.low < one.low < 1.0 < one.high < all_three.high


def test_processor_time_of_one_run_has_no_interval():
    """Promise: what is one number per run has a ratio, and no invented interval."""
    found = ratios([run_of(cost=cost_of(10.0))], [run_of(cost=cost_of(2.0))])
    assert found['cpu'].value == pytest.approx(5.0)
    assert found['wall'].value == pytest.approx(5.0)
    assert not any(each.has_interval for each in found.values())
    assert not found['peak'].is_known
    assert found.keys() == MEASURES.keys()


def test_processor_time_that_is_counted_in_ticks_is_not_exact():
    """Promise: equal numbers of 10 ms ticks are not taken for exact times."""
    found = ratios([run_of(cost=cost_of(0.05))] * 3, [run_of(cost=cost_of(0.01))])['cpu']
    assert found.low < 2.5
    assert found.high > 10.0


def test_failed_runs_do_not_count():
    """Promise: what an arm that crashed has cost is compared with nothing."""
    failed = run_of(cost=cost_of(2.0), problem='crashed')
    assert not ratios([run_of(cost=cost_of(10.0))], [failed])['cpu'].is_known
    several = [run_of(cost=cost_of(10.0)), run_of(cost=cost_of(1.0), problem='crashed')]
    assert ratios(several, [run_of(cost=cost_of(2.0))])['cpu'].value == pytest.approx(5.0)


def test_percentiles_are_those_of_numpy_and_nan_is_not_among_them():
    """Promise: p50, p95, p99 and the largest are those of the known latencies."""
    values = np.random.default_rng(0).random(1_001)
    run = run_of(cost=cost_of(3.0, [*values, math.nan]))
    for percent in (50.0, 95.0, 99.0, 100.0):
        assert latency_s(run, percent) == np.percentile(values, percent)
    assert cpu_per_input_s(run) == pytest.approx(0.03)
    assert math.isnan(latency_s(run_of(), 99.0))
    assert math.isnan(cpu_per_input_s(run_of(sent={}, cost=cost_of(3.0))))


def test_too_few_latencies_have_no_upper_bound_at_p99():
    """Promise: of 50 latencies the 99th percentile may be anything above, and that is said."""
    found = quantile(np.linspace(1.0, 2.0, 50), 0.99)
    assert found.high == math.inf
    assert 0.0 < found.low < found.value < 2.0
    assert not quantile(np.linspace(1.0, 2.0, 5), 0.5).has_interval
    assert not quantile(np.zeros(0), 0.5).is_known


def test_equal_latencies_have_an_interval_of_no_width():
    """Promise: where every latency is the same, so is every bound."""
    assert quantile(np.full(1_000, 2.0), 0.5) == Estimate(2.0, 2.0, 2.0)
    assert percentile_s([run_of(cost=cost_of(1.0, np.full(1_000, 2.0)))], 'p50') == Estimate(
        pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0)
    )


def test_a_million_latencies_take_less_than_a_second():
    """Promise: all ratios of two runs with a million latencies each take less than 1 s."""
    latencies = np.random.default_rng(0).random(1_000_000)
    sides = [[run_of(cost=cost_of(1.0, latencies))] for _ in range(2)]
    began = time.perf_counter()
    assert ratios(*sides)['p99'].value == pytest.approx(1.0)
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    ('freedom', 'expected'), [(1, 12.706), (2, 4.303), (4, 2.776), (5, 2.571), (19, 2.093)]
)
def test_the_quantiles_of_t_are_those_of_the_tables(freedom, expected):
    """Promise: Student's t is right to a tenth of a per cent."""
    assert t_quantile(freedom) == pytest.approx(expected, rel=1e-3)
