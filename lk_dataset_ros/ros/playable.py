"""What of some bags can be played here: bags that open, types that are installed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset import Dataset
from lk_dataset_ros.dataset.playback.choice import choose
from lk_dataset_ros.errors import ComponentError, LkError
from lk_dataset_ros.ros.overlay import ensure_types
from lk_dataset_ros.ros.playing import check_same_type
from lk_dataset_ros.ros.service_requests import TYPE_END, is_service_event
from lk_dataset_ros.ros.types import message_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lk_dataset_ros.component.component import Log
    from lk_dataset_ros.dataset import DataPlayback, Topic

CLOCK = '/clock'


def load_bags(paths: Sequence[str], log: Log) -> list[Dataset]:
    """Open bags; what is wrong with them but can be lived with goes to the log.

    Raises:
        LkError: If none is named, or one cannot be read.
    """
    named = [path for path in paths if path]
    if not named:
        raise ComponentError('no bag is given; name one: -p bag:=path')
    quiet = logging.getLogger('lk_dataset_ros.Dataset')
    # The front end logs the same warnings; without a handler Python prints them bare.
    if not quiet.handlers:
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
    datasets = []
    for path in named:
        dataset = Dataset.load(path)
        for text in dataset.warnings:
            log.warning(' '.join(text.split()))
        datasets.append(dataset)
    return datasets


def unplayable(
    datasets: Sequence[Dataset],
    config: DataPlayback.Config,
    log: Log,
    *,
    build: bool = False,
    bag: str = '',
    as_requests: bool = False,
) -> dict[str, str]:
    """Return the topics of bags that are asked for and cannot be played here, and why.

    Args:
        datasets: The bags.
        config: What is asked for.
        log: Is told of each of them.
        build: Build the types that are missing.
        bag: Path of the first bag, for the command that would build them.
        as_requests: Service events are sent as requests.

    Raises:
        LkError: If the configuration asks for what is not there.
    """
    wanted: dict[str, Topic] = {}
    for dataset, names in zip(
        datasets, choose(datasets, config, _Silent(), {}).names, strict=True
    ):
        topics = dataset.topics()
        wanted |= {key: topics[key] for key in names}
    reasons = ensure_types(
        [topic.schema for topic in wanted.values()], build=build, bag=bag, say=log.info
    )
    skip: dict[str, str] = {}
    for key, topic in wanted.items():
        if key == CLOCK and _has_own_clock(config):
            log.info(f'{CLOCK} of the bag is not played: {_has_own_clock(config)}')
            skip[key] = _has_own_clock(config)
            continue
        why = reasons.get(topic.schema.name) or _problem(topic, as_requests=as_requests)
        if why:
            skip[key] = why
            log.error(f'{key} is not played: {why.removeprefix(f"{key}: ")}')
    return skip


def _has_own_clock(config: DataPlayback.Config) -> str:
    if config.follow:
        return 'the playback follows it'
    if config.clock_hz or config.clock_on_messages or any(config.clock_topics):
        return 'the playback publishes it'
    return ''


def _problem(topic: Topic, *, as_requests: bool) -> str:
    try:
        check_same_type(topic)
        if as_requests and is_service_event(topic):
            message_class(topic.schema.name.removesuffix(TYPE_END))
    except LkError as error:
        return str(error)
    return ''


class _Silent:
    """A log that nobody reads: the engine says the same once more."""

    def debug(self, message: str) -> None:
        """Pass over it."""

    info = warning = error = debug
