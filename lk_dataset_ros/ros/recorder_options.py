"""What the recorder node can be told, and what it means."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.dataset import DataRecorder
from lk_dataset_ros.dataset.recording.storage_profile import PRESETS, with_storage_file
from lk_dataset_ros.dataset.recording.topic_choice import SERVICE_EVENTS, TopicChoice
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.ros.parameters import declare_options
from lk_dataset_ros.ros.qos import DEEP
from lk_dataset_ros.ros.qos_overrides import load_qos_overrides

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile

#: Bytes that may wait for the writer: a second of a disk that is busy.
CACHE_BYTES: Final = 256 * 1024 * 1024
#: How a bag is called that is given no name, as in rosbag2.
DATED: Final = 'rosbag2_%Y_%m_%d-%H_%M_%S'


@dataclass(kw_only=True)
class RecorderConfig(Config):
    """Settings of the node, beside those of the engine (`DataRecorder.Config`)."""

    bag: str = option('', 'directory of the bag, must not exist; empty names one after the date')
    topics: list[str] = option([], 'topics to record')  # noqa: RUF009
    topic_types: list[str] = option([], 'record the topics of these types')  # noqa: RUF009
    services: list[str] = option(  # noqa: RUF009
        [], 'services whose events to record; their introspection has to be switched on'
    )
    regex: str = option('', 'record topics and services whose name contains this pattern')
    all_topics: bool = option(False, 'record all topics')
    all_services: bool = option(False, 'record the events of all services')
    exclude_topics: list[str] = option([], 'topics not to record')  # noqa: RUF009
    exclude_topic_types: list[str] = option([], 'types whose topics not to record')  # noqa: RUF009
    exclude_services: list[str] = option([], 'services not to record')  # noqa: RUF009
    exclude_regex: str = option('', 'leave out topics and services that contain this pattern')
    include_hidden_topics: bool = option(
        False, 'record topics, too, with a part of the name that begins with an underscore'
    )
    include_unpublished_topics: bool = option(False, 'record topics, too, that nobody publishes')
    ignore_leaf_topics: bool = option(False, 'record no topics that nobody subscribes to')
    discovery: bool = option(
        True, 'record topics that appear later; otherwise only those of the first 3 s'
    )
    polling_period_s: float = option(
        0.1, 'how often to look for new topics, s', minimum=0.01, maximum=60.0
    )
    qos_overrides: str = option('', 'YAML file of QoS profiles by topic, as ros2 bag takes it')
    depth: int = option(
        0,
        'messages of a topic that may wait in the middleware; 0 is as many as history_bytes hold',
        minimum=0,
        maximum=1_000_000,
    )
    history_bytes: int = option(
        256 * 1024 * 1024,
        'bytes of a topic that may wait in the middleware, about: its depth follows from its type',
        minimum=1,
    )
    preset: str = option('none', 'how the bag is written', choices=tuple(PRESETS))
    storage_config: str = option(
        '', 'YAML file of options of the MCAP writer, as ros2 bag takes it'
    )
    compression: str = option(
        '',
        'of the chunks; empty leaves it to the preset',
        choices=('', 'none', 'lz4', 'zstd'),
    )
    sync: bool = option(
        False, 'at every flush wait until the disk has it: a loss of power, too, takes no more'
    )
    max_files: int = option(
        0, 'of the files of a split bag keep the last n; 0 keeps all', minimum=0
    )
    custom_data: list[str] = option(  # noqa: RUF009
        [], 'name=value, kept in metadata.yaml'
    )
    as_recorded: bool = option(
        False,
        'everything comes from a playback with the same parameter: keep the times and the order '
        'of its bag',
    )
    keyboard: bool = option(True, 'the space bar pauses, where there is a terminal')
    print_info: bool = option(True, 'print at the end what is in the bag, as lk info does')


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderOptions:
    """What the parameters mean.

    Attributes:
        node: Settings of the node.
        engine: Settings of the engine.
        choice: What is recorded.
        overrides: QoS profiles by topic.
        storage: Arguments for `McapDatabase`.
    """

    node: RecorderConfig
    engine: DataRecorder.Config
    choice: TopicChoice
    overrides: dict[str, QoSProfile]
    storage: dict[str, Any]


def declare_recorder_options(node: Node) -> RecorderOptions:
    """Declare the parameters and check them together.

    Raises:
        ComponentError: If one is wrong, or they do not fit together.
    """
    config = RecorderConfig(**declare_options(node, RecorderConfig.options(), read_only=True))
    engine_options = [
        dataclasses.replace(each, default=CACHE_BYTES) if each.name == 'cache_bytes' else each
        for each in DataRecorder.Config.options()
    ]
    engine = DataRecorder.Config(**declare_options(node, engine_options, read_only=True))
    choice = _choice(node, config)
    if choice.is_empty:
        raise ComponentError(
            'nothing is chosen to be recorded: give topics, topic_types, services, regex, '
            'all_topics or all_services, such as -p topics:="[\'/odom\']" or -p all_topics:=true'
        )
    if node.get_parameter('use_sim_time').value and not config.discovery:
        raise ComponentError('use_sim_time needs discovery: /clock has to be found first')
    if config.max_files and not (engine.max_file_bytes or engine.max_file_s):
        node.get_logger().info(
            f'max_files is {config.max_files}: files are split by ~/split only, as neither '
            'max_file_bytes nor max_file_s is set'
        )
    return RecorderOptions(
        node=config,
        engine=engine,
        choice=choice,
        overrides=(
            load_qos_overrides(config.qos_overrides, depth=config.depth or DEEP)
            if config.qos_overrides
            else {}
        ),
        storage=_storage(config, node.get_logger().warning),
    )


def dated_bag() -> str:
    """Return the name of a bag that begins now."""
    return time.strftime(DATED)


def _choice(node: Node, config: RecorderConfig) -> TopicChoice:
    topics = _full_names(node, 'topics', config.topics)
    services = _full_names(node, 'services', config.services)
    # Who names the topic of a service's events means them.
    named = {each for each in topics if each.endswith(SERVICE_EVENTS)}
    return TopicChoice(
        topics=topics,
        topic_types=frozenset(filter(None, config.topic_types)),
        services=_services(services | named),
        regex=config.regex,
        all_topics=config.all_topics,
        all_services=config.all_services,
        exclude_topics=_full_names(node, 'exclude_topics', config.exclude_topics),
        exclude_topic_types=frozenset(filter(None, config.exclude_topic_types)),
        exclude_services=_services(_full_names(node, 'exclude_services', config.exclude_services)),
        exclude_regex=config.exclude_regex,
        include_hidden_topics=config.include_hidden_topics,
        include_unpublished_topics=config.include_unpublished_topics,
        ignore_leaf_topics=config.ignore_leaf_topics,
    )


def _services(names: frozenset[str]) -> frozenset[str]:
    return frozenset(each.removesuffix(SERVICE_EVENTS) for each in names)


def _full_names(node: Node, option_name: str, names: list[str]) -> frozenset[str]:
    # A launch file cannot give an empty list: it gives one empty name.
    names = [each for each in names if each]
    try:
        return frozenset(node.resolve_topic_name(each) for each in names)
    except Exception as error:
        # rclpy's errors for wrong names share no class; the second line points at the place.
        reason = str(error).splitlines()[0].rstrip(':')
        wrong = next(each for each in names if not _is_name(node, each))
        raise ComponentError(
            f'{option_name} holds {wrong!r}, which is no name: {reason}'
        ) from error


def _is_name(node: Node, name: str) -> bool:
    try:
        node.resolve_topic_name(name)
    except Exception:  # noqa: BLE001 - see above
        return False
    return True


def _storage(config: RecorderConfig, warn: Callable[[str], None]) -> dict[str, Any]:
    profile = PRESETS[config.preset]
    if config.storage_config:
        profile = with_storage_file(profile, config.storage_config, warn)
    if config.compression:
        profile = dataclasses.replace(profile, compression=config.compression)
    return {
        **profile.options(),
        'sync': config.sync,
        'max_files': config.max_files,
        'custom_data': _custom_data(config.custom_data),
    }


def _custom_data(pairs: list[str]) -> dict[str, str]:
    found = {}
    for each in filter(None, pairs):
        name, separator, value = each.partition('=')
        if not (name and separator):
            raise ComponentError(f'custom_data holds {each!r}; write name=value')
        found[name] = value
    return found
