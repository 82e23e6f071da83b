"""Every difference of a comparison as text, one line each, however many there are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.renderers._saving import written
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import TextIO

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        Differences,
        FieldComparison,
        KeyComparison,
    )

#: Runs of consecutive pairs that the head of a field shows; the lines below it show all.
RUNS = 20
#: Lines that are put together at once.
_LINES = 8192
_UNPAIRED = {
    'missing': 'missing',
    'extra': 'extra',
    'late': 'late',
    'reordered': 'in another order',
}


def to_diffdiff(comparison: DatasetComparison) -> str:
    """Return all differences as text; `write_diffdiff` needs less memory.

    Raises:
        ComparisonError: If the comparison was loaded without its bags, or is a sum.
    """
    stream = io.StringIO()
    write_diffdiff(comparison, stream)
    return stream.getvalue()


def save_diffdiff(comparison: DatasetComparison, path: str | PathLike[str]) -> None:
    """Write all differences to a file; what is there is replaced once all is written.

    Raises:
        BagWriteError: If the file cannot be written.
        ComparisonError: If the comparison was loaded without its bags, or is a sum.
    """
    _check(comparison)
    with written(path) as stream:
        write_diffdiff(comparison, stream)


def write_diffdiff(comparison: DatasetComparison, stream: TextIO) -> None:
    """Write all differences, by key and field, nothing left out.

    Memory holds one block of messages, however many differences there are.

    Raises:
        ComparisonError: If the comparison was loaded without its bags, or is a sum.
    """
    _check(comparison)
    for part in _parts(comparison):
        stream.write(part)
        stream.write('\n')


def _check(comparison: DatasetComparison) -> None:
    for key in comparison.keys:
        for field in key.fields:
            if field.mismatched and field.is_judged and field.source is None:
                raise ComparisonError(
                    f'{key.label} {field.path}: its {field.mismatched} differences are in the '
                    'bags, which this comparison was loaded or added up without; compare the bags'
                )


def _parts(comparison: DatasetComparison) -> Iterator[str]:
    yield f'original: {_format.escaped(comparison.original_name)}'
    yield f'compiled: {_format.escaped(comparison.compiled_name)}'
    yield f'verdict:  {comparison.verdict.value}'
    first = _format.first(comparison)
    if first:
        yield f'first:    {first}'
    yield f'noise:    {_format.noise(comparison)}'
    yield from _contents(comparison)
    for key in comparison.keys:
        yield ''
        yield from _key(key)


def _contents(comparison: DatasetComparison) -> Iterator[str]:
    differing = comparison.differing
    if differing:
        yield f'{_format.plural(len(differing), "field")} that differ, the worst first:'
    for key, field in differing:
        yield (
            f'  {_format.escaped(key.label)} {_format.escaped(field.path)}: '
            f'{_format.counts(field)}'
        )


def _key(key: KeyComparison) -> Iterator[str]:
    of_type = f' ({_format.escaped(key.type_name)})' if key.type_name else ''
    yield f'=== {_format.escaped(key.label)}{of_type}, {_format.pairing(key)}'
    for text in (key.problem, key.hint):
        if text:
            yield f'  {_format.escaped(text)}'
    some = False
    for name, told in _UNPAIRED.items():
        stamps_ns = getattr(key, f'{name}_ns')
        some = some or bool(len(stamps_ns))
        for start in range(0, len(stamps_ns), _LINES):
            part = _stamps(stamps_ns[start : start + _LINES])
            yield '\n'.join(f'  {told} at stamp {each}' for each in part)
    for field in key.fields:
        if field.ignored_because:
            yield (
                f'--- {_format.escaped(field.path)}: ignored: '
                f'{_format.escaped(field.ignored_because)}'
            )
    shown = [each for each in key.fields if each.mismatched or not each.is_equal]
    for field in sorted(shown, key=lambda each: each.is_equal):
        yield from _field(key, field)
    if not (key.problem or some or shown):
        yield '  no difference'


def _field(key: KeyComparison, field: FieldComparison) -> Iterator[str]:
    status = _format.status(field)
    note = {'noise': ', within the noise floor', 'unclear': ', unclear against the noise floor'}
    yield (
        f'--- {_format.escaped(field.path)} (tolerance {_format.limit(field)}): '
        f'{_format.counts(field)}'
        f'{note.get(status, "" if status == "mismatch" else f", {status}")}'
    )
    if field.statistics.count:
        numbers = {
            'p99': field.statistics.percentile(99.0),
            'rms': field.rms_error,
            'mean': field.mean_error,
            'bias': field.bias,
        }
        unit = f' ({_format.escaped(field.unit)})' if field.unit else ''
        told = ', '.join(f'{name} {_format.number(each)}' for name, each in numbers.items())
        yield f'    error{unit}: {told}'
    for name, divergence in (('first', field.first), ('worst', field.worst)):
        if divergence is not None:
            where, told = _format.where(field, divergence), _format.at(field, divergence)
            yield f'    {name}: {where}: {told}'
    for remark in _format.remarks(field):
        yield f'    {remark}'
    if not field.mismatched:
        return
    if not field.is_judged:
        yield '    not listed: it does not count for the verdict'
        return
    yield f'    messages: {_runs(key.indices, field.over)}'
    count = 0
    for found in field.differences():
        for start in range(0, len(found.positions), _LINES):
            lines = _lines(key, found, slice(start, start + _LINES))
            count += len(lines)
            yield '\n'.join(lines)
    yield f'    {_format.plural(count, "difference")} of {_format.escaped(field.path)}'


def _runs(indices: NDArray[np.int64], over: NDArray[np.bool_]) -> str:
    """Say which pairs differ, as runs of consecutive pairs; of many the longest."""
    edges = np.flatnonzero(np.diff(over.view(np.int8), prepend=0, append=0)).reshape(-1, 2)
    chosen = edges
    if len(edges) > RUNS:
        longest = np.argpartition(edges[:, 0] - edges[:, 1], RUNS)[:RUNS]
        chosen = edges[np.sort(longest)]
    told = ', '.join(
        f'{indices[first]}..{indices[end - 1]}' if end - first > 1 else f'{indices[first]}'
        for first, end in chosen
    )
    if len(edges) <= RUNS:
        return told
    return f'{len(edges)} runs, the longest are {told}'


def _stamps(stamps_ns: NDArray[np.int64]) -> list[str]:
    return [
        f'{each // 1_000_000_000}.{each % 1_000_000_000:09d}' if each >= 0 else _format.stamp(each)
        for each in stamps_ns.tolist()
    ]


def _lines(key: KeyComparison, found: Differences, part: slice) -> list[str]:
    positions = found.positions[part]
    indices = key.indices[positions].tolist()
    stamps = _stamps(key.stamps_ns[positions])
    original, compiled = _texts(found.original[part], found.compiled[part])
    tails = _tails(found.errors[part], found.allowed[part])
    if found.elements is None:
        rows = zip(indices, stamps, original, compiled, tails, strict=True)
        return [f'  [{i}] {t}  {a} != {b}{tail}' for i, t, a, b, tail in rows]
    elements = (''.join(f'[{axis}]' for axis in each) for each in found.elements[part])
    with_elements = zip(indices, stamps, elements, original, compiled, tails, strict=True)
    return [
        f'  [{i}] {t}  {e}{" " if e else ""}{a} != {b}{tail}'
        for i, t, e, a, b, tail in with_elements
    ]


def _texts(original: list[Any], compiled: list[Any]) -> tuple[list[str], list[str]]:
    if {*map(type, original), *map(type, compiled)} <= {int, float, bool}:
        return list(map(repr, original)), list(map(repr, compiled))
    pairs = [_format.both(*each) for each in zip(original, compiled, strict=True)]
    return [left for left, _ in pairs], [right for _, right in pairs]


def _tails(errors: NDArray[np.float64], allowed: NDArray[np.float64]) -> list[str]:
    """Return error and tolerance of each; nothing for what is no number."""
    if np.isnan(errors).all():
        return [''] * len(errors)
    return [
        f'  error {error:.6g}, allowed {limit:.6g}'
        for error, limit in zip(errors.tolist(), allowed.tolist(), strict=True)
    ]
