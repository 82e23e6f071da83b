"""What `lk convert`, `lk merge` and `lk slice` have in common: options and the copy itself."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.cli.info_text import megabytes
from lk_dataset_ros.cli.progress import progress, progress_option
from lk_dataset_ros.dataset.copying import Source, copy, merged_topics
from lk_dataset_ros.dataset.creation import creating, kind_of_new
from lk_dataset_ros.dataset.inspection.files import stored_files
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Target:
    """Where a copy goes.

    Attributes:
        location: A path where nothing is, or a URL.
        kind: Kind of database; None goes by the location.
        compression: Of a bag's chunks; None leaves it to the kind.
        chunk_size: Bytes of a bag's chunks; None leaves it to the kind.
        no_progress: Show no bar.
    """

    location: str
    kind: str | None
    compression: str | None
    chunk_size: int | None
    no_progress: bool

    def options(self) -> dict[str, Any]:
        """Return the options of the database that were given."""
        given = {'compression': self.compression, 'chunk_size': self.chunk_size}
        return {name: value for name, value in given.items() if value is not None}


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `Target`; they arrive as `to`, `compression`, `chunk_size`, ..."""
    for option in (
        progress_option,
        click.option(
            '--chunk-size',
            type=click.IntRange(1024, 2**31 - 1),
            metavar='BYTES',
            help='Bytes after which a chunk of a bag is written.',
        ),
        click.option(
            '--compression',
            type=click.Choice(['none', 'lz4', 'zstd']),
            help='Compress the chunks of a bag; zstd by default.',
        ),
        click.option(
            '--to',
            metavar='KIND',
            help='Kind of database: mcap, pickle, reductstore, or one that a package brings; '
            'by default as OUT suggests: .pkl is a pickle, .mcap a bare file, others a bag.',
        ),
    ):
        command = option(command)
    return command


def topic_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose topics; they arrive as `topics`, `regex`, `exclude`."""
    for option in (
        click.option('--exclude', metavar='REGEX', help='Leave out topics that match.'),
        click.option('--regex', metavar='REGEX', help='Take topics that match.'),
        click.option(
            '--topics',
            '--topic',
            multiple=True,
            metavar='NAME[,NAME...]',
            help='Take these topics; may be given again.',
        ),
    ):
        command = option(command)
    return command


def chosen_keys(
    dataset: Dataset, topics: tuple[str, ...], regex: str | None, exclude: str | None
) -> list[str]:
    """Return the keys that options choose: named or matching ones, all if neither is given.

    Raises:
        KeyNotFoundError: If a named topic is not there.
        DatasetError: If a pattern is none, or nothing is left.
    """
    named = names_in(topics)
    for name in named:
        dataset.topic(name)
    wanted, unwanted = _pattern(regex), _pattern(exclude)
    chosen = [
        key
        for key in dataset
        if (not (named or wanted) or key in named or (wanted and wanted.search(key)))
        and not (unwanted and unwanted.search(key))
    ]
    if not chosen and dataset.keys():
        raise DatasetError(
            f'no topic of {dataset.name} is chosen; there is {", ".join(dataset.keys())}'
        )
    return chosen


def names_in(topics: tuple[str, ...]) -> list[str]:
    """Return the topics that `--topics` names.

    Raises:
        DatasetError: If it is there and names none.
    """
    named = [name for each in topics for name in each.split(',') if name]
    if topics and not named:
        raise DatasetError(f'--topics {topics[0]!r} names no topic; write --topics /odom,/tf')
    return named


def counted(number: int, what: str) -> str:
    """Return a number and what is counted: `1 topic`, `2 topics`."""
    return f'{number} {what}' if number == 1 else f'{number} {what}s'


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text is not None else None
    except re.error as error:
        raise DatasetError(f'{text!r} is not a regular expression: {error}') from error


def write_copy(sources: list[Source], target: Target) -> int:
    """Copy, show how it goes, and print one line on what was written.

    Raises:
        LkError: If a source cannot be read or the target cannot be made; nothing is left of it.
    """
    began_s = time.monotonic()
    if not target.location:
        raise DatasetError("'' is no location: give a path where nothing is, or a URL")
    kind = target.kind or kind_of_new(target.location)
    merged_topics(sources)
    with (
        creating(kind, target.location, **target.options()) as database,
        progress('copy', _seconds(sources), enabled=not target.no_progress, unit='s') as advance,
    ):
        copied = copy(sources, database, advance=advance)
        topics = len(database.topics())
    took_s = time.monotonic() - began_s
    size = stored_files(target.location).size_bytes
    stored = f', {megabytes(size)} on disk' if size is not None else ''
    click.echo(
        f'wrote {target.location}: {counted(copied.messages, "message")} of '
        f'{counted(topics, "topic")}, {megabytes(copied.bytes)}{stored}, in {took_s:.1f} s'
    )
    return 0


def _seconds(sources: list[Source]) -> float | None:
    """Return how many seconds of log time the sources cover together."""
    spans = []
    for source in sources:
        span = source.dataset.time_range_ns()
        if span is not None:
            start_ns = span[0] if source.start_ns is None else max(source.start_ns, span[0])
            stop_ns = span[1] if source.stop_ns is None else min(source.stop_ns, span[1])
            spans.append((start_ns + source.shift_ns, stop_ns + source.shift_ns))
    if not spans:
        return None
    return max(stop for _, stop in spans) / 1e9 - min(start for start, _ in spans) / 1e9


def label_of(location: str) -> str:
    """Return what a user may call an input: the last part of its path."""
    return Path(location).name or location
