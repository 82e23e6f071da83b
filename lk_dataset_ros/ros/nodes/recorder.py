"""The `recorder` node: topics into a rosbag2 MCAP bag."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.dataset import DataRecorder, McapDatabase
from lk_dataset_ros.errors import ComponentError, MessageTypeError
from lk_dataset_ros.msg import RecorderStatus, TopicCount
from lk_dataset_ros.ros.graph import offers_on, types_of
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node, to_time
from lk_dataset_ros.ros.parameters import declare_options, refuse_unknown
from lk_dataset_ros.ros.qos import DEEP, offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.recording import TopicRecording

if TYPE_CHECKING:
    from rclpy.node import Node

STATUS_PERIOD_S = 1.0
#: How often the graph is asked for topics that are not there yet, s.
DISCOVERY_PERIOD_S = 0.1


@dataclass(kw_only=True)
class RecorderConfig(Config):
    """Settings of the recorder."""

    bag: str = option('', 'directory of the bag; it must not exist')
    topics: list[str] = option([], 'topics to record')  # noqa: RUF009
    compression: str = option('zstd', 'of the chunks', choices=('none', 'lz4', 'zstd'))
    depth: int = option(
        DEEP,
        'messages that wait per topic while the recorder is busy',
        minimum=1,
        maximum=1_000_000,
    )


class RecorderNode:
    """Subscribe to what is asked for as soon as it is there, and write all of it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        config = RecorderConfig(**declare_options(node, RecorderConfig.options(), read_only=True))
        refuse_unknown(node)
        if not config.bag:
            raise ComponentError('no bag is given; name a new directory: -p bag:=path')
        if not config.topics:
            raise ComponentError('no topics are given; name some: -p topics:="[\'/odom\']"')
        self._config = config
        self._missing = [node.resolve_topic_name(topic) for topic in config.topics]
        database = McapDatabase(config.bag, 'w', compression=config.compression)  # type: ignore[arg-type]
        self.recorder = DataRecorder(database, log=node.get_logger())
        self._recordings: list[TopicRecording] = []
        self._status = node.create_publisher(RecorderStatus, '~/status', 10)
        node.create_timer(STATUS_PERIOD_S, self._publish_status)
        self._look_at_s = 0.0

    def turn(self) -> float | None:
        """Look for topics that are still missing."""
        now_s = time.monotonic()
        if self._missing and now_s >= self._look_at_s:
            self._look_at_s = now_s + DISCOVERY_PERIOD_S
            self._missing = [topic for topic in self._missing if not self._subscribe(topic)]
        return DISCOVERY_PERIOD_S if self._missing else LONGEST_WAIT_S

    def _subscribe(self, topic: str) -> bool:
        """Subscribe to a topic if it is published; return whether it is settled."""
        types = types_of(self._node, topic)
        offers = offers_on(self._node, topic)
        if not offers:
            return False
        log = self._node.get_logger()
        if len(types) > 1:
            log.error(f'{topic} is not recorded: it has several types ({", ".join(types)})')
            return True
        profile = profile_for_offers([offer for offer, _ in offers], self._config.depth)
        try:
            recording = TopicRecording(
                self._node,
                self.recorder,
                topic,
                types[0],
                profile,
                offers_yaml=offers_to_yaml([offer for offer, _ in offers]),
                type_hash=offers[0][1],
            )
        except MessageTypeError as error:
            log.error(f'{topic} is not recorded: {error}')  # noqa: TRY400 - no traceback for a user
            return True
        self._recordings.append(recording)
        log.info(f'recording {topic} ({types[0]})')
        return True

    def _publish_status(self, *, recording: bool = True) -> None:
        topics = [
            TopicCount(topic=name, type=stats.type_name, count=stats.count, lost=stats.lost)
            for name, stats in self.recorder.get_stats().items()
        ]
        self._status.publish(
            RecorderStatus(
                stamp=to_time(time.time_ns()),
                bag=str(Path(self._config.bag).resolve()),
                recording=recording,
                count=self.recorder.count,
                bytes=self.recorder.size,
                topics=topics,
            )
        )

    def close(self) -> None:
        """Take what has arrived, finish the bag, say what is in it."""
        for recording in self._recordings:
            recording.drain()
        self.recorder.close()
        self._publish_status(recording=False)
        log = self._node.get_logger()
        for topic in self._missing:
            log.warning(f'nothing was recorded on {topic}: nobody published it')
        for name, stats in self.recorder.get_stats().items():
            lost = f', {stats.lost} lost' if stats.lost else ''
            log.info(f'recorded {stats.count} messages of {name}{lost}')
        log.info(f'bag finished: {self._config.bag}')


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('recorder', RecorderNode, argv)


if __name__ == '__main__':
    sys.exit(main())
