"""Pairing by what is nearest in time, one to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.pairing.exact import (
    equal_in_order,
    pair_by_index,
    pair_by_stamp,
)
from lk_dataset_ros.comparison.pairing.pairs import Pairs, distance, in_order, shift
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pair_by_nearest(
    original_ns: NDArray[np.int64],
    compiled_ns: NDArray[np.int64],
    limit_ns: int,
    *,
    offset_ns: int = 0,
) -> Pairs:
    """Pair each message with the nearest of the other side, one to one, never crossing in time.

    The rule, for both sides in order of time (of equal stamps: in order of arrival):

    1. Equal stamps pair in order of arrival.
    2. Each remaining message of the side that has fewer (of two equally long: the compiled)
       asks for the nearest message of the other side, if it lies within the limit; of two equally
       near ones, for the earlier. A message that several ask for goes to the nearest of those; of
       two equally near ones, to the earlier. One that is paired already is not given.
    3. Each message that got nothing asks once more, for the nearest of those that are still free
       and lie between the partners of its neighbours, so that no two pairs cross.

    Where the stamps of the longer side are distinct and no two messages ask for the same one, this
    is what `evo.core.sync.associate_trajectories` yields (each pose of the shorter trajectory with
    the nearest of the longer one). Where they do, evo uses a message twice; here one of the two
    gets another partner or stays without. evo's `offset_2` is `-offset_ns`, in seconds.

    Args:
        original_ns: int64, (n,): stamps of the original's messages, in any order.
        compiled_ns: int64, (m,): stamps of the compiled's messages, in any order.
        limit_ns: How far the stamps of a pair may lie apart, nanoseconds, inclusive.
        offset_ns: By how much the compiled's stamps are later (as `estimate_lag` returns it); a
            stamp that this takes out of int64 pairs with nothing.

    Raises:
        ComparisonError: If the limit is negative.
    """
    if limit_ns < 0:
        raise ComparisonError(f'limit_ns is {limit_ns}; it has to be 0 or more nanoseconds')
    if not offset_ns and np.array_equal(original_ns, compiled_ns):
        return pair_by_index(len(original_ns), len(compiled_ns))
    limit = np.uint64(min(limit_ns, 2**64 - 1))
    originals, original_order = in_order(original_ns)
    compileds, compiled_order = _shifted_in_order(compiled_ns, offset_ns)
    if len(originals) < len(compileds):
        left = _nearest(originals, compileds, limit)
        place = np.flatnonzero(left >= 0)
        other = left[place]
    else:
        right = _nearest(compileds, originals, limit)
        other = np.flatnonzero(right >= 0)
        place = right[other]
    partner = np.full(len(original_ns), -1, np.int64)
    partner[place if original_order is None else original_order[place]] = (
        other if compiled_order is None else compiled_order[other]
    )
    return Pairs.of(partner, len(compiled_ns))


def pair_by_relative_time(
    original_ns: NDArray[np.int64],
    compiled_ns: NDArray[np.int64],
    *,
    limit_ns: int | None = None,
    offset_ns: int = 0,
) -> Pairs:
    """Pair by the time since each side's earliest message, exactly or within a limit.

    Args:
        original_ns: int64, (n,): times of the original's messages, in any order.
        compiled_ns: int64, (m,): times of the compiled's messages, in any order.
        limit_ns: How far the relative times may lie apart, paired as by `pair_by_nearest`; None
            for exactly the same.
        offset_ns: By how much the compiled's relative times are later.

    Raises:
        ComparisonError: If the limit is negative.
    """
    if len(original_ns) and len(compiled_ns):
        offset_ns += int(compiled_ns.min()) - int(original_ns.min())
    if limit_ns is None:
        return pair_by_stamp(original_ns, compiled_ns, offset_ns=offset_ns)
    return pair_by_nearest(original_ns, compiled_ns, limit_ns, offset_ns=offset_ns)


def _shifted_in_order(
    stamps_ns: NDArray[np.int64], offset_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    if not offset_ns:
        return in_order(stamps_ns)
    shifted, fits = shift(stamps_ns, offset_ns)
    kept = np.flatnonzero(fits)
    ordered, order = in_order(shifted[kept])
    return ordered, kept if order is None else kept[order]


def _nearest(
    few: NDArray[np.int64], many: NDArray[np.int64], limit: np.uint64
) -> NDArray[np.int64]:
    """Return for each ascending stamp the index of its partner among many, or -1."""
    chosen = equal_in_order(few, many)
    alone = np.flatnonzero(chosen < 0)
    if not len(alone) or not len(many):
        return chosen
    is_free = np.ones(len(many), np.bool_)
    is_free[chosen[chosen >= 0]] = False
    everywhere = np.zeros(len(alone), np.int64)
    wish, apart = _closest(few[alone], many, everywhere, everywhere + len(many) - 1)
    _give(chosen, alone, wish, apart, (apart <= limit) & is_free[wish])

    alone, paired = np.flatnonzero(chosen < 0), np.flatnonzero(chosen >= 0)
    partners = np.concatenate([[-1], chosen[paired], [len(many)]])
    before = np.searchsorted(paired, alone)
    low, high = partners[before] + 1, partners[before + 1] - 1
    has_room = low <= high
    alone, low, high = alone[has_room], low[has_room], high[has_room]
    wish, apart = _closest(few[alone], many, low, high)
    _give(chosen, alone, wish, apart, apart <= limit)
    return chosen


def _closest(
    stamps: NDArray[np.int64],
    many: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the nearest of many[low..high] and how far it is; of equally near ones the first."""
    after = np.searchsorted(many, stamps)
    lower, upper = np.clip(after - 1, low, high), np.clip(after, low, high)
    if (many[1:] == many[:-1]).any():
        lower = np.maximum(np.searchsorted(many, many[lower]), low)
    below, above = distance(stamps, many[lower]), distance(stamps, many[upper])
    takes_lower = below <= above
    return np.where(takes_lower, lower, upper), np.where(takes_lower, below, above)


def _give(
    chosen: NDArray[np.int64],
    asking: NDArray[np.int64],
    wish: NDArray[np.int64],
    apart: NDArray[np.uint64],
    allowed: NDArray[np.bool_],
) -> None:
    """Give each wish (they ascend) to the nearest that asks for it, the first of equally near."""
    asking, wish, apart = asking[allowed], wish[allowed], apart[allowed]
    if not len(asking):
        return
    starts = np.flatnonzero(np.concatenate([[True], wish[1:] != wish[:-1]]))
    smallest = np.minimum.reduceat(apart, starts)
    lengths = np.diff(starts, append=len(wish))
    nearest = np.flatnonzero(apart == np.repeat(smallest, lengths))
    is_first = np.concatenate([[True], wish[nearest[1:]] != wish[nearest[:-1]]])
    winners = nearest[is_first]
    chosen[asking[winners]] = wish[winners]
