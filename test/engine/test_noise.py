"""A compiled component is judged by its excess over what the original's own runs differ by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lk_dataset_ros.comparison import Verdict, compare
from lk_dataset_ros.comparison.noise import _t_quantile
from lk_dataset_ros.dataset import Dataset

S = 1_000_000_000
#: Runs of a seeded experiment; a share of the 1,000 that were tried by hand.
TRIALS = 40


def run(
    seed: int,
    *,
    bias: float = 0.0,
    sigma: float = 0.05,
    count: int = 2000,
    memory: float = 0.0,
    drop: float = 0.0,
) -> Dataset:
    """Run a noisy component: a walk that is the same each time, and noise that is not."""
    numbers = np.random.default_rng(seed)
    noise = numbers.normal(size=count) * sigma
    for index in range(1, count if memory else 0):
        noise[index] = memory * noise[index - 1] + np.sqrt(1 - memory**2) * noise[index]
    walk = np.cumsum(np.random.default_rng(1).normal(size=count)) * 0.01
    time_ns = np.arange(count) * (S // 100)
    kept = numbers.random(count) >= drop
    dataset = Dataset.create('memory')
    dataset.declare('/v', 'geometry_msgs/msg/Vector3Stamped')
    arrays: dict[str, Any] = {
        'header.stamp.sec': (time_ns // S).astype(np.int32),
        'header.stamp.nanosec': (time_ns % S).astype(np.uint32),
        'vector.x': walk + noise + bias,
        'vector.y': 2.0 * walk,
    }
    dataset.write_columns(
        '/v', {path: each[kept] for path, each in arrays.items()}, log_time_ns=time_ns[kept]
    )
    return dataset


def verdict(seed: int, **compiled: Any) -> Verdict:
    """Judge a compiled component against two runs of the original."""
    memory = compiled.get('memory', 0.0)
    one, other = (run(10 * seed + place, memory=memory) for place in (0, 1))
    return compare(one, run(10 * seed + 2, **compiled), noise=[other]).verdict


def test_an_equally_noisy_component_is_equivalent() -> None:
    """Promise: noise as large as the original's own is no difference, white or correlated."""
    for memory in (0.0, 0.9):
        found = [verdict(seed, memory=memory) for seed in range(TRIALS)]
        assert found.count(Verdict.EQUIVALENT) == TRIALS


def test_a_bias_of_half_the_noise_is_found() -> None:
    """Promise: a bias of half a standard deviation of the noise differs, every time."""
    found = [verdict(seed, bias=0.025) for seed in range(TRIALS)]
    assert found.count(Verdict.DIFFERS) == TRIALS


