"""What a page says besides its charts: growth of errors, statistics, tests, the whole in short."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.renderers._places import number, shortened
from lk_dataset_ros.comparison.renderers._series import has_stamps, pairs_of
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )
    from lk_dataset_ros.comparison.statistics import Statistics

#: How often the growth of an error is told: at each of these multiples of the first one.
_MULTIPLES = (2, 10, 100, 1000)
#: A probability below it says that distributions differ.
SIGNIFICANT = 0.01


def growth(key: KeyComparison, field: FieldComparison) -> str:
    """Say how the error goes on from the first divergence: from the profile over time."""
    first, profile, total = field.first, field.profile, pairs_of(field)
    if first is None or not len(profile) or len(key.stamps_ns) != total:
        return ''
    at = np.flatnonzero(key.indices == first.index)
    if not len(at):
        return ''
    begin = int(at[0]) * len(profile) // total
    rest = profile[begin:]
    begins = -(-np.arange(begin, len(profile)) * total // len(profile))
    unit = ' s' if has_stamps(key) else ' rows'
    scale = 1e9 if has_stamps(key) else 1.0
    after = (key.stamps_ns[np.minimum(begins, total - 1)] - first.stamp_ns) / scale
    told = []
    if math.isfinite(first.error) and first.error > 0.0:
        with np.errstate(over='ignore'):
            ratios = rest / first.error
        told = list(_multiples(ratios, np.maximum(after, 0.0), unit))
    finite = np.where(np.isfinite(rest), rest, -1.0)
    largest = int(finite.argmax())
    if finite[largest] > 0.0:
        when = max(float(after[largest]), 0.0)
        of = f' {field.unit}' if field.unit else ''
        told.append(f'largest {number(float(finite[largest]))}{of} after {number(when)}{unit}')
    over = np.flatnonzero(field.over)
    if len(over):
        last = (int(key.stamps_ns[over].max()) - first.stamp_ns) / scale
        told.append(f'last pair beyond after {number(max(last, 0.0))}{unit}')
    return '; '.join(told)


def _multiples(ratios: Any, after: Any, unit: str) -> Iterator[str]:
    reached = [
        (multiple, int((ratios >= multiple).argmax()))
        for multiple in _MULTIPLES
        if (ratios >= multiple).any()
    ]
    if not reached:
        yield 'never twice as large as at first'
    for place, (multiple, part) in enumerate(reached):
        # Of several multiples reached at once only the largest is worth a word.
        if place + 1 < len(reached) and reached[place + 1][1] == part:
            continue
        name = 'twice' if multiple == 2 else f'{multiple:,} times'
        yield f'{name} as large after {number(float(after[part]))}{unit}'


@dataclass(frozen=True, slots=True)
class Row:
    """Statistics of one quantity, as text: largest, mean, rms, p50, p95, p99."""

    name: str
    cells: tuple[str, ...]


#: What the cells of a `Row` are.
COLUMNS = ('largest', 'mean', 'rms', 'p50', 'p95', 'p99')


def statistics_rows(field: FieldComparison) -> list[Row]:
    """Return statistics of the absolute errors, of the measures, and of the noise floor."""
    rows = []
    if field.statistics.count:
        unit = f', {field.unit}' if field.unit else ''
        rows.append(_row(f'absolute error{unit}', field.statistics))
    if field.noise is not None and field.noise.statistics.count:
        rows.append(_row('between runs of the original', field.noise.statistics))
    measures: Mapping[str, Statistics] = field.measures
    rows += [_row(_with_unit(name), each) for name, each in measures.items() if each.count]
    return rows


def _with_unit(name: str) -> str:
    """Write `psnr_db` as `psnr [dB]`."""
    head, _, tail = name.rpartition('_')
    unit = {'db': 'dB', 'm': 'm', 'rad': 'rad', 's': 's'}.get(tail)
    return f'{head.replace("_", " ")} [{unit}]' if head and unit else name.replace('_', ' ')


def _row(name: str, each: Statistics) -> Row:
    percentiles = (each.percentile(percent) for percent in (50.0, 95.0, 99.0))
    numbers = (each.largest, each.mean, each.rms, *percentiles)
    return Row(name, tuple(number(value) for value in numbers))


def distribution(field: FieldComparison) -> str:
    """Say what the tests of both distributions found."""
    test = field.distribution
    if test is None:
        return ''
    found = 'differ' if test.p_value < SIGNIFICANT else 'do not differ significantly'
    p_value = f'{test.p_value:.2g}' if test.p_value >= 1e-12 else 'below 1e-12'
    dropped = test.original_dropped + test.compiled_dropped
    left_out = f'; {dropped:,} not finite left out' if dropped else ''
    return (
        f'The distributions {found}: Kolmogorov-Smirnov {test.statistic:.3g} (p {p_value}), '
        f'Wasserstein {number(test.wasserstein)}, '
        f'of {test.original_count:,} and {test.compiled_count:,} values{left_out}'
    )


def because(comparison: DatasetComparison) -> str:
    """Say why a comparison in which nothing diverges has its verdict."""
    keys = comparison.keys
    problems = [f'{shortened(key.label)}: {shortened(key.problem)}' for key in keys if key.problem]
    if problems:
        more = f' (and {len(problems) - 1} more)' if len(problems) > 1 else ''
        return f'{problems[0]}{more}.'
    pairs = sum(key.paired for key in keys)
    if not pairs:
        return 'No message of one side has a partner on the other: there is nothing to judge.'
    empty = [shortened(key.label) for key in keys if not key.paired]
    if empty:
        return f'Not a single pair of {", ".join(empty[:3])} could be judged.'
    fields = [each for key in keys for each in key.fields if not each.ignored_because]
    if any(each.noise is not None and each.noise.is_unclear for each in fields):
        return 'There are differences, and too few messages to tell them from noise.'
    beyond = sum(bool(each.mismatched) and each.is_judged for each in fields)
    told = f'{pairs:,} pairs of messages, {len(fields):,} fields: nothing differs'
    if beyond:
        return f'{told} by more than runs of the original do; {beyond:,} fields by as much.'
    return f'{told} beyond its tolerance.{_closest(comparison)}'


def _closest(comparison: DatasetComparison) -> str:
    """Say which field comes closest to its limit."""
    found = [
        (headroom(each), shortened(key.label), shortened(each.path))
        for key in comparison.keys
        for each in key.fields
        if not each.ignored_because and each.is_judged
    ]
    used, key, path = max(found, default=(0.0, '', ''))
    if not used:
        return ' Every value is equal.'
    return f' The closest to its limit: {key} {path}, with {100 * used:.2g} % of what is allowed.'


def headroom(field: FieldComparison) -> float:
    """Return the share of its limit that the largest error takes, 0 where that is unknown."""
    worst = field.worst
    if worst is None or not math.isfinite(worst.error):
        return 0.0
    allowed = _format.allowed(field, worst.original)
    share = worst.error / allowed if allowed else 0.0
    return share if math.isfinite(share) else 0.0


def counts(comparison: DatasetComparison) -> str:
    """Say how much differs."""
    keys = comparison.keys
    fields = sum(not each.ignored_because for key in keys for each in key.fields)
    off = sum(key.verdict is Verdict.DIFFERS for key in keys)
    told = [f'{len(comparison.differing):,} of {fields:,} fields differ']
    told += [
        f'{count:,} {"message" if count == 1 else "messages"} {name}'
        for name in ('missing', 'extra', 'late', 'reordered')
        if (count := sum(getattr(key, name) for key in keys))
    ]
    return f'{"; ".join(told)}; {off:,} of {len(keys):,} keys affected.'


def noise_floor(comparison: DatasetComparison) -> str:
    """Say what is known of the noise floor."""
    if not comparison.noise_runs:
        return 'Noise floor unknown: the original was run once.'
    fields = [each for key in comparison.keys for each in key.fields if each.noise is not None]
    exceeded = sum(each.noise.is_exceeded for each in fields if each.noise)
    unclear = sum(each.noise.is_unclear for each in fields if each.noise)
    within = len(fields) - exceeded - unclear
    parts = [f'{exceeded:,} above it' if exceeded else '', f'{within:,} within it']
    parts += [f'{unclear:,} with too few messages to tell' if unclear else '']
    told = ', '.join(part for part in parts if part)
    return (
        f'Noise floor measured from {comparison.noise_runs + 1} runs of the original: '
        f'of {len(fields):,} fields, {told}.'
    )
