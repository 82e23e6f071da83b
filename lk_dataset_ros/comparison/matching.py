"""Pair the messages of one key, with what the way of pairing needs to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lk_dataset_ros.comparison.judging.blocks import Budget, Side
from lk_dataset_ros.comparison.pairing import Pairing, Pairs, Times
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset import Dataset
    from lk_dataset_ros.message import Column

#: Values that a lag is estimated from, over all its signals.
_MOST_VALUES = 8_000_000
_MOST_SIGNALS = 16
STAMP_PATHS = ('header.stamp.sec', 'header.stamp.nanosec')


class Match(NamedTuple):
    """How messages were paired.

    Attributes:
        pairs: Which belong together.
        paired_by: By what.
        lag_ns: The lag that was estimated and taken off, None if none was asked for.
    """

    pairs: Pairs
    paired_by: str
    lag_ns: int | None = None


class Inputs:
    """The stamps of the inputs that outputs descend from, read once for all keys.

    Args:
        original: Has the inputs of the original's run, or of both.
        compiled: May have those of the compiled's.
        keys: The inputs' keys.

    Raises:
        ComparisonError: If the original lacks one.
    """

    def __init__(self, original: Dataset, compiled: Dataset, keys: tuple[str, ...]) -> None:
        for key in keys:
            if key not in original.keys():  # noqa: SIM118
                raise ComparisonError(
                    f'input {key} is not in the original; there is {", ".join(original.keys())}'
                )
        self.original_ns = _stamps(original, keys)
        has_own = bool(keys) and all(key in compiled.keys() for key in keys)  # noqa: SIM118
        self.compiled_ns = _stamps(compiled, keys) if has_own else None


def _stamps(dataset: Dataset, keys: tuple[str, ...]) -> NDArray[np.int64]:
    found = [Side.of_key(dataset, key, Budget(0)).times_ns for key in keys]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def match(original: Side, compiled: Side, pairing: Pairing, inputs: Inputs | None) -> Match:
    """Pair the messages of one key.

    Raises:
        ComparisonError: If the messages do not have what they are to be paired by.
    """
    times = [Times(each.stamp_ns, each.log_time_ns) for each in (original, compiled)]
    lag_ns = None
    if pairing.offset_ns == 'estimate':
        lag_ns = pairing.lag(times[0], times[1], _signals(original, compiled)).lag_ns
        pairing = replace(pairing, offset_ns=lag_ns)
    pairs, paired_by = pairing.pair(
        times[0],
        times[1],
        inputs_ns=None if inputs is None else inputs.original_ns,
        compiled_inputs_ns=None if inputs is None else inputs.compiled_ns,
    )
    return Match(pairs, paired_by, lag_ns)


def _signals(
    original: Side, compiled: Side
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the first fields of floats that every message of both sides has."""
    most = max(min(_MOST_SIGNALS, _MOST_VALUES // max(len(original), len(compiled), 1)), 1)
    paths: list[str] | None = None
    for side in (original, compiled):
        for columns in side.batches():
            paths = [
                path
                for path in (columns if paths is None else paths)
                if path in columns and _is_signal(columns[path], len(columns.log_time_ns))
            ]
    if not paths:
        return None
    sides = [
        np.concatenate(
            [
                np.stack([columns[path].values for path in paths[:most]], axis=1)
                for columns in side.batches()
            ]
        ).astype(np.float64)
        for side in (original, compiled)
    ]
    return sides[0], sides[1]


def _is_signal(column: Column, count: int) -> bool:
    values = column.values
    has_all = column.offsets is None and len(column.rows) == count
    return has_all and values.dtype.kind == 'f' and values.ndim == 1


def shifted(original_ns: NDArray[np.int64], compiled_ns: NDArray[np.int64]) -> str:
    """Say so if messages that do not pair are the same ones, all later or earlier by as much."""
    if not len(original_ns) or len(original_ns) != len(compiled_ns):
        return ''
    apart_s = (np.sort(compiled_ns) - np.sort(original_ns)).astype(np.float64) * 1e-9
    lag_s = float(np.median(apart_s))
    if float(np.abs(apart_s - lag_s).max()) > 0.25 * abs(lag_s):
        return ''
    word = 'later' if lag_s > 0.0 else 'earlier'
    return f'all stamps of the compiled are {abs(lag_s):.9g} s {word}; pair by relative_time'
