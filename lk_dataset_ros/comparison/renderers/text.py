"""A comparison as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lk_dataset_ros.comparison.renderers import _format

if TYPE_CHECKING:
    from lk_dataset_ros.comparison.result import DatasetComparison, KeyComparison

#: Columns of the text format.
WIDTH = 140


def to_str(comparison: DatasetComparison) -> str:
    """Return verdict, counts and fields as plain text, 140 columns wide."""
    console = Console(width=WIDTH, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(
            f'{comparison.compiled_name} against {comparison.original_name}: '
            f'{comparison.verdict.value}',
            markup=False,
        )
        first = _format.divergence(comparison)
        if first:
            console.print(f'first divergence: {first}', markup=False)
        print_keys(comparison, console)
    return capture.get()


def print_keys(comparison: DatasetComparison, console: Console) -> None:
    """Print how the messages of each key were paired, and its fields."""
    for key in comparison.keys:
        console.print(summary_of(key), markup=False)
        if key.fields:
            console.print(table_of(key))


def summary_of(key: KeyComparison) -> str:
    """Return one line on how the messages of a key were paired."""
    if key.problem:
        return f'{key.key}: {key.problem}'
    parts = [f'{key.paired} pairs by {key.paired_by.replace("_", " ")}']
    parts += [f'{key.missing} missing'] if key.missing else []
    parts += [f'{key.extra} extra'] if key.extra else []
    return f'{key.key} ({key.type_name}): {", ".join(parts)}'


def table_of(key: KeyComparison) -> Table:
    """Return the fields of a key as a table, those that differ first."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column('field', overflow='fold')
    table.add_column('verdict', overflow='fold')
    for heading in ('differ', 'max error', 'rms', 'bias'):
        table.add_column(heading, justify='right', no_wrap=True)
    table.add_column('tolerance', no_wrap=True)
    table.add_column('first at stamp', no_wrap=True)
    for field in [*key.differing, *(each for each in key.fields if each.is_equal)]:
        verdict, style = ('match', 'green') if field.is_equal else ('mismatch', 'bold red')
        if field.ignored_because:
            verdict, style = f'ignored: {field.ignored_because}', 'dim'
        table.add_row(
            escape(field.path),
            escape(verdict),
            str(field.mismatched or ''),
            _format.number(field.max_error),
            _format.number(field.rms_error),
            _format.number(field.bias),
            '' if field.ignored_because else _format.limit(field),
            _format.stamp(field.first.stamp_ns) if field.first else '',
            style=style,
        )
    return table


def wide(console: Console) -> Console:
    """Give a console that is no terminal (a pipe, a log) enough columns for the table."""
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console
