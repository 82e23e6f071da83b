"""`lk init`: write a first specification by looking at a bag or at a running graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lk_dataset_ros.cli.loading import warn
from lk_dataset_ros.experiment.drafting import (
    draft_from_bag,
    draft_from_graph,
    look_at_graph,
    text_of,
    write_draft,
)
from lk_dataset_ros.experiment.drafting.naming import arm_named, compiled_named
from lk_dataset_ros.experiment.specification import ORIGINAL, json_schema

if TYPE_CHECKING:
    from lk_dataset_ros.experiment.drafting import Draft
    from lk_dataset_ros.experiment.specification import Arm

_STDOUT = '-'


@click.command(name='init')
@click.option(
    '--bag', type=click.Path(path_type=Path), help='Bag that the inputs come from; looked into.'
)
@click.option('--graph', 'is_graph', is_flag=True, help='Look at the running graph.')
@click.option(
    '--node', default='', metavar='NAME', help='Node of the running graph that is the original.'
)
@click.option(
    '--original',
    metavar='ARM',
    help='The original: package.module:Class, package/executable, or a command line.',
)
@click.option(
    '--compiled',
    multiple=True,
    metavar='NAME=ARM',
    help='A compiled arm, its name before it. May be given again.',
)
@click.option(
    '--python-path',
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar='DIR',
    help="Folder to import components from; the output's by default. May be given again.",
)
@click.option('--name', metavar='NAME', help="Name of the experiment; the folder's by default.")
@click.option(
    '-o',
    '--output',
    type=click.Path(path_type=Path, allow_dash=True),
    default=Path('experiment.yaml'),
    show_default=True,
    help='The file to write; - prints it.',
)
@click.option('--force', is_flag=True, help='Overwrite the file if it is there.')
@click.option(
    '--limit',
    'limit_s',
    type=click.FloatRange(0.1, 600.0),
    default=15.0,
    show_default=True,
    metavar='S',
    help='How long to wait for the graph to settle, s.',
)
@click.option('--schema', is_flag=True, help='Print the JSON schema of the format, for editors.')
def command(
    bag: Path | None,
    is_graph: bool,
    node: str,
    original: str | None,
    compiled: tuple[str, ...],
    python_path: tuple[Path, ...],
    name: str | None,
    output: Path,
    force: bool,
    limit_s: float,
    schema: bool,
) -> int:
    """Write a commented experiment.yaml by looking at a bag, or at a running graph.

    With --bag, topics of the bag are proposed as inputs: those that the ports of the original take,
    if it is a component. With --graph, the original is a node that runs, and the experiment is live,
    or, with --bag too, on what was recorded of its inputs. Read what comes out before lk ab.
    """
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return 0
    is_graph = is_graph or bool(node)
    if bag is None and not is_graph:
        raise click.UsageError('give --bag DIR to look into a bag, or --graph for what is running')
    folder = Path() if str(output) == _STDOUT else output.parent
    paths = [str(each.resolve()) for each in python_path or (folder,)]
    arm = None if original is None else arm_named(ORIGINAL, original, paths)
    arms = [compiled_named(each, paths) for each in compiled]
    _refuse_same_names(arms)
    title = _name(name, folder)
    if is_graph:
        nodes, is_settled = look_at_graph(node=node, limit_s=limit_s)
        is_there = not node or f'/{node.lstrip("/")}' in [each.name for each in nodes]
        if nodes and is_there and not is_settled:
            warn([f'the graph was still changing after {limit_s:g} s'])
        draft = draft_from_graph(nodes, arm, arms, name=title, node=node, bag=bag)
    else:
        assert bag is not None
        draft = draft_from_bag(bag, arm, arms, name=title)
    if str(output) == _STDOUT:
        click.echo(text_of(draft, Path.cwd()), nl=False)
    else:
        write_draft(draft, output, is_forced=force)
        _say(draft, output)
    return 0


def _refuse_same_names(arms: list[Arm]) -> None:
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f'two compiled arms are called {name}; give each its own name')


def _name(given: str | None, folder: Path) -> str:
    """Return the name of the experiment, by default made of the folder's."""
    if given is not None:
        return given
    letters = [
        each if each.isascii() and each.isalnum() else '_' for each in folder.resolve().name
    ]
    return ''.join(letters).strip('_')[:100] or 'experiment'


def _say(draft: Draft, output: Path) -> None:
    click.echo(f'{output}: {len(draft.inputs.topics)} inputs, {len(draft.outputs)} outputs')
    for note in draft.notes:
        click.echo(f'  look at: {" ".join(note.split())}')
    click.echo(f'next: lk ab {output}')
