"""What charts show, as plain data: few points that keep the extremes, spans, histograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _format

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

    Floats = NDArray[np.float64]

#: Numbers in one page, about 9 characters each.
NUMBERS = 400_000
MOST_POINTS = 3_000
FEWEST_POINTS = 64
BINS = 48
SPANS = 60
#: Bins and limits beyond this would overflow.
_HUGE = 1e300


class Budget:
    """Share a page's numbers among its fields; three quarters go to those that differ."""

    def __init__(self, fields: Iterable[FieldComparison], numbers: int = NUMBERS) -> None:
        chartable = [
            each
            for each in fields
            if is_chartable(each) and not (each.is_equal and is_constant(each))
        ]
        counts = {
            equal: sum(each.is_equal is equal for each in chartable) for equal in (True, False)
        }
        share = 0.75 if counts[True] and counts[False] else 1.0
        self._left = {False: int(numbers * share)}
        self._left[True] = numbers - (self._left[False] if counts[False] else 0)
        self._fields = counts

    def points(self, field: FieldComparison) -> int:
        """Return how many points a field may have; 0 when nothing is left."""
        left, fields = self._left[field.is_equal], max(self._fields[field.is_equal], 1)
        if left <= 0:
            return 0
        return min(max(left // (4 * fields), FEWEST_POINTS), MOST_POINTS)

    def spend(self, field: FieldComparison, data: Mapping[str, Any]) -> None:
        """Take off what a field used; what it left goes to the fields after it."""
        used = sum(len(data[name]) for name in ('x', 'original', 'compiled', 'error'))
        self._left[field.is_equal] -= used
        self._fields[field.is_equal] -= 1


def is_chartable(field: FieldComparison) -> bool:
    """Tell whether a field has numbers to draw."""
    if field.errors is None or field.dtype in ('string', 'object') or field.ignored_because:
        return False
    if field.original is None or field.compiled is None:
        return bool(np.isfinite(field.errors).any() and (field.errors != 0.0).any())
    return field.original.size > 0 and field.original.dtype.kind in 'fiub'


def is_constant(field: FieldComparison) -> bool:
    """Tell whether both sides hold the same value all the time."""
    if field.original is None or field.compiled is None or not field.original.size:
        return False
    first = field.original.flat[0]
    return bool((field.original == first).all() and (field.compiled == first).all())


def element_of(field: FieldComparison) -> tuple[int, ...]:
    """Return which element of a field of several is drawn: the worst."""
    if field.original is None:
        return ()
    for divergence in (field.worst, field.first):
        if divergence is not None and len(divergence.element) == field.original.ndim - 1:
            return divergence.element
    return (0,) * (field.original.ndim - 1)


def chart_data(key: KeyComparison, field: FieldComparison, points: int) -> dict[str, Any]:
    """Return what the charts of a field show.

    Args:
        key: The field's key.
        field: A field with numbers to draw.
        points: How many points at most.

    Returns:
        Lists of numbers, None where there is none: `x` in seconds since `start`, `original`,
        `compiled` (empty if nowhere different from the original), `error` (compiled - original,
        likewise; the largest absolute error for a field without fixed shape), `spans` of
        mismatches, `first` divergence, the histograms `values` and `errors`.
    """
    order = np.argsort(key.stamps_ns, kind='stable')
    stamps = key.stamps_ns[order]
    x = (stamps - stamps[0]) / 1e9
    original, compiled, error = (each[order] for each in _columns(field))
    differs = bool((error != 0.0).any())
    shown = pick((original, compiled, error) if differs else (original,), points)
    digits = _digits(original, compiled)
    over = np.zeros(len(x), np.bool_) if field.over is None else field.over[order]
    no_values = field.original is None
    start = int(stamps[0])
    return {
        'start': _format.stamp(start),
        'total': len(x),
        'x': _rounded(x[shown]),
        'original': [] if no_values else _listed(original[shown], digits),
        'compiled': _listed(compiled[shown], digits) if differs and not no_values else [],
        'error': _listed(error[shown], 4) if differs else [],
        'rtol': min(field.limit.rtol, _HUGE),
        'atol': min(field.limit.atol, _HUGE),
        'first': (field.first.stamp_ns - start) / 1e9 if field.first else None,
        'spans': spans(x, over, SPANS),
        'values': None if no_values else histogram(original, compiled),
        'errors': histogram(error) if differs else None,
        'not_finite': {}
        if no_values
        else {
            'original': int((~np.isfinite(original)).sum()),
            'compiled': int((~np.isfinite(compiled)).sum()),
        },
    }


def _columns(field: FieldComparison) -> tuple[Floats, Floats, Floats]:
    """Return original, compiled and signed error of one element; error 0 where both are equal."""
    if field.original is None or field.compiled is None:
        assert field.errors is not None
        nothing = np.full(len(field.errors), np.nan)
        return nothing, nothing, field.errors
    where: Any = (slice(None), *element_of(field))
    original, compiled = (
        np.asarray(side[where], dtype=np.float64) for side in (field.original, field.compiled)
    )
    same = (original == compiled) | (np.isnan(original) & np.isnan(compiled))
    with np.errstate(all='ignore'):
        return original, compiled, np.where(same, 0.0, compiled - original)


def pick(series: Sequence[Floats], limit: int) -> NDArray[np.int64]:
    """Choose points to show: first, last, smallest and largest of each series in each bucket.

    Args:
        series: Arrays of one length; what is not finite is no extreme.
        limit: How many points at most; at least 2 + 2 per series.

    Returns:
        Ascending indices.
    """
    count = len(series[0])
    if count <= limit:
        return np.arange(count)
    buckets = max((limit - 2) // (2 * len(series)), 1)
    width = -(-count // buckets)
    chosen = [np.array([0, count - 1])]
    for each in series:
        for sign in (1.0, -1.0):
            padded = np.full(buckets * width, np.inf)
            padded[:count] = np.where(np.isfinite(each), sign * each, np.inf)
            lowest = padded.reshape(buckets, width).argmin(axis=1) + np.arange(buckets) * width
            chosen.append(lowest[lowest < count])
    return np.unique(np.concatenate(chosen))


def spans(x: Floats, over: NDArray[np.bool_], limit: int) -> list[list[float]]:
    """Return start and end of the runs beyond the tolerance, the nearest joined if too many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8)))
    starts, ends = x[edges[::2]], x[edges[1::2] - 1]
    if len(starts) > limit:
        gaps = starts[1:] - ends[:-1]
        kept = np.sort(np.argpartition(gaps, -(limit - 1))[-(limit - 1) :])
        starts, ends = starts[[0, *(kept + 1)]], ends[[*kept, -1]]
    return [[round(float(a), 6), round(float(b), 6)] for a, b in zip(starts, ends, strict=True)]


def histogram(*series: Floats) -> dict[str, Any] | None:
    """Return counts over bins that all series share; None if nothing is finite."""
    # In 64 bits: the edges of bins may lie closer together than floats of 32 bits.
    finite = [each[np.isfinite(each)].astype(np.float64) for each in series]
    filled = [each for each in finite if each.size]
    if not filled:
        return None
    low = float(min(each.min() for each in filled))
    high = float(max(each.max() for each in filled))
    peak = max(abs(low), abs(high))
    if peak > _HUGE:
        return None
    if high - low <= max(1e-12 * peak, 1 / _HUGE):
        margin = 0.5 * abs(low) or 0.5
        low, high = low - margin, high + margin
    return {
        'low': low,
        'high': high,
        'counts': [np.histogram(each, BINS, (low, high))[0].tolist() for each in finite],
    }


def _digits(*series: Floats) -> int:
    """Return how many digits tell values apart, also small changes of large numbers."""
    finite = np.concatenate([each[np.isfinite(each)] for each in series])
    if not finite.size:
        return 5
    peak, spread = float(np.abs(finite).max()), float(finite.max()) - float(finite.min())
    if not spread or not math.isfinite(spread):
        return 9
    return min(max(math.ceil(math.log10(peak / spread)) + 4, 5), 16)


def _listed(values: Floats, digits: int) -> list[float | None]:
    return [
        _short(float(f'{each:.{digits}g}')) if math.isfinite(each) else None
        for each in values.tolist()
    ]


def _rounded(x: Floats) -> list[float]:
    """Round times to a hundredth of the usual distance between them."""
    steps = np.diff(x)
    usual = float(np.median(steps[steps > 0.0])) if (steps > 0.0).any() else 1.0
    decimals = min(max(2 - math.floor(math.log10(usual)), 0), 9)
    return [_short(round(each, decimals)) for each in x.tolist()]


def _short(value: float) -> float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
