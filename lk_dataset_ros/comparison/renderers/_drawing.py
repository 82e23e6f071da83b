"""Draw into matplotlib axes: lines, bands, counts, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _facts, _places
from lk_dataset_ros.comparison.renderers._points import pick, spans
from lk_dataset_ros.comparison.renderers._series import Series, Times, allowed
from lk_dataset_ros.comparison.renderers._units import unit_of
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import FieldComparison, KeyComparison

    Floats = NDArray[np.float64]

ORIGINAL, COMPILED, ERROR, LIMIT, BEYOND = (
    '#0b62c4',
    '#c2410c',
    '#7c3aed',
    '#15803d',
    '#b91c1c',
)
_SPANS = 200
#: Larger numbers overflow in what matplotlib computes.
_HUGE = 1e300


def new_figure(width: float, height: float) -> Figure:
    """Return a figure that no display knows of, sizes in inches."""
    made: Figure = require('matplotlib.figure', 'plots', 'a plot').Figure(
        figsize=(width, height), layout='constrained'
    )
    return made


def root(axes: Axes) -> Figure:
    """Return the figure that axes are in."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def draw_values(
    axes: Axes,
    times: Times,
    key: KeyComparison,
    field: FieldComparison,
    series: Series,
    points: int,
) -> int:
    """Draw both sides with the tolerance around the original; return how many points."""
    order = np.argsort(times.x[series.positions], kind='stable')
    left, right = _drawable(series.original[order]), _drawable(series.compiled[order])
    shown = pick((left, right), points)
    x = times.x[series.positions[order[shown]]]
    axes.plot(x, left[shown], color=ORIGINAL, linewidth=3.0, alpha=0.5, label='original')
    axes.plot(x, right[shown], color=COMPILED, linewidth=1.2, label='compiled')
    if not field.comparator:
        width = _drawable(np.array(allowed(field, left[shown])))
        low, high = left[shown] - width, left[shown] + width
        axes.fill_between(x, low, high, color=LIMIT, alpha=0.15, linewidth=0.0, label='tolerance')
    axes.set_ylabel(value_label(key, field))
    return len(shown)


def draw_errors(
    axes: Axes,
    times: Times,
    key: KeyComparison,
    field: FieldComparison,
    series: Series,
    points: int,
) -> int:
    """Draw the errors between the tolerances; return how many points."""
    order = np.argsort(times.x[series.error_positions], kind='stable')
    errors = _drawable(series.errors[order])
    shown = pick((errors,), points)
    positions = series.error_positions[order[shown]]
    x = times.x[positions]
    axes.plot(x, errors[shown], color=ERROR, linewidth=1.0, label='error')
    near = np.zeros(len(x))
    if series.has_values:
        near = np.interp(positions, series.positions, np.nan_to_num(series.original))
    width = _drawable(np.array(allowed(field, near)))
    for sign in (1.0, -1.0) if series.is_signed else (1.0,):
        name = 'tolerance' if sign > 0.0 else None
        axes.plot(x, sign * width, color=LIMIT, linewidth=1.0, linestyle='--', label=name)
    if field.noise is not None and np.isfinite(field.noise.largest):
        axes.axhline(field.noise.largest, color='gray', linestyle=':', label='noise floor')
    axes.set_ylabel(error_label(key, field, series))
    return len(shown)


def mark(axes: Axes, times: Times, key: KeyComparison, field: FieldComparison) -> None:
    """Shade what is beyond the tolerance, and mark where that begins."""
    order = np.argsort(times.x, kind='stable')
    over = field.over[order]
    if len(over) == len(times.x) and over.any():
        # Wide enough to be seen, also a single pair.
        least = 0.001 * float(np.ptp(times.x))
        found = spans(times.x[order], over, _SPANS)
        for place, (first, last) in enumerate(found):
            name = 'beyond the tolerance' if place == 0 else None
            end = max(last, first + least)
            axes.axvspan(first, end, color=BEYOND, alpha=0.12, linewidth=0.0, label=name)
    first_s = times.seconds(field.first.stamp_ns, key) if field.first else None
    if first_s is not None:
        axes.axvline(first_s, color=BEYOND, linestyle='--', linewidth=1.0)


def error_values(field: FieldComparison, series: Series) -> Floats:
    """Return all errors or, failing that, those that were kept."""
    if not series.is_complete and field.error_sample is not None:
        return field.error_sample
    return series.errors


def draw_counts(
    axes: Axes, series: tuple[Floats, ...], names: Any, colors: Any, bins: int
) -> None:
    """Draw histograms over bins that all series share."""
    finite = [each[np.isfinite(each) & (np.abs(each) < _HUGE)] for each in series]
    everything = np.concatenate(finite)
    if not everything.size:
        axes.text(0.5, 0.5, 'nothing finite', ha='center', transform=axes.transAxes)
        return
    low, high = float(everything.min()), float(everything.max())
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        margin = 0.5 * abs(low) or 0.5
        low, high = low - margin, high + margin
    edges = np.linspace(low, high, bins + 1)
    for values, name, color in zip(finite, names, colors, strict=True):
        counts = np.histogram(values, bins, (low, high))[0]
        axes.stairs(counts, edges, fill=True, alpha=0.35, color=color, label=name)
        axes.stairs(counts, edges, color=color, linewidth=1.0)


def _drawable(values: Floats) -> Floats:
    """Return values with gaps where matplotlib would overflow."""
    with np.errstate(all='ignore'):
        return np.where(np.abs(values) < _HUGE, values, np.nan)


def time_label(times: Times) -> str:
    """Name the time axis."""
    return f'time [s] since {times.start}' if times.start else times.label


def value_label(key: KeyComparison, field: FieldComparison) -> str:
    """Name the axis of values."""
    unit = unit_of(key.type_name, field.path)
    return f'value [{unit}]' if unit else 'value'


def error_label(key: KeyComparison, field: FieldComparison, series: Series) -> str:
    """Name the axis of errors."""
    unit = field.unit or unit_of(key.type_name, field.path)
    name = 'compiled - original' if series.is_signed else 'largest |error|'
    return f'{name} [{unit}]' if unit else name


def title_of(key: KeyComparison, field: FieldComparison, series: Series, shown: int) -> str:
    """Say what is drawn, and how many points of it."""
    element = str(list(series.element)) if series.element else ''
    parts = [f'{key.label} {field.path}{element}'.rstrip()]
    parts.append(
        f'{field.mismatched:,} of {series.total:,} pairs beyond {_places.tolerance(field)}'
    )
    if shown and shown < series.total:
        parts.append(f'{shown:,} of {series.total:,} points shown')
    return '; '.join(parts)


def tests_of(field: FieldComparison) -> str:
    """Say in short what the distribution tests found."""
    return _facts.distribution(field).partition('; ')[0]


def label(axes: Axes, x: str, y: str, title: str) -> None:
    """Write what axes are."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize='medium')


def shortened(name: str) -> str:
    """Return the end of a long name."""
    return name if len(name) <= 40 else f'…{name[-39:]}'
