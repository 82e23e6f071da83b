"""Datasets are compared by every way of pairing, through the front door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lk_dataset_ros.comparison import Acceptance, Limit, Pairing, Tolerance, compare
from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.errors import ComparisonError

S = 1_000_000_000
MS = 1_000_000


def signal(offset_ns: int = 0, count: int = 400, *, late_ns: int = 0, key: str = '/v') -> Dataset:
    """Make a stamped signal at 100 Hz, stamped (and recorded) later by an offset."""
    dataset = Dataset.create('memory')
    dataset.declare(key, 'geometry_msgs/msg/Vector3Stamped')
    at_ns = np.arange(count) * (10 * MS) + S
    stamps_ns = at_ns + offset_ns
    walk = np.cumsum(np.random.default_rng(4).normal(size=count))
    dataset.write_columns(
        key,
        {
            'header.stamp.sec': (stamps_ns // S).astype(np.int32),
            'header.stamp.nanosec': (stamps_ns % S).astype(np.uint32),
            'vector.x': walk,
        },
        log_time_ns=stamps_ns + late_ns,
    )
    return dataset


def test_nearest_pairs_within_its_limit() -> None:
    """Promise: stamps 2 ms apart pair within 3 ms, and do not within 1 ms."""
    original, compiled = signal(), signal(2 * MS)
    near = compare(original, compiled, pairing=Pairing('nearest', limit_ns=3 * MS))
    assert (near.keys[0].paired, near.keys[0].paired_by) == (400, 'nearest')
    assert near.is_equivalent
    far = compare(original, compiled, pairing=Pairing('nearest', limit_ns=MS))
    assert (far.keys[0].paired, far.keys[0].missing, far.keys[0].extra) == (0, 400, 400)


def test_a_constant_lag_is_estimated_and_taken_off() -> None:
    """Promise: a lag of 137 ms is found from the values, told, and the messages pair."""
    pairing = Pairing('nearest', limit_ns=4 * MS, offset_ns='estimate')
    comparison = compare(signal(), signal(137 * MS), pairing=pairing)
    (key,) = comparison.keys
    assert key.lag_ns == pytest.approx(137 * MS, abs=MS)
    assert key.paired == 400
    assert comparison.is_equivalent


def test_relative_time_pairs_runs_of_different_days() -> None:
    """Promise: a run a day later pairs by the time since its first message."""
    comparison = compare(signal(), signal(86_400 * S), pairing='relative_time')
    assert comparison.keys[0].paired == 400
    assert comparison.is_equivalent


def test_lineage_pairs_outputs_by_their_input() -> None:
    """Promise: outputs are paired by the input whose stamp they carry; others stay without."""
    inputs = signal(count=10, key='/in')
    original, compiled = signal(count=10), signal(count=9)
    for each in (original, compiled):
        inputs.combine(into=each)
    pairing = Pairing('lineage', inputs=('/in',))
    (key,) = compare(original, compiled, keys=['/v'], pairing=pairing).keys
    assert (key.paired_by, key.paired, key.missing) == ('lineage', 9, 1)
    with pytest.raises(ComparisonError, match='input /none is not in the original; there is /v'):
        compare(original, compiled, pairing=Pairing('lineage', inputs=('/none',)))


def test_a_way_that_the_messages_do_not_allow_is_refused(kit: Any) -> None:
    """Promise: pairing by a stamp that messages do not have is refused, naming the key."""
    plain = kit.memory([('/n', kit.message('std_msgs/msg/Int32'), 0)])
    with pytest.raises(ComparisonError, match='/n: the messages of the original and the compiled'):
        compare(plain, plain, pairing='header_stamp')


def test_late_messages_differ_if_asked_for() -> None:
    """Promise: messages recorded later than accepted are late, at their stamps."""
    original, late = signal(), signal(late_ns=5 * MS)
    assert compare(original, late).is_equivalent
    strict = Acceptance(absolute_time_s=0.004)
    comparison = compare(original, late, acceptance=strict)
    assert comparison.keys[0].late == 400
    assert comparison.first_divergence == ('/v', S, 'late')
    assert compare(original, late, acceptance=Acceptance(absolute_time_s=0.006)).is_equivalent
    assert compare(original, late, acceptance=Acceptance(relative_time_s=0.001)).is_equivalent


def test_counts_and_keys_may_be_accepted() -> None:
    """Promise: with counts and keys accepted only values count."""
    original = signal()
    signal(key='/more').combine(into=original)
    compiled = signal(count=300)
    assert not compare(original, compiled).is_equivalent
    accepted = compare(original, compiled, acceptance=Acceptance(keys=False, counts=False))
    assert accepted.is_equivalent
    assert [(key.key, key.missing) for key in accepted.keys] == [('/v', 100)]


@pytest.mark.parametrize('value', [-1.0, float('nan'), float('inf')])
def test_wrong_limits_of_time_are_refused(value: float) -> None:
    """Promise: a limit that is no time is refused by name."""
    with pytest.raises(ComparisonError, match='relative_time_s is'):
        Acceptance(relative_time_s=value)


def test_a_limit_for_a_part_holds_for_all_in_it() -> None:
    """Promise: `/v.vector` gives its limit to x, y and z; the key alone to everything."""
    original = signal()
    columns = signal().columns('/v')
    columns['vector.x'].values[:] += 0.4
    compiled = Dataset.create('memory')
    compiled.declare('/v', 'geometry_msgs/msg/Vector3Stamped')
    compiled.write_columns('/v', columns)
    for pattern in ('/v.vector', '**.vector', 'vector', '/v', '/v.vector.*', '**'):
        rule = Tolerance(fields={pattern: Limit(0.0, 0.5)})
        assert compare(original, compiled, tolerance=rule).is_equivalent, pattern
    rule = Tolerance(fields={'/other': Limit(0.0, 0.5)})
    assert not compare(original, compiled, tolerance=rule).is_equivalent
    assert (
        compare(original, compiled, tolerance=Tolerance(ignore={'/v.vector': 'new'}))
        .keys[0]
        .fields[1]
        .ignored_because
        == 'new'
    )


def walk(seed: int, *, shift: float = 0.0, count: int = 3000) -> Dataset:
    """Make a correlated signal of one distribution, another one with each seed."""
    numbers = np.random.default_rng(seed)
    values = np.empty(count)
    values[0] = numbers.normal()
    for index in range(1, count):
        values[index] = 0.9 * values[index - 1] + np.sqrt(1 - 0.81) * numbers.normal()
    dataset = Dataset.create('memory')
    dataset.declare('/x', 'std_msgs/msg/Float64')
    dataset.write_columns('/x', {'data': values + shift}, log_time_ns=np.arange(count))
    return dataset


def test_distributions_are_compared_where_values_need_not_pair() -> None:
    """Promise: other values of one distribution are equivalent, a shifted distribution differs."""
    found = [
        compare(walk(2 * seed), walk(2 * seed + 1), pairing='distribution').verdict.value
        for seed in range(60)
    ]
    assert found.count('equivalent') == 60
    for seed in range(20):
        moved = walk(2 * seed + 1, shift=1.5, count=2500)
        comparison = compare(walk(2 * seed), moved, pairing='distribution')
        (field,) = comparison.keys[0].differing
        assert comparison.verdict.value == 'differs'
        assert (field.path, field.comparator) == ('data', 'distribution')
        assert field.distribution is not None
        assert field.distribution.wasserstein == pytest.approx(1.5, abs=0.7)


def test_a_distribution_within_the_tolerance_is_equivalent() -> None:
    """Promise: a constant that is off by less than its tolerance is the same distribution."""

    def constant(value: float) -> Dataset:
        dataset = Dataset.create('memory')
        dataset.declare('/x', 'std_msgs/msg/Float64')
        dataset.write_columns('/x', {'data': np.full(50, value)}, log_time_ns=np.arange(50))
        return dataset

    assert compare(constant(1.0), constant(1.0 + 1e-9), pairing='distribution').is_equivalent
    assert not compare(constant(1.0), constant(1.1), pairing='distribution').is_equivalent
