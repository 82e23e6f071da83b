"""Find a key and a field by name, with an error that names near ones."""

from __future__ import annotations

from difflib import get_close_matches
from math import isnan
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

_SHOWN = 5


def find_key(comparison: DatasetComparison, key: str) -> KeyComparison:
    """Return a key by its name or, where it has parts, by its label.

    Raises:
        ComparisonError: If there is none, or there are several.
    """
    keys = comparison.keys
    found = [each for each in keys if each.label == key] or [
        each for each in keys if each.key == key
    ]
    if not found:
        raise ComparisonError(f'{key!r} was not compared; {_near(key, [e.label for e in keys])}')
    if len(found) > 1:
        labels = _listed([each.label for each in found])
        raise ComparisonError(f'{key!r} has {len(found)} parts; name one of them: {labels}')
    return found[0]


def find_field(
    key: KeyComparison,
    path: str | None,
    fits: Callable[[FieldComparison], bool],
    what: str,
) -> FieldComparison:
    """Return a field of a key, the worst that fits if none is named.

    Args:
        key: The key.
        path: Field path, or None.
        fits: Tells whether a field can be drawn.
        what: What it needs for that, such as `numbers`.

    Raises:
        ComparisonError: If there is no such field, or it does not fit.
    """
    fitting = [each for each in key.fields if fits(each)]
    if path is None:
        if not fitting:
            raise ComparisonError(f'{key.label} has no field with {what} to draw')
        return max(fitting, key=_badness)
    for each in key.fields:
        if each.path == path:
            if each in fitting:
                return each
            raise ComparisonError(
                f'{key.label} {path or "(the message)"} has no {what} to draw; '
                f'these have: {_listed([each.path for each in fitting])}'
            )
    near = _near(path, [each.path for each in key.fields])
    raise ComparisonError(f'{key.label} has no field {path!r}; {near}')


def _badness(field: FieldComparison) -> tuple[bool, float, float]:
    pairs = max(field.matched + field.mismatched, 1)
    error = field.max_error
    return not field.is_equal, field.mismatched / pairs, 0.0 if isnan(error) else error


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=_SHOWN, cutoff=0.5)
    if near:
        return f'did you mean {" or ".join(near)}?'
    return f'there is {_listed(known)}'


def _listed(names: Sequence[str]) -> str:
    shown = ', '.join(name or '(the message)' for name in names[:_SHOWN])
    more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return f'{shown}{more}' if names else 'nothing'
