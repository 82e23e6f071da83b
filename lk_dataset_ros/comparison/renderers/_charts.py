"""What the charts of a page show, as plain data: few points, spans, histograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _heat
from lk_dataset_ros.comparison.renderers._points import digits_of, pick, spans
from lk_dataset_ros.comparison.renderers._series import (
    Series,
    Times,
    allowed,
    both_values,
    elements_of,
    is_constant,
    is_drawable,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

    Floats = NDArray[np.float64]

#: Numbers in one page, about 9 characters each.
NUMBERS = 300_000
MOST_POINTS = 3_000
#: Points of a field that is unfolded, at least.
UNFOLDED_POINTS = 1_000
FEWEST_POINTS = 64
BINS = 48
SPANS = 60
#: Values that are read again for one page; reading one field of a key reads all of them.
MOST_READ = 200_000_000
#: Bins and limits beyond this would overflow.
_HUGE = 1e300


class Budget:
    """Share a page's numbers among its fields; three quarters go to those that differ."""

    def __init__(self, fields: Iterable[FieldComparison], numbers: int = NUMBERS) -> None:
        chartable = [
            each
            for each in fields
            if is_drawable(each) and not (each.is_equal and is_constant(each))
        ]
        counts = {
            equal: sum(each.is_equal is equal for each in chartable) for equal in (True, False)
        }
        share = 0.75 if counts[True] and counts[False] else 1.0
        self._left = {False: int(numbers * share)}
        self._left[True] = numbers - (self._left[False] if counts[False] else 0)
        self._fields = counts
        self._reading = MOST_READ

    def points(self, field: FieldComparison, *, unfolded: bool = False) -> int:
        """Return how many points a field may have; 0 when nothing is left."""
        left, fields = self._left[field.is_equal], max(self._fields[field.is_equal], 1)
        if left <= 0:
            return 0
        fewest = UNFOLDED_POINTS if unfolded else FEWEST_POINTS
        return min(max(left // (4 * fields), fewest), MOST_POINTS)

    def may_read(self, key: KeyComparison) -> bool:
        """Tell whether a field of a key may be read again, and count that."""
        cost = key.paired * max(len(key.fields), 1)
        if self._reading < cost:
            return False
        self._reading -= cost
        return True

    def spend(self, field: FieldComparison, data: Mapping[str, Any]) -> None:
        """Take off what a field used; what it left goes to the fields after it."""
        lists = ('x', 'original', 'compiled', 'error_x', 'error', 'band')
        used = sum(len(data[name]) for name in lists if isinstance(data.get(name), list))
        self._left[field.is_equal] -= used
        self._fields[field.is_equal] -= 1


def chart_data(
    key: KeyComparison, field: FieldComparison, points: int, *, again: bool = True
) -> dict[str, Any] | None:
    """Return what the charts of a field show, None for a field that has no numbers.

    Args:
        key: The field's key.
        field: The field.
        points: How many points at most.
        again: Read the values from the datasets if that shows more.

    Returns:
        Lists of numbers, None where there is none: `x` as `axis` says, `original`, `compiled`
        (empty if nowhere different from the original); `error_x` (empty if it is `x`), `error`
        (compiled - original where `signed`, else the largest absolute error of each part; empty
        where nothing differs), `band`: how far it may be off (one number, or one for each);
        `spans` of mismatches; the `first` divergence; the histograms `values` and `errors`;
        `heat`: which element differs when; `notes`: what is not shown.
    """
    series = read(field, again=again)
    if series is None:
        return None
    times = Times.of(key, series.total)
    values = both_values(field, series)
    data: dict[str, Any] = {
        'axis': times.label,
        'total': series.total,
        'signed': series.is_signed,
        'first': times.seconds(field.first.stamp_ns, key) if field.first else None,
        'spans': _spans(times, field),
        **_lines(times, series, field, points),
        'values': histogram(*values) if values else None,
        'errors': _error_bins(field, series) if series.differs else None,
        'errors_label': '' if series.is_signed or series.is_complete else '|error|',
        'element': f', element {list(series.element)}' if series.element else '',
        'floor': _floor(field),
        'heat': None,
    }
    if series.grid is not None and series.differs:
        names = _heat.element_names(field, series.grid[0].shape[1:])
        data['heat'] = _heat.of_elements(times, field, *series.grid, names=names)
        if names:
            data['element'] = f', {names[series.element[0]]}'
    data['notes'] = notes(field, series, len(data['x']), len(data['error']))
    return data


def _lines(times: Times, series: Series, field: FieldComparison, points: int) -> dict[str, Any]:
    """Return the points of both charts, in order of time."""
    original, compiled, errors, differs = (
        series.original,
        series.compiled,
        series.errors,
        series.differs,
    )
    order = np.argsort(times.x[series.positions], kind='stable')
    found: dict[str, Any] = {'x': [], 'original': [], 'compiled': [], 'error_x': [], 'error': []}
    found['band'] = _number(field.limit.atol + (field.limit.rtol if field.comparator else 0.0))
    together = series.has_values and series.is_signed
    if series.has_values:
        columns = (original, compiled, errors) if together and differs else (original, compiled)
        shown = order[pick([each[order] for each in columns], points)]
        digits = digits_of(original, compiled)
        found['x'] = _rounded(times.x[series.positions[shown]])
        found['original'] = _listed(original[shown], digits)
        unequal = differs or not np.array_equal(original, compiled, equal_nan=True)
        found['compiled'] = _listed(compiled[shown], digits) if unequal else []
        if together and differs:
            found['error'] = _listed(errors[shown], 4)
            if field.limit.rtol and not field.comparator:
                found['band'] = _listed(allowed(field, original[shown]), 3)
    if differs and not together:
        order = np.argsort(times.x[series.error_positions], kind='stable')
        shown = order[pick((errors[order],), points)]
        found['error_x'] = _rounded(times.x[series.error_positions[shown]])
        found['error'] = _listed(errors[shown], 4)
        if field.limit.rtol and not field.comparator and series.has_values:
            near = np.interp(series.error_positions[shown], series.positions, original)
            found['band'] = _listed(allowed(field, near), 3)
    return found


def _floor(field: FieldComparison) -> float | None:
    if field.noise is None or not math.isfinite(field.noise.largest):
        return None
    return _number(field.noise.largest)


def _spans(times: Times, field: FieldComparison) -> list[list[float]]:
    over = field.over
    order = np.argsort(times.x, kind='stable')
    return spans(times.x[order], over[order], SPANS) if over.any() else []


def _error_bins(field: FieldComparison, series: Series) -> dict[str, Any] | None:
    if series.is_signed or series.is_complete:
        return histogram(series.errors)
    if field.error_sample is not None:
        return histogram(field.error_sample)
    if field.sample is not None:
        with np.errstate(all='ignore'):
            return histogram(np.abs(field.sample.compiled - field.sample.original))
    return histogram(series.errors)


def notes(field: FieldComparison, series: Series, values: int, errors: int) -> list[str]:
    """Say what the charts leave out."""
    told = []
    total = series.total
    if series.has_values and series.is_complete:
        told.append(
            f'{values:,} of {total:,} points shown'
            if values < total
            else f'all {total:,} points shown'
        )
    elif series.has_values:
        told.append(f'{values:,} of {total:,} points shown, evenly taken')
    if not series.is_signed and errors:
        if len(series.errors) < total:
            told.append(f'the error line is the largest of each of {len(series.errors):,} parts')
        elif not series.has_values:
            told.append(f'{errors:,} of {total:,} points shown')
    if series.element:
        told.append(f'lines: element {list(series.element)}, the worst of {elements_of(field)}')
        told.append('shaded: where any element is beyond the tolerance')
    sides = (('original', series.original), ('compiled', series.compiled))
    for name, values_of in sides:
        count = int((~np.isfinite(values_of)).sum())
        if count:
            which = '' if series.is_complete else ' shown'
            told.append(f'{count:,} values{which} of the {name} are not finite')
    return told


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


def _number(value: float) -> float:
    return min(float(f'{value:.4g}'), _HUGE)


def _listed(values: Floats, digits: int) -> list[float | None]:
    """Return rounded numbers, None for what is not finite or rounds up to what is not."""
    rounded = (float(f'{each:.{digits}g}') for each in values.tolist())
    return [_short(each) if math.isfinite(each) else None for each in rounded]


def _rounded(x: Floats) -> list[float]:
    """Round times to a hundredth of the usual distance between them."""
    steps = np.diff(x)
    usual = float(np.median(steps[steps > 0.0])) if (steps > 0.0).any() else 1.0
    decimals = min(max(2 - math.floor(math.log10(usual)), 0), 9)
    return [_short(round(each, decimals)) for each in x.tolist()]


def _short(value: float) -> float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
