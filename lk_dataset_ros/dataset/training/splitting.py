"""Windows over rows that follow each other, and blocks of time for training and validation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Index = NDArray[np.int64]

#: A step of this many median steps is a gap, unless the caller says otherwise.
GAP_STEPS = 3


def longest_step_ns(row_ns: Index) -> float:
    """Return the longest step that is no gap, ns: three times the median step."""
    if len(row_ns) < 2:
        return math.inf
    median = float(np.median(np.diff(row_ns)))
    return GAP_STEPS * median if median > 0 else math.inf


def run_starts(row_ns: Index, broken: NDArray[np.bool_], max_step_ns: float) -> Index:
    """Return for each row the first of the rows that lead to it without interruption.

    Args:
        row_ns: int64, (r,): times.
        broken: bool, (r,): something was left out before the row.
        max_step_ns: A longer step is an interruption, as is one backwards.
    """
    step = np.diff(row_ns, prepend=row_ns[:1])
    starts = broken | (step > max_step_ns) | (step < 0)
    starts[:1] = True
    return np.maximum.accumulate(np.where(starts, np.arange(len(row_ns)), 0))


def split_blocks(
    sample_row: Index, row_ns: Index, fractions: Sequence[float], gap_ns: int
) -> list[tuple[Index, int]]:
    """Cut samples into blocks of time, one after the other.

    Args:
        sample_row: int64, (s,): row of each sample, ascending.
        row_ns: int64, (r,): time of each row.
        fractions: Share of the samples of each block.
        gap_ns: Rows of a block are at least this much later than the block before.

    Returns:
        For each block its samples and its first row; no two blocks share a row.

    Raises:
        DatasetError: If the fractions are none, or a block would be empty.
    """
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or not len(shares) or not (shares > 0).all() or shares.sum() > 1 + 1e-9:
        raise DatasetError(f'split={tuple(fractions)} are not positive shares of at most 1 in sum')
    cuts = np.rint(np.cumsum(shares) * len(sample_row)).astype(np.int64)
    blocks: list[tuple[Index, int]] = []
    begin = first_row = 0
    for cut in np.minimum(cuts, len(sample_row)).tolist():
        # Samples that share a row stay together.
        last = int(sample_row[cut - 1]) if cut > begin else first_row - 1
        end = max(begin, int(np.searchsorted(sample_row, last, 'right')))
        samples = np.arange(begin, end)
        samples = samples[sample_row[samples] >= first_row]
        if not len(samples):
            raise DatasetError(
                f'split={tuple(fractions)} of {len(sample_row)} samples leaves block '
                f'{len(blocks)} empty; give fewer blocks, a larger share or a shorter gap'
            )
        blocks.append((samples, first_row))
        begin, first_row = end, last + 1
        if gap_ns and first_row < len(row_ns):
            late = row_ns[first_row:] >= row_ns[: last + 1].max() + gap_ns
            first_row += int(late.argmax()) if late.any() else len(late)
    return blocks
