"""Why a comparison is not equivalent, for the message of a failed test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        Divergence,
        FieldComparison,
        KeyComparison,
    )

#: Lines on what differs; how many more there are is told.
_MOST_LINES = 15


def explanation(comparison: DatasetComparison) -> str:
    """Return why a comparison is not equivalent, in some 25 lines at most."""
    return '\n'.join(_lines(comparison))


def _lines(comparison: DatasetComparison) -> Iterator[str]:
    names = f'{comparison.compiled_name} against {comparison.original_name}'
    yield f'{names}: {comparison.verdict.value}'
    if comparison.verdict is not Verdict.DIFFERS:
        yield from _unjudged(comparison)
    yield from _first(comparison)
    differing = _what_differs(comparison)
    if differing:
        yield 'what differs, worst first:'
        yield from (f'  {line}' for line in differing[:_MOST_LINES])
        if len(differing) > _MOST_LINES:
            yield f'  ... and {len(differing) - _MOST_LINES} more'
        keys = ', '.join(dict.fromkeys(repr(key.key) for key in _differing_keys(comparison)))
        yield f"all of it: original.diffdiff(compiled, 'differences.txt', keys=[{keys}])"


def _unjudged(comparison: DatasetComparison) -> Iterator[str]:
    """Say why there is no verdict."""
    unjudged = [key for key in comparison.keys if key.verdict is Verdict.INCONCLUSIVE]
    if not comparison.keys:
        yield 'there is no key to compare'
    for key in unjudged[:_MOST_LINES]:
        why = (
            'the noise of the original leaves it open' if key.paired else 'no message was compared'
        )
        yield f'  {key.label}: {why}'
    if len(unjudged) > _MOST_LINES:
        yield f'  ... and {len(unjudged) - _MOST_LINES} more'


def _first(comparison: DatasetComparison) -> Iterator[str]:
    """Say where both sides first differ."""
    first = comparison.first_divergence
    if first is None:
        return
    name, stamp_ns, path = first
    for key in comparison.keys:
        if key.key != name or key.first_divergence != (stamp_ns, path):
            continue
        where = f'first divergence: {key.label} at stamp {_format.stamp(stamp_ns)}'
        for field in key.differing:
            if field.path == path and field.first is not None:
                yield f'{where}, {field.path or "the message"}, message {field.first.index}'
                yield from _values(field, field.first)
                return
        yield f'{where}: message {path}'
        return


def _values(field: FieldComparison, first: Divergence) -> Iterator[str]:
    element = ''.join(f'[{index}]' for index in first.element)
    yield f'  original   {_format.value(_plain(first.original))}{element and "  at " + element}'
    yield f'  compiled   {_format.value(_plain(first.compiled))}'
    yield f'  error      {_error(first.error, field)}, allowed: {_format.limit(field)}'


def _what_differs(comparison: DatasetComparison) -> list[str]:
    """Return a line for each thing that differs: keys as such first, then fields by severity."""
    found = []
    for key in _differing_keys(comparison):
        counts = [
            f'{count} {name}'
            for name, count in (
                ('missing', key.missing if key.unpaired else 0),
                ('extra', key.extra if key.unpaired else 0),
                ('late', key.late),
            )
            if count
        ]
        if key.problem:
            found.append(f'{key.label}: {key.problem}')
        elif counts:
            found.append(f'{key.label}: messages {", ".join(counts)}; {key.paired} paired')
    for key, field in comparison.differing:
        found.append(
            f'{key.label} {field.path or "(the message)"}: {field.mismatched} of '
            f'{field.matched + field.mismatched} differ, largest error '
            f'{_error(field.max_error, field)}, allowed: {_format.limit(field)}'
        )
    return found


def _differing_keys(comparison: DatasetComparison) -> list[KeyComparison]:
    return [key for key in comparison.keys if key.verdict is Verdict.DIFFERS]


def _error(error: float, field: FieldComparison) -> str:
    text = _format.number(error)
    return f'{text} {field.unit}' if field.unit and text != '-' else text


def _plain(value: Any) -> Any:
    """Return a NumPy value as Python has it, so that digits are all that is written."""
    return value.tolist() if hasattr(value, 'tolist') else value
