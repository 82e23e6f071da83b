"""Which topics of the bags are played, and what they are called on the graph."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import ComponentError, KeyNotFoundError, MessageTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lk_dataset_ros.component.component import Log
    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.playback.config import PlaybackConfig
    from lk_dataset_ros.dataset.records import Topic

ARROW = ':='


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """What is played.

    Attributes:
        topics: Topics by the name under which they are published; counts over all bags.
        names: For each dataset, the published name of each of its topics that is played.
    """

    topics: dict[str, Topic]
    names: tuple[dict[str, str], ...]


def choose(
    datasets: Sequence[Dataset], config: PlaybackConfig, log: Log, skip: Mapping[str, str]
) -> Choice:
    """Choose the topics that a configuration asks for.

    Args:
        datasets: The bags.
        config: Topics, regular expressions, exclusions and other names.
        log: Told of names that are in no bag.
        skip: Topics that cannot be played, and why.

    Raises:
        KeyNotFoundError: If a topic is named that is in no bag.
        MessageTypeError: If topics of different types would get the same name.
        ComponentError: If nothing is left to play, or a new name is no name.
    """
    known = list(dict.fromkeys(key for dataset in datasets for key in dataset.keys()))  # noqa: SIM118
    wanted = _wanted(known, config, log)
    renamed = _renamed(config.remap, known, log)
    topics: dict[str, Topic] = {}
    names: list[dict[str, str]] = []
    for dataset in datasets:
        of_dataset: dict[str, str] = {}
        present = dataset.topics()
        for key in wanted:
            if key in present and key not in skip:
                name = renamed.get(key, key)
                of_dataset[key] = name
                topics[name] = _joined(topics.get(name), present[key], name)
        names.append(of_dataset)
    if known and not topics:
        raise ComponentError(f'no topic is left to play of {", ".join(known)}')
    return Choice(topics, tuple(names))


def _wanted(known: Sequence[str], config: PlaybackConfig, log: Log) -> list[str]:
    # An empty list cannot be written in a launch file: [''] stands for it.
    named = [key for key in config.topics if key]
    for key in named:
        if key not in known:
            raise KeyNotFoundError(f'there is no {key} in what is played; there is {_list(known)}')
    wanted = list(dict.fromkeys(named))
    if config.regex:
        fits = re.compile(config.regex).fullmatch
        wanted += [key for key in known if fits(key) and key not in named]
    elif not named:
        wanted = list(known)
    excluded = {key for key in config.exclude_topics if key}
    for key in sorted(excluded.difference(known)):
        log.warning(f'exclude_topics names {key}, which is not there; there is {_list(known)}')
    if config.exclude_regex:
        fits = re.compile(config.exclude_regex).fullmatch
        excluded |= {key for key in known if fits(key)}
    return [key for key in wanted if key not in excluded]


def _renamed(remap: Sequence[str], known: Sequence[str], log: Log) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for rule in remap:
        if not rule:
            continue
        old, arrow, new = rule.partition(ARROW)
        if not (arrow and old and new) or ARROW in new:
            raise ComponentError(f'remap has {rule!r}; it has to be /old{ARROW}/new')
        if f'/{old}' in known:
            old = f'/{old}'
        if old not in known:
            log.warning(f'remap names {old}, which is not there; there is {_list(known)}')
        renamed[old] = new if new.startswith('/') else f'/{new}'
    return renamed


def _joined(known: Topic | None, topic: Topic, name: str) -> Topic:
    """Return a topic of several bags as one."""
    if known is None:
        return dataclasses.replace(topic, name=name)
    mine, other = known.schema, topic.schema
    hashes = {mine.type_hash, other.type_hash} - {''}
    if mine.name != other.name or len(hashes) > 1:
        raise MessageTypeError(
            f'{name} would be {mine.name} and {other.name}'
            + (f' of two definitions ({", ".join(sorted(hashes))})' if len(hashes) > 1 else '')
            + '; remap gives one of them another name'
        )
    offers = '\n'.join(each for each in (known.qos.rstrip(), topic.qos.rstrip()) if each)
    return dataclasses.replace(known, qos=offers, count=known.count + topic.count)


def _list(known: Sequence[str]) -> str:
    return ', '.join(known) or 'nothing'
