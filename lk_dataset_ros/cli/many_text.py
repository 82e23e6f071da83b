"""`lk ab --bags`: an experiment on many bags, with one table over all."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import TextColumn
from rich.table import Table
from rich.text import Text

from lk_dataset_ros.cli.ab_progress import Bars
from lk_dataset_ros.comparison.renderers.text import wide
from lk_dataset_ros.errors import BagExistsError
from lk_dataset_ros.experiment.many.bag_run import run_in_child
from lk_dataset_ros.experiment.many.bags import expand_bags, named_bags
from lk_dataset_ros.experiment.many.report import HEADINGS, failed_bags, headline, rows
from lk_dataset_ros.experiment.many.running import run_many

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.many.bags import NamedBag
    from lk_dataset_ros.experiment.many.result import BagRun, ManyResult
    from lk_dataset_ros.experiment.specification import Specification

_STYLES = {'equivalent': 'green', 'differs': 'red', 'inconclusive': 'yellow', 'error': 'red'}


def run_bags(
    specification: Specification,
    patterns: tuple[str, ...],
    *,
    failed_of: Path | None,
    jobs: int,
    output: Path | None,
    falsify: bool,
) -> int:
    """Run an experiment on many bags, show the table, and return the exit code.

    Raises:
        LkError: If no bag was found, or the folder of the run cannot be made.
    """
    bags = _bags(patterns, failed_of)
    if not bags:
        click.echo(f'every bag of {failed_of} was accepted; there is nothing to run again')
        return 0
    directory = output or _directory(specification.name)
    run_one = partial(run_in_child, falsify=falsify)
    with BagWatcher(Console(stderr=True), len(bags)) as watcher:
        result = run_many(specification, bags, directory, jobs, watcher, run_one)
    show(result, wide(Console()))
    return result.exit_code


def show(result: ManyResult, console: Console) -> None:
    """Print the table over all bags, the verdict, and how to run again what failed."""
    table = Table(*HEADINGS)
    for _, _, cells in rows(result):
        style = _STYLES.get(cells[2], '')
        texts = [Text(each, style if place == 2 else '') for place, each in enumerate(cells)]
        table.add_row(*texts)
    console.print(table)
    for name, total in result.totals().items():
        if total.runs > 1:
            pairs = sum(key.paired for key in total.keys)
            console.print(
                Text(f'{name} over {total.runs} bags: {pairs} pairs, {total.verdict.value}')
            )
    console.print(Text(f'Verdict: {headline(result)}, in {result.seconds:.1f} s'))
    console.print(Text(f'Reports: {result.directory}'))
    for run in result.failed:
        click.echo(f'Again, alone: {result.rerun_command(run)}')
    if len(result.failed) > 1:
        experiment = result.directory / 'experiment.yaml'
        click.echo(f'Again, all of them: lk ab {experiment} --failed-of {result.directory}')


class BagWatcher(Bars):
    """Shows how far the bags are: bars on a terminal, a line per bag elsewhere.

    Args:
        console: Where to.
        total: How many bags.
    """

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(console, TextColumn('{task.description}', markup=False))
        self._all = self._bars.add_task('bags', total=total)

    def bag_starts(self, name: str) -> None:
        """Show another bar."""
        self._add(name)

    def bag_advances(self, name: str, done: int, total: int) -> None:
        """Move a bar."""
        self._move(name, done, total)

    def bag_ends(self, run: BagRun) -> None:
        """Replace the bar by a line."""
        self._bars.remove_task(self._tasks.pop(run.name))
        self._bars.advance(self._all)
        what = f': {run.problem}' if run.problem else ''
        line = f'{run.name}: {run.verdict.value}{what} ({run.seconds:.1f} s)'
        if self._console.is_terminal:
            self._bars.console.print(Text(line))
        else:
            print(line, file=sys.stderr, flush=True)


def _bags(patterns: tuple[str, ...], failed_of: Path | None) -> list[NamedBag]:
    if failed_of is None:
        return expand_bags(patterns)
    if patterns:
        raise click.UsageError('give --bags or --failed-of, not both')
    return named_bags(failed_bags(failed_of))


def _directory(name: str) -> Path:
    """Return a folder for a run that is not there yet."""
    base = Path('runs') / name / time.strftime('%Y%m%d-%H%M%S')
    for number in range(1, 1000):
        directory = base if number == 1 else base.with_name(f'{base.name}-{number}')
        if not directory.exists():
            return directory
    raise BagExistsError(f'{base} exists; a run never overwrites anything')
