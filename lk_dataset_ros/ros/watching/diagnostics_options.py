"""What the diagnostics node can be told, and what it means."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.ros.parameters import declare_options
from lk_dataset_ros.ros.watching.expected import expected_of
from lk_dataset_ros.ros.watching.hearing import Topics

if TYPE_CHECKING:
    from rclpy.node import Node

    from lk_dataset_ros.ros.watching.expected import Expected


@dataclass(kw_only=True)
class DiagnosticsConfig(Config):
    """Settings of the node, beside those of the watching (`Topics.Config`)."""

    topics: list[str] = option(  # noqa: RUF009
        [],
        'topics to watch, each with its rate in Hz if one is expected: /odom, /odom:=100, '
        '/scan:=9..11, /points:=5..',
    )
    all_topics: bool = option(False, 'watch all others, too; of these nothing is demanded')
    exclude_regex: str = option(
        '^/(rosout|parameter_events)$', 'of all topics leave out those that contain this pattern'
    )
    aggregate: bool = option(True, 'tell on ~/status the worst of what is said on /diagnostics')
    stale_s: float = option(
        5.0,
        'a status that is not repeated on /diagnostics for so long is stale',
        minimum=0.1,
        maximum=86400.0,
    )
    forget_s: float = option(
        300.0, 'one that is not for so long is forgotten', minimum=0.1, maximum=1e7
    )
    polling_period_s: float = option(
        0.5, 'how often to look for publishers, s', minimum=0.01, maximum=60.0
    )
    rest_s: float = option(
        0.02,
        'how long messages may wait in the middleware before they are taken, s',
        minimum=0.001,
        maximum=0.5,
    )
    history_bytes: int = option(
        64 * 1024 * 1024,
        'bytes of a topic that may wait in the middleware while the node is busy, about',
        minimum=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsOptions:
    """What the parameters mean.

    Attributes:
        node: Settings of the node.
        watching: Settings of the watching.
        expected: What is expected, by full name of the topic.
    """

    node: DiagnosticsConfig
    watching: Topics.Config
    expected: dict[str, Expected]


def declare_diagnostics_options(node: Node) -> DiagnosticsOptions:
    """Declare the parameters and check them together.

    Raises:
        ComponentError: If one is wrong, or they do not fit together.
    """
    config = DiagnosticsConfig(
        **declare_options(node, DiagnosticsConfig.options(), read_only=True)
    )
    watching = Topics.Config(**declare_options(node, Topics.Config.options(), read_only=True))
    expected = {}
    for text in filter(None, config.topics):
        each = expected_of(text)
        name = full_name(node, 'topics', each.topic)
        if name in expected:
            raise ComponentError(f'topics holds {name} twice')
        expected[name] = dataclasses.replace(each, topic=name)
    if not (expected or config.all_topics or config.aggregate):
        raise ComponentError(
            'nothing is to be watched: give topics, all_topics or aggregate, such as '
            '-p topics:="[\'/odom:=100\']"'
        )
    try:
        re.compile(config.exclude_regex)
    except re.error as error:
        raise ComponentError(
            f'exclude_regex is {config.exclude_regex!r}, which is no pattern: {error}'
        ) from error
    return DiagnosticsOptions(node=config, watching=watching, expected=expected)


def full_name(node: Node, option_name: str, name: str) -> str:
    """Return the full name of a topic that a parameter holds.

    Raises:
        ComponentError: If it is no name.
    """
    try:
        found: str = node.resolve_topic_name(name)
    except Exception as error:
        # rclpy's errors for wrong names share no class; the second line points at the place.
        reason = str(error).splitlines()[0].rstrip(':')
        raise ComponentError(
            f'{option_name} holds {name!r}, which is no name: {reason}'
        ) from error
    return found
