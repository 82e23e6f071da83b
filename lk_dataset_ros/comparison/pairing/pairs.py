"""Pairs of messages, and how late the compiled's message of each pair is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of messages, one to one, in order of the original.

    Attributes:
        original: int64, (n,): index of each pair's message in the original, ascending.
        compiled: int64, (n,): index of each pair's message in the compiled.
        missing: int64, (m,): messages of the original without a partner, ascending.
        extra: int64, (k,): messages of the compiled without a partner, ascending.
    """

    original: NDArray[np.int64]
    compiled: NDArray[np.int64]
    missing: NDArray[np.int64]
    extra: NDArray[np.int64]

    @classmethod
    def of(cls, partner: NDArray[np.int64], compiled_count: int) -> Pairs:
        """Return the pairs that a list of partners says.

        Args:
            partner: int64, (n,): the compiled's message of each of the original's, or -1.
            compiled_count: How many messages the compiled has.
        """
        has_partner = partner >= 0
        original = np.flatnonzero(has_partner)
        compiled = partner[original]
        is_extra = np.ones(compiled_count, np.bool_)
        is_extra[compiled] = False
        return cls(original, compiled, np.flatnonzero(~has_partner), np.flatnonzero(is_extra))


def delays(
    pairs: Pairs,
    original_times_ns: NDArray[np.int64],
    compiled_times_ns: NDArray[np.int64],
    *,
    absolute: bool = False,
) -> NDArray[np.int64]:
    """Return by how much the compiled's message of each pair came later than the original's.

    Args:
        pairs: The pairs.
        original_times_ns: int64, (n,): log times of all messages of the original.
        compiled_times_ns: int64, (m,): log times of all messages of the compiled.
        absolute: Whether both sides were recorded by one clock. If not, each side's times count
            from its earliest message: (compiled - compiled's first) - (original - original's
            first).

    Returns:
        int64, (pairs,): nanoseconds, negative where the compiled was earlier; what is beyond
        int64 becomes its limit.
    """
    if not len(pairs.original):
        return np.empty(0, np.int64)
    if not absolute:
        original_times_ns = since_earliest(original_times_ns)
        compiled_times_ns = since_earliest(compiled_times_ns)
    originals = original_times_ns[pairs.original]
    compileds = compiled_times_ns[pairs.compiled]
    apart = np.minimum(distance(originals, compileds), np.uint64(_LARGEST))
    size: NDArray[np.int64] = apart.astype(np.int64)
    np.negative(size, out=size, where=compileds < originals)
    return size


def late_pairs(
    pairs: Pairs,
    original_times_ns: NDArray[np.int64],
    compiled_times_ns: NDArray[np.int64],
    max_delay_ns: int,
    *,
    absolute: bool = False,
) -> NDArray[np.int64]:
    """Return which pairs are late: those whose delay (see `delays`) is beyond a limit.

    Args:
        pairs: The pairs.
        original_times_ns: int64, (n,): log times of all messages of the original.
        compiled_times_ns: int64, (m,): log times of all messages of the compiled.
        max_delay_ns: The limit, nanoseconds; exactly this much is not late.
        absolute: Whether both sides were recorded by one clock.

    Returns:
        int64: positions within the pairs, ascending.

    Raises:
        ComparisonError: If the limit is negative.
    """
    if max_delay_ns < 0:
        raise ComparisonError(
            f'max_delay_ns is {max_delay_ns}; it has to be 0 or more nanoseconds'
        )
    found = delays(pairs, original_times_ns, compiled_times_ns, absolute=absolute)
    return np.flatnonzero(found > min(max_delay_ns, _LARGEST))


def distance(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return |left - right|: of any two int64 it fits uint64, which wraps to the right value."""
    high, low = np.maximum(left, right), np.minimum(left, right)
    return high.view(np.uint64) - low.view(np.uint64)


def shift(
    stamps_ns: NDArray[np.int64], offset_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Subtract an offset.

    Returns:
        The shifted stamps, and which of them are right: those that int64 can hold.
    """
    low, high = np.iinfo(np.int64).min + offset_ns, np.iinfo(np.int64).max + offset_ns
    if low > _LARGEST or high < np.iinfo(np.int64).min:
        return stamps_ns, np.zeros(len(stamps_ns), np.bool_)
    fits = stamps_ns >= low if offset_ns > 0 else stamps_ns <= high
    wrapped = np.full(1, offset_ns % 2**64, np.uint64)
    return (stamps_ns.view(np.uint64) - wrapped).view(np.int64), fits


def in_order(stamps_ns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return stamps in ascending order, and the index of each (None: as they were)."""
    if is_ascending(stamps_ns):
        return stamps_ns, None
    order = np.argsort(stamps_ns, kind='stable')
    return stamps_ns[order], order


def is_ascending(stamps_ns: NDArray[np.int64]) -> bool:
    """Say whether no stamp is lower than the one before."""
    return bool((stamps_ns[1:] >= stamps_ns[:-1]).all())


def since_earliest(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times counted from the earliest, which becomes the lowest int64: every span fits."""
    if not len(times_ns):
        return times_ns
    base = times_ns.min(keepdims=True).view(np.uint64) + np.uint64(2**63)
    counted: NDArray[np.int64] = (times_ns.view(np.uint64) - base).view(np.int64)
    return counted
