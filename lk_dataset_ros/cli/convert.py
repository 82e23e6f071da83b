"""`lk convert`: write a dataset as another kind."""

from __future__ import annotations

import click

from lk_dataset_ros.cli.copying import (
    Target,
    chosen_keys,
    target_options,
    topic_options,
    write_copy,
)
from lk_dataset_ros.cli.loading import load
from lk_dataset_ros.dataset.copying import Source


@click.command(name='convert')
@click.argument('source', metavar='IN')
@click.argument('out')
@topic_options
@target_options
def command(
    source: str,
    out: str,
    topics: tuple[str, ...],
    regex: str | None,
    exclude: str | None,
    to: str | None,
    compression: str | None,
    chunk_size: int | None,
    no_progress: bool,
) -> int:
    """Write the dataset IN anew as OUT: of another kind, or with other compression.

    Bytes, times, sequence numbers, QoS and definitions stay as they are. OUT must not exist; it
    is there as a whole or, after an error or an interruption, not at all.
    """
    target = Target(out, to, compression, chunk_size, no_progress)
    with load(source) as dataset:
        keys = chosen_keys(dataset, topics, regex, exclude)
        return write_copy([Source(dataset, {key: key for key in keys})], target)