def test_more_noise_is_found() -> None:
    """Promise: a component twice as noisy differs."""
    found = [verdict(seed, sigma=0.1) for seed in range(TRIALS // 4)]
    assert found.count(Verdict.DIFFERS) == len(found)


def test_a_single_outlier_is_found() -> None:
    """Promise: one error of ten times the noise differs, at its stamp."""
    one, other, compiled = run(1), run(2), run(3)
    columns = compiled.columns('/v')
    columns['vector.x'].values[700] += 2.0
    bent = Dataset.create('memory')
    bent.declare('/v', 'geometry_msgs/msg/Vector3Stamped')
    bent.write_columns('/v', columns)
    comparison = compare(one, bent, noise=[other])
    (field,) = comparison.keys[0].differing
    assert field.path == 'vector.x'
    assert field.noise is not None
    assert 'the largest error is 2.0' in field.noise.text
    assert field.worst is not None
    assert field.worst.index == 700


def test_without_noise_runs_every_difference_counts() -> None:
    """Promise: with one run of the original the floor is unknown, and what differs differs."""
    comparison = compare(run(1), run(3))
    assert comparison.verdict is Verdict.DIFFERS
    assert comparison.noise_runs == 0
    assert all(field.noise is None for field in comparison.keys[0].fields)


def test_a_field_without_noise_keeps_its_tolerance() -> None:
    """Promise: where the original is exact, the compiled has to be, in a noisy message too."""
    one, other, compiled = run(1), run(2), run(3)
    columns = compiled.columns('/v')
    columns['vector.y'].values[5] += 1e-3
    bent = Dataset.create('memory')
    bent.declare('/v', 'geometry_msgs/msg/Vector3Stamped')
    bent.write_columns('/v', columns)
    comparison = compare(one, bent, noise=[other])
    assert [field.path for field in comparison.keys[0].differing] == ['vector.y']
    assert comparison.first_divergence == ('/v', 5 * S // 100, 'vector.y')


def test_too_few_messages_are_inconclusive() -> None:
    """Promise: with a handful of messages beyond the tolerance nothing is claimed."""
    one, other, compiled = (run(seed, count=10) for seed in (1, 2, 3))
    comparison = compare(one, compiled, noise=[other])
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert comparison.verdict.exit_code == 2


def test_lost_messages_have_a_floor_too() -> None:
    """Promise: an original that loses messages lets the compiled lose about as many."""
    one, other = run(1, drop=0.02), run(2, drop=0.02)
    assert compare(one, run(3, drop=0.02), noise=[other]).verdict is Verdict.EQUIVALENT
    assert compare(one, run(3, drop=0.2), noise=[other]).verdict is Verdict.DIFFERS


def test_the_statement_says_what_would_have_been_found() -> None:
    """Promise: a bias well above what is called detectable is found, most of the time."""
    one, other = run(1), run(2)
    field = compare(one, run(3), noise=[other]).keys[0].fields[1]
    assert field.path == 'vector.x'
    assert field.noise is not None
    assert 'would have been found with 95 % confidence' in field.noise.text
    detectable = field.noise.detectable
    found = [verdict(seed, bias=1.3 * detectable) for seed in range(100, 120)]
    assert found.count(Verdict.DIFFERS) >= 18


@pytest.mark.parametrize(
    ('probability', 'freedom', 'expected'),
    # Of scipy.stats.t.ppf.
    [
        (0.975, 31, 2.039513446396408),
        (0.999, 31, 3.374898982787387),
        (0.95, 10, 1.812461122811676),
    ],
)
def test_quantiles_of_t(probability: float, freedom: int, expected: float) -> None:
    """Promise: quantiles of Student's t are right to a thousandth."""
    assert _t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-3)


def floats(seed: int, *, nan: float = 0.0, outlier: float = 0.0, tails: float = 0.0) -> Dataset:
    """Make noise with NaN here and there, an outlier, or heavy tails."""
    numbers = np.random.default_rng(seed)
    values = numbers.normal(size=2000) * 0.01
    if tails:
        values = numbers.standard_t(tails, size=2000)
    values[numbers.random(2000) < nan] = np.nan
    values[1000] = outlier or values[1000]
    dataset = Dataset.create('memory')
    dataset.declare('/x', 'std_msgs/msg/Float64')
    dataset.write_columns('/x', {'data': values}, log_time_ns=np.arange(2000))
    return dataset


def test_a_nan_between_the_originals_hides_nothing() -> None:
    """Promise: runs of the original that differ by a NaN hide neither outliers nor more NaN."""
    original, other = floats(1), floats(2, nan=0.001)
    assert compare(original, floats(3, nan=0.001), noise=[other]).is_equivalent
    assert not compare(original, floats(3, outlier=1e6), noise=[other]).is_equivalent
    assert not compare(original, floats(3, nan=0.3), noise=[other]).is_equivalent


def test_heavy_tails_are_no_outliers() -> None:
    """Promise: equal noise with heavy tails (Student's t of 3) is equivalent."""
    found = [
        compare(
            floats(3 * seed, tails=3.0),
            floats(3 * seed + 1, tails=3.0),
            noise=[floats(3 * seed + 2, tails=3.0)],
        ).verdict
        for seed in range(100)
    ]
    assert found.count(Verdict.EQUIVALENT) >= 99


@pytest.mark.parametrize(('bias', 'expected'), [(0.0, Verdict.EQUIVALENT), (0.5, Verdict.DIFFERS)])
def test_a_bias_of_a_rotation_is_found(bias: float, expected: Verdict) -> None:
    """Promise: a rotation that is off by half the noise about one axis differs."""

    def turned(seed: int, off: float = 0.0) -> Dataset:
        angle = np.random.default_rng(seed).normal(off, 1.0, 2000) * 0.01
        dataset = Dataset.create('memory')
        dataset.declare('/q', 'geometry_msgs/msg/Quaternion')
        fields = {'z': np.sin(angle / 2), 'w': np.cos(angle / 2)}
        dataset.write_columns('/q', fields, log_time_ns=np.arange(2000))
        return dataset

    found = [
        compare(turned(3 * seed), turned(3 * seed + 1, bias), noise=[turned(3 * seed + 2)]).verdict
        for seed in range(30)
    ]
    assert found.count(expected) == 30
