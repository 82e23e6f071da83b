"""What the playback node can be told, beside what its engine can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.ros.service_requests import SOURCES

#: Stands for all topics in `wait_for`.
ALL: Final = 'all'


@dataclass(kw_only=True)
class PlaybackConfig(Config):
    """Settings of the node, beside those of the engine."""

    bag: str = option('', 'the bag: a rosbag2 directory, a .mcap file, any dataset')
    bags: list[str] = option([], 'more bags, played on one time line with it')  # noqa: RUF009
    wait_for: list[str] = option(  # noqa: RUF009
        [],
        'topics that must have a subscriber before the first message; `all` stands for all that '
        'are played. Those of `topics` when empty',
    )
    wait_for_subscribers: int = option(
        1, 'how many subscribers a topic is waited for to have', minimum=1, maximum=1000
    )
    ready_limit_s: float = option(
        30.0,
        'how long to wait for subscribers that must be there, s; 0 demands none',
        minimum=0.0,
        maximum=1e6,
    )
    discovery_s: float = option(
        3.0,
        'how long to wait for a subscriber of the other topics, s; 0 does not wait',
        minimum=0.0,
        maximum=1e6,
    )
    acknowledge_every: int = option(
        0,
        'at RTF 0, how many messages are published before all subscribers have acknowledged: not '
        'more than their history depth; 0 is few, or what subscribers on this machine take',
        minimum=0,
        maximum=100_000,
    )
    wait_for_acks_s: float = option(
        5.0,
        'how long the end waits for the last messages to be acknowledged, s; 0 is as long as it '
        'takes',
        minimum=0.0,
        maximum=1e6,
    )
    qos_overrides: str = option('', 'YAML file of QoS profiles by topic, as `ros2 bag play` takes')
    as_recorded: bool = option(
        False,
        'tell a recorder on ~/played how the messages stand in the bag; waits for a subscriber of '
        'that and of every topic',
    )
    publish_service_requests: bool = option(
        False, 'call services as recorded, instead of publishing their events'
    )
    service_requests_source: str = option(
        'service_introspection', 'whose events are taken for that', choices=tuple(SOURCES)
    )
    build_types: bool = option(False, 'build message types that are not installed, from the bag')
    stay: bool = option(False, 'stay after the end, for ~/play')
    keyboard: bool = option(False, 'space and arrow keys: pause, rate, next message')
    progress_hz: float = option(
        0.0, 'how often progress is written to the terminal', minimum=0.0, maximum=100.0
    )
