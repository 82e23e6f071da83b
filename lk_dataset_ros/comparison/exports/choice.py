"""What of a comparison is exported, and what is said of the rest."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

#: Fields of one comparison that are shown, the worst ones.
MOST_FIELDS = 32


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        notes: What its reader should know: times that were shifted, fields that were left out.
    """

    path: Path
    notes: tuple[str, ...] = ()


def keys_of(comparison: DatasetComparison, keys: Sequence[str] | None) -> list[KeyComparison]:
    """Return the compared keys that are wanted; of transforms all parts.

    Raises:
        ComparisonError: If a key was not compared.
    """
    if keys is None:
        return list(comparison.keys)
    wanted = {keys} if isinstance(keys, str) else set(keys)
    unknown = sorted(wanted - {each.key for each in comparison.keys})
    if unknown:
        known = ', '.join(dict.fromkeys(each.key for each in comparison.keys))
        raise ComparisonError(f'{unknown[0]} was not compared; there is {known or "nothing"}')
    return [each for each in comparison.keys if each.key in wanted]


def numeric_fields(
    comparison: DatasetComparison, keys: Sequence[KeyComparison], most: int = MOST_FIELDS
) -> tuple[list[tuple[KeyComparison, FieldComparison]], tuple[str, ...]]:
    """Return the fields that differ and have errors, the worst first, and what is left out.

    Args:
        comparison: The whole.
        keys: Those of its keys that are wanted.
        most: So many fields.
    """
    wanted = {id(each) for each in keys}
    differing = [pair for pair in comparison.differing if id(pair[0]) in wanted]
    found = [(key, each) for key, each in differing if each.statistics.count]
    notes = []
    if len(found) > most:
        notes.append(f'of {len(found)} fields that differ only the worst {most} are here')
    texts = len(differing) - len(found)
    if texts:
        told = _format.plural(texts, 'more field')
        notes.append(f'{told} that cannot be plotted: what differs is no number')
    return found[:most], tuple(notes)


def slashed(key: str) -> str:
    """Return a key with the slash that a name in front of it needs."""
    return key if key.startswith('/') else f'/{key}'


def plain_name(text: str) -> str:
    """Return a text as one that can be written in a path without quotes: letters, digits, `_`."""
    name = re.sub(r'[^A-Za-z0-9_]+', '_', text).strip('_') or 'value'
    if keyword.iskeyword(name):
        return f'{name}_value'
    return name if name[0].isalpha() else f'v{name}'


def unused(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, and take it."""
    chosen, number = name, 2
    while chosen in taken:
        chosen, number = f'{name}_{number}', number + 1
    taken.add(chosen)
    return chosen
