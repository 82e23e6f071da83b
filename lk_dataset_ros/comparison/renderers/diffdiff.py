"""Every difference of a comparison as text, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.comparison.renderers import _format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.comparison.result import DatasetComparison, FieldComparison, KeyComparison


def to_diffdiff(comparison: DatasetComparison) -> str:
    """Return all differences, grouped by key and field, nothing cut."""
    return '\n'.join(_lines(comparison)) + '\n'


def _lines(comparison: DatasetComparison) -> Iterator[str]:
    yield f'original: {comparison.original_name}'
    yield f'compiled: {comparison.compiled_name}'
    yield f'verdict:  {comparison.verdict.value}'
    for key in comparison.keys:
        yield ''
        yield f'=== {key.key} ({key.type_name}), {key.paired} pairs by {key.paired_by}'
        if key.problem:
            yield f'  {key.problem}'
        for name, stamps in (('missing', key.missing_ns), ('extra', key.extra_ns)):
            for time_ns in stamps:
                yield f'  {name} at stamp {_format.stamp(int(time_ns))}'
        for field in key.fields:
            if field.ignored_because:
                yield f'--- {field.path}: ignored: {field.ignored_because}'
        for field in key.differing:
            yield f'--- {field.path} ({_format.limit(field)}): {field.mismatched} differ'
            yield from _differences(key, field)
        if not (key.problem or key.missing or key.extra or key.differing):
            yield '  no difference'


def _differences(key: KeyComparison, field: FieldComparison) -> Iterator[str]:
    if field.over is None:
        return
    for number, pair in enumerate(np.flatnonzero(field.over)):
        where = f'  [{key.indices[pair]}] {_format.stamp(int(key.stamps_ns[pair]))}'
        error = '' if field.errors is None else f'  error {field.errors[pair]:.6g}'
        if field.original is None or field.compiled is None:
            left, right = field.differing_values[number]
        else:
            left, right = field.original[pair], field.compiled[pair]
        yield f'{where}  {_plain(left)} != {_plain(right)}{error}'


def _plain(value: object) -> str:
    return _format.value(value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value)
