"""The `playback` node: bags onto topics, at any real-time factor."""

from __future__ import annotations

import dataclasses
import gc
import sys
import time
from typing import TYPE_CHECKING, Any

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rosgraph_msgs.msg import Clock

from lk_dataset_ros.dataset import DataPlayback
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.msg import PlaybackStatus
from lk_dataset_ros.ros.acknowledgement import Acknowledgement
from lk_dataset_ros.ros.announcing import PlayedAnnouncements
from lk_dataset_ros.ros.background import BackgroundPublishing
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, is_stopping, run_node, waker
from lk_dataset_ros.ros.keyboard import Keyboard
from lk_dataset_ros.ros.local_subscribers import LocalSubscribers
from lk_dataset_ros.ros.overlay import use_overlays
from lk_dataset_ros.ros.parameters import declare_options, refuse_unknown
from lk_dataset_ros.ros.playable import CLOCK, load_bags, unplayable
from lk_dataset_ros.ros.playback_options import ALL, PlaybackConfig
from lk_dataset_ros.ros.playback_services import PlaybackServices
from lk_dataset_ros.ros.playback_status import status_message, summary
from lk_dataset_ros.ros.playing import TopicPublishers
from lk_dataset_ros.ros.progress_line import ProgressLine
from lk_dataset_ros.ros.qos import DEEP
from lk_dataset_ros.ros.qos_overrides import load_qos_overrides
from lk_dataset_ros.ros.readiness import Readiness
from lk_dataset_ros.ros.sending import Sending
from lk_dataset_ros.ros.service_requests import ServiceRequests, is_service_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rclpy.node import Node

STATUS_PERIOD_S = 1.0
#: How often subscribers are looked for that have come later, s.
WATCH_PERIOD_S = 0.5
#: How often the node looks at its keys, its progress, and whether it is ready, s.
POLL_S = 0.02
#: How often it looks at nothing else while it plays, s: its thread takes the interpreter.
REST_S = 1.0
#: How long a readiness may take before it is told about, s.
PATIENCE_S = 1.0
#: How long the last messages may take after a signal, s.
LAST_LIMIT_S = 0.5
#: What an arrow adds to the rate, as in `ros2 bag play`.
RATE_STEP = 0.1


