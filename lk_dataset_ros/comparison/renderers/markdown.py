"""A comparison as Markdown that fits a comment on a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.renderers.text import ignored_of, shown_fields, summary_of
from lk_dataset_ros.comparison.result import Verdict
from lk_dataset_ros.errors import ComparisonError

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

#: Characters of a comment on GitHub.
LIMIT = 65_536
#: Fewer have no room for what must not be left out.
LEAST = 4_096
#: Characters of a name that are shown.
_NAME = 120
ICONS = {
    Verdict.EQUIVALENT: '\u2705',
    Verdict.DIFFERS: '\u274c',
    Verdict.INCONCLUSIVE: '\u26a0\ufe0f',
    Verdict.ERROR: '\u2757',
}
_HEAD = (
    '| {first} | differ | max error | p99 | tolerance | first at stamp |\n'
    '|---|--:|--:|--:|---|--:|\n'
)
#: What Markdown or HTML could read as more than a character.
_SPECIAL = re.compile(r'[^\w .,;/()=+-]|_', re.ASCII)


def to_markdown(comparison: DatasetComparison, limit: int = LIMIT) -> str:
    """Return verdict, the worst fields, and all fields folded, in so many characters at most.

    What has no room is left out, and the text says what.

    Args:
        comparison: What to show.
        limit: Characters; those of a comment on GitHub by default.

    Raises:
        ComparisonError: If there is no room for the verdict.
    """
    if limit < LEAST:
        raise ComparisonError(f'limit is {limit} characters; {LEAST} are needed at least')
    page = _Page(limit)
    page.add(_head(comparison))
    page.table([_row(field, key) for key, field in comparison.differing], limit * 2 // 3)
    left = [key for key in comparison.keys if not page.section(key)]
    if left:
        page.end(
            f'\n{_format.plural(len(left), "key")} of {len(comparison.keys)} left out here: a '
            f'comment has {limit} characters at most. `report.html` and `comparison.json` have '
            'everything.\n'
        )
    return page.text()


class _Page:
    """Text that has room for so much."""

    def __init__(self, limit: int) -> None:
        self._parts: list[str] = []
        # Some room for what is said of what was left out.
        self._left = limit - 400

    def add(self, text: str) -> None:
        self._parts.append(text)
        self._left -= len(text)

    def end(self, text: str) -> None:
        """Add what there was room kept for."""
        self._parts.append(text)

    def text(self) -> str:
        return ''.join(self._parts)

    def table(self, rows: list[str], most: int) -> None:
        """Add the fields that differ."""
        if not rows:
            return
        self.add('\n' + _HEAD.format(first='field'))
        count = self._rows(rows, self._left - most // 2)
        if count < len(rows):
            self.add(f'\n{len(rows) - count} more fields differ.\n')

    def section(self, key: KeyComparison) -> bool:
        """Add all fields of a key, folded; tell whether there was room."""
        head = f'\n<details><summary>{plain_text(summary_of(key), 400)}</summary>\n'
        tail = '\n</details>\n'
        rest = ''.join(
            f'\nignored: {plain_text(reason)}: {_listed(paths)}\n'
            for reason, paths in ignored_of(key)
        )
        if key.hint:
            rest += f'\n{plain_text(key.hint, 400)}\n'
        table = '\n' + _HEAD.format(first='field') if key.fields else ''
        fixed = len(head) + len(tail) + len(table) + len(rest) + 60
        if fixed > self._left:
            return False
        self.add(head + table)
        rows = [_row(field) for field in shown_fields(key)]
        count = self._rows(rows, len(rest) + len(tail) + 60)
        if count < len(rows):
            self.add(f'\n{len(rows) - count} more fields left out here.\n')
        self.add(rest + tail)
        return True

    def _rows(self, rows: list[str], kept: int) -> int:
        """Add rows while more than some room is left; return how many."""
        for number, row in enumerate(rows):
            if self._left - len(row) < kept:
                return number
            self.add(row)
        return len(rows)


def _head(comparison: DatasetComparison) -> str:
    verdict = comparison.verdict
    names = (plain_text(each) for each in (comparison.compiled_name, comparison.original_name))
    lines = [f'### {ICONS[verdict]} {" against ".join(names)}: {verdict.value}', '']
    first = _format.first(comparison)
    if first:
        lines += [f'First divergence: {plain_text(first, 700)}', '']
    judged = [each for key in comparison.keys for each in key.fields if each.is_judged]
    compared = sum(not each.ignored_because for each in judged)
    pairs = sum(key.paired for key in comparison.keys)
    counts = [
        f'{len(comparison.differing)} of {_format.plural(compared, "field")} differ',
        _format.plural(len(comparison.keys), 'key'),
        _format.plural(pairs, 'pair'),
    ]
    for name in ('missing', 'extra', 'late', 'reordered'):
        count = sum(getattr(key, name) for key in comparison.keys)
        counts += [f'{count} {name}'] if count else []
    counts += [f'{comparison.runs} comparisons added up'] if comparison.runs > 1 else []
    lines.append(' · '.join([*counts, _format.noise(comparison)]))
    return '\n'.join(lines) + '\n'


def _row(field: FieldComparison, key: KeyComparison | None = None) -> str:
    status = _format.status(field)
    name = field.path if key is None else f'{key.label} {field.path}'
    differ = str(field.mismatched) if field.mismatched else ''
    if status not in {'mismatch', 'match'}:
        differ = f'{differ} ({status})'.strip()
    cells = [
        f'<code>{plain_text(name)}</code>',
        differ or status,
        plain_text(_format.quantity(field.max_error, field.unit)),
        _format.number(field.statistics.percentile(99.0)),
        plain_text(_format.limit(field)),
        _format.stamp(field.first.stamp_ns) if field.first else '',
    ]
    return f'| {" | ".join(cells)} |\n'


def _listed(paths: list[str]) -> str:
    shown = ', '.join(f'<code>{plain_text(each)}</code>' for each in paths[:10])
    return shown if len(paths) <= 10 else f'{shown} and {len(paths) - 10} more'


def plain_text(text: str, most: int = _NAME) -> str:
    """Return text that neither Markdown, HTML nor GitHub reads anything into, cut visibly."""
    plain = _format.escaped(text)
    if len(plain) > most:
        plain = f'{plain[:most]}... ({len(plain)} characters)'
    return _SPECIAL.sub(_entity, plain)


def _entity(found: re.Match[str]) -> str:
    character = found.group()
    return character if ord(character) > 127 else f'&#{ord(character)};'
