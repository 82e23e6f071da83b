"""How numbers, stamps and values are written, the same in every renderer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import DatasetComparison, FieldComparison


def stamp(time_ns: int) -> str:
    """Write a stamp as seconds."""
    sign, magnitude = ('-', -time_ns) if time_ns < 0 else ('', time_ns)
    return f'{sign}{magnitude // 1_000_000_000}.{magnitude % 1_000_000_000:09d}'


def number(value: float) -> str:
    """Write an error or a tolerance."""
    if math.isnan(value):
        return '-'
    return '0' if value == 0.0 else f'{value:.3g}'


def value(item: Any) -> str:
    """Write a message's value, every digit of it."""
    text = repr(item)
    return text if len(text) <= 200 else f'{text[:200]}... ({len(text)} characters)'


def limit(field: FieldComparison) -> str:
    """Write what was allowed."""
    if not field.limit.rtol and not field.limit.atol:
        return 'exact'
    parts = [f'{field.limit.atol:.3g}'] if field.limit.atol else []
    parts += [f'{field.limit.rtol:.3g}*|x|'] if field.limit.rtol else []
    return ' + '.join(parts)


def divergence(comparison: DatasetComparison) -> str:
    """Say where two datasets first differ, or nothing."""
    first = comparison.first_divergence
    if first is None:
        return ''
    key, time_ns, path = first
    what = f'{path} message' if path in ('missing', 'extra') else path
    return f'{key} at stamp {stamp(time_ns)}: {what}'