class PlaybackNode:
    """Wait for subscribers, play, see the last message through; a generator is the course of it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._log = node.get_logger()
        use_overlays()
        config = PlaybackConfig(**declare_options(node, PlaybackConfig.options(), read_only=True))
        engine_config = DataPlayback.Config(
            **declare_options(node, DataPlayback.Config.options(), read_only=True)
        )
        refuse_unknown(node)
        self._config = config
        overrides = (
            load_qos_overrides(config.qos_overrides, depth=DEEP) if config.qos_overrides else {}
        )
        bags = [each for each in (config.bag, *config.bags) if each]
        datasets = load_bags(bags, self._log)
        skip = unplayable(
            datasets,
            engine_config,
            self._log,
            build=config.build_types,
            bag=bags[0],
            as_requests=config.publish_service_requests,
        )
        self._playback = DataPlayback(datasets, config=engine_config, log=self._log, skip=skip)
        self._make_outputs(overrides)
        self._demanded = self._demands()
        self._is_stopped = False
        self._is_asked_again = False
        self._state = 'waiting'
        self._missing: list[str] = []
        self._look_at_s = 0.0
        if engine_config.follow:
            # Only the newest tick counts.
            newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            node.create_subscription(Clock, CLOCK, self._on_clock, newest)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = node.create_publisher(PlaybackStatus, '~/status', latched)
        node.create_timer(STATUS_PERIOD_S, self._publish_status)
        PlaybackServices(node, self._playback, self)
        self._keyboard = Keyboard() if config.keyboard else None
        if self._keyboard is not None and self._keyboard.is_there:
            self._log.info('keys: space pauses, right plays the next message, up and down: rate')
        self._progress = ProgressLine(config.progress_hz)
        self._wake = waker(node)
        self._course = self._run()

    def _make_outputs(self, overrides: dict[str, QoSProfile]) -> None:
        node, config, playback = self._node, self._config, self._playback
        events = {
            name: topic
            for name, topic in playback.topics.items()
            if config.publish_service_requests and is_service_event(topic)
        }
        topics = {name: each for name, each in playback.topics.items() if name not in events}
        self._publishers = publishers = TopicPublishers(
            node, topics, keeps=playback.latched, overrides=overrides
        )
        for topic in sorted(set(overrides).difference(topics)):
            self._log.warning(f'qos_overrides names {topic}, which is not played')
        self._subscribers = LocalSubscribers(node)
        self._acknowledgement = Acknowledgement(
            publishers,
            config.acknowledge_every,
            _shallow(publishers.profiles),
            subscribers=self._subscribers,
            is_stopping=lambda: self._is_stopped or is_stopping(),
            log=self._log,
        )
        self._requests = ServiceRequests(
            node, events, source=config.service_requests_source, log=self._log
        )
        self._played = (
            PlayedAnnouncements(node, [(each, publishers.graph_name(each)) for each in topics])
            if config.as_recorded
            else None
        )
        engine = playback.config
        has_clock = bool(engine.clock_hz or engine.clock_on_messages or any(engine.clock_topics))
        self._background = BackgroundPublishing()
        self._send = Sending(
            playback,
            publishers,
            self._acknowledgement,
            self._requests,
            self._played,
            background=self._background,
            may_hold=not has_clock,
        )
        self._clock = Clock()
        self._clock_publisher: Any = node.create_publisher(Clock, CLOCK, 10) if has_clock else None

    def _demands(self) -> list[str]:
        """Return the topics that must have subscribers."""
        config, topics = self._config, list(self._playback.topics)
        named = [topic for topic in config.wait_for if topic]
        for topic in named:
            if topic != ALL and topic not in topics:
                raise ComponentError(
                    f'wait_for names {topic}, which is not played; there is {", ".join(topics)}'
                )
        if ALL in named or config.as_recorded:
            return topics
        return named or [t for t in self._playback.config.topics if t in topics]

    # What the services ask for.

    @property
    def hindrance(self) -> str:
        """Why nothing is played now, empty if the engine is playing (or paused)."""
        if self._playback.is_playing:
            return ''
        if self._missing:
            return f'the playback waits for a subscriber of {", ".join(self._missing)}'
        return 'the playback is not playing'

    def stop(self) -> None:
        """End the playback, also one that still waits."""
        self._is_stopped = True
        self._playback.stop()

    def play(self, start_offset_s: float, duration_s: float, until_ns: int) -> None:
        """Play again.

        Raises:
            LkError: If it is playing, or asked for what is not there.
        """
        if self._state != 'finished':
            raise ComponentError('the playback has not finished; ~/stop ends it, ~/seek moves it')
        self._playback.restart(start_offset_s, duration_s, until_ns)
        self._is_stopped = False
        self._is_asked_again = True

    # The course.

    def turn(self) -> float | None:
        """Go on with the course."""
        return next(self._course, None)

    def _run(self) -> Iterator[float]:
        """Yield how long to wait for events, s."""
        while True:
            yield from self._get_ready()
            yield from self._play()
            yield from self._see_through()
            self._state = 'finished'
            self._publish_status()
            if not self._config.stay:
                return
            self._log.info(f'{summary(self._playback.status())}; ~/play plays it again')
            while not self._is_asked_again:
                yield LONGEST_WAIT_S
            self._is_asked_again = False

    def _get_ready(self) -> Iterator[float]:
        self._state = 'waiting'
        config, topics = self._config, list(self._playback.topics)
        demanded = self._demanded if config.ready_limit_s else []
        if config.as_recorded and config.ready_limit_s:
            demanded = [*demanded, '~/played']
        readiness = Readiness(
            self,
            demanded,
            [topic for topic in topics if topic not in demanded],
            count=config.wait_for_subscribers,
            limit_s=config.ready_limit_s,
            discovery_s=config.discovery_s,
            are_idle=self._are_idle,
        )
        told_s = time.monotonic() + PATIENCE_S
        while not (self._is_stopped or readiness.is_ready()):
            self._missing = readiness.missing
            if self._missing and time.monotonic() >= told_s:
                told_s = float('inf')
                self._log.info(f'waiting for a subscriber of {", ".join(self._missing)}')
            self._poll_terminal()
            yield POLL_S
        silent, self._missing = readiness.missing, []
        if silent and not self._is_stopped:
            self._log.info(f'nobody subscribes to {", ".join(silent)} yet; playing')

    def subscription_count(self, topic: str) -> int:
        """Return how many subscribers a topic has, or the announcements on `~/played`."""
        if topic == '~/played' and self._played is not None:
            # One recorder is enough, however many subscribers the topics wait for.
            return self._played.subscription_count * self._config.wait_for_subscribers
        if topic in self._requests.topics:
            return self._config.wait_for_subscribers if self._requests.is_served(topic) else 0
        return self._publishers.subscription_count(topic)

    def _are_idle(self) -> bool:
        """Tell whether subscribers, as far as they can be watched, have noticed us."""
        self._look_at_subscribers()
        return not self._subscribers.is_watching or self._subscribers.are_idle() is not False

    def _play(self) -> Iterator[float]:
        if self._is_stopped:
            return
        self._state = 'playing'
        # What is there by now stays: the collector need not look at it while messages are due.
        gc.collect()
        gc.freeze()
        self._watch_subscribers()
        self._playback.play(
            self._send, blocking=False, on_clock=self._publish_clock, on_end=self._wake
        )
        while self._playback.is_playing:
            self._watch_subscribers()
            self._send.flush()
            self._poll_terminal()
            if self._played is not None:
                self._played.announce_old()
            yield self._poll_s
        while not (self._send.flush() and self._background.drain(0.0)) and not self._is_stopped:
            yield POLL_S
        self._playback.wait()

    def _see_through(self) -> Iterator[float]:
        """Wait until the last messages are acknowledged."""
        limit_s = self._config.wait_for_acks_s
        deadline_s = time.monotonic() + limit_s
        while not self._publishers.wait_for_acknowledgement(POLL_S):
            if limit_s and time.monotonic() >= deadline_s:
                self._log.error(
                    f'a subscriber has not acknowledged the last messages after {limit_s:g} s; '
                    'wait_for_acks_s:=0.0 waits as long as it takes'
                )
                break
            yield 0.0
        if self._played is not None:
            self._played.finish(limit_s or 1e6)

    # On the side.

    def _watch_subscribers(self) -> None:
        """Look now and then who subscribes, where the playback is held back to it."""
        now_s = time.monotonic()
        if (
            self._playback.rtf == 0.0
            and not self._config.acknowledge_every
            and now_s >= self._look_at_s
        ):
            self._look_at_s = now_s + WATCH_PERIOD_S
            self._look_at_subscribers()

    def _look_at_subscribers(self) -> None:
        self._subscribers.look(map(self._publishers.graph_name, self._publishers.topics))

    @property
    def _poll_s(self) -> float:
        if self._played is not None or (self._keyboard is not None and self._keyboard.is_there):
            return POLL_S
        # Messages are held back only where there is no time to be kept.
        return LONGEST_WAIT_S if self._playback.rtf == 0.0 else REST_S

    def _poll_terminal(self) -> None:
        if self._keyboard is not None:
            for key in self._keyboard.pressed():
                self._press(key)
        if self._progress.is_due():
            stats = dataclasses.replace(self._playback.status(), state=self._stage)
            note = f'waiting for {", ".join(self._missing)}' if self._missing else ''
            self._progress.show(stats, note)

    @property
    def _stage(self) -> str:
        """State in the words of the engine, which knows of no waiting for subscribers."""
        is_paused = self._state == 'playing' and self._playback.is_paused
        return 'paused' if is_paused else self._state

    def _press(self, key: str) -> None:
        playback = self._playback
        try:
            if key == 'space':
                playback.toggle()
            elif key == 'right' and playback.is_playing:
                playback.play_next()
            elif key in ('up', 'down'):
                rate = round(playback.rtf + (RATE_STEP if key == 'up' else -RATE_STEP), 9)
                if rate > 0.0:
                    playback.set_rate(rate)
                    self._log.info(f'rate {rate:g}')
        except ComponentError as error:
            self._log.warning(str(error))

    def _on_clock(self, message: Clock) -> None:
        self._playback.follow_clock(message.clock.sec * 1_000_000_000 + message.clock.nanosec)

    def _publish_clock(self, time_ns: int) -> None:
        if self._clock_publisher is not None:
            self._clock.clock.sec, self._clock.clock.nanosec = divmod(time_ns, 1_000_000_000)
            self._clock_publisher.publish(self._clock)

    def _publish_status(self) -> None:
        self._status.publish(
            status_message(
                self._playback.status(),
                state=self._stage,
                waiting_for=self._missing,
                subscribers=self.subscription_count,
            )
        )

    def close(self) -> None:
        """End the playback, say what was played."""
        if self._keyboard is not None:
            self._keyboard.close()
        self._progress.clear()
        self._is_stopped = True
        self._playback.close()
        self._send.flush()
        self._background.close()
        self._subscribers.close()
        if self._state != 'finished':
            self._state = 'finished'
            self._publishers.wait_for_acknowledgement(LAST_LIMIT_S)
            if self._played is not None:
                self._played.finish(LAST_LIMIT_S)
            self._publish_status()
        self._log.info(summary(self._playback.status()))


def _shallow(profiles: dict[str, QoSProfile]) -> dict[str, int]:
    """Return the topics whose publisher keeps few messages until they are acknowledged."""
    return {
        name: profile.depth
        for name, profile in profiles.items()
        if profile.reliability == ReliabilityPolicy.RELIABLE
        and profile.history == HistoryPolicy.KEEP_LAST
        and profile.depth < DEEP
    }


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('playback', PlaybackNode, argv)


if __name__ == '__main__':
    sys.exit(main())
