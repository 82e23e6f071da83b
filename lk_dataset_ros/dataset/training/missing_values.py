"""Rows without a value: found, refused, left out or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.training.pairs import Pairs
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.training.features import Features
    from lk_dataset_ros.dataset.training.sampling_options import NanPolicy

    Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Faults:
    """Rows that hold NaN or an infinity."""

    nan: NDArray[np.bool_]
    infinite: NDArray[np.bool_]
    first: str

    @classmethod
    def of(cls, features: Sequence[Features], indices: Sequence[Index]) -> Faults:
        """Look at the rows of features."""
        nan = np.zeros(len(indices[0]), np.bool_)
        infinite = np.zeros(len(indices[0]), np.bool_)
        first = ''
        for each, index in zip(features, indices, strict=True):
            for block in each.blocks:
                # A sum is finite if all values are: one pass over the block mostly suffices.
                if block.values.dtype.kind != 'f' or np.isfinite(_sum(block.values)):
                    continue
                missing = np.isnan(block.values)
                rows = missing.any(axis=1)[index]
                if rows.any() and not first:
                    row = index[int(rows.argmax())]
                    first = f'{block.names[int(missing[row].argmax())]} of message {row}'
                nan |= rows
                infinite |= np.isinf(block.values).any(axis=1)[index]
        return cls(nan, infinite, first)


def _sum(values: NDArray[Any]) -> float:
    with np.errstate(invalid='ignore', over='ignore'):
        return float(values.sum(dtype=np.float64))


def without_nan(
    pairs: Pairs, rows: Faults, answers: Faults, policy: NanPolicy
) -> tuple[Pairs, int]:
    """Return pairs without those that hold NaN, if so asked, and how many samples are left."""
    if policy == 'keep' or not (rows.nan.any() or answers.nan.any()):
        return pairs, len(pairs.sample_row)
    if policy == 'raise':
        count = int(rows.nan.sum() + answers.nan.sum())
        raise DatasetError(
            f'{count} rows hold NaN, first {rows.first or answers.first}; '
            "nan='drop' leaves them out, nan='keep' takes them"
        )
    kept = np.flatnonzero(~rows.nan)
    place = np.cumsum(~rows.nan) - 1
    # A row that is left out interrupts what comes after it.
    broken = pairs.broken[kept] | (np.diff(kept, prepend=kept[:1] - 1) != 1)
    chosen = ~rows.nan[pairs.sample_row] & ~answers.nan
    left = Pairs(
        pairs.row_ns[kept],
        tuple(each[kept] for each in pairs.inputs),
        broken,
        place[pairs.sample_row[chosen]],
        tuple(each[chosen] for each in pairs.outputs),
    )
    return left, int(chosen.sum())
