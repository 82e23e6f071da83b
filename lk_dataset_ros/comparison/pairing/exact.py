"""Pairing by what is equal: stamp, index, or the input that an output answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.pairing.pairs import Pairs, in_order, shift

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pair_by_stamp(
    original_ns: NDArray[np.int64], compiled_ns: NDArray[np.int64], *, offset_ns: int = 0
) -> Pairs:
    """Pair messages of equal stamp; where several share one, in order of arrival.

    Args:
        original_ns: int64, (n,): stamps of the original's messages, in any order.
        compiled_ns: int64, (m,): stamps of the compiled's messages, in any order.
        offset_ns: By how much the compiled's stamps are later; a stamp that this takes out of
            int64 pairs with nothing.
    """
    if offset_ns:
        shifted, fits = shift(compiled_ns, offset_ns)
        return _pair_some(original_ns, shifted, np.ones(len(original_ns), np.bool_), fits)
    # Equal arrays pair index by index whatever their order: the n-th of a stamp is the n-th.
    if np.array_equal(original_ns, compiled_ns):
        return pair_by_index(len(original_ns), len(compiled_ns))
    originals, original_order = in_order(original_ns)
    compileds, compiled_order = in_order(compiled_ns)
    partner = equal_in_order(originals, compileds)
    if compiled_order is not None:
        found = partner >= 0
        partner[found] = compiled_order[partner[found]]
    if original_order is not None:
        ordered = partner
        partner = np.empty_like(ordered)
        partner[original_order] = ordered
    return Pairs.of(partner, len(compiled_ns))


def pair_by_index(original_count: int, compiled_count: int) -> Pairs:
    """Pair the n-th message with the n-th."""
    both = min(original_count, compiled_count)
    return Pairs(
        np.arange(both, dtype=np.int64),
        np.arange(both, dtype=np.int64),
        np.arange(both, original_count, dtype=np.int64),
        np.arange(both, compiled_count, dtype=np.int64),
    )


def pair_by_lineage(
    original_ns: NDArray[np.int64],
    compiled_ns: NDArray[np.int64],
    inputs_ns: NDArray[np.int64],
    *,
    compiled_inputs_ns: NDArray[np.int64] | None = None,
) -> Pairs:
    """Pair outputs through the input that caused them.

    An output belongs to the input whose stamp it carries. The n-th output of an input (in order of
    arrival) pairs with the n-th output of the same input. An output that carries no input's stamp
    stays without a partner. Inputs that share a stamp count as the first of them.

    Args:
        original_ns: int64, (n,): stamps of the original's outputs.
        compiled_ns: int64, (m,): stamps of the compiled's outputs.
        inputs_ns: int64, (i,): stamps of the inputs, in order of arrival.
        compiled_inputs_ns: int64, (j,): those of the compiled's run, if its inputs carry other
            stamps: then the n-th input of one run answers to the n-th of the other. None if both
            runs had the same inputs.
    """
    originals = _input_of(original_ns, inputs_ns)
    compileds = _input_of(
        compiled_ns, inputs_ns if compiled_inputs_ns is None else compiled_inputs_ns
    )
    return _pair_some(originals, compileds, originals >= 0, compileds >= 0)


def equal_in_order(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each ascending stamp the equal one of the same rank on the right, or -1."""
    if not len(left) or not len(right):
        return np.full(len(left), -1, np.int64)
    place = np.searchsorted(right, left)
    repeats = np.flatnonzero(left[1:] == left[:-1]) + 1
    if len(repeats):
        # A stamp's rank among its equals: how far it is from the first of them.
        starts = np.arange(len(left))
        starts[repeats] = 0
        place += np.arange(len(left)) - np.maximum.accumulate(starts)
    inside = np.minimum(place, len(right) - 1)
    is_equal = (right[inside] == left) & (place == inside)
    return np.where(is_equal, place, np.int64(-1))


def _pair_some(
    original: NDArray[np.int64],
    compiled: NDArray[np.int64],
    original_may: NDArray[np.bool_],
    compiled_may: NDArray[np.bool_],
) -> Pairs:
    """Pair only those messages by stamp that may have a partner."""
    originals, compileds = np.flatnonzero(original_may), np.flatnonzero(compiled_may)
    pairs = pair_by_stamp(original[originals], compiled[compileds])
    partner = np.full(len(original), -1, np.int64)
    partner[originals[pairs.original]] = compileds[pairs.compiled]
    return Pairs.of(partner, len(compiled))


def _input_of(stamps_ns: NDArray[np.int64], inputs_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the first input of the same stamp, or -1."""
    if not len(inputs_ns):
        return np.full(len(stamps_ns), -1, np.int64)
    ordered, order = in_order(inputs_ns)
    place = np.minimum(np.searchsorted(ordered, stamps_ns), len(ordered) - 1)
    is_equal = ordered[place] == stamps_ns
    return np.where(is_equal, place if order is None else order[place], np.int64(-1))
