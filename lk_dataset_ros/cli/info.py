"""`lk info`: what is in a bag."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.cli.info_text import (
    details_text,
    losses_text,
    megabytes,
    rates_text,
    summary_text,
)
from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.cli.progress import progress, progress_option
from lk_dataset_ros.dataset.inspection.summary import inspect_topic, summarize

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import Dataset
    from lk_dataset_ros.dataset.inspection.summary import Summary, TopicDetails

#: A bag up to this size and number of messages is read without being asked: a second or so.
AUTOMATIC_BYTES = 64_000_000
AUTOMATIC_MESSAGES = 100_000
#: Name and version of the machine format; a change that breaks its readers raises the version.
JSON_FORMAT, JSON_VERSION = 'lk_dataset_ros/info', 1


@click.command(name='info')
@click.argument('bag')
@click.option(
    '--topic',
    '--key',
    'topics',
    multiple=True,
    metavar='NAME',
    help='Tell of this topic only; may be given again.',
)
@click.option(
    '--full/--summary',
    'full',
    default=None,
    help='Read all messages, or only the summary; by default bags up to 64 MB are read.',
)
@click.option(
    '--gap-factor',
    type=click.FloatRange(1.0, 1e6),
    default=3.0,
    show_default=True,
    help='A period longer than this many median periods is a gap.',
)
@click.option('-v', '--verbose', is_flag=True, help='Say, too, what is not known of losses.')
@click.option('--json', 'as_json', is_flag=True, help='Print JSON (see docs/cli.md).')
@progress_option
def command(
    bag: str,
    topics: tuple[str, ...],
    full: bool | None,
    gap_factor: float,
    verbose: bool,
    as_json: bool,
    no_progress: bool,
) -> int:
    """Tell what is in BAG, a bag or any other dataset.

    First what `ros2 bag info` tells: files, size, duration, start, end, topics, services; what the
    recorder counted of lost messages, if it was ours. Then,
    where the messages are read: rates, jitter, gaps, lost messages (by the publisher's counter
    or by header stamps), and the smallest and largest value of every field.
    """
    with load(bag) as dataset:
        summary = _only(summarize(dataset, bag), topics, dataset)
        is_read = _is_small(summary) if full is None else full
        if not as_json:
            click.echo(summary_text(summary))
            if losses := losses_text(summary, verbose=verbose):
                click.echo(losses)
        details = _read(dataset, summary, gap_factor, enabled=not no_progress) if is_read else None
    if as_json:
        click.echo(json.dumps(to_json(summary, details), indent=2, allow_nan=False))
        return 0
    if details is not None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo(details_text(summary, details, width=width))
    elif summary.messages:
        size = f', {megabytes(summary.size_bytes)},' if summary.size_bytes is not None else ''
        click.echo(f'\n{rates_text(summary)}')
        click.echo(
            f'\nJitter, gaps, lost messages and ranges are left out: they need {summary.messages} '
            f'messages{size} to be read; lk info --full does it.'
        )
    return 0


def _only(summary: Summary, names: tuple[str, ...], dataset: Dataset) -> Summary:
    """Return a summary of some topics, or of all if none is named."""
    if not names:
        return summary
    for name in names:
        dataset.topic(name)
    return dataclasses.replace(
        summary,
        topics=tuple(each for each in summary.topics if each.name in names),
        services=tuple(
            each for each in summary.services if f'{each.name}/_service_event' in names
        ),
        losses=summary.losses and tuple(each for each in summary.losses if each.name in names),
    )


def _is_small(summary: Summary) -> bool:
    return (
        summary.size_bytes is not None
        and summary.size_bytes <= AUTOMATIC_BYTES
        and summary.messages <= AUTOMATIC_MESSAGES
    )


def _read(
    dataset: Dataset, summary: Summary, gap_factor: float, *, enabled: bool
) -> list[TopicDetails]:
    with progress('info', summary.messages, enabled=enabled, unit='messages') as advance:
        return [
            inspect_topic(dataset, each.name, gap_factor=gap_factor, advance=advance)
            for each in summary.topics
        ]


def to_json(summary: Summary, details: list[TopicDetails] | None) -> dict[str, Any]:
    """Return summary and details as plain values; every name in it is part of the format."""
    bag = dataclasses.asdict(summary)
    topics, services = bag.pop('topics'), bag.pop('services')
    if details is not None:
        for topic, each in zip(topics, details, strict=True):
            topic['details'] = dataclasses.asdict(each)
            del topic['details']['name']
    bag |= {'duration_ns': summary.duration_ns, 'messages': summary.messages}
    return {
        'format': JSON_FORMAT,
        'version': JSON_VERSION,
        'depth': 'summary' if details is None else 'full',
        'bag': bag,
        'topics': topics,
        'services': services,
    }
