"""`lk export`: write bags in a format that people train from."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.cli.copying import counted
from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.cli.progress import Advance, progress, progress_option
from lk_dataset_ros.dataset.exports import (
    Sampling,
    default_features,
    write_lerobot,
    write_robomimic,
    write_tables,
)
from lk_dataset_ros.dataset.exports.mapping import with_options
from lk_dataset_ros.dataset.exports.target import check_free, new_file
from lk_dataset_ros.errors import ExportError

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import Dataset
    from lk_dataset_ros.dataset.exports import ResamplingReport

_FRAMES = ('lerobot', 'robomimic')
#: Options that only one kind of export has, and their values when they are not given.
_OF_TABLES = {'keys': (), 'fields': ()}
_OF_FRAMES = {
    'state': (),
    'action': (),
    'images': (),
    'mapping': None,
    'fps': None,
    'method': 'hold',
    'slerp': False,
    'max_age': None,
    'stamps': False,
    'marker': None,
    'task': '',
    'report': None,
}


@click.command(name='export')
@click.argument('bags', nargs=-1, required=True)
@click.option(
    '--to',
    'kind',
    required=True,
    type=click.Choice(['parquet', 'csv', *_FRAMES]),
    help='parquet, csv: a table for each topic. lerobot, robomimic: frames on one clock.',
)
@click.option('--out', required=True, type=click.Path(path_type=Path), help='What is made.')
@click.option(
    '--topic',
    '--key',
    'keys',
    multiple=True,
    metavar='NAME',
    help='Tables: this topic only; may be given again, as the next four.',
)
@click.option(
    '--field', 'fields', multiple=True, metavar='PATH', help='Tables: this field, all below it.'
)
@click.option(
    '--state', multiple=True, metavar='SIGNAL', help='Frames: a signal of observation.state.'
)
@click.option('--action', multiple=True, metavar='SIGNAL', help='Frames: a signal of the action.')
@click.option('--image', 'images', multiple=True, metavar='NAME=TOPIC', help='Frames: a camera.')
@click.option(
    '--mapping',
    type=click.Path(path_type=Path),
    help='Frames: a YAML file, feature name -> signal or list of signals.',
)
@click.option('--fps', type=float, help='Frames: how many per second.')
@click.option(
    '--method',
    default='hold',
    type=click.Choice(['hold', 'nearest', 'linear']),
    show_default=True,
    help='Frames: which sample one takes; linear mixes two.',
)
@click.option('--slerp', is_flag=True, help='With linear: turn quaternions on the sphere.')
@click.option(
    '--max-age',
    type=float,
    metavar='SECONDS',
    help='Frames: leave out those without a sample so near.',
)
@click.option('--stamps', is_flag=True, help='Frames: go by header stamps, where there are any.')
@click.option(
    '--marker', metavar='TOPIC', help='Frames: each of its messages begins a new episode.'
)
@click.option('--task', default='', help='Frames: what the robot is told to do.')
@click.option(
    '--valid',
    type=float,
    help='robomimic: share of the episodes for validation.  [default: 0.1]',
)
@click.option(
    '--report',
    type=click.Path(path_type=Path),
    help='Frames: also write what resampling has cost, as JSON.',
)
@progress_option
def command(bags: tuple[str, ...], kind: str, out: Path, **options: Any) -> int:
    """Write BAGS as something that people train from, at a path where nothing is.

    A signal is a topic and a field, such as /joint_states.position or /cmd_vel.linear.x; a topic
    alone stands for all its numbers. Without any, topics called after a command are the action,
    images are images, and all else is the state. Frames are told with what resampling has cost.
    """
    check_free(out)
    if options['report'] is not None:
        check_free(options['report'])
    _check_options(kind, options)
    with ExitStack() as stack:
        datasets = [stack.enter_context(load(bag)) for bag in bags]
        if kind in _FRAMES:
            _frames(datasets, kind, out, options)
        elif len(datasets) == 1:
            _tables(datasets[0], kind, out, options)
        else:
            raise ExportError(f'{len(bags)} bags are not one {kind} table a topic: lk merge them')
    return 0


def _check_options(kind: str, options: dict[str, Any]) -> None:
    """Raise an ExportError if an option would have no effect."""
    without = _OF_TABLES if kind in _FRAMES else _OF_FRAMES
    unused = [name for name, default in without.items() if options[name] != default]
    if kind != 'robomimic' and options['valid'] is not None:
        unused.append('valid')
    if unused:
        names = {'keys': 'topic', 'fields': 'field', 'images': 'image', 'max_age': 'max-age'}
        raise ExportError(f'--{names.get(unused[0], unused[0])} has no effect on {kind}')
    if options['slerp'] and options['method'] != 'linear':
        raise ExportError(f'--slerp goes with --method linear, not {options["method"]}')


def _tables(dataset: Dataset, kind: str, out: Path, options: dict[str, Any]) -> None:
    keys, fields = list(options['keys']) or None, list(options['fields']) or None
    total = sum(dataset.topic(key).count for key in keys or dataset.keys())
    with progress('export', total, enabled=not options['no_progress'], unit='messages') as advance:
        rows = write_tables(
            dataset,
            out,
            kind='csv' if kind == 'csv' else 'parquet',
            keys=keys,
            fields=fields,
            advance=advance,
        )
    for key, count in rows.items():
        print(f'{key}: {counted(count, "row")}')


def _frames(datasets: list[Dataset], kind: str, out: Path, options: dict[str, Any]) -> None:
    if options['fps'] is None:
        raise ExportError(f'say how many frames per second {kind} is to have: --fps 20')
    sampling = Sampling(
        fps=options['fps'],
        method=options['method'],
        slerp=options['slerp'],
        max_age_s=options['max_age'],
        time='stamp' if options['stamps'] else 'log',
        marker=options['marker'],
    )
    features = with_options(
        options['mapping'], options['state'], options['action'], options['images']
    )
    if not features:
        features = default_features(datasets[0], without=options['marker'])
        for name, signals in features.items():
            print(f'{name}: {", ".join(signals)}')
    with progress('export', None, enabled=not options['no_progress'], unit='frames') as advance:
        report = _write(datasets, kind, out, features, sampling, options, advance)
    print(report.to_str())
    if options['report'] is not None:
        with new_file(options['report']) as file:
            file.write_text(json.dumps(report.to_dict(), indent=2) + '\n', encoding='utf-8')


def _write(
    datasets: list[Dataset],
    kind: str,
    out: Path,
    features: dict[str, Any],
    sampling: Sampling,
    options: dict[str, Any],
    advance: Advance,
) -> ResamplingReport:
    if kind == 'lerobot':
        return write_lerobot(
            datasets,
            out,
            features=features,
            sampling=sampling,
            task=options['task'],
            advance=advance,
        )
    return write_robomimic(
        datasets,
        out,
        features=features,
        sampling=sampling,
        task=options['task'],
        valid_ratio=0.1 if options['valid'] is None else options['valid'],
        advance=advance,
    )
