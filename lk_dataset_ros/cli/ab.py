"""`lk ab`: run an experiment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lk_dataset_ros.comparison.renderers._format import divergence
from lk_dataset_ros.comparison.renderers.text import print_keys, wide
from lk_dataset_ros.experiment import Specification, run_experiment

if TYPE_CHECKING:
    from rich.progress import TaskID
    from typing_extensions import Self

    from lk_dataset_ros.experiment import ArmResult, ArmRun, ExperimentResult

STYLES = {'equivalent': 'bold green', 'differs': 'bold red', 'inconclusive': 'bold yellow'}


class _Watcher:
    """Shows how a run goes: a bar per arm on a terminal, a line per arm elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn('{task.description:<16}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def arm_starts(self, name: str) -> None:
        """Show a new bar."""
        self._tasks[name] = self._bars.add_task(name, total=None)

    def arm_advances(self, name: str, sent: int, total: int) -> None:
        """Move a bar."""
        self._bars.update(self._tasks[name], completed=sent, total=total)

    def arm_ends(self, run: ArmRun) -> None:
        """Fill a bar, or write a line."""
        sent, received = sum(run.sent.values()), sum(run.received.values())
        name = run.arm.name
        self._bars.update(self._tasks[name], completed=sent, total=max(sent, 1))
        self._bars.stop_task(self._tasks[name])
        if not self._console.is_terminal:
            print(f'{name}: {sent} inputs, {received} outputs', file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Write a warning."""
        print(f'lk: warning: {text}', file=sys.stderr, flush=True)


@click.command(name='ab')
@click.argument('experiment', type=click.Path(path_type=Path))
@click.option(
    '--bag', type=click.Path(path_type=Path), help='Another bag than the specification names.'
)
@click.option(
    '--rtf',
    type=click.FloatRange(0.0, 1e6),
    help='Another real-time factor; 0 is as fast as answered.',
)
@click.option(
    '--output',
    type=click.Path(path_type=Path),
    help='Folder of the run; by default runs/<name>/<time>.',
)
def command(experiment: Path, bag: Path | None, rtf: float | None, output: Path | None) -> int:
    """Run original against compiled as EXPERIMENT (a YAML file) says.

    Every arm is started as a process of its own, gets the same inputs and is recorded; then the
    outputs are compared. Exits 0 if all are equivalent, 1 if one differs, 2 if one could not be
    judged.
    """
    specification = Specification.load(experiment).with_changes(bag=bag, rtf=rtf)
    with _Watcher(Console(stderr=True)) as watcher:
        result = run_experiment(specification, watcher, output=output)
    show(result, wide(Console()))
    return result.exit_code


def show(result: ExperimentResult, console: Console) -> None:
    """Print the verdict of every arm and the fields behind it."""
    if result.original.problem:
        console.print(
            f'original: error: {result.original.problem}', style='bold red', markup=False
        )
        _show_tail(result.original, console)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ('arm', 'verdict', 'outputs', 'missing', 'extra', 'first divergence'):
        table.add_column(heading)
    for arm in result.compiled:
        table.add_row(*_row(result, arm))
    for arm in result.compiled:
        _show_arm(arm, console)
    console.print(table)
    console.print(
        f'verdict: {result.verdict.value}', style=STYLES.get(result.verdict.value, 'bold red')
    )
    console.print(f'report:  {result.directory / "report.html"}', markup=False, soft_wrap=True)


def _row(result: ExperimentResult, arm: ArmResult) -> list[str]:
    style = STYLES.get(arm.verdict.value, 'bold red')
    verdict = f'[{style}]{arm.verdict.value}[/]'
    received = sum(arm.run.received.values())
    outputs = f'{received} of {sum(result.original.received.values())}'
    if arm.comparison is None:
        return [escape(arm.name), verdict, outputs, '', '', escape(arm.problem)]
    return [
        escape(arm.name),
        verdict,
        outputs,
        str(sum(key.missing for key in arm.comparison.keys)),
        str(sum(key.extra for key in arm.comparison.keys)),
        escape(divergence(arm.comparison)),
    ]


def _show_arm(arm: ArmResult, console: Console) -> None:
    console.print()
    console.print(
        f'{arm.name} ({arm.run.arm.what}): {arm.verdict.value}', style='bold', markup=False
    )
    if arm.problem:
        console.print(f'  {arm.problem}', markup=False)
        _show_tail(arm.run, console)
    if arm.comparison is not None:
        print_keys(arm.comparison, console, verbose=False)


def _show_tail(run: ArmRun, console: Console) -> None:
    for line in run.log_tail:
        console.print(f'  | {line}', style='dim', markup=False)
