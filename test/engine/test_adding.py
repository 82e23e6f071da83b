"""Sums of comparisons: of several runs, or of the parts of one."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison import (
    DatasetComparison,
    Limit,
    Tolerance,
    Verdict,
    compare_columns,
)
from lk_dataset_ros.comparison.judging.tally import MOST_SAMPLES, PARTS
from lk_dataset_ros.comparison.noise import NoiseFloor
from lk_dataset_ros.comparison.renderers import from_json
from lk_dataset_ros.errors import ComparisonError

Arrays = dict[str, Any]


def cut(arrays: Arrays, first: int, end: int) -> Arrays:
    """Return some rows of all arrays."""
    return {name: values[first:end] for name, values in arrays.items()}


def parts_of(original: Arrays, compiled: Arrays, edges: list[int]) -> list[DatasetComparison]:
    """Compare part by part."""
    return [
        compare_columns(cut(original, first, end), cut(compiled, first, end))
        for first, end in pairwise(edges)
    ]


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(3, 3000),
    share=st.sampled_from([0.0, 0.002, 0.5, 1.0]),
    cuts=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4),
)
@settings(max_examples=80, deadline=None)
def test_the_sum_of_parts_is_the_whole(
    seed: int, count: int, share: float, cuts: list[float]
) -> None:
    """Promise: counts, errors, histograms, which pairs, first and worst are those of all at once."""
    rng = np.random.default_rng(seed)
    original: Arrays = {
        'x': rng.normal(size=count),
        'v': rng.normal(size=(count, 3)),
        'n': rng.integers(-9, 9, count),
        's': np.array(['a', 'b', 'c'] * count, object)[:count],
    }
    compiled = {name: values.copy() for name, values in original.items()}
    for name in ('x', 'v', 'n'):
        changed = rng.random(count) < share
        compiled[name][changed] = (compiled[name][changed] * 1.5 + 1.0).astype(
            original[name].dtype
        )
    compiled['s'][rng.random(count) < share] = 'd'
    compiled['x'][rng.random(count) < share / 9] = np.nan
    edges = sorted({0, count, *(round(each * count) for each in cuts)})
    whole = compare_columns(original, compiled)
    added = sum(parts_of(original, compiled, edges))
    assert isinstance(added, DatasetComparison)
    assert added.runs == len(edges) - 1
    assert added.verdict is whole.verdict
    (key,), (expected,) = added.keys, whole.keys
    assert key.paired == expected.paired == len(key.stamps_ns) == len(key.indices)
    starts = [0, *(each for each in edges[1:-1])]
    for mine, theirs in zip(key.fields, expected.fields, strict=True):
        assert (mine.path, mine.dtype, mine.limit) == (theirs.path, theirs.dtype, theirs.limit)
        assert (mine.matched, mine.mismatched) == (theirs.matched, theirs.mismatched)
        assert np.array_equal(mine.over, theirs.over)
        assert repr(mine.max_error) == repr(theirs.max_error)
        for name in ('mean_error', 'rms_error', 'bias', 'max_relative_error'):
            found, right = getattr(mine, name), getattr(theirs, name)
            assert found == pytest.approx(right, rel=1e-9, abs=1e-12, nan_ok=True)
        for percent in (50, 99):
            assert repr(mine.statistics.percentile(percent)) == repr(
                theirs.statistics.percentile(percent)
            )
        for side in ('first', 'worst'):
            found, right = getattr(mine, side), getattr(theirs, side)
            assert (found is None) is (right is None)
            if found is not None:
                # Each part counts its messages from 0.
                assert any(found.index + start == right.index for start in starts)
                assert repr((found.compiled, found.error)) == repr((right.compiled, right.error))
        check_profile(mine.profile, theirs.profile, count, len(edges) - 2)
        if theirs.sample is not None:
            assert mine.sample is not None
            taken = mine.sample.positions
            assert np.array_equal(taken, theirs.sample.positions)
            if mine.path == 'x':
                assert np.array_equal(mine.sample.original, original['x'][taken])


def check_profile(mine: Any, theirs: Any, count: int, cuts: int) -> None:
    """Check that no part is less than it was, and none more than a neighbour."""
    if not len(theirs):
        # No error in all of it, or no numbers.
        assert not mine.any()
        return
    assert len(mine) == len(theirs) == min(PARTS, count)
    assert (mine >= theirs).all()
    near = theirs.copy()
    for _ in range(cuts):
        wide = np.concatenate([[0.0], near, [0.0]])
        near = np.maximum(np.maximum(wide[:-2], wide[2:]), near)
    assert (mine <= near).all()


def test_samples_of_a_sum_are_even() -> None:
    """Promise: at most 16,384 values, and each pair of either comparison has the same chance."""
    long, short = np.arange(100_000.0), np.arange(25_000.0)
    added = compare_columns({'x': long}, {'x': long}) + compare_columns({'x': short}, {'x': short})
    sample = added.keys[0].fields[0].sample
    assert sample is not None
    assert 15_000 < len(sample.positions) <= MOST_SAMPLES
    of_first = int((sample.positions < 100_000).sum())
    assert of_first / len(sample.positions) == pytest.approx(0.8, abs=0.01)
    assert (np.diff(sample.positions) > 0).all()
    values = np.concatenate([long, short])
    assert np.array_equal(sample.original, values[sample.positions])


def made(
    error: float = 0.0, name: str = '/a', count: int = 4, **options: Any
) -> DatasetComparison:
    """Compare a field whose every value is off by an error."""
    zeros = np.zeros(count)
    return compare_columns({'x': zeros}, {'x': zeros + error}, name=name, **options)


def test_keys_are_added_by_name() -> None:
    """Promise: keys of one only are kept, messages without partner and stamps follow each other."""
    one, other = made(), made(2.0)
    one = replace(
        one, keys=(replace(one.keys[0], missing_ns=np.array([5, 6])), *made(name='/b').keys)
    )
    other = replace(
        other, keys=(*made(name='/c').keys, replace(other.keys[0], missing_ns=np.array([7])))
    )
    added = one + other
    assert [key.key for key in added.keys] == ['/a', '/b', '/c']
    first = added.keys[0]
    assert first.missing_ns.tolist() == [5, 6, 7]
    assert first.stamps_ns.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (added.runs, added.noise_runs) == (2, 0)
    assert added.verdict is Verdict.DIFFERS
    assert (added.original, added.compiled) == (None, None)
    assert all(field.source is None for key in added.keys for field in key.fields)
    assert sum([one]) is one


def test_parts_of_a_key_are_told_apart() -> None:
    """Promise: two pairs of frames of /tf are two keys in a sum, too."""
    sides = []
    for error in (0.0, 1.0):
        (key,) = made(error).keys
        keys = (replace(key, part='a -> b'), replace(made().keys[0], part='b -> c'))
        sides.append(replace(made(), keys=keys))
    added = sides[0] + sides[1]
    assert [(key.part, key.paired, len(key.differing)) for key in added.keys] == [
        ('a -> b', 8, 1),
        ('b -> c', 8, 0),
    ]


def test_a_field_of_one_comparison_only_counts_for_all_pairs() -> None:
    """Promise: where a field was in neither side of a comparison, nothing of it differs there."""
    one = made()
    both = compare_columns(
        {'x': np.zeros(3), 'y': np.zeros(3)}, {'x': np.zeros(3), 'y': np.ones(3)}, name='/a'
    )
    for added, over in ((one + both, [False] * 4 + [True] * 3), (both + one, [True] * 3)):
        x, y = added.keys[0].fields
        assert (x.path, x.matched, x.mismatched) == ('x', 7, 0)
        assert (y.path, y.matched, y.mismatched) == ('y', 4, 3)
        assert y.over.tolist() == (over + [False] * 4)[:7]


def test_other_types_are_a_problem() -> None:
    """Promise: a key of another type, or a field of another type, is a problem that is told."""
    one = made()
    other = replace(one, keys=(replace(one.keys[0], type_name='b/msg/B'),))
    (key,) = (one + other).keys
    assert key.problem == ' in one comparison, b/msg/B in another'
    assert key.verdict is Verdict.DIFFERS
    text = compare_columns({'x': np.array(['a'])}, {'x': np.array(['a'])}, name='/a')
    (key,) = (one + text).keys
    assert key.problem.startswith('x is float64 in one comparison, str')
    (key,) = (one + text + one).keys
    assert key.problem.startswith('x is float64 in one comparison, str')


def test_other_rules_are_refused() -> None:
    """Promise: what was judged by another limit or ignored in one cannot be added, in one line."""
    wide = made(tolerance=Tolerance(fields={'x': Limit(0.0, 9.0)}))
    ignored = made(tolerance=Tolerance(ignore={'x': 'why not'}))
    with pytest.raises(ComparisonError, match=r'/a x is judged by another rule .*atol 9\)'):
        made() + wide
    with pytest.raises(ComparisonError, match='ignored: why not'):
        made() + ignored
    assert (ignored + ignored).keys[0].fields[0].ignored_because == 'why not'
    loose = replace(made(), keys=(replace(made().keys[0], ignored_counts=True),))
    with pytest.raises(ComparisonError, match='messages without partner count in one'):
        made() + loose


def floor(*, exceeded: bool, unclear: bool = False) -> NoiseFloor:
    """Return a noise floor of two runs."""
    return NoiseFloor(
        2, made(1.0).keys[0].fields[0].statistics, 1, exceeded, unclear, 0.5, f'{exceeded}'
    )


def with_floor(error: float, noise: NoiseFloor | None) -> DatasetComparison:
    """Return a comparison with a noise floor."""
    comparison = made(error)
    (key,) = comparison.keys
    (field,) = key.fields
    key = replace(key, fields=(replace(field, noise=noise),))
    return replace(comparison, keys=(key,), noise_runs=1)


def test_the_verdict_of_a_sum_is_the_worst() -> None:
    """Promise: what differs in any comparison, by its own noise floor, differs in the sum."""
    below, above = floor(exceeded=False), floor(exceeded=True)
    unclear = floor(exceeded=False, unclear=True)
    order = [Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.DIFFERS]
    cases = [
        with_floor(error, noise)
        for error, noise in (
            *((0.0, None), (1.0, None), (1.0, below), (1.0, above), (1.0, unclear)),
        )
    ]
    for one in cases:
        for other in cases:
            added = one + other
            assert added.verdict is max(one.verdict, other.verdict, key=order.index)
            noise = added.keys[0].fields[0].noise
            known = [
                each.keys[0].fields[0].noise
                for each in (one, other)
                if each.keys[0].fields[0].noise is not None
            ]
            assert (noise is None) is (not known)
            if noise is not None:
                assert noise.runs == 2 * len(known)
                assert noise.statistics.count == 4 * len(known)


def test_too_many_messages_without_partner_stay_too_many() -> None:
    """Promise: a floor of one comparison does not excuse what another lacks."""
    (key,) = made().keys
    fine = replace(made(), keys=(replace(key, missing_ns=np.arange(3), unpaired_floor=10),))
    lossy = replace(made(), keys=(replace(key, missing_ns=np.arange(5), unpaired_floor=2),))
    assert fine.verdict is (fine + fine).verdict is Verdict.EQUIVALENT
    assert (fine + lossy).verdict is (lossy + fine).verdict is Verdict.DIFFERS


def test_distributions_are_told_of_the_sum() -> None:
    """Promise: the distribution test of a sum is that of both comparisons' values."""
    added = made(0.0, count=300) + made(5.0, count=300)
    test = added.keys[0].fields[0].distribution
    assert test is not None
    assert test.statistic == 0.5
    assert test.wasserstein == pytest.approx(2.5)
    (key,) = made().keys
    (field,) = key.fields
    by_all = [
        replace(made(), keys=(replace(key, fields=(replace(field, is_different=each),)),))
        for each in (False, True)
    ]
    assert (by_all[0] + by_all[1]).keys[0].fields[0].is_different is True
    assert (by_all[0] + by_all[0]).keys[0].fields[0].is_different is False


def test_names_of_a_sum_do_not_grow_without_end() -> None:
    """Promise: equal names stay, others are joined, many are cut visibly."""
    named = [replace(made(), compiled_name=f'run_{number}') for number in range(100)]
    added = sum(named)
    assert isinstance(added, DatasetComparison)
    assert added.original_name == 'original'
    assert added.compiled_name.startswith('run_0 + run_1 + run_2')
    assert added.compiled_name.endswith(' + ...')
    assert len(added.compiled_name) < 140
    assert added.runs == 100
    assert added.keys[0].paired == 400
    assert math.isclose(added.keys[0].fields[0].max_error, 0.0)
    assert from_json(added.to_json()).to_str() == added.to_str()
