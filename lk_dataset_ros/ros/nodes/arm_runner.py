"""The `arm_runner` node: feeds one arm of an experiment and records what it answers.

Started by `lk ab`, one per arm, in a ROS domain that it shares with that arm only. The job comes
as a JSON file, the course of it goes out as JSON lines on the standard output.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.qos import DurabilityPolicy

from lk_dataset_ros.component import Config, option
from lk_dataset_ros.dataset import DataPlayback, DataRecorder, Dataset, McapDatabase
from lk_dataset_ros.errors import ArmError
from lk_dataset_ros.ros.graph import offers_on, types_of
from lk_dataset_ros.ros.host import LONGEST_WAIT_S, run_node
from lk_dataset_ros.ros.parameters import declare_options
from lk_dataset_ros.ros.playing import PlaybackDriver
from lk_dataset_ros.ros.qos import DEEP, offers_to_yaml, profile_for_offers
from lk_dataset_ros.ros.recording import TopicRecording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rclpy.node import Node

    from lk_dataset_ros.dataset import SerializedMessage

PROGRESS_PERIOD_S = 0.1
POLL_S = 0.005
#: How long the end waits for an output that nobody expects, s.
QUIET_S = 0.2


@dataclass(frozen=True, slots=True)
class Output:
    """One output topic of the arm.

    Attributes:
        topic: Its name.
        answers: The input topic that it answers, one message for one.
    """

    topic: str
    answers: str


@dataclass(frozen=True, slots=True)
class Job:
    """What to do; written by `lk ab`."""

    arm: str
    bag: str
    topics: list[str]
    outputs: list[Output]
    rtf: float
    clock_hz: float
    bag_out: str
    ready_limit_s: float
    answer_limit_s: float

    @classmethod
    def load(cls, path: str) -> Job:
        """Read a job file."""
        content = json.loads(Path(path).read_text())
        content['outputs'] = [Output(**each) for each in content['outputs']]
        return cls(**content)


@dataclass(kw_only=True)
class RunnerConfig(Config):
    """Settings of the node."""

    job: str = option('', 'JSON file that describes the job')


def report(event: str, **more: Any) -> None:
    """Write one line for `lk ab`."""
    print(json.dumps({'event': event, **more}), flush=True)


class ArmRunner:
    """Wait for the arm, feed it, record its outputs; a generator is the course of it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        config = RunnerConfig(**declare_options(node, RunnerConfig.options(), read_only=True))
        self._job = job = Job.load(config.job)
        playback_config = DataPlayback.Config(
            rtf=job.rtf, topics=job.topics, clock_hz=job.clock_hz
        )
        self._playback = DataPlayback(Dataset.load(job.bag), config=playback_config)
        self._recorder = DataRecorder(McapDatabase(job.bag_out, 'w'), log=node.get_logger())
        self._recordings: dict[str, TopicRecording] = {}
        self._received = {output.topic: 0 for output in job.outputs}
        self._sent = dict.fromkeys(job.topics, 0)
        self._heard: set[str] = set()
        self._latched: set[str] = set()
        self._next_report_s = 0.0
        self._course = self._run()

    def turn(self) -> float | None:
        """Go on with the course."""
        return next(self._course, None)

    def _run(self) -> Iterator[float]:
        """Yield how long to wait for events, s."""
        yield from self._wait_for_arm()
        # The outputs are subscribed and matched before an input publisher exists: an arm cannot
        # have heard an input before its own output publishers know their subscriber.
        yield from self._subscribe_to_outputs()
        driver = PlaybackDriver(self._node, self._playback, self._latched)
        yield from self._until(
            lambda: [
                f'the subscription on {topic} did not match'
                for topic in self._job.topics
                if topic in self._heard and not driver.publishers.subscription_count(topic)
            ]
        )
        report('started')
        started_s = time.monotonic()
        yield from self._feed(driver)
        yield from self._see_through(driver)
        report(
            'done',
            sent=self._sent,
            received=self._received,
            duration_s=time.monotonic() - started_s,
            achieved_rtf=self._playback.achieved_rtf,
        )

    def _wait_for_arm(self) -> Iterator[float]:
        def unready() -> list[str]:
            self._heard = {topic for topic in self._job.topics if self._takes(topic)}
            missing = [
                f'nobody publishes {output.topic}'
                for output in self._job.outputs
                if not offers_on(self._node, output.topic)
            ]
            answered = {output.answers for output in self._job.outputs}
            missing += [
                f'nobody subscribes to {topic}'
                for topic in self._job.topics
                if topic in answered and topic not in self._heard
            ]
            return missing

        yield from self._until(unready)

    def _takes(self, topic: str) -> bool:
        wanted = self._playback.topics[topic].schema.name
        for info in self._node.get_subscriptions_info_by_topic(topic):
            if info.topic_type != wanted:
                raise ArmError(f'it takes {info.topic_type} on {topic}, the bag has {wanted}')
            if info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
                self._latched.add(topic)
            return True
        return False

    def _subscribe_to_outputs(self) -> Iterator[float]:
        for output in self._job.outputs:
            offers = offers_on(self._node, output.topic)
            if len(offers) > 1:
                raise ArmError(f'{output.topic} has {len(offers)} publishers; one is expected')
            self._recordings[output.topic] = TopicRecording(
                self._node,
                self._recorder,
                output.topic,
                types_of(self._node, output.topic)[0],
                profile_for_offers([offer for offer, _ in offers], DEEP),
                offers_yaml=offers_to_yaml([offer for offer, _ in offers]),
                type_hash=offers[0][1],
                on_record=self._on_output,
            )
        yield from self._until(
            lambda: [
                f'the publisher of {topic} did not match'
                for topic, recording in self._recordings.items()
                if not recording.publisher_count
            ]
        )

    def _until(self, unready: Callable[[], list[str]]) -> Iterator[float]:
        """Wait until nothing is unready.

        Raises:
            ArmError: Saying what is, when the limit is reached.
        """
        deadline_s = time.monotonic() + self._job.ready_limit_s
        while missing := unready():
            if time.monotonic() > deadline_s:
                raise ArmError(f'not ready after {self._job.ready_limit_s:g} s: {missing[0]}')
            yield POLL_S

    def _on_output(self, message: SerializedMessage) -> None:
        self._received[message.key] += 1

    def _feed(self, driver: PlaybackDriver) -> Iterator[float]:
        while (wait_s := driver.drive()) is not None:
            self._sent.update(self._playback.counts)
            self._report_progress()
            if self._job.rtf == 0.0:
                yield from self._wait_for_answers()
            else:
                yield wait_s

    def _wait_for_answers(self) -> Iterator[float]:
        """Let the arm answer every input before it gets the next: nothing can be lost.

        Raises:
            ArmError: If an answer does not come within the limit.
        """
        deadline_s = time.monotonic() + self._job.answer_limit_s
        while silent := self._silent():
            if time.monotonic() > deadline_s:
                raise ArmError(
                    f'no answer on {silent.topic} to message {self._sent[silent.answers]} of '
                    f'{silent.answers} within {self._job.answer_limit_s:g} s (an arm that does not '
                    'answer every input is to be run at an rtf greater than 0)'
                )
            yield POLL_S

    def _silent(self) -> Output | None:
        for output in self._job.outputs:
            if self._received[output.topic] < self._sent[output.answers]:
                return output
        return None

    def _see_through(self, driver: PlaybackDriver) -> Iterator[float]:
        """Take the answers that are still on their way."""
        driver.publishers.wait_for_acknowledgement(self._job.answer_limit_s)
        last, last_s = -1, time.monotonic()
        while True:
            now_s, count = time.monotonic(), sum(self._received.values())
            if count != last:
                last, last_s = count, now_s
            limit_s = self._job.answer_limit_s if self._silent() else QUIET_S
            if now_s - last_s > limit_s:
                return
            self._report_progress()
            yield min(LONGEST_WAIT_S, limit_s)

    def _report_progress(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + PROGRESS_PERIOD_S
            report(
                'progress',
                sent=sum(self._sent.values()),
                received=sum(self._received.values()),
                total=self._playback.total,
            )

    def close(self) -> None:
        """Take what has arrived, finish the bag."""
        for recording in self._recordings.values():
            recording.drain()
        self._recorder.close()
        report('closed', sent=self._sent, received=self._received)


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node('arm_runner', ArmRunner, argv)


if __name__ == '__main__':
    sys.exit(main())
