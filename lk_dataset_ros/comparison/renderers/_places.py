"""Where two sides differ and by how much, as text for a page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.renderers._series import has_stamps

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        Divergence,
        FieldComparison,
        KeyComparison,
    )

#: Characters of a value that is shown.
WIDTH = 240
#: Items of a list that are shown.
_ITEMS = 8
#: Characters of a name.
NAME = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where two sides differ, and by how much, as text.

    Attributes:
        key: Key and part.
        path: Field path with the element, or `missing message` and the like.
        stamp: In seconds.
        after: Since the first message, and which message that is; may be empty.
        original: The original's value, empty where there is none or it says no more.
        compiled: The compiled's.
        error: The absolute error with its unit, empty where there is none.
        allowed: What it may be.
    """

    key: str
    path: str
    stamp: str
    after: str = ''
    original: str = ''
    compiled: str = ''
    error: str = ''
    allowed: str = ''


def first_place(comparison: DatasetComparison) -> Place | None:
    """Return where two datasets first differ, None where they do not."""
    found = [(key, *key.first_divergence) for key in comparison.keys if key.first_divergence]
    if not found:
        return None
    key, stamp_ns, path = min(found, key=lambda each: each[1])
    for field in key.differing:
        if field.path == path and field.first is not None:
            return place_of(key, field, field.first)
    return Place(
        shortened(key.label), f'{path} message', _format.stamp(stamp_ns), _after(key, stamp_ns)
    )


def place_of(key: KeyComparison, field: FieldComparison, found: Divergence) -> Place:
    """Return where a divergence is, as text."""
    element = str(list(found.element)) if found.element else ''
    return Place(
        shortened(key.label),
        f'{shortened(field.path)}{element}' or 'the message',
        _format.stamp(found.stamp_ns) if has_stamps(key) else '',
        ', '.join(
            part for part in (_number_of(key, found.index), _after(key, found.stamp_ns)) if part
        ),
        *shown(found.original, found.compiled),
        _error(found.error, field.unit),
        _allowed(field, found.original),
    )


def _number_of(key: KeyComparison, index: int) -> str:
    return f'{"message" if has_stamps(key) else "row"} {index:,}'


def _error(error: float, unit: str) -> str:
    if math.isnan(error):
        return ''
    if math.isinf(error):
        return 'not finite'
    return quantity(error, unit)


def _after(key: KeyComparison, stamp_ns: int) -> str:
    if not has_stamps(key):
        return ''
    after = (stamp_ns - int(key.stamps_ns.min())) / 1e9
    return f'{after:.6g} s after the first pair' if after else 'at the first pair'


def _allowed(field: FieldComparison, original: Any) -> str:
    limit = field.limit
    if field.comparator:
        return f'{number(limit.atol + limit.rtol)} {field.unit}'.strip()
    if not limit.rtol and not limit.atol:
        return 'nothing: it has to be equal'
    if not limit.rtol:
        return number(limit.atol)
    return number(_format.allowed(field, original))


def shortened(name: str) -> str:
    """Return a name of a key or a field, of a very long one how long it is."""
    return name if len(name) <= NAME else f'{name[:NAME]}… ({len(name):,} characters)'


def tolerance(field: FieldComparison) -> str:
    """Write what is allowed, with what judges."""
    if field.comparator:
        return f'{number(field.limit.atol + field.limit.rtol)} {field.unit}'.strip()
    return _format.limit(field)


def number(value: float) -> str:
    """Write an error, a share, a statistic."""
    if math.isnan(value):
        return '-'
    if math.isinf(value):
        return 'not finite'
    if value == 0.0:
        return '0'
    size = abs(value)
    if 1e3 <= size < 1e6:
        return f'{value:,.0f}' if size >= 1e4 else f'{value:,.5g}'
    return f'{value:.4g}'


def quantity(value: float, unit: str) -> str:
    """Write an error with its unit."""
    return f'{number(value)} {unit}' if unit and math.isfinite(value) else number(value)


def shown(original: Any, compiled: Any) -> tuple[str, str]:
    """Write both values compactly, with every digit only where fewer would hide a difference."""
    if isinstance(original, float) and isinstance(compiled, float):
        left, right = f'{original:.6g}', f'{compiled:.6g}'
        return (left, right) if left != right else _format.both(original, compiled)
    if isinstance(original, dict) and isinstance(compiled, dict):
        pairs = {name: shown(each, compiled.get(name)) for name, each in original.items()}
        differing = {name: both for name, both in pairs.items() if both[0] != both[1]}
        left, right = (
            ', '.join(f'{name}: {both[side]}' for name, both in differing.items())
            for side in (0, 1)
        )
        return _cut(left), _cut(right)
    if isinstance(original, list) and isinstance(compiled, list):
        left, right = _items(original), _items(compiled)
        if left != right:
            return left, right
    return _format.both(original, compiled)


def _items(values: list[Any]) -> str:
    """Write the first values of a list, and how many there are."""
    told = [f'{each:.6g}' if isinstance(each, float) else repr(each) for each in values[:_ITEMS]]
    more = f', … ({len(values):,} values)' if len(values) > _ITEMS else ''
    return _cut(f'[{", ".join(told)}{more}]')


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f'{text[:WIDTH]}… ({len(text)} characters)'
