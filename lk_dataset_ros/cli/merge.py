"""`lk merge`: make one dataset of several."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from lk_dataset_ros.cli.copying import (
    Target,
    chosen_keys,
    label_of,
    names_in,
    target_options,
    topic_options,
    write_copy,
)
from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.dataset.copying import Source
from lk_dataset_ros.errors import DatasetError, KeyNotFoundError

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import Dataset

_PREFIX = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*/?')


@click.command(name='merge')
@click.argument('sources', nargs=-1, required=True, metavar='IN IN...')
@click.argument('out')
@click.option(
    '--prefix',
    'prefixes',
    multiple=True,
    metavar='IN=NAME',
    help='Put the topics of an input (its path, last part of the path, or number from 1) below '
    'NAME: /odom becomes /NAME/odom; may be given again.',
)
@click.option(
    '--relative',
    is_flag=True,
    help='Let all inputs start when the first one starts; stamps inside messages stay.',
)
@topic_options
@target_options
def command(
    sources: tuple[str, ...],
    out: str,
    prefixes: tuple[str, ...],
    relative: bool,
    topics: tuple[str, ...],
    regex: str | None,
    exclude: str | None,
    to: str | None,
    compression: str | None,
    chunk_size: int | None,
    no_progress: bool,
) -> int:
    """Make one dataset OUT of two or more, in order of time.

    A topic that is in several inputs becomes one, if its type is the same; otherwise nothing is
    written. OUT must not exist; it is there as a whole or not at all.
    """
    if len(sources) < 2:
        raise DatasetError('lk merge needs two or more inputs and OUT; lk convert copies one')
    below = _prefixes(sources, prefixes)
    target = Target(out, to, compression, chunk_size, no_progress)
    with ExitStack() as stack:
        datasets = [stack.enter_context(load(each)) for each in sources]
        _check_names(datasets, names_in(topics))
        shifts = _shifts(datasets) if relative else [0] * len(datasets)
        taken = [
            Source(
                dataset,
                {key: prefix + key for key in _keys(dataset, topics, regex, exclude)},
                shift_ns=shift_ns,
            )
            for dataset, prefix, shift_ns in zip(datasets, below, shifts, strict=True)
        ]
        if not any(each.names for each in taken):
            raise DatasetError(f'no topic of any input is chosen; there is {_known(datasets)}')
        return write_copy(taken, target)


def _check_names(datasets: list[Dataset], names: list[str]) -> None:
    """Raise a KeyNotFoundError if no input has a topic that is named."""
    for name in names:
        if not any(name in dataset for dataset in datasets):
            raise KeyNotFoundError(
                f'no topic of any input is called {name}; there is {_known(datasets)}'
            )


def _known(datasets: list[Dataset]) -> str:
    keys = dict.fromkeys(key for dataset in datasets for key in dataset)
    return ', '.join(keys) or 'nothing'


def _keys(
    dataset: Dataset, topics: tuple[str, ...], regex: str | None, exclude: str | None
) -> list[str]:
    """Return the chosen keys of an input; not every input has to have one."""
    known = dataset.keys()
    named = names_in(topics)
    here = tuple(name for name in named if name in known)
    if (named and not here and regex is None) or not known:
        return []
    try:
        return chosen_keys(dataset, here, regex, exclude)
    except DatasetError:
        if _is_pattern(regex) and _is_pattern(exclude):
            return []
        raise


def _is_pattern(text: str | None) -> bool:
    try:
        re.compile(text or '')
    except re.error:
        return False
    return True


def _shifts(datasets: list[Dataset]) -> list[int]:
    spans = [dataset.time_range_ns() for dataset in datasets]
    first_ns = next((span[0] for span in spans if span is not None), 0)
    return [first_ns - span[0] if span is not None else 0 for span in spans]


def _prefixes(sources: tuple[str, ...], given: tuple[str, ...]) -> list[str]:
    """Return what is put before the topics of each input.

    Raises:
        DatasetError: If a prefix names no input, several, or is no topic name.
    """
    found = [''] * len(sources)
    for text in given:
        name, equals, prefix = text.rpartition('=')
        if not equals or not _PREFIX.fullmatch(prefix):
            raise DatasetError(f'--prefix {text}: write IN=NAME, such as {sources[0]}=robot_1')
        at = [index for index, each in enumerate(sources) if each == name]
        at = at or [index for index, each in enumerate(sources) if label_of(each) == name]
        if not at and name.isdecimal() and 1 <= int(name) <= len(sources):
            at = [int(name) - 1]
        if len(at) != 1:
            number = 'several inputs' if at else 'no input'
            raise DatasetError(f'--prefix {text}: {name!r} is {number}; give its number from 1')
        found[at[0]] = '/' + prefix.strip('/')
    return found
