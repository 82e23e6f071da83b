"""How numbers, stamps, values and sentences are written, the same in every renderer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        Divergence,
        FieldComparison,
        KeyComparison,
    )

#: Characters of a value that are shown.
MOST_CHARACTERS = 200
#: Characters that two long values are shown to have in common.
_COMMON = 40
_UNPAIRED = {
    'missing': 'a message of the original has no partner',
    'extra': 'a message of the compiled has no partner',
    'late': 'the message of the compiled came too late',
    'reordered': 'the compiled sent its messages in another order',
}


def stamp(time_ns: int) -> str:
    """Write a stamp as seconds."""
    sign, magnitude = ('-', -time_ns) if time_ns < 0 else ('', time_ns)
    return f'{sign}{magnitude // 1_000_000_000}.{magnitude % 1_000_000_000:09d}'


def number(value: float) -> str:
    """Write an error or a tolerance."""
    if math.isnan(value):
        return '-'
    return '0' if value == 0.0 else f'{value:.3g}'


def quantity(value: float, unit: str) -> str:
    """Write an error with its unit."""
    text = number(value)
    return f'{text} {escaped(unit)}' if unit and text != '-' else text


def plural(count: int, what: str) -> str:
    """Write a count and what is counted."""
    return f'{count} {what}' if count == 1 else f'{count} {what}s'


def escaped(text: str) -> str:
    """Write text on one line: what cannot be printed becomes visible."""
    if text.isprintable():
        return text
    return ''.join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def value(item: Any) -> str:
    """Write a message's value, every digit of it; a long one is cut visibly."""
    return _cut(_plain(item), 0)


def both(original: Any, compiled: Any) -> tuple[str, str]:
    """Write two values; long ones around the place where they begin to differ."""
    left, right = _plain(original), _plain(compiled)
    if max(len(left), len(right)) <= MOST_CHARACTERS:
        return left, right
    same = _common(left, right)
    start = max(same - _COMMON, 0) if same > MOST_CHARACTERS - _COMMON else 0
    return _cut(left, start), _cut(right, start)


def _plain(item: Any) -> str:
    return escaped(repr(item))


