"""Plots of a comparison as matplotlib figures; no display is needed, and none is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _heat
from lk_dataset_ros.comparison.renderers._drawing import (
    COMPILED,
    ERROR,
    ORIGINAL,
    draw_counts,
    draw_errors,
    draw_values,
    error_label,
    error_values,
    label,
    mark,
    new_figure,
    root,
    shortened,
    tests_of,
    time_label,
    title_of,
    value_label,
)
from lk_dataset_ros.comparison.renderers._finding import find_field, find_key
from lk_dataset_ros.comparison.renderers._series import (
    Series,
    Times,
    both_values,
    is_drawable,
    read,
)
from lk_dataset_ros.comparison.renderers.pictures import has_images, pair_images, worst_positions
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

    Floats = NDArray[np.float64]

#: Colours of the levels of a heatmap, and of columns of time without a message.
_LEVELS = (
    *('#eceff2', '#b7e0c2', '#fde08b', '#fdb45c', '#f47b3a', '#d7301f', '#7f0f1d', '#5b2a86'),
    *('#c2185b', '#ffffff'),
)
#: Points of a line; of a longer one the extremes are kept, and the title says so.
POINTS = 20_000


def plot_timeseries(
    comparison: DatasetComparison, key: str, path: str | None = None, *, points: int = POINTS
) -> Figure:
    """Draw original and compiled over time, and the error with the tolerance below.

    Pairs beyond the tolerance are shaded, the first one is marked. Of an array the worst element
    is drawn. A comparison that was loaded without its bags shows what was kept of the values.

    Args:
        comparison: What came out.
        key: Topic name; with its part for one of several transforms.
        path: Field path; the worst field when left out.
        points: How many points of each line to draw at most.

    Raises:
        ComparisonError: If key or field are not there, or the field has no numbers.
        ExtraMissingError: If matplotlib is not installed.
    """
    if points < 8:
        raise ComparisonError(f'{points} points are too few for a line; take 8 or more')
    owner, field, series = _numbers(comparison, key, path)
    times = Times.of(owner, series.total)
    figure = new_figure(10.0, 6.0 if series.has_values else 3.6)
    rows = 2 if series.has_values else 1
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    bottom = axes[-1]
    shown = 0
    if series.has_values:
        shown = draw_values(axes[0], times, owner, field, series, points)
    shown = max(shown, draw_errors(bottom, times, owner, field, series, points))
    for each in axes:
        mark(each, times, owner, field)
        each.legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), fontsize='small')
    bottom.set_xlabel(time_label(times))
    axes[0].set_title(title_of(owner, field, series, shown), fontsize='medium')
    return figure


def plot_histogram(
    comparison: DatasetComparison,
    key: str,
    path: str | None = None,
    *,
    bins: int = 60,
    ax: Axes | None = None,
) -> Figure:
    """Draw the distributions of both sides' values, and that of the errors beside them.

    Args:
        comparison: What came out.
        key: Topic name; with its part for one of several transforms.
        path: Field path; the worst field when left out.
        bins: How many bins, 1 to 10,000.
        ax: Axes to draw the values into, without the errors; a new figure when left out.

    Raises:
        ComparisonError: If key or field are not there, or the field has no numbers.
        ExtraMissingError: If matplotlib is not installed.
    """
    if not 1 <= bins <= 10_000:
        raise ComparisonError(f'{bins} bins; 1 to 10000 make a histogram')
    owner, field, series = _numbers(comparison, key, path)
    values, errors = both_values(field, series), error_values(field, series)
    title = title_of(owner, field, series, 0)
    if ax is not None:
        if values is None:
            raise ComparisonError(f'{owner.label} {field.path} has errors only, no values to draw')
        draw_counts(ax, values, ('original', 'compiled'), (ORIGINAL, COMPILED), bins)
        label(ax, value_label(owner, field), 'values', title)
        return root(ax)
    figure = new_figure(10.0 if values else 5.5, 4.0)
    axes = figure.subplots(1, 2 if values else 1, squeeze=False)[0]
    if values:
        draw_counts(axes[0], values, ('original', 'compiled'), (ORIGINAL, COMPILED), bins)
        label(axes[0], value_label(owner, field), 'values', 'values')
        axes[0].legend(loc='upper right', fontsize='small')
    draw_counts(axes[-1], (errors,), ('error',), (ERROR,), bins)
    label(axes[-1], error_label(owner, field, series), 'pairs', 'errors')
    # Many equal pairs would hide the few that are not.
    axes[-1].set_yscale('symlog', linthresh=1.0)
    axes[-1].set_ylim(bottom=0.0)
    figure.suptitle(
        '\n'.join(each for each in (title, tests_of(field)) if each), fontsize='medium'
    )
    return figure


def plot_heatmap(
    comparison: DatasetComparison, key: str, path: str | None = None, *, ax: Axes | None = None
) -> Figure:
    """Draw which field of a key is off when; or with a path, which element of that field.

    Colours are multiples of the tolerance.

    Args:
        comparison: What came out.
        key: Topic name; with its part for one of several transforms.
        path: Field path of an array, to see its elements; all fields when left out.
        ax: Axes to draw into; a new figure when left out.

    Raises:
        ComparisonError: If key or field are not there, or there is nothing to tell apart by time.
        ExtraMissingError: If matplotlib is not installed.
    """
    owner = find_key(comparison, key)
    heat = _heat_of_key(comparison, owner) if path is None else _heat_of_field(owner, path)
    rows = heat['rows']
    figure = new_figure(10.0, min(2.2 + 0.24 * len(rows), 14.0)) if ax is None else None
    axes = ax if figure is None else figure.subplots()
    assert axes is not None
    colors = require('matplotlib.colors', 'plots', 'a plot')
    patches = require('matplotlib.patches', 'plots', 'a plot')
    levels = np.array([list(each.encode()) for each in heat['cells']])
    levels = np.where(levels == ord(' '), len(_LEVELS) - 1, levels - ord('0'))
    edges = np.linspace(heat['low'], heat['high'], levels.shape[1] + 1)
    if edges[0] == edges[-1]:
        edges = np.linspace(edges[0] - 0.5, edges[0] + 0.5, levels.shape[1] + 1)
    axes.pcolormesh(
        edges,
        np.arange(len(rows) + 1) - 0.5,
        levels,
        cmap=colors.ListedColormap(_LEVELS),
        vmin=-0.5,
        vmax=len(_LEVELS) - 0.5,
    )
    axes.set_yticks(range(len(rows)), labels=[shortened(each) for each in rows], fontsize='small')
    axes.invert_yaxis()
    known = [level for level in np.unique(levels).tolist() if level < len(_heat.NAMES)]
    handles = [patches.Patch(color=_LEVELS[each], label=_heat.NAMES[each]) for each in known]
    if figure is None:
        axes.legend(handles=handles, loc='upper left', bbox_to_anchor=(1.0, 1.0), fontsize='small')
    else:
        figure.legend(handles=handles, loc='outside lower center', ncols=3, fontsize='small')
    what = path or (f'worst {len(rows)} fields' if heat['left_out'] else 'fields')
    label(axes, heat['axis'].replace('s since', 'time [s] since'), '', f'{owner.label} {what}')
    return root(axes)


def plot_images(
    comparison: DatasetComparison, key: str, path: str | None = None, position: int | None = None
) -> Figure:
    """Draw the images of a pair, original, compiled, and what differs.

    Args:
        comparison: What came out; with its bags, which the images are read from.
        key: Topic name of images.
        path: Field path of the image; the worst when left out.
        position: Number of the pair; the one of the largest error when left out.

    Raises:
        ComparisonError: If key, field or pair are not there, or they hold no images.
        ExtraMissingError: If matplotlib is not installed.
    """
    owner = find_key(comparison, key)
    field = find_field(owner, path, lambda each: has_images(owner, each), 'images')
    if position is None:
        position = worst_positions(owner, field)[0]
    images = pair_images(owner, field, position)
    figure = new_figure(12.0, 4.2)
    axes = figure.subplots(1, len(images.arrays), squeeze=False)[0]
    for each, (name, pixels) in zip(axes, images.arrays.items(), strict=True):
        each.imshow(pixels, cmap='gray' if pixels.ndim == 2 else None, interpolation='nearest')
        each.set_title(name, fontsize='small')
        each.set_axis_off()
    figure.suptitle(f'{owner.label} {field.path} {images.caption}'.strip(), fontsize='medium')
    return figure


def _numbers(
    comparison: DatasetComparison, key: str, path: str | None
) -> tuple[KeyComparison, FieldComparison, Series]:
    owner = find_key(comparison, key)
    field = find_field(owner, path, is_drawable, 'numbers')
    series = read(field, again=True)
    if series is None:
        raise ComparisonError(f'{owner.label} {field.path} has no numbers to draw')
    return owner, field, series


def _heat_of_key(comparison: DatasetComparison, key: KeyComparison) -> dict[str, Any]:
    differing = [each for owner, each in comparison.differing if owner is key]
    fields = [each for each in key.fields if not each.ignored_because]
    heat = _heat.of_key(key, differing or fields)
    if heat is None:
        raise ComparisonError(
            f'{key.label} has {key.paired} pairs; a heatmap over time needs 2 or more'
        )
    return heat


def _heat_of_field(key: KeyComparison, path: str) -> dict[str, Any]:
    field = find_field(key, path, is_drawable, 'numbers')
    series = read(field, again=True)
    if series is not None and series.grid is not None:
        times = Times.of(key, series.total)
        names = _heat.element_names(field, series.grid[0].shape[1:])
        heat = _heat.of_elements(times, field, *series.grid, names=names)
    else:
        heat = _heat.of_key(key, [field])
    if heat is None:
        raise ComparisonError(f'{key.label} {path} has fewer than 2 pairs to tell apart by time')
    return heat
