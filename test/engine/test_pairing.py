"""Pairing against brute-force second versions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_dataset_ros.comparison.pairing import (
    WAYS,
    Pairing,
    Pairs,
    Times,
    delays,
    late_pairs,
    pair_by_index,
    pair_by_lineage,
    pair_by_nearest,
    pair_by_relative_time,
    pair_by_stamp,
)
from lk_dataset_ros.errors import ComparisonError

LOWEST, HIGHEST = -(2**63), 2**63 - 1
EVERY = st.integers(LOWEST, HIGHEST)
NEAR_THE_ENDS = st.sampled_from([LOWEST, LOWEST + 2, -1, 0, 3, HIGHEST - 2, HIGHEST])
STAMPS = st.lists(st.one_of(st.integers(-3, 6), EVERY), max_size=25)
CROWDED = st.lists(st.one_of(st.integers(0, 40), NEAR_THE_ENDS), max_size=12)
OFFSETS = st.one_of(st.integers(-9, 9), st.integers(-(2**65), 2**65))


def ns(stamps: list[int]) -> Any:
    """Return stamps as the product takes them."""
    return np.array(stamps, np.int64)


def lists(pairs: Pairs) -> tuple[list[int], ...]:
    """Return the four lists, after a look at their types."""
    found = (pairs.original, pairs.compiled, pairs.missing, pairs.extra)
    assert all(each.dtype == np.int64 for each in found)
    return tuple(each.tolist() for each in found)


def in_lists(partners: dict[int, int], original: int, compiled: int) -> tuple[list[int], ...]:
    """Return the four lists that a partner for each of the original's messages says."""
    left = sorted(partners)
    taken = set(partners.values())
    return (
        left,
        [partners[i] for i in left],
        [i for i in range(original) if i not in partners],
        [j for j in range(compiled) if j not in taken],
    )


def brute(original: list[Any], compiled: list[Any]) -> tuple[list[int], ...]:
    """Pair each message with the first unused one of the same stamp, O(n^2)."""
    free = list(range(len(compiled)))
    partners = {}
    for i, stamp in enumerate(original):
        partner = next((j for j in free if compiled[j] == stamp), None)
        if partner is not None:
            free.remove(partner)
            partners[i] = partner
    return in_lists(partners, len(original), len(compiled))


def brute_nearest(
    original: list[int], compiled: list[int], limit: int, offset: int = 0
) -> tuple[list[int], ...]:
    """Follow the three steps of the documented rule to the letter, in plain integers."""
    left = sorted((stamp, i) for i, stamp in enumerate(original))
    right = sorted(
        (stamp - offset, j)
        for j, stamp in enumerate(compiled)
        if LOWEST <= stamp - offset <= HIGHEST
    )
    few, many = (left, right) if len(left) < len(right) else (right, left)
    chosen: dict[int, int] = {}

    for a, (stamp, _) in enumerate(few):
        equal = [b for b, (other, _) in enumerate(many) if other == stamp]
        equal = [b for b in equal if b not in chosen.values()]
        if equal:
            chosen[a] = equal[0]

    def ask(candidates: dict[int, list[int]]) -> None:
        requests: dict[int, list[tuple[int, int]]] = {}
        for a, allowed in candidates.items():
            near = min(
                ((abs(many[b][0] - few[a][0]), many[b][0], b) for b in allowed), default=None
            )
            if near is not None and near[0] <= limit and near[2] not in chosen.values():
                requests.setdefault(near[2], []).append((near[0], a))
        chosen.update({min(asking)[1]: b for b, asking in requests.items()})

    everywhere = list(range(len(many)))
    ask({a: everywhere for a in range(len(few)) if a not in chosen})
    between = {}
    for a in range(len(few)):
        if a not in chosen:
            low = max((b for other, b in chosen.items() if other < a), default=-1)
            high = min((b for other, b in chosen.items() if other > a), default=len(many))
            between[a] = everywhere[low + 1 : high]
    ask(between)

    partners = {few[a][1]: many[b][1] for a, b in chosen.items()}
    if few is right:
        partners = {i: j for j, i in partners.items()}
    return in_lists(partners, len(original), len(compiled))


@given(STAMPS, STAMPS)
def test_pairs_are_those_of_brute_force(original: list[int], compiled: list[int]) -> None:
    """Promise: any stamps, shared ones included, are paired as the plain loop pairs them."""
    assert lists(pair_by_stamp(ns(original), ns(compiled))) == brute(original, compiled)
    assert lists(pair_by_stamp(ns(original), ns(original))) == brute(original, original)


