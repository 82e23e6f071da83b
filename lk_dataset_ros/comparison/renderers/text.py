"""A comparison as a table for a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lk_dataset_ros.comparison.renderers import _format
from lk_dataset_ros.comparison.result import Verdict

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

#: Columns of the text format.
WIDTH = 140
#: From so many columns on there is room for everything.
_ROOMY = 120
#: Equal fields that are shown, over all keys.
_EQUAL = 24
_STYLES = {
    Verdict.EQUIVALENT: 'bold green',
    Verdict.DIFFERS: 'bold red',
    Verdict.INCONCLUSIVE: 'bold yellow',
    Verdict.ERROR: 'bold red',
}
_ROW_STYLES = {'mismatch': 'bold red', 'unclear': 'yellow', 'noise': 'yellow', 'match': 'green'}


def to_str(comparison: DatasetComparison, *, width: int = WIDTH, verbose: bool = False) -> str:
    """Return verdict, first divergence and fields as plain text.

    Args:
        comparison: What to show.
        width: Columns.
        verbose: Show every equal field, however many there are.
    """
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        print_head(comparison, console)
        print_keys(comparison, console, verbose=verbose)
    return capture.get()


def print_head(comparison: DatasetComparison, console: Console) -> None:
    """Print verdict, first divergence and what is known of the noise floor."""
    verdict = comparison.verdict
    names = f'{comparison.compiled_name} against {comparison.original_name}: '
    line = Text(_format.escaped(names))
    line.append(verdict.value, _STYLES[verdict])
    console.print(line)
    first = _format.first(comparison)
    if first:
        console.print(Text(f'first divergence: {first}'))
    runs = f'{comparison.runs} comparisons added up; ' if comparison.runs > 1 else ''
    console.print(Text(f'{runs}{_format.noise(comparison)}', 'dim'))


def print_keys(comparison: DatasetComparison, console: Console, *, verbose: bool = True) -> None:
    """Print how the messages of each key were paired, and its fields.

    Args:
        comparison: What to show.
        console: Where; a narrow one gets fewer columns.
        verbose: Show every equal field, however many there are.
    """
    share = None if verbose else _EQUAL // max(len(comparison.keys), 1)
    for key in comparison.keys:
        style = '' if key.verdict is Verdict.EQUIVALENT else _STYLES[key.verdict]
        console.print()
        console.print(Text(summary_of(key), style))
        if key.hint:
            console.print(Text(f'  {_format.escaped(key.hint)}'))
        if key.fields:
            _print_fields(key, console, share)


def summary_of(key: KeyComparison) -> str:
    """Return one line on how the messages of a key were paired."""
    label = _format.escaped(key.label)
    if key.problem:
        return f'{label}: {_format.escaped(key.problem)}'
    of_type = f' ({_format.escaped(key.type_name)})' if key.type_name else ''
    return f'{label}{of_type}: {_format.pairing(key)}'


def table_of(key: KeyComparison, *, width: int = WIDTH, equal: int | None = None) -> Table:
    """Return the fields of a key as a table, those that differ first, the worst on top.

    Args:
        key: Its ignored fields are not in the table.
        width: Columns that there are.
        equal: How many equal fields are shown, those of the largest errors; None for all.
    """
    is_roomy = width >= _ROOMY
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2 if is_roomy else 1, 0, 0))
    table.add_column('field', overflow='fold', min_width=12)
    table.add_column('verdict', no_wrap=is_roomy, overflow='fold')
    for heading in ('differ', 'max error', 'p99', *(('rms', 'bias') if is_roomy else ())):
        table.add_column(heading, justify='right', overflow='fold')
    table.add_column('tolerance', overflow='fold')
    if is_roomy:
        table.add_column('first at stamp', no_wrap=True)
    for field in shown_fields(key, equal):
        status = _format.status(field)
        cells = [_format.escaped(field.path), status, str(field.mismatched or '')]
        cells.append(_format.quantity(field.max_error, field.unit))
        numbers = [field.statistics.percentile(99.0)]
        numbers += [field.rms_error, field.bias] if is_roomy else []
        cells += [*map(_format.number, numbers), _format.limit(field)]
        if is_roomy:
            cells.append(_format.stamp(field.first.stamp_ns) if field.first else '')
        table.add_row(*map(Text, cells), style=_ROW_STYLES.get(status, 'dim'))
    return table


def shown_fields(key: KeyComparison, equal: int | None = None) -> list[FieldComparison]:
    """Return the fields of a key that a table shows, the worst first; no ignored ones.

    Args:
        key: The key.
        equal: How many of those that are plainly equal, the largest errors first; None for all
            of them, in order of definition.
    """
    compared = [each for each in key.fields if not each.ignored_because]
    told = [each for each in compared if _format.status(each) != 'match']
    same = [each for each in compared if _format.status(each) == 'match']
    if equal is not None and len(same) > equal:
        kept = sorted(same, key=lambda each: each.statistics.largest, reverse=True)[:equal]
        same = [each for each in same if any(each is other for other in kept)]
    return [*sorted(told, key=severity, reverse=True), *same]


def severity(field: FieldComparison) -> tuple[bool, bool, float, float]:
    """Return how bad a field is, to sort by."""
    relative = field.statistics.largest_relative
    share = field.mismatched / max(field.matched + field.mismatched, 1)
    known = relative if relative == relative else 0.0  # noqa: PLR0124
    return not field.is_equal, field.is_judged, share, known


def ignored_of(key: KeyComparison) -> list[tuple[str, list[str]]]:
    """Return the reasons for ignoring fields, and the fields of each."""
    found = sorted(
        (each for each in key.fields if each.ignored_because),
        key=lambda each: each.ignored_because,
    )
    return [
        (reason, [each.path for each in fields])
        for reason, fields in groupby(found, lambda each: each.ignored_because)
    ]


def _print_fields(key: KeyComparison, console: Console, share: int | None) -> None:
    shown = shown_fields(key, share)
    if shown:
        console.print(table_of(key, width=console.width, equal=share))
    ignored = ignored_of(key)
    left = len(key.fields) - len(shown) - sum(len(paths) for _, paths in ignored)
    if left:
        more = 'more ' if any(_format.status(each) == 'match' for each in shown) else ''
        verb = 'matches' if left == 1 else 'match'
        console.print(Text(f'  {left} {more}{"field" if left == 1 else "fields"} {verb}', 'green'))
    for field in shown:
        if _format.status(field) != 'match':
            for remark in _format.remarks(field):
                console.print(Text(f'  {_format.escaped(field.path)}: {remark}', 'dim'))
    for reason, paths in ignored:
        names = ', '.join(map(_format.escaped, paths))
        console.print(Text(f'  ignored: {_format.escaped(reason)}: {names}', 'dim'))


def wide(console: Console) -> Console:
    """Give a console that is no terminal (a pipe, a log) enough columns for the table."""
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console