def _common(left: str, right: str) -> int:
    """Return how many characters two texts begin with in common."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, start: int) -> str:
    if len(text) <= MOST_CHARACTERS and not start:
        return text
    end = start + MOST_CHARACTERS
    head, tail = ('...' if start else ''), ('...' if end < len(text) else '')
    where = f'from {start}, ' if start else ''
    return f'{head}{text[start:end]}{tail} ({where}{len(text)} characters)'


def limit(field: FieldComparison) -> str:
    """Write what was allowed, with unit and comparator: `0.01 rad (quaternion)`."""
    rtol, atol = field.limit.rtol, field.limit.atol
    unit = f' {escaped(field.unit)}' if field.unit else ''
    by = f' ({escaped(field.comparator)})' if field.comparator else ''
    if by and field.is_different is None:
        return f'{number(atol + rtol)}{unit}{by}'
    parts = [number(atol)] if atol else []
    parts += [f'{number(rtol)}*|x|'] if rtol else []
    return f'{" + ".join(parts)}{unit}{by}' if parts else f'exact{by}'


def allowed(field: FieldComparison, original: Any) -> float:
    """Return how far a value may have been off."""
    if field.comparator:
        return field.limit.atol + field.limit.rtol
    if not isinstance(original, (int, float)) or not math.isfinite(original):
        return field.limit.atol
    return field.limit.atol + field.limit.rtol * abs(float(original))


def counts(field: FieldComparison) -> str:
    """Say how many pairs differ and by how much."""
    if field.is_different is not None:
        return f'the distributions {"differ" if field.is_different else "are alike"}'
    pairs = plural(field.matched + field.mismatched, 'pair')
    if math.isnan(field.max_error):
        return f'{field.mismatched} of {pairs} differ'
    error = quantity(field.max_error, field.unit)
    return f'{field.mismatched} of {pairs} differ, max error {error}'


def place(path: str, element: tuple[int, ...]) -> str:
    """Write a field path and which element of it."""
    return escaped(path) + ''.join(f'[{each}]' for each in element)


def at(field: FieldComparison, divergence: Divergence) -> str:
    """Say of one pair of values what they are and how far apart."""
    left, right = both(divergence.original, divergence.compiled)
    told = f'original {left}, compiled {right}'
    if math.isnan(divergence.error):
        return f'{told}; they have to be equal'
    error = quantity(divergence.error, field.unit)
    may = allowed(field, divergence.original)
    if not may:
        return f'{told}, error {error}; allowed is none'
    return f'{told}, error {error}; allowed {quantity(may, field.unit)}'


def where(field: FieldComparison, divergence: Divergence) -> str:
    """Say where one pair of values is."""
    return (
        f'{place(field.path, divergence.element)}, message {divergence.index} '
        f'at stamp {stamp(divergence.stamp_ns)}'
    )


def first(comparison: DatasetComparison) -> str:
    """Say in one sentence where two datasets first differ and by how much, or nothing."""
    found = [(each.first_divergence, each) for each in comparison.keys]
    known = [(told, each) for told, each in found if told is not None]
    if known:
        told, key = min(known, key=lambda pair: pair[0][0])
        return f'{escaped(key.label)} {_first_of(key, *told)}'
    for key in comparison.keys:
        if key.problem:
            return f'{escaped(key.label)}: {escaped(key.problem)}'
        for field in key.differing:
            return f'{escaped(key.label)} {escaped(field.path)}: {counts(field)}'
    return ''


def _first_of(key: KeyComparison, time_ns: int, path: str) -> str:
    for field in key.differing:
        if field.path == path and field.first and field.first.stamp_ns == time_ns:
            return f'{where(field, field.first)}: {at(field, field.first)}'
    return f'at stamp {stamp(time_ns)}: {_UNPAIRED.get(path, escaped(path))}'


def divergence(comparison: DatasetComparison) -> str:
    """Say in a few words where two datasets first differ, or nothing."""
    found = comparison.first_divergence
    if found is None:
        return ''
    key, time_ns, path = found
    what = f'{path} message' if path in _UNPAIRED else path
    return escaped(f'{key} at stamp {stamp(time_ns)}: {what}')


def noise(comparison: DatasetComparison) -> str:
    """Say what is known of the noise floor."""
    if not comparison.noise_runs:
        return 'noise floor unknown (one run of the original)'
    return f'noise floor from {comparison.noise_runs + 1} runs of the original'


def pairing(key: KeyComparison) -> str:
    """Say how the messages of a key were paired, and what has no partner."""
    parts = [f'{plural(key.paired, "pair")} by {escaped(key.paired_by.replace("_", " "))}']
    for name, count in (('missing', key.missing), ('extra', key.extra)):
        parts += [f'{count} {name}'] if count else []
    if key.missing + key.extra and not key.unpaired:
        why = 'which do not count'
        if not key.ignored_counts:
            why = 'no more than between runs of the original'
        parts[-1] += f' ({why})'
    parts += [f'{key.late} late'] if key.late else []
    parts += [f'{key.reordered} in another order'] if key.reordered else []
    if key.lag_ns is not None:
        parts.append(f'a lag of {key.lag_ns / 1e6:.6g} ms taken off')
    return ', '.join(parts)


def status(field: FieldComparison) -> str:
    """Say in one word or two what became of a field."""
    if field.ignored_because:
        return 'ignored'
    if not field.is_judged:
        return 'for information'
    if not field.is_equal:
        return 'mismatch'
    if field.noise is not None and field.noise.is_unclear:
        return 'unclear'
    return 'noise' if field.mismatched else 'match'


def remarks(field: FieldComparison) -> list[str]:
    """Return further sentences on a field that is not plainly equal."""
    told = []
    if field.noise is not None and field.mismatched:
        told.append(f'noise: {escaped(field.noise.text)}')
    for name, each in field.measures.items():
        told.append(f'{escaped(name)} {number(each.mean)} on average')
    if field.distribution is not None and not field.is_equal:
        test = field.distribution
        told.append(
            f'distributions: Kolmogorov-Smirnov {number(test.statistic)} '
            f'(p {number(test.p_value)}), Wasserstein {number(test.wasserstein)}'
        )
    return told
