"""The `playback` node: a bag onto topics, at any real-time factor."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.dataset import DataPlayback, Dataset
from lk_dataset_ros.errors import ArmError, ComponentError
from lk_dataset_ros.msg import PlaybackStatus, TopicCount
from lk_dataset_ros.ros.host import run_node, to_time
from lk_dataset_ros.ros.parameters import declare_options, refuse_unknown
from lk_dataset_ros.ros.playing import PlaybackDriver
from lk_dataset_ros.srv import SetRate

if TYPE_CHECKING:
    from rclpy.node import Node

STATUS_PERIOD_S = 1.0
#: How long the end waits for subscribers to acknowledge the last messages, s.
ACKNOWLEDGE_LIMIT_S = 5.0


@dataclass(kw_only=True)
class PlaybackConfig(Config):
    """Settings of the node, beside those of the engine."""

    bag: str = option('', 'the bag: a rosbag2 directory or a .mcap file')
    wait_for: list[str] = option(  # noqa: RUF009
        [],
        'topics that must have a subscriber before the first message; those of `topics` when '
        'empty, and none when `topics` is empty too',
    )
    ready_limit_s: float = option(
        30.0,
        'how long to wait for those subscribers, s; 0 does not wait',
        minimum=0.0,
        maximum=1e6,
    )
    acknowledge_every: int = option(
        10,
        'at RTF 0, how many messages are published before all subscribers have acknowledged; '
        'not more than their history depth',
        minimum=1,
        maximum=100_000,
    )


class PlaybackNode:
    """Wait for subscribers, play, see the last message through."""

    def __init__(self, node: Node) -> None:
        self._node = node
        config = PlaybackConfig(**declare_options(node, PlaybackConfig.options(), read_only=True))
        engine_config = DataPlayback.Config(**declare_options(node, DataPlayback.Config.options()))
        refuse_unknown(node)
        if not config.bag:
            raise ComponentError('no bag is given; name one: -p bag:=path')
        dataset = Dataset.load(config.bag)
        self._playback = DataPlayback(dataset, config=engine_config, log=node.get_logger())
        named = [topic for topic in engine_config.topics if topic]
        self._wait_for = config.wait_for or named
        for topic in self._wait_for:
            if topic not in self._playback.topics:
                raise ComponentError(f'wait_for names {topic}, which is not played')
        self._driver = PlaybackDriver(node, self._playback)
        self._ready_limit_s = config.ready_limit_s
        self._acknowledge_every = config.acknowledge_every
        self._acknowledged = 0
        self._deadline_s = time.monotonic() + config.ready_limit_s
        self._started = not (self._wait_for and config.ready_limit_s)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = node.create_publisher(PlaybackStatus, '~/status', latched)
        node.create_timer(STATUS_PERIOD_S, self._publish_status)
        for name, action in (('pause', self._playback.pause), ('resume', self._playback.resume)):
            node.create_service(Trigger, f'~/{name}', self._trigger(action))
        node.create_service(SetRate, '~/set_rate', self._set_rate)

    def turn(self) -> float | None:
        """Play what is due."""
        if not self._started:
            missing = [
                topic
                for topic in self._wait_for
                if self._driver.publishers.subscription_count(topic) == 0
            ]
            if missing:
                if time.monotonic() > self._deadline_s:
                    raise ArmError(
                        f'{", ".join(missing)} has no subscriber after {self._ready_limit_s:g} s; '
                        'ready_limit_s:=0.0 plays without one'
                    )
                return 0.02
            self._started = True
        wait_s = self._driver.drive()
        published = sum(self._playback.counts.values())
        if self._playback.rtf == 0.0 and published - self._acknowledged >= self._acknowledge_every:
            self._driver.publishers.wait_for_acknowledgement(ACKNOWLEDGE_LIMIT_S)
            self._acknowledged = published
        return wait_s

    def _trigger(self, action: Any) -> Any:
        def handle(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            del request
            action()
            response.success = True
            return response

        return handle

    def _set_rate(self, request: SetRate.Request, response: SetRate.Response) -> SetRate.Response:
        try:
            self._playback.set_rate(request.rate)
            response.success = True
        except ComponentError as error:
            response.message = str(error)
        return response

    def _state(self) -> int:
        if self._playback.is_finished:
            return int(PlaybackStatus.FINISHED)
        if not self._started:
            return int(PlaybackStatus.WAITING)
        return int(PlaybackStatus.PAUSED if self._playback.is_paused else PlaybackStatus.PLAYING)

    def _publish_status(self) -> None:
        playback = self._playback
        achieved = playback.achieved_rtf
        topics = [
            TopicCount(topic=name, type=topic.schema.name, count=playback.counts[name])
            for name, topic in playback.topics.items()
        ]
        self._status.publish(
            PlaybackStatus(
                stamp=to_time(time.time_ns()),
                state=self._state(),
                position_ns=playback.position_ns,
                start_ns=playback.start_ns,
                end_ns=playback.end_ns,
                requested_rtf=playback.rtf,
                achieved_rtf=0.0 if math.isnan(achieved) else achieved,
                count=sum(playback.counts.values()),
                topics=topics,
            )
        )

    def close(self) -> None:
        """See the last messages through to their subscribers, say what was played."""
        self._driver.publishers.wait_for_acknowledgement(ACKNOWLEDGE_LIMIT_S)
        self._publish_status()
        playback = self._playback
        count = sum(playback.counts.values())
        self._node.get_logger().info(
            f'played {count} of {playback.total} messages, achieved RTF {playback.achieved_rtf:.4g}'
        )


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('playback', PlaybackNode, argv)


if __name__ == '__main__':
    sys.exit(main())
