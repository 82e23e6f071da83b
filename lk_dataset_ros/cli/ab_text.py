"""The result of an experiment on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lk_dataset_ros.comparison.renderers._format import escaped
from lk_dataset_ros.comparison.renderers.text import print_keys
from lk_dataset_ros.experiment.reporting import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from lk_dataset_ros.experiment import ArmResult, ExperimentResult

STYLES = {'equivalent': 'bold green', 'differs': 'bold red', 'inconclusive': 'bold yellow'}
#: From so many columns on one table has room for everything.
_ROOMY = 130
#: With fewer, what arms cost stands below each other.
_NARROW = 78


def show(result: ExperimentResult, console: Console) -> None:
    """Print the verdict of every arm, the fields behind it, and what the arms cost."""
    for run in result.originals:
        if run.problem:
            label = run.place.label
            console.print(Text(f'{label}: error: {escaped(run.problem)}', 'bold red'))
            _show_tail(run.log_tail, console)
    for arm in result.compiled:
        _show_arm(arm, console)
    show_figures(result, console)
    _show_falsifying(result, console)
    verdict = result.verdict.value
    more = f', {figures.ACCEPTED[result.is_accepted]}' if _has_more(result) else ''
    console.print(Text(f'verdict: {verdict}{more}', STYLES.get(verdict, 'bold red')))
    console.print(Text(f'report:  {result.directory / "report.html"}'), soft_wrap=True)


def show_figures(result: ExperimentResult, console: Console) -> None:
    """Print all arms in figures: one table, or two where a line has no room for it."""
    rows = figures.rows(result)
    judged = ('arm', 'verdict', 'outputs')
    if console.width >= _ROOMY:
        table = _table((*judged, *figures.COSTS, 'first divergence'))
        for each in rows:
            cells = (escaped(each.name), each.verdict, each.outputs, *each.costs)
            _add(table, each.verdict, (*cells, escaped(each.remark)))
        console.print(table)
    else:
        table = _table((*judged, 'first divergence'))
        for each in rows:
            cells = (escaped(each.name), each.verdict, each.outputs, escaped(each.remark))
            _add(table, each.verdict, cells)
        console.print(table)
        lines = [('arm', *figures.COSTS), *((escaped(each.name), *each.costs) for each in rows)]
        if console.width < _NARROW:
            lines = list(zip(*lines, strict=True))
        costs = _table(lines[0])
        for line in lines[1:]:
            costs.add_row(*map(Text, line))
        console.print(costs)
    outcomes = figures.outcome_rows(result)
    if outcomes:
        names = [escaped(arm.name) for arm in result.compiled]
        table = _table(('outcome', result.original.arm.name, *names))
        for row in outcomes:
            table.add_row(*(Text(escaped(cell)) for cell in row))
        console.print(table)


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(Text(heading), overflow='fold', min_width=8 if number == 0 else None)
    return table


def _add(table: Table, verdict: str, cells: Sequence[str]) -> None:
    """Add a row with its verdict in colour."""
    style = STYLES.get(verdict, 'bold red')
    texts = [Text(each, style if each and each == verdict else '') for each in cells]
    table.add_row(*texts)


def _has_more(result: ExperimentResult) -> bool:
    """Tell whether the exit code is another than the verdict alone would have."""
    return result.verdict.exit_code != result.exit_code


def _show_arm(arm: ArmResult, console: Console) -> None:
    console.print()
    title = f'{arm.name} ({arm.run.arm.what}): {arm.verdict.value}'
    console.print(Text(escaped(title), 'bold'))
    if arm.problem:
        console.print(Text(f'  {escaped(arm.problem)}'))
        _show_tail(arm.log_tail, console)
    for each in arm.demands:
        console.print(Text(f'  {figures.demand(each)}'))
    if arm.comparison is not None:
        print_keys(arm.comparison, console, verbose=False)


def _show_falsifying(result: ExperimentResult, console: Console) -> None:
    for name, each in result.falsifying.items():
        console.print(Text(f'shortest input on which {escaped(name)} differs: {each.bag}'))
        console.print(Text(f'  {escaped(str(each.command))}'), soft_wrap=True)


def _show_tail(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(Text(f'  | {escaped(line)}', 'dim'))
