"""Pairing against a brute-force second version."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.comparison import pair_by_index, pair_by_stamp

STAMPS = st.lists(st.one_of(st.integers(-3, 6), st.integers(-(2**63), 2**63 - 1)), max_size=25)


def brute(original: list[int], compiled: list[int]) -> tuple[list[int], ...]:
    """Pair each message with the first unused one of the same stamp, O(n^2)."""
    free = list(range(len(compiled)))
    left, right, missing = [], [], []
    for i, stamp in enumerate(original):
        partner = next((j for j in free if compiled[j] == stamp), None)
        if partner is None:
            missing.append(i)
        else:
            free.remove(partner)
            left.append(i)
            right.append(partner)
    return left, right, missing, free


@given(STAMPS, STAMPS)
def test_pairs_are_those_of_brute_force(original: list[int], compiled: list[int]) -> None:
    """Promise: any stamps, shared ones included, are paired as the plain loop pairs them."""
    pairs = pair_by_stamp(np.array(original, np.int64), np.array(compiled, np.int64))
    found = (pairs.original, pairs.compiled, pairs.missing, pairs.extra)
    assert tuple(each.tolist() for each in found) == brute(original, compiled)
    assert all(each.dtype == np.int64 for each in found)


@given(st.integers(0, 30), st.integers(0, 30))
def test_pairing_by_index_pairs_the_first_ones(original: int, compiled: int) -> None:
    """Promise: the n-th goes with the n-th, what is over is missing or extra."""
    pairs = pair_by_index(original, compiled)
    both = min(original, compiled)
    assert pairs.original.tolist() == pairs.compiled.tolist() == list(range(both))
    assert pairs.missing.tolist() == list(range(both, original))
    assert pairs.extra.tolist() == list(range(both, compiled))


def test_nothing_pairs_with_nothing() -> None:
    """Promise: empty sides are no error."""
    none, some = np.empty(0, np.int64), np.array([3, 3], np.int64)
    assert pair_by_stamp(none, none).original.tolist() == []
    assert pair_by_stamp(some, none).missing.tolist() == [0, 1]
    assert pair_by_stamp(none, some).extra.tolist() == [0, 1]


def test_pairing_is_fast() -> None:
    """Promise: 200 000 messages with many shared stamps are paired exactly."""
    stamps = np.repeat(np.arange(50_000, dtype=np.int64), 4)
    pairs = pair_by_stamp(stamps, np.random.default_rng(0).permutation(stamps))
    assert len(pairs.original) == 200_000
    assert pairs.missing.size == pairs.extra.size == 0
