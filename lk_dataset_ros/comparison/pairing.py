"""Which message of the original answers to which of the compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of messages, one to one, in order of the original.

    Attributes:
        original: int64, (n,): index of each pair's message in the original.
        compiled: int64, (n,): index of each pair's message in the compiled.
        missing: int64, (m,): messages of the original without a partner.
        extra: int64, (k,): messages of the compiled without a partner.
    """

    original: NDArray[np.int64]
    compiled: NDArray[np.int64]
    missing: NDArray[np.int64]
    extra: NDArray[np.int64]


def pair_by_stamp(original_ns: NDArray[np.int64], compiled_ns: NDArray[np.int64]) -> Pairs:
    """Pair messages of equal stamp; where several share one, in order of arrival.

    Args:
        original_ns: int64, (n,): stamps of the original's messages.
        compiled_ns: int64, (m,): stamps of the compiled's messages.
    """
    original_keys = _occurrences(original_ns)
    compiled_keys = _occurrences(compiled_ns)
    _, in_original, in_compiled = np.intersect1d(
        original_keys, compiled_keys, assume_unique=True, return_indices=True
    )
    order = np.argsort(in_original, kind='stable')
    paired, partner = in_original[order], in_compiled[order]
    return Pairs(
        paired.astype(np.int64),
        partner.astype(np.int64),
        np.setdiff1d(np.arange(len(original_ns)), paired),
        np.setdiff1d(np.arange(len(compiled_ns)), partner),
    )


def pair_by_index(original_count: int, compiled_count: int) -> Pairs:
    """Pair the n-th message with the n-th."""
    both = min(original_count, compiled_count)
    return Pairs(
        np.arange(both, dtype=np.int64),
        np.arange(both, dtype=np.int64),
        np.arange(both, original_count, dtype=np.int64),
        np.arange(both, compiled_count, dtype=np.int64),
    )


def _occurrences(stamps_ns: NDArray[np.int64]) -> NDArray[np.void]:
    """Return (stamp, how many of this stamp came before) as one comparable key per message."""
    order = np.argsort(stamps_ns, kind='stable')
    ordered = stamps_ns[order]
    index = np.arange(len(ordered))
    first = np.searchsorted(ordered, ordered, side='left')
    keys = np.empty(len(stamps_ns), dtype=[('stamp', np.int64), ('rank', np.int64)])
    keys['stamp'] = stamps_ns
    keys['rank'][order] = index - first
    return keys
