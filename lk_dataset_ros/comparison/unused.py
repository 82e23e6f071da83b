"""Rules that name nothing: most are typing errors."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.tolerance import ancestors, matches
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.message import codec_for, without_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lk_dataset_ros.comparison.result import DatasetComparison
    from lk_dataset_ros.comparison.rules_file import Rules
    from lk_dataset_ros.dataset import Dataset

#: Names that are looked at.
_MOST = 100_000
#: What may have been meant is looked for among so many names, for so many patterns.
_MOST_COMPARED = 5_000
_MOST_ASKED = 5
_INDEX = re.compile(r'\[[^\]]*\]')


def unused_patterns(
    rules: Rules, datasets: Sequence[Dataset], comparison: DatasetComparison
) -> list[str]:
    """Return one line for each pattern of the rules that names nothing.

    Args:
        rules: The rules that were used.
        datasets: Those that were compared; all of their topics are looked at, chosen or not.
        comparison: What came of it.
    """
    patterns = [*rules.patterns()]
    if not patterns:
        return []
    names = {
        name: '.'.join(filter(None, name)) for name in islice(_names(datasets, comparison), _MOST)
    }
    unused = [(kind, pattern) for kind, pattern in patterns if not _is_used(pattern, names)]
    return [
        f'{kind}: {pattern} names nothing in either bag'
        f'{_nearest(pattern, names) if place < _MOST_ASKED else ""}'
        for place, (kind, pattern) in enumerate(unused)
    ]


def _is_used(pattern: str, names: Mapping[tuple[str, str], str]) -> bool:
    # The definition does not know how long a sequence is: any index will do.
    general = _INDEX.sub('[]', pattern)
    plain = max(re.split(rf'\*+|{_INDEX.pattern}', pattern), key=len)
    return any(
        plain in name and (matches(general, *parts) or matches(pattern, *parts))
        for parts, name in names.items()
    )


def _names(
    datasets: Sequence[Dataset], comparison: DatasetComparison
) -> Iterator[tuple[str, str]]:
    """Yield key and path of every part of a message, `[]` for an index."""
    for judged in comparison.keys:
        for field in judged.fields:
            for path in (field.path, *ancestors(field.path)):
                yield judged.key, path
    for dataset in datasets:
        for key in dataset:
            yield key, ''
            for path in _paths(dataset, key):
                yield key, path


def _paths(dataset: Dataset, key: str) -> Iterator[str]:
    schema = dataset.topic(key).schema
    if schema is None:
        return
    try:
        codec = codec_for(schema)
    except LkError:
        # It was not compared either.
        return
    for part, type_name in codec.layout.parts.items():
        yield part
        for name, _ in codec.definition(type_name):
            yield f'{part}.{name}' if part else name
    for path in codec.layout.sequences:
        yield f'{path}.length'


def _nearest(pattern: str, names: Mapping[tuple[str, str], str]) -> str:
    """Return a question about what may have been meant."""
    known: dict[str, None] = {}
    for (_, path), name in islice(names.items(), _MOST_COMPARED):
        known[without_index(path if pattern[:1] != '/' else name)] = None
    found = get_close_matches(pattern, known, 1)
    if not found:
        return ''
    # It comes out of a bag: nothing that a terminal obeys.
    return f'; is {found[0] if found[0].isprintable() else ascii(found[0])} meant?'
