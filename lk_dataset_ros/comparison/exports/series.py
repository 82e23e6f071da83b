"""What is drawn of a field over time: both sides of it and the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

    Floats = NDArray[np.float64]

#: Elements of one field that are drawn, those with the largest errors.
MOST_ELEMENTS: Final = 9
#: Values that are subtracted at once.
_MOST_VALUES = 1_000_000


class Series(NamedTuple):
    """What is drawn of one field on one side.

    Attributes:
        times: int64, (m,): stamps, or numbers of pairs where these are not known.
        values: float64, (m, k).
        names: Of the k lines.
    """

    times: NDArray[np.int64]
    values: Floats
    names: list[str]


def series_of(key: KeyComparison, each: FieldComparison) -> tuple[list[tuple[str, Series]], bool]:
    """Return what there is to draw of a field, and whether it is all."""
    count = each.matched + each.mismatched
    times = key.stamps_ns if has_stamps(key) else np.arange(count)
    values = each.values()
    found: list[tuple[str, Series]] = []
    is_complete = values is not None and values.errors is not None
    if values is not None and values.original is not None and values.compiled is not None:
        sides, names = _elements(values.original, values.compiled)
        for side, array in zip(('original', 'compiled'), sides, strict=True):
            found.append((side, Series(times, array, names)))
    elif each.sample is not None:
        is_complete = False
        for side in ('original', 'compiled'):
            array = getattr(each.sample, side).reshape(-1, 1)
            found.append((side, Series(times[each.sample.positions], array, [''])))
    if values is not None and values.errors is not None:
        errors = values.errors
    else:
        errors = each.profile
        times = times[np.arange(len(errors)) * count // max(len(errors), 1)]
    found.append(('error', Series(times, errors.reshape(-1, 1), [''])))
    return found, is_complete


def has_stamps(key: KeyComparison) -> bool:
    """Tell whether the stamps of the pairs are known."""
    return len(key.stamps_ns) == key.paired > 0


def _elements(
    original: NDArray[Any], compiled: NDArray[Any]
) -> tuple[tuple[Floats, Floats], list[str]]:
    """Return the elements that differ most of both sides, (n, k), and their names."""
    shape = original.shape[1:]
    left, right = (each.reshape(len(each), -1) for each in (original, compiled))
    chosen = np.arange(left.shape[1])
    if len(chosen) > MOST_ELEMENTS:
        largest = _largest(left, right)
        chosen = np.sort(np.argsort(-largest, kind='stable')[:MOST_ELEMENTS])
    names = [
        ''.join(f'[{place}]' for place in np.unravel_index(int(each), shape)) if shape else ''
        for each in chosen
    ]
    sides = left[:, chosen].astype(np.float64), right[:, chosen].astype(np.float64)
    return sides, names


def _largest(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """Return the largest absolute difference of each column, part of the rows by part."""
    largest = np.zeros(left.shape[1])
    step = max(_MOST_VALUES // left.shape[1], 1)
    for first in range(0, len(left), step):
        part = slice(first, first + step)
        with np.errstate(all='ignore'):
            apart = np.abs(right[part].astype(np.float64) - left[part].astype(np.float64))
        largest = np.fmax(largest, np.fmax.reduce(apart, axis=0, initial=0.0))
    return largest