@given(CROWDED, CROWDED, OFFSETS)
def test_an_offset_is_taken_off_the_compiled(
    original: list[int], compiled: list[int], offset: int
) -> None:
    """Promise: any offset is exact; a stamp that it takes out of int64 pairs with nothing."""
    shifted = [stamp - offset for stamp in compiled]
    found = lists(pair_by_stamp(ns(original), ns(compiled), offset_ns=offset))
    assert found == brute(original, shifted)


@given(st.integers(0, 30), st.integers(0, 30))
def test_pairing_by_index_pairs_the_first_ones(original: int, compiled: int) -> None:
    """Promise: the n-th goes with the n-th, what is over is missing or extra."""
    pairs = pair_by_index(original, compiled)
    both = min(original, compiled)
    assert pairs.original.tolist() == pairs.compiled.tolist() == list(range(both))
    assert pairs.missing.tolist() == list(range(both, original))
    assert pairs.extra.tolist() == list(range(both, compiled))


@given(CROWDED, CROWDED, st.one_of(st.integers(0, 12), st.integers(0, 2**65)), OFFSETS)
def test_the_nearest_follows_its_rule(
    original: list[int], compiled: list[int], limit: int, offset: int
) -> None:
    """Promise: pairing by nearest is what its documented rule says, for any stamps and limits."""
    expected = brute_nearest(original, compiled, limit)
    assert lists(pair_by_nearest(ns(original), ns(compiled), limit)) == expected
    same = lists(pair_by_nearest(ns(original), ns(original), limit))
    assert same == brute_nearest(original, original, limit)
    found = lists(pair_by_nearest(ns(original), ns(compiled), limit, offset_ns=offset))
    assert found == brute_nearest(original, compiled, limit, offset)


DISTINCT = st.lists(st.integers(0, 60), max_size=14, unique=True).map(sorted)


@given(DISTINCT, DISTINCT, st.integers(0, 30))
def test_the_nearest_never_cross_and_leave_nobody_next_to_a_free_partner(
    original: list[int], compiled: list[int], limit: int
) -> None:
    """Promise: pairs keep the order of time and the limit, and no two that could pair are left."""
    left, right, missing, extra = lists(pair_by_nearest(ns(original), ns(compiled), limit))
    assert right == sorted(set(right))
    assert all(abs(original[i] - compiled[j]) <= limit for i, j in zip(left, right, strict=True))
    for i in missing:
        for j in extra:
            crosses = any((i < a) != (j < b) for a, b in zip(left, right, strict=True))
            assert crosses or abs(original[i] - compiled[j]) > limit


@given(DISTINCT, DISTINCT, st.integers(0, 30))
def test_the_nearest_are_those_of_evo_where_evo_uses_none_twice(
    original: list[int], compiled: list[int], limit: int
) -> None:
    """Promise: evo's rule (the shorter side's nearest), where it is one to one, is ours, too."""
    swapped = len(compiled) > len(original)
    few, many = (original, compiled) if swapped else (compiled, original)
    nearest = {}
    for a, stamp in enumerate(few):
        apart, b = min(((abs(other - stamp), b) for b, other in enumerate(many)), default=(99, -1))
        if apart <= limit:
            nearest[a] = b
    if len(set(nearest.values())) == len(nearest):
        partners = nearest if swapped else {b: a for a, b in nearest.items()}
        expected = in_lists(partners, len(original), len(compiled))
        assert lists(pair_by_nearest(ns(original), ns(compiled), limit)) == expected


def test_a_message_that_two_ask_for_goes_to_the_nearer() -> None:
    """Promise: of two that want one, the nearer gets it and the other takes what is left."""
    pairs = pair_by_nearest(ns([0, 10, 20, 30, 40]), ns([0, 16, 23, 40]), 8)
    assert pairs.original.tolist() == [0, 1, 2, 4]
    assert pairs.compiled.tolist() == [0, 1, 2, 3]
    assert pair_by_nearest(ns([0, 10, 20]), ns([16, 23]), 5).extra.tolist() == [0]


@given(CROWDED, CROWDED, st.one_of(st.none(), st.integers(0, 9)), st.integers(-5, 5))
def test_relative_time_counts_from_the_earliest(
    original: list[int], compiled: list[int], limit: int | None, offset: int
) -> None:
    """Promise: each side's times count from its earliest, exactly or within a limit."""
    first = min(original, default=0), min(compiled, default=0)
    lag = first[1] - first[0] + offset
    found = pair_by_relative_time(ns(original), ns(compiled), limit_ns=limit, offset_ns=offset)
    if limit is None:
        since = [stamp - first[1] - offset + first[0] for stamp in compiled]
        assert lists(found) == brute(original, since)
    else:
        assert lists(found) == brute_nearest(original, compiled, limit, lag)


