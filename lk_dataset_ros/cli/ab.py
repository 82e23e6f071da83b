"""`lk ab`: run an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from lk_dataset_ros.cli.ab_progress import Watcher
from lk_dataset_ros.cli.ab_text import show
from lk_dataset_ros.comparison.renderers.text import wide
from lk_dataset_ros.experiment import Mode, load_specification, run_experiment

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = [mode.value for mode in Mode]


def changes_of_experiment(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that change what a specification says."""
    for option in reversed(
        (
            click.option(
                '--bag',
                type=click.Path(path_type=Path),
                help='Another bag than the specification names.',
            ),
            click.option('--mode', type=click.Choice(MODES), help='Another mode.'),
            click.option(
                '--rtf',
                type=click.FloatRange(0.0, 1e6),
                help='Another real-time factor; 0 is as fast as answered.',
            ),
            click.option(
                '--repeats',
                type=click.IntRange(1, 1000),
                help='How often the original is run; from 2 on there is a noise floor.',
            ),
            click.option(
                '--seed', type=click.IntRange(0, 2**63 - 1), help='Another seed of the world.'
            ),
            click.option(
                '--duration',
                'duration_s',
                type=click.FloatRange(0.0, 1e6, min_open=True),
                help='How much of the bag, how long in the world or on the live graph, s.',
            ),
        )
    ):
        function = option(function)
    return function


@click.command(name='ab')
@click.argument('experiment', type=click.Path(path_type=Path))
@changes_of_experiment
@click.option(
    '--output',
    type=click.Path(path_type=Path),
    help='Folder of the run; by default runs/<name>/<time>.',
)
@click.option(
    '--falsify/--no-falsify',
    default=True,
    help='Look for the shortest input that shows a difference, where there is one.',
)
@click.option(
    '--bags',
    multiple=True,
    metavar='PATTERN',
    help="Run it on every bag that matches ('data/*.mcap'; files, patterns or folders, may be given "
    'again), with one table over all.',
)
@click.option(
    '--jobs', type=click.IntRange(1, 256), default=1, help='How many bags at once (with --bags).'
)
@click.option(
    '--failed-of',
    type=click.Path(path_type=Path),
    help='Run those bags again that were not equivalent in that folder of an earlier --bags.',
)
def command(
    experiment: Path,
    output: Path | None,
    *,
    falsify: bool,
    bags: tuple[str, ...],
    jobs: int,
    failed_of: Path | None,
    **options: Any,
) -> int:
    """Run original against compiled as EXPERIMENT (a YAML file) says.

    Every arm is started as a process of its own, gets the same inputs and is recorded; then the
    outputs are compared. Exits 0 if all are equivalent, 1 if one differs, 2 if one could not be
    judged.
    """
    specification = load_specification(
        experiment, **{name: value for name, value in options.items() if value is not None}
    )
    if bags or failed_of is not None:
        from lk_dataset_ros.cli.many_text import run_bags  # noqa: PLC0415

        if options['bag'] is not None:
            raise click.UsageError('give --bag or --bags, not both')
        return run_bags(
            specification, bags, failed_of=failed_of, jobs=jobs, output=output, falsify=falsify
        )
    with Watcher(Console(stderr=True)) as watcher:
        result = run_experiment(specification, watcher, output=output, falsify=falsify)
    show(result, wide(Console()))
    return result.exit_code
