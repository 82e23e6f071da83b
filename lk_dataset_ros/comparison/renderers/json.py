"""A comparison as JSON, for machines. The format carries its version."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        Divergence,
        FieldComparison,
        KeyComparison,
    )

FORMAT = 'lk_dataset_ros/comparison'
VERSION = 1


def to_json(comparison: DatasetComparison) -> str:
    """Return the machine format as text."""
    return dumps({'format': FORMAT, 'version': VERSION, **to_dict(comparison)})


def dumps(content: dict[str, Any]) -> str:
    """Write JSON that every parser reads: no NaN, no infinity."""
    return json.dumps(content, indent=2, allow_nan=False) + '\n'


def to_dict(comparison: DatasetComparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    first = comparison.first_divergence
    return {
        'original': comparison.original_name,
        'compiled': comparison.compiled_name,
        'verdict': comparison.verdict.value,
        'first_divergence': (
            {'key': first[0], 'stamp_ns': first[1], 'field': first[2]} if first else None
        ),
        'keys': [_key(each) for each in comparison.keys],
    }


def _key(key: KeyComparison) -> dict[str, Any]:
    return {
        'key': key.key,
        'type': key.type_name,
        'verdict': key.verdict.value,
        'problem': key.problem,
        'paired_by': key.paired_by,
        'paired': key.paired,
        'missing': key.missing,
        'extra': key.extra,
        'missing_ns': key.missing_ns.tolist(),
        'extra_ns': key.extra_ns.tolist(),
        'fields': [_field(each) for each in key.fields],
    }


def _field(field: FieldComparison) -> dict[str, Any]:
    return {
        'path': field.path,
        'dtype': field.dtype,
        'rtol': field.limit.rtol,
        'atol': field.limit.atol,
        'ignored_because': field.ignored_because,
        'matched': field.matched,
        'mismatched': field.mismatched,
        'max_error': plain(field.max_error),
        'mean_error': plain(field.mean_error),
        'rms_error': plain(field.rms_error),
        'bias': plain(field.bias),
        'max_relative_error': plain(field.max_relative_error),
        'worst': _divergence(field.worst),
        'first': _divergence(field.first),
    }


def _divergence(divergence: Divergence | None) -> dict[str, Any] | None:
    if divergence is None:
        return None
    return {
        'index': divergence.index,
        'stamp_ns': divergence.stamp_ns,
        'original': plain(divergence.original),
        'compiled': plain(divergence.compiled),
        'element': list(divergence.element),
    }


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: NaN and infinities become text, NaN statistics too."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value
