"""The `world` node: simulates a world, whose sensors and commands are topics."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.errors import ComponentError, LkError
from lk_dataset_ros.msg import WorldStatus
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node, to_time
from lk_dataset_ros.ros.live.pace import Pace
from lk_dataset_ros.ros.live.world_topics import WorldTopics
from lk_dataset_ros.ros.parameters import declare_options, follow_changes, refuse_unknown
from lk_dataset_ros.srv import ResetWorld
from lk_dataset_ros.world import world_class

if TYPE_CHECKING:
    from rclpy.node import Node

    from lk_dataset_ros.world import World

#: How often the status is published at least, s.
STATUS_PERIOD_S: Final = 0.1
#: How often it is looked who has been matched, s.
POLL_S: Final = 0.01


@dataclass(kw_only=True)
class WorldConfig(Config):
    """Settings of the node, beside those of the world."""

    world: str = option('', 'cart_pole, diff_drive, or the import path package.module:Class')
    python_path: list[str] = option([], 'folders to import the world from')  # noqa: RUF009
    seed: int = option(0, 'what its random numbers start from', minimum=0, maximum=2**63 - 1)
    start_paused: bool = option(False, 'time stands still until ~/resume')
    wait_for: list[str] = option(  # noqa: RUF009
        [], 'topics that somebody must listen to, or command, before time begins'
    )
    wait_for_subscribers: int = option(
        1, 'how many must listen to each sensor in wait_for', minimum=1, maximum=1000
    )


@dataclass(kw_only=True)
class PaceConfig(Config):
    """What may be changed while the world runs."""

    rtf: float = option(
        1.0, 'real-time factor; 0 is as fast as it computes', minimum=0.0, maximum=1e6
    )


class WorldNode:
    """Steps a world at its pace; resets, pauses and resumes it when asked."""

    def __init__(self, node: Node) -> None:
        self._node = node
        config = WorldConfig(**declare_options(node, WorldConfig.options(), read_only=True))
        if not config.world:
            raise ComponentError(
                'no world is given; name one: --ros-args -p world:=diff_drive (or cart_pole, or '
                'package.module:Class)'
            )
        pace = PaceConfig(**declare_options(node, PaceConfig.options()))
        self._world = _make_world(node, config)
        self._seed = config.seed
        self._world.reset(config.seed)
        self._topics = WorldTopics(node, self._world)
        self._wait_for = [topic for topic in config.wait_for if topic]
        self._topics.check(self._wait_for)
        self._least = config.wait_for_subscribers
        refuse_unknown(node)
        self._pace = Pace(pace.rtf)
        follow_changes(node, pace, self._change_pace)
        self._is_paused = config.start_paused
        #: What the last step gave, as long as it is not due.
        self._due: list[tuple[str, Any, int]] | None = None
        self._period_ns = 0
        self._status_at_s = 0.0
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status: Any = node.create_publisher(WorldStatus, '~/status', latched)
        node.create_service(ResetWorld, '~/reset', self._on_reset)
        node.create_service(Trigger, '~/pause', self._on_pause)
        node.create_service(Trigger, '~/resume', self._on_resume)

    def turn(self) -> float:
        """Go on to the next moment when it is due."""
        if time.monotonic() >= self._status_at_s:
            self._tell()
        if self._wait_for:
            return self._look_who_is_there()
        if self._is_paused or (self._world.finished and self._due is None):
            return LONGEST_WAIT_S
        if self._due is None:
            # Commands that come until then answer what was sensed last: they act from there on.
            wait_s = self._pace.wait_s(self._world.time_ns + self._period_ns)
            if wait_s > 0.0:
                return min(wait_s, LONGEST_WAIT_S)
            self._step()
        wait_s = self._pace.wait_s(self._world.time_ns)
        if wait_s > 0.0:
            return min(wait_s, LONGEST_WAIT_S)
        if self._due:
            self._topics.publish(self._world.time_ns, self._due)
        self._due = None
        if self._world.finished:
            self._tell()
        return 0.0

    def _step(self) -> None:
        before_ns = self._world.time_ns
        self._due = self._world.step(self._topics.take_commands())
        self._period_ns = self._world.time_ns - before_ns

    def _look_who_is_there(self) -> float:
        self._wait_for = [
            topic
            for topic in self._wait_for
            if self._topics.others_on(topic)
            < (1 if topic in self._world.commands else self._least)
        ]
        if self._wait_for:
            return POLL_S
        self._node.get_logger().info('all are there, time begins')
        self._topics.publish(self._world.time_ns, [])
        self._pace.begin(self._world.time_ns)
        return 0.0

    def _change_pace(self, config: Config) -> None:
        assert isinstance(config, PaceConfig)
        self._pace.change(config.rtf, self._world.time_ns)

    def _tell(self) -> None:
        self._status_at_s = time.monotonic() + STATUS_PERIOD_S
        self._status.publish(
            WorldStatus(
                stamp=to_time(self._world.time_ns),
                seed=self._seed,
                is_finished=self._world.finished,
                outcome=json.dumps(self._world.outcome()),
            )
        )

    def _on_reset(self, request: Any, response: Any) -> Any:
        try:
            self._world.reset(request.seed)
        except LkError as error:
            response.success, response.message = False, str(error)
            return response
        self._seed, self._due = request.seed, None
        # A command that is on its way answers what was sensed before.
        self._topics.forget_commands()
        self._topics.publish(self._world.time_ns, [])
        self._pace.begin(self._world.time_ns)
        self._tell()
        response.success = True
        return response

    def _on_pause(self, request: Any, response: Any) -> Any:
        del request
        self._is_paused = response.success = True
        return response

    def _on_resume(self, request: Any, response: Any) -> Any:
        del request
        self._is_paused, response.success = False, True
        self._pace.begin(self._world.time_ns)
        return response

    def close(self) -> None:
        """Say how it ended."""
        outcome = json.dumps(self._world.outcome())
        self._node.get_logger().info(
            f'the world ends at {self._world.time_ns / 1e9:g} s, seed {self._seed}: {outcome}'
        )


def _make_world(node: Node, config: WorldConfig) -> World:
    cls = world_class(config.world, config.python_path)
    taken = {each.name for each in (*WorldConfig.options(), *PaceConfig.options())}
    for each in cls.Config.options():
        if each.name in taken:
            raise ComponentError(
                f'{cls.__name__} has a setting {each.name!r}, a name that the node needs itself'
            )
    return cls(cls.Config(**declare_options(node, cls.Config.options(), read_only=True)))


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('world', WorldNode, argv)


if __name__ == '__main__':
    sys.exit(main())