@given(STAMPS, STAMPS, STAMPS, st.one_of(st.none(), STAMPS))
def test_lineage_pairs_the_nth_output_of_an_input(
    original: list[int], compiled: list[int], inputs: list[int], others: list[int] | None
) -> None:
    """Promise: outputs pair by the input whose stamp they carry; those of no input stay alone."""

    def causes(stamps: list[int], given: list[int], nothing: object) -> list[object]:
        return [given.index(stamp) if stamp in given else nothing for stamp in stamps]

    found = pair_by_lineage(
        ns(original),
        ns(compiled),
        ns(inputs),
        compiled_inputs_ns=None if others is None else ns(others),
    )
    left = causes(original, inputs, 'none of the original')
    right = causes(compiled, inputs if others is None else others, 'none of the compiled')
    assert lists(found) == brute(left, right)


@given(st.lists(st.tuples(EVERY, EVERY), max_size=9), st.integers(0, 2**64), st.booleans())
def test_lateness_is_what_plain_integers_say(
    times: list[tuple[int, int]], limit: int, absolute: bool
) -> None:
    """Promise: delays and lateness are exact for any int64 times, relative or absolute."""
    left, right = [a for a, _ in times], [b for _, b in times]
    pairs = pair_by_index(len(left), len(right))
    base = 0 if absolute or not times else min(right) - min(left)
    late = [b - a - base for a, b in times]
    found = delays(pairs, ns(left), ns(right), absolute=absolute)
    assert found.tolist() == [max(min(each, HIGHEST), -HIGHEST) for each in late]
    limit = min(limit, HIGHEST)
    positions = late_pairs(pairs, ns(left), ns(right), limit, absolute=absolute)
    assert positions.tolist() == [k for k, each in enumerate(late) if min(each, HIGHEST) > limit]


def test_nothing_pairs_with_nothing() -> None:
    """Promise: empty sides are no error."""
    none, some = ns([]), ns([3, 3])
    for pair in (
        pair_by_stamp,
        pair_by_relative_time,
        lambda a, b: pair_by_nearest(a, b, 5),
        lambda a, b: pair_by_lineage(a, b, some),
        lambda a, b: pair_by_lineage(a, b, none),
    ):
        assert lists(pair(none, none)) == ([], [], [], [])
        assert lists(pair(some, none)) == ([], [], [0, 1], [])
        assert lists(pair(none, some)) == ([], [], [], [0, 1])


def test_pairing_takes_no_loop_over_messages() -> None:
    """Promise: 200 000 messages, shared and shuffled, far apart and clustered, are all paired."""
    stamps = np.repeat(np.arange(50_000, dtype=np.int64), 4)
    shuffled = np.random.default_rng(0).permutation(stamps)
    for pairs in (
        pair_by_stamp(stamps, shuffled),
        pair_by_nearest(stamps, shuffled, 0),
        pair_by_nearest(np.arange(200_000) * 10, np.arange(200_000) * 10 + 5, 5),
        pair_by_relative_time(stamps * 10, shuffled * 10 + 77, limit_ns=3),
    ):
        assert len(pairs.original) == 200_000
        assert pairs.missing.size == pairs.extra.size == 0


STAMPED = Times(ns([10, 20, 30]), ns([0, 1, 2]))
SHIFTED = Times(ns([11, 20, 31]), ns([5, 6, 8]))
BARE = Times(None, ns([0, 1, 2]))
EMPTY = Times(None, ns([]))
EMPTY_STAMPED = Times(ns([]), ns([]))


