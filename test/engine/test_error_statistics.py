"""Statistics of errors are those of NumPy, and add up."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from lk_dataset_ros.comparison.statistics import Statistics

ERRORS = arrays_of.arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.one_of(st.just(0.0), st.floats(0.0, 1e300), st.just(math.inf)),
)


@given(ERRORS)
def test_they_are_those_of_numpy(errors: np.ndarray) -> None:
    """Promise: count, largest, mean and root mean square are NumPy's, infinities apart."""
    found = Statistics.of(errors)
    finite = errors[np.isfinite(errors)]
    assert (found.count, found.finite) == (len(errors), len(finite))
    assert found.largest == errors.max(initial=0.0)
    if len(finite):
        scale = finite.max() or 1.0
        assert found.mean == pytest.approx(np.mean(finite / scale) * scale, rel=1e-12)
        rms = np.sqrt(np.mean((finite / scale) ** 2)) * scale
        assert found.rms == pytest.approx(rms, rel=1e-9)
        assert int(found.bins.sum()) == len(finite)


@given(ERRORS, st.sampled_from([0.0, 1.0, 50.0, 90.0, 99.0, 100.0]))
def test_percentiles_are_right_to_a_sixtyfourth(errors: np.ndarray, percent: float) -> None:
    """Promise: a percentile is that of the nearest rank, at most 1/64 too large."""
    found = Statistics.of(errors).percentile(percent)
    if not len(errors):
        assert math.isnan(found)
        return
    rank = max(math.ceil(percent / 100.0 * len(errors)), 1)
    exact = float(np.sort(errors)[rank - 1])
    if math.isinf(exact) or exact > 2.0**63:
        assert found >= 2.0**63
    else:
        assert exact <= found <= max(exact * (1 + 1 / 64), 2.0**-63)


@given(ERRORS, ERRORS)
def test_they_add_up(one: np.ndarray, other: np.ndarray) -> None:
    """Promise: the sum of two is that of all errors together."""
    total = Statistics.of(one) + Statistics.of(other)
    together = Statistics.of(np.concatenate([one, other]))
    assert (total.count, total.finite) == (together.count, together.finite)
    assert total.largest == together.largest
    assert total.rms == pytest.approx(together.rms, rel=1e-9, abs=0.0)
    assert total.percentile(75.0) == pytest.approx(together.percentile(75.0), nan_ok=True)


@given(ERRORS)
def test_they_survive_as_plain_data(errors: np.ndarray) -> None:
    """Promise: written as JSON and read again they are the same."""
    found = Statistics.of(errors, errors)
    text = json.dumps(found.to_dict())
    assert json.dumps(Statistics.from_dict(json.loads(text)).to_dict()) == text


def test_what_is_no_histogram_is_refused() -> None:
    """Promise: a bin beyond the histogram is refused, not allocated."""
    content = Statistics.of(np.ones(3)).to_dict()
    with pytest.raises(ValueError, match='bin 1000000000000 of'):
        Statistics.from_dict({**content, 'bins': [[10**12, 1]]})


def test_the_relative_error_is_of_originals_that_are_not_zero() -> None:
    """Promise: an error where the original is 0 has no relative one; NaN against a number has."""
    errors = np.array([1.0, 0.0, 3.0])
    assert Statistics.of(errors, None, np.array([0.0, 0.0, 2.0])).largest_relative == 1.5
    assert Statistics.of(errors, None, np.zeros(3)).largest_relative == 0.0
    lost = Statistics.of(np.array([math.inf]), None, np.array([0.0]))
    assert lost.largest_relative == math.inf


def test_the_bias_has_a_sign() -> None:
    """Promise: the mean of compiled - original keeps its sign; without signs it is unknown."""
    assert Statistics.of(np.array([1.0, 3.0]), np.array([-1.0, 3.0])).bias == 1.0
    assert math.isnan(Statistics.of(np.array([1.0])).bias)
