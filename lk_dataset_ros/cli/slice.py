"""`lk slice`: cut out a span of time."""

from __future__ import annotations

import click

from lk_dataset_ros.cli.copying import (
    Target,
    chosen_keys,
    target_options,
    topic_options,
    write_copy,
)
from lk_dataset_ros.cli.info_text import date, seconds
from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.cli.times import time_ns_of
from lk_dataset_ros.dataset.copying import Source
from lk_dataset_ros.errors import DatasetError


@click.command(name='slice')
@click.argument('source', metavar='IN')
@click.argument('out')
@click.option(
    '--start', metavar='TIME', help='First time that is taken; the beginning if left out.'
)
@click.option('--stop', metavar='TIME', help='First time that is left out; the end if left out.')
@click.option(
    '--relative/--absolute',
    default=True,
    help='Seconds count from the first message (below zero: back from the last), or from 1970.',
)
@click.option(
    '--every',
    type=click.IntRange(1, 2**31 - 1),
    default=1,
    metavar='N',
    help='Take every N-th message of each topic, the first one included.',
)
@click.option(
    '--latched',
    is_flag=True,
    help='Also take the last transient local messages (/tf_static) before the start, as of then.',
)
@topic_options
@target_options
def command(
    source: str,
    out: str,
    start: str | None,
    stop: str | None,
    relative: bool,
    every: int,
    latched: bool,
    topics: tuple[str, ...],
    regex: str | None,
    exclude: str | None,
    to: str | None,
    compression: str | None,
    chunk_size: int | None,
    no_progress: bool,
) -> int:
    """Write a span of time of the dataset IN as OUT.

    A TIME is a number of seconds (12.5) or an ISO date (2026-05-08T09:59:13.25, in local time, or
    with a zone: ...Z, ...+02:00). OUT must not exist; it is there as a whole or not at all.
    """
    target = Target(out, to, compression, chunk_size, no_progress)
    with load(source) as dataset:
        keys = chosen_keys(dataset, topics, regex, exclude)
        span = dataset.time_range_ns()
        start_ns = stop_ns = None
        if span is not None:
            if start is not None:
                start_ns = time_ns_of(start, span, absolute=not relative)
            if stop is not None:
                stop_ns = time_ns_of(stop, span, absolute=not relative)
            _check(source, start_ns, stop_ns, span)
        taken = Source(dataset, {key: key for key in keys}, start_ns, stop_ns, every, latched)
        return write_copy([taken], target)


def _check(source: str, start_ns: int | None, stop_ns: int | None, span: tuple[int, int]) -> None:
    """Raise a DatasetError if a span of time is empty or misses the dataset."""
    if start_ns is not None and stop_ns is not None and start_ns >= stop_ns:
        raise DatasetError(
            f'the start ({seconds(start_ns)} s) is not before the stop ({seconds(stop_ns)} s)'
        )
    if (start_ns is not None and start_ns > span[1]) or (
        stop_ns is not None and stop_ns <= span[0]
    ):
        raise DatasetError(
            f'{source} has nothing then: it runs from {date(span[0])} ({seconds(span[0])}) '
            f'to {date(span[1])} ({seconds(span[1])})'
        )
