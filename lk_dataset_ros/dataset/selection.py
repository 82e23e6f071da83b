"""Datasets made from datasets: several in one, a span of time, a sample."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros.dataset.copying import Source, copy
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.records import SerializedMessage


def combine(datasets: Sequence[Dataset], prefixes: Sequence[str] | None, into: Dataset) -> Dataset:
    """Write several datasets into one, in order of log time; see `Dataset.combine`."""
    if prefixes is not None and (
        isinstance(prefixes, str)
        or len(prefixes) != len(datasets)
        or not all(isinstance(each, str) for each in prefixes)
    ):
        raise DatasetError(
            f'prefixes is {prefixes!r}; give a list of {len(datasets)} texts, one for each dataset'
        )
    sources = [
        Source(dataset, {key: _prefixed(prefix, key) for key in dataset.keys()})  # noqa: SIM118
        for dataset, prefix in zip(datasets, prefixes or [''] * len(datasets), strict=True)
    ]
    return _copied(sources, into)


def slice_of(
    dataset: Dataset,
    keys: Sequence[str] | None,
    start_ns: int | None,
    stop_ns: int | None,
    *,
    latched: bool,
    into: Dataset,
) -> Dataset:
    """Write what lies within a span of time; see `Dataset.slice`."""
    if start_ns is not None and stop_ns is not None and stop_ns < start_ns:
        raise DatasetError(
            f'a slice cannot stop at {stop_ns} ns before it starts at {start_ns} ns'
        )
    names = _names(dataset, keys)
    return _copied([Source(dataset, names, start_ns, stop_ns, latched=latched)], into)


def every_nth(
    dataset: Dataset, keys: Sequence[str] | None, every: int, *, into: Dataset
) -> Dataset:
    """Write every n-th message of each key; see `Dataset.sample`."""
    step = checked_whole('every', every, least=1)
    return _copied([Source(dataset, _names(dataset, keys), every=step)], into)


def random_sample(
    dataset: Dataset, keys: Sequence[str] | None, n: int, *, seed: int | None, into: Dataset
) -> Dataset:
    """Write random messages of each key, in order of time; see `Dataset.sample`."""
    wanted = checked_whole('n', n, least=0)
    root = secrets.randbits(64) if seed is None else checked_whole('seed', seed, least=0)
    names = _names(dataset, keys)
    chosen: dict[str, set[int]] = {}
    for key in names:
        # A generator of its own for each key: what is taken of one depends on no other.
        rng = np.random.default_rng([root, zlib.crc32(key.encode())])
        count = len(dataset.timestamps(key))
        chosen[key] = set(rng.choice(count, min(wanted, count), replace=False).tolist())

    def taken() -> Iterator[SerializedMessage]:
        places = dict.fromkeys(names, 0)
        for message in dataset.iterate_serialized(list(names)):
            place = places[message.key]
            places[message.key] += 1
            if place in chosen[message.key]:
                yield message

    for key in names:
        topic = dataset.topic(key)
        into.declare(key, topic.schema, topic.qos)
    for message in taken():
        into.write_serialized(*message)
    return into


def checked_whole(name: str, value: int, *, least: int | None = None) -> int:
    """Return an integer that a caller gave.

    Raises:
        DatasetError: If it is none, or less than the least that is possible.
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or (least is not None and value < least):
        wanted = 'an integer' if least is None else f'an integer of {least} or more'
        raise DatasetError(f'{name} is {value!r}; give {wanted}')
    return int(value)


def checked_list(name: str, texts: Sequence[str] | None) -> Sequence[str] | None:
    """Return a list of texts that a caller gave, or None.

    Raises:
        DatasetError: If it is a single text, which is a sequence of letters too, or no sequence.
    """
    if texts is not None and (isinstance(texts, str) or not isinstance(texts, Iterable)):
        raise DatasetError(f'{name} is {texts!r}; give a list of {name}: [{str(texts)!r}]')
    return texts


def _names(dataset: Dataset, keys: Sequence[str] | None) -> dict[str, str]:
    keys = checked_list('keys', keys)
    chosen = dataset.keys() if keys is None else [dataset.topic(key).name for key in keys]
    return {key: key for key in chosen}


def _prefixed(prefix: str, key: str) -> str:
    return f'{prefix.rstrip("/")}/{key.lstrip("/")}' if prefix else key


def _copied(sources: Sequence[Source], into: Dataset) -> Dataset:
    # A front end takes messages as a database does.
    copy(list(sources), into)  # type: ignore[arg-type]
    return into
