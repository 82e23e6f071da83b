"""What the `compare` node can be told, and what it means."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.comparison.live import LiveConfig
from lk_dataset_ros.comparison.rules_file import Rules
from lk_dataset_ros.component import option
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.ros.comparing.report import FORMATS
from lk_dataset_ros.ros.parameters import declare_options

if TYPE_CHECKING:
    from rclpy.node import Node

_IS: Final = ':='
_SEPARATE: Final = (
    "write '/cmd:=/cpp/cmd', or '/cmd' together with namespace:=/cpp; namespace alone compares all "
    'topics that are published below it, too'
)


@dataclass(kw_only=True)
class CompareConfig(LiveConfig):
    """Settings of the node."""

    topics: list[str] = option(  # noqa: RUF009
        [], "what is compared: '/original:=/compiled', or '/original' together with namespace"
    )
    namespace: str = option(
        '', 'the compiled topics are below it; without topics all that are published there, too'
    )
    tolerances: str = option('', 'YAML file of rules, as lk compare takes it')
    period_s: float = option(
        0.05, 'how often what has gathered is judged', minimum=0.001, maximum=10.0
    )
    report: str = option(
        '', 'folder of the report at the end, must be empty; empty names one after the date'
    )
    report_at_end: bool = option(True, 'write a report when the node ends')
    formats: list[str] = option(  # noqa: RUF009
        list(FORMATS), f'the reports that are written, of {", ".join(FORMATS)}'
    )
    bag_bytes: int = option(
        1024 * 1024 * 1024,
        'bytes on disk of what was heard, about: the oldest goes, and the report is about the rest',
        minimum=1024 * 1024,
    )
    keep_bags: bool = option(False, 'leave the bags that a report is about beside it')
    report_limit_s: float = option(
        600.0, 'how long a report may take', minimum=1.0, maximum=86400.0
    )
    exit_with_verdict: bool = option(
        False, 'end with exit code 0 if equivalent, 1 if it differs, 2 if inconclusive'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What the parameters mean.

    Attributes:
        node: The settings.
        topics: The compiled's topic by the original's; empty for all.
        rules: The rules of the file.
        folder: Of the report at the end.
    """

    node: CompareConfig
    topics: dict[str, str]
    rules: Rules
    folder: Path


def declare_compare_options(node: Node) -> CompareOptions:
    """Declare the parameters and check them together.

    Raises:
        LkError: If one is wrong, or they do not fit together.
    """
    config = CompareConfig(**declare_options(node, CompareConfig.options(), read_only=True))
    config.formats = [each for each in config.formats if each]
    for each in config.formats:
        if each not in FORMATS:
            raise ComponentError(f'formats holds {each!r}; there is {", ".join(FORMATS)}')
    if config.namespace:
        config.namespace = '/' + config.namespace.strip('/')
    topics = _topics(node, config)
    if not topics and not config.namespace.strip('/'):
        raise ComponentError(f'nothing is chosen to be compared: {_SEPARATE}')
    folder = Path(config.report or time.strftime('comparison_%Y_%m_%d-%H_%M_%S')).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ComponentError(f'report is {folder}, which is there already; name another folder')
    return CompareOptions(
        node=config,
        topics=topics,
        rules=Rules.load(config.tolerances) if config.tolerances else Rules(),
        folder=folder,
    )


def _topics(node: Node, config: CompareConfig) -> dict[str, str]:
    found: dict[str, str] = {}
    # A launch file cannot give an empty list: it gives one empty name.
    for each in filter(None, config.topics):
        original, separator, compiled = each.partition(_IS)
        original = _full_name(node, original, each)
        if separator:
            compiled = _full_name(node, compiled, each)
        elif config.namespace:
            compiled = config.namespace + original
        else:
            raise ComponentError(f'topics holds {each!r}, which names one topic: {_SEPARATE}')
        if compiled == original:
            raise ComponentError(f'topics holds {each!r}: a topic is always equal to itself')
        found[original] = compiled
    return found


def _full_name(node: Node, name: str, given: str) -> str:
    try:
        full: str = node.resolve_topic_name(name.strip())
    except Exception as error:
        # rclpy's errors for wrong names share no class; the second line points at the place.
        reason = str(error).splitlines()[0].rstrip(':')
        raise ComponentError(f'topics holds {given!r}, which is no name: {reason}') from error
    return full