@pytest.mark.parametrize(
    ('pairing', 'original', 'compiled', 'by', 'paired'),
    [
        (Pairing(), STAMPED, SHIFTED, 'header_stamp', [1]),
        (Pairing(), STAMPED, BARE, 'index', [0, 1, 2]),
        (Pairing(), STAMPED, EMPTY, 'header_stamp', []),
        (Pairing(), EMPTY, STAMPED, 'header_stamp', []),
        (Pairing(), BARE, EMPTY_STAMPED, 'index', []),
        (Pairing(), BARE, EMPTY, 'index', []),
        (Pairing(), EMPTY, EMPTY, 'index', []),
        (Pairing(limit_ns=1), STAMPED, SHIFTED, 'header_stamp', [0, 1, 2]),
        (Pairing('header_stamp', offset_ns=1), STAMPED, SHIFTED, 'header_stamp', [0, 2]),
        (Pairing('header_stamp'), EMPTY, STAMPED, 'header_stamp', []),
        (Pairing('log_time', offset_ns=5), STAMPED, SHIFTED, 'log_time', [0, 1]),
        (Pairing('relative_time'), STAMPED, SHIFTED, 'relative_time', [0, 2]),
        (Pairing('relative_time'), BARE, SHIFTED, 'relative_time', [0, 1]),
        (Pairing('relative_time', limit_ns=1), BARE, SHIFTED, 'relative_time', [0, 1, 2]),
        (Pairing('index'), STAMPED, SHIFTED, 'index', [0, 1, 2]),
        (Pairing('nearest', limit_ns=1), STAMPED, SHIFTED, 'nearest', [0, 1, 2]),
        (Pairing('nearest', limit_ns=5), BARE, SHIFTED, 'nearest', [2]),
        (Pairing('nearest', limit_ns=5), BARE, EMPTY, 'nearest', []),
    ],
)
def test_the_choice_pairs_by_what_it_says(
    pairing: Pairing, original: Times, compiled: Times, by: str, paired: list[int]
) -> None:
    """Promise: each way uses its times; auto takes header stamps where both sides have them."""
    pairs, paired_by = pairing.pair(original, compiled)
    assert (paired_by, pairs.original.tolist()) == (by, paired)
    assert len(pairs.original) + len(pairs.missing) == len(original.log_time_ns)
    assert len(pairs.compiled) + len(pairs.extra) == len(compiled.log_time_ns)


def test_the_choice_pairs_by_lineage() -> None:
    """Promise: lineage takes the inputs' stamps, those of another run too, and asks for them."""
    options: dict[str, Any] = {'inputs': '/scan'}
    pairing = Pairing('lineage', **options)
    assert pairing.inputs == ('/scan',)
    pairs, by = pairing.pair(STAMPED, SHIFTED, inputs_ns=ns([20, 30]))
    assert (by, lists(pairs)) == ('lineage', ([1], [1], [0, 2], [0, 2]))
    pairs, _ = pairing.pair(
        STAMPED, SHIFTED, inputs_ns=ns([10, 20, 30]), compiled_inputs_ns=ns([11, 20, 31])
    )
    assert len(pairs.original) == 3
    with pytest.raises(ComparisonError, match='needs the stamps of /scan'):
        pairing.pair(STAMPED, SHIFTED)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'by': 'stamp'}, "'stamp'; there is auto, header_stamp"),
        ({'limit_ns': -1}, 'limit_ns is -1; it has to be an integer'),
        ({'limit_ns': 0.5}, 'limit_ns is 0.5;'),
        ({'limit_ns': True}, 'limit_ns is True;'),
        ({'max_lag_ns': None}, 'max_lag_ns is None;'),
        ({'offset_ns': 'guess'}, "offset_ns is 'guess'; .* or 'estimate'"),
        ({'offset_ns': 'estimate'}, 'limit_ns has to say'),
        ({'by': 'nearest'}, 'limit_ns is None; to pair the nearest'),
        ({'by': 'lineage'}, 'inputs is empty'),
        ({'inputs': ['/scan']}, 'only lineage uses inputs'),
        ({'by': 'index', 'limit_ns': 5}, 'limit_ns is 5, but messages are paired by index'),
        ({'by': 'lineage', 'inputs': '/a', 'offset_ns': 5}, 'offset_ns is 5, but'),
    ],
)
def test_a_wrong_choice_gets_one_line(options: dict[str, Any], words: str) -> None:
    """Promise: a value that is wrong, or does not go with another, is refused by its name."""
    with pytest.raises(ComparisonError, match=words) as caught:
        Pairing(**options)
    assert '\n' not in str(caught.value)


def test_what_is_not_there_is_not_paired_by() -> None:
    """Promise: messages without header, and negative limits, are refused in one line."""
    for by in ('header_stamp', 'lineage'):
        pairing = Pairing(by, inputs=('/scan',) if by == 'lineage' else ())
        with pytest.raises(ComparisonError, match='of the compiled have no header stamp'):
            pairing.pair(STAMPED, BARE, inputs_ns=ns([1]))
    with pytest.raises(ComparisonError, match='limit_ns is -1'):
        pair_by_nearest(ns([]), ns([]), -1)
    with pytest.raises(ComparisonError, match='max_delay_ns is -1'):
        late_pairs(pair_by_index(0, 0), ns([]), ns([]), -1)


def test_every_way_can_be_chosen() -> None:
    """Promise: the list of ways is complete, and a choice keeps integers of NumPy as plain ones."""
    for by in WAYS:
        limit = 7 if by == 'nearest' else None
        assert Pairing(by, limit, inputs=('/a',) if by == 'lineage' else ()).by == by
    assert type(Pairing(limit_ns=np.int64(7)).limit_ns) is int
