"""Constant lag, estimated from signals whose lag is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.comparison.pairing import Lag, Pairing, Times, estimate_lag
from lk_dataset_ros.errors import ComparisonError

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND


def signal(times_s: Any) -> Any:
    """Return something that repeats itself at no time."""
    return (
        np.sin(2 * np.pi * 0.31 * times_s)
        + 0.5 * np.sin(2 * np.pi * 1.37 * times_s + 1)
        + 0.2 * np.sin(2 * np.pi * np.sqrt(7) * times_s)
    )


def recorded(
    lag_s: float, rate: float, seconds: float = 20.0, noise: float = 0.0, seed: int = 0
) -> tuple[Any, Any]:
    """Return values and stamps of a signal that is late, sampled at a rate with some jitter."""
    generator = np.random.default_rng(seed)
    times_s = np.arange(0.0, seconds, 1.0 / rate)
    times_s += generator.uniform(-0.3, 0.3, len(times_s)) / rate
    values = signal(times_s - lag_s) + noise * generator.normal(size=len(times_s))
    return values, EPOCH + (times_s * 1e9).astype(np.int64)


@settings(deadline=None, max_examples=40)
@given(
    st.floats(-0.9, 0.9),
    st.sampled_from([50.0, 100.0, 130.0]),
    st.sampled_from([50.0, 100.0, 130.0]),
    st.integers(0, 99),
)
def test_a_lag_is_found_far_below_the_interval(
    lag_s: float, rate: float, other_rate: float, seed: int
) -> None:
    """Promise: whatever the rates and the jitter, a lag is found to a tenth of an interval."""
    original, compiled = recorded(0.0, rate), recorded(lag_s, other_rate, seed=seed)
    found = estimate_lag(*original, *compiled, max_lag_ns=SECOND)
    assert found.lag_ns == pytest.approx(lag_s * 1e9, abs=0.1 * SECOND / min(rate, other_rate))
    assert found.quality > 0.99


def test_a_lag_is_found_in_noise_gaps_and_any_order() -> None:
    """Promise: noise, NaN, infinities, lost and shuffled rows, idle columns do not hide a lag."""
    values, stamps_ns = recorded(0.0, 100.0, noise=0.2)
    late, late_ns = recorded(0.2345, 100.0, noise=0.2, seed=1)
    idle = np.full(len(values), 3.0)
    original = np.stack([idle, values * 1e300, np.full(len(values), np.nan)], axis=1)
    original[100:200, 1] = np.nan
    original[300, 1] = np.inf
    compiled = np.stack([idle, late * 1e300, late], axis=1)
    kept = np.random.default_rng(2).permutation(len(late))[: len(late) * 3 // 4]
    found = estimate_lag(original, stamps_ns, compiled[kept], late_ns[kept], SECOND)
    assert found.lag_ns == pytest.approx(0.2345 * SECOND, abs=0.005 * SECOND)
    assert 0.8 < found.quality < 1.0


def test_a_wide_search_ends_as_fine_as_a_narrow_one() -> None:
    """Promise: a lag of minutes in a recording of an hour is found to a hundredth of an interval."""
    knots = np.random.default_rng(3).normal(size=25_000)
    places = np.arange(25_000) * 0.2 - 700.0
    times_s = np.arange(0.0, 3600.0, 0.02)
    original = np.interp(times_s, places, knots)
    compiled = np.interp(times_s + 431.2345, places, knots)
    stamps_ns = EPOCH + (times_s * 1e9).astype(np.int64)
    found = estimate_lag(original, stamps_ns, compiled, stamps_ns, 1000 * SECOND)
    assert found.lag_ns == pytest.approx(-431.2345 * SECOND, abs=0.0002 * SECOND)


def test_a_chance_likeness_of_the_ends_is_no_lag() -> None:
    """Promise: a search as wide as the recording is not won by a few samples that overlap."""
    original = recorded(0.0, 100.0, noise=0.3)
    compiled = recorded(0.5, 100.0, noise=0.3, seed=1)
    found = estimate_lag(*original, *compiled, max_lag_ns=60 * SECOND)
    assert found.lag_ns == pytest.approx(0.5 * SECOND, abs=0.01 * SECOND)


def test_the_lively_part_of_a_long_recording_is_used() -> None:
    """Promise: a lag shows in twenty seconds of movement within an hour of near rest."""
    times_s = np.arange(0.0, 3600.0, 0.01)
    noise = np.random.default_rng(4).normal(size=(2, len(times_s))) * 1e-3
    stamps_ns = EPOCH + (times_s * 1e9).astype(np.int64)

    def moved(at_s: Any) -> Any:
        return signal(at_s) * ((at_s > 3000.0) & (at_s < 3020.0))

    found = estimate_lag(
        moved(times_s) + noise[0], stamps_ns, moved(times_s - 0.25) + noise[1], stamps_ns, SECOND
    )
    assert found.lag_ns == pytest.approx(0.25 * SECOND, abs=0.001 * SECOND)
    assert found.quality > 0.99


def test_the_same_signal_has_no_lag_at_all() -> None:
    """Promise: a recording compared with itself is late by 0 ns, with full quality."""
    original = recorded(0.0, 100.0, noise=0.1)
    found = estimate_lag(*original, *original, max_lag_ns=SECOND)
    assert found.lag_ns == 0
    assert found.quality == pytest.approx(1.0)


def test_of_many_equal_lags_it_is_the_smallest() -> None:
    """Promise: a periodic signal is not said to be many periods late."""
    times_s = np.arange(0.0, 60.0, 0.01)
    stamps_ns = (times_s * 1e9).astype(np.int64)
    found = estimate_lag(
        np.sin(2 * np.pi * times_s),
        stamps_ns,
        np.sin(2 * np.pi * (times_s - 0.2)),
        stamps_ns,
        30 * SECOND,
    )
    assert found.lag_ns == pytest.approx(0.2 * SECOND, abs=0.001 * SECOND)


def test_one_stray_stamp_does_not_spoil_the_search() -> None:
    """Promise: a stamp from another century takes neither memory nor the lag away."""
    values, stamps_ns = recorded(0.0, 100.0, 400.0)
    late, late_ns = recorded(0.1, 100.0, 400.0)
    stamps_ns[7], late_ns[9], late_ns[11] = 0, -(2**63), 2**63 - 1
    found = estimate_lag(values, stamps_ns, late, late_ns, SECOND)
    assert found.lag_ns == pytest.approx(0.1 * SECOND, abs=0.002 * SECOND)


ROWS = np.arange(50, dtype=np.int64) * SECOND
WAVE = np.sin(np.arange(50.0))


@pytest.mark.parametrize(
    ('original', 'stamps_ns', 'compiled', 'other_ns'),
    [
        (np.ones(50), ROWS, WAVE, ROWS),
        (WAVE, ROWS, np.full(50, np.nan), ROWS),
        (WAVE, np.zeros(50, np.int64), WAVE, np.zeros(50, np.int64)),
        (WAVE[:7], ROWS[:7], WAVE, ROWS),
        (WAVE[:0], ROWS[:0], WAVE, ROWS),
        (WAVE, ROWS, WAVE, ROWS + 10**15),
        (WAVE, ROWS, -WAVE.clip(0.9), ROWS * 0 + 25 * SECOND),
        (np.empty((50, 0)), ROWS, np.empty((50, 0)), ROWS),
    ],
    ids=['constant', 'nan', 'one time', 'few', 'none', 'apart', 'one time each', 'no column'],
)
def test_where_nothing_can_be_told_there_is_no_lag(
    original: Any, stamps_ns: Any, compiled: Any, other_ns: Any
) -> None:
    """Promise: signals that say nothing give lag 0 and quality 0, not a guess."""
    assert estimate_lag(original, stamps_ns, compiled, other_ns, SECOND) == Lag(0, 0.0)


NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 5e-324, 1.7e308, -1e308])
)
ROWS_OF_ANY = st.lists(
    st.tuples(NUMBERS, st.one_of(st.integers(0, 99), st.integers(-(2**63), 2**63 - 1))),
    max_size=30,
)


@settings(deadline=None)
@given(ROWS_OF_ANY, ROWS_OF_ANY, st.one_of(st.integers(0, 50), st.integers(0, 2**64)))
def test_any_numbers_give_a_lag_within_reach(
    original: list[tuple[float, int]], compiled: list[tuple[float, int]], reach: int
) -> None:
    """Promise: no values and no stamps crash the estimate, nor lead it out of its limits."""
    sides = [
        (np.array([v for v, _ in side], float), np.array([t for _, t in side], np.int64))
        for side in (original, compiled)
    ]
    found = estimate_lag(*sides[0], *sides[1], max_lag_ns=reach)
    assert abs(found.lag_ns) <= reach * (1 + 1e-12)
    assert 0.0 <= found.quality <= 1.0


def test_an_estimated_offset_pairs_what_is_late() -> None:
    """Promise: with an estimated offset all pair that are late by one lag, by stamp or relative."""
    times_s = np.arange(0.0, 20.0, 0.01)
    stamps_ns = EPOCH + (times_s * 1e9).astype(np.int64)
    original = Times(stamps_ns, stamps_ns)
    compiled = Times(stamps_ns + 123_456_789, stamps_ns)
    signals = signal(times_s), signal(times_s)
    for by, lag_ns in (('auto', 123_456_789), ('nearest', 123_456_789), ('relative_time', 0)):
        pairing = Pairing(by, limit_ns=1_000_000, offset_ns='estimate')
        found = pairing.lag(original, compiled, signals)
        assert found.lag_ns == pytest.approx(lag_ns, abs=100_000)
        pairs, _ = pairing.pair(original, compiled, signals=signals)
        assert pairs.original.tolist() == pairs.compiled.tolist() == list(range(2000))
    assert pairing.lag(original, compiled) == Lag(0, 0.0)
    assert Pairing(offset_ns=5).lag(original, compiled) == Lag(5, 1.0)


@pytest.mark.parametrize(
    ('original', 'compiled', 'reach', 'words'),
    [
        (WAVE, np.array(['a'] * 50), 1, 'compiled is of type <U1; .* from numbers'),
        (WAVE[:9], WAVE, 1, r'original has values of shape \(9,\) and 50 stamps'),
        (np.stack([WAVE, WAVE], axis=1), WAVE, 1, 'original has 2 signals and the compiled 1'),
        (WAVE, WAVE, -1, 'max_lag_ns is -1'),
    ],
)
def test_what_does_not_fit_is_refused(
    original: Any, compiled: Any, reach: int, words: str
) -> None:
    """Promise: arrays that cannot be correlated are refused in one line."""
    with pytest.raises(ComparisonError, match=words):
        estimate_lag(original, ROWS, compiled, ROWS, reach)
