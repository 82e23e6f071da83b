"""`lk select`: keep the fastest arm that passes."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lk_dataset_ros.comparison.renderers._format import escaped
from lk_dataset_ros.comparison.renderers.text import wide
from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.reporting.figures import estimate, memory
from lk_dataset_ros.experiment.selecting.selecting import (
    ENOUGH_REPEATS,
    candidates_of,
    load_run,
    select,
)
from lk_dataset_ros.experiment.selecting.selection import Selection, load_selection
from lk_dataset_ros.experiment.specification import ORIGINAL, load_specification

if TYPE_CHECKING:
    from collections.abc import Mapping

SELECTION = 'selection.yaml'


@click.command(name='select')
@click.argument('experiment', type=click.Path(path_type=Path), required=False)
@click.option(
    '--from',
    'run',
    type=click.Path(path_type=Path),
    help='Folder of a finished run to choose from, instead of running the experiment.',
)
@click.option(
    '--output',
    type=click.Path(path_type=Path),
    default=Path(SELECTION),
    help=f'File to write; other components in it are kept. By default {SELECTION}.',
)
def command(experiment: Path | None, run: Path | None, output: Path) -> int:
    """Keep the fastest arm of EXPERIMENT that passes: write which one into selection.yaml.

    The fastest is the one with the least processor time per input; among equally fast ones it is
    the one with the least memory. The original stays if none is significantly faster. Exits 0 if
    a compiled arm was selected, 1 if the original stays, 2 if nothing could be judged.
    """
    if experiment is None and run is None:
        raise click.UsageError('give an experiment.yaml, or --from and the folder of a run')
    # A file that is no selection is found before an hour of running.
    before = load_selection(output) if output.exists() else Selection(output)
    console = wide(Console())
    if run is not None:
        content = load_run(run)
        _check_name(experiment, content, run)
        _show(content, console)
        folder = run if run.is_dir() else run.parent
    else:
        content, folder = _run(experiment or Path(), console)
    name = content['name']
    today = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
    choice = select(content, folder.absolute(), date=today)
    before.with_choice(name, choice).save()
    console.print(Text(f'{escaped(name)}: {choice.arm.name}: {escaped(choice.why)}', 'bold'))
    console.print(Text(f'written: {output}'), soft_wrap=True)
    return 1 if choice.arm.name == ORIGINAL else 0


def _run(experiment: Path, console: Console) -> tuple[dict[str, Any], Path]:
    """Run the experiment, often enough for intervals."""
    # Whoever chooses from a finished run needs none of what runs one.
    from lk_dataset_ros.cli.ab_progress import Watcher  # noqa: PLC0415
    from lk_dataset_ros.cli.ab_text import show  # noqa: PLC0415
    from lk_dataset_ros.experiment.reporting.report import result_to_dict  # noqa: PLC0415
    from lk_dataset_ros.experiment.run import run_experiment  # noqa: PLC0415

    specification = load_specification(experiment)
    if specification.repeats < ENOUGH_REPEATS:
        print(
            f'lk: the original is run {ENOUGH_REPEATS} times: processor time of one run has no '
            'confidence interval',
            file=sys.stderr,
        )
        specification = specification.replace(repeats=ENOUGH_REPEATS)
    with Watcher(Console(stderr=True)) as watcher:
        result = run_experiment(specification, watcher, falsify=False)
    show(result, console)
    return result_to_dict(result), result.directory


def _check_name(experiment: Path | None, content: Mapping[str, Any], run: Path) -> None:
    if experiment is None:
        return
    name = load_specification(experiment).name
    if name != content['name']:
        raise SpecificationError(
            f'{run} is a run of {content["name"]!r}, {experiment} is {name!r}; give a run of it'
        )


def _show(content: Mapping[str, Any], console: Console) -> None:
    """Print the figures that are chosen by."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ('arm', 'verdict', 'passes', 'speed-up', 'p50 original/compiled', 'peak'):
        table.add_column(heading, overflow='fold')
    for each in candidates_of(content):
        cells = (
            escaped(each.name),
            each.verdict,
            'yes' if each.passes else 'no',
            estimate(each.ratio('cpu')),
            estimate(each.ratio('p50')),
            memory(each.peak_bytes),
        )
        table.add_row(*map(Text, cells))
    console.print(table)
