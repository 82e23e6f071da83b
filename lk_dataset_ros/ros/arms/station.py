"""One arm in its ROS domain: its process, what it is fed through, what it is heard with."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.ros.arms.answers import Answers
from lk_dataset_ros.ros.arms.idleness import Idleness
from lk_dataset_ros.ros.arms.process import ArmProcess
from lk_dataset_ros.ros.host import to_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.publisher import Publisher

    from lk_dataset_ros.ros.arms.ends import Feed, Hearing
    from lk_dataset_ros.ros.arms.job import ArmJob, OutputJob
    from lk_dataset_ros.ros.arms.probing import Probe

#: A hidden node, which no arm of the user's is called like.
NODE: Final = '_lk_arm_runner'
#: Outputs that are kept before they are written: what is not written is lost if we are killed.
_KEPT: Final = 500


class Station:
    """An arm, and all that there is to it in this process.

    Args:
        job: The arm.
        outputs: What is recorded of it.
        is_first: The first one in this process sets up ROS's logging.

    Attributes:
        label: What the run of the arm is called.
        node: Our node in the arm's domain.
        process: The arm's processes, None before they are started.
        bag: What is recorded.
        feeds: Inputs by topic.
        newest: The input topic that was fed last.
        hearings: Outputs.
        answers: What is owed for the inputs.
        problem: What is wrong with it, or empty.
        is_through: Nothing more is done with it.
        is_fed: It gets inputs.
        place: Tells recorded time and number of the input of an output: that of the input which
            it answers, where nothing else is set.
        unconfirmed: Input topics that not everybody has acknowledged who should.
        outcome: What has become of the task in a world.
        sensed: Messages that the world gave, by topic.
        on_output: Is called with topic and message of each output.
    """

    def __init__(self, job: ArmJob, outputs: list[OutputJob], *, is_first: bool) -> None:
        self.label = job.label
        self._job = job
        self._context = Context()
        self._context.init(args=[], initialize_logging=is_first, domain_id=job.domain)
        self.node = Node(
            NODE,
            context=self._context,
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self.bag = McapDatabase(job.bag, 'w')
        self.process: ArmProcess | None = None
        self.idleness: Idleness | None = None
        self.probe: Probe | None = None
        self.feeds: dict[str, Feed] = {}
        self.newest: Feed | None = None
        self.hearings: list[Hearing] = []
        self.outputs = outputs
        self.answers = Answers(outputs)
        self.problem = ''
        self.is_through = self.is_fed = False
        self.is_closed = False
        self.unconfirmed: set[str] = set()
        self.outcome: dict[str, Any] = {}
        self.sensed: dict[str, int] = {}
        self.place: Callable[[Hearing, bytes, int], tuple[int, int]] = self._answer
        self.on_output: Callable[[str, bytes], None] | None = None
        self._clock: Publisher | None = None
        self._kept = 0

    @property
    def context(self) -> Any:
        """Of ROS."""
        return self._context

    def start(self) -> None:
        """Start the arm."""
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(self._job.domain)}
        self.process = ArmProcess(
            self._job.command,
            environment=environment,
            directory=self._job.directory,
            log=Path(self._job.log),
        )
        self.idleness = Idleness(self.process.pid)

    def check(self) -> None:
        """Notice that it has ended."""
        if self.process is not None and not self.is_through:
            self.process.look()
            if self.process.ending:
                self.fail(self.process.ending)

    def fail(self, problem: str) -> None:
        """Give it up."""
        if self.is_through:
            return
        self.take()
        self.problem = problem
        self.is_through = True
        if self.process is not None:
            self.process.note_end()
            self.process.kill()

    def finish(self) -> None:
        """Note that it is through, and well."""
        if not self.is_through and self.process is not None:
            self.is_through = True
            self.process.note_end()

    def use_stamps(self, stamped: list[str], outputs: list[OutputJob]) -> None:
        """Learn which outputs say by their stamp what they answer."""
        self.answers = Answers(outputs, stamped)

    def send(self, topic: str, cdr: bytes, time_ns: int) -> None:
        """Feed it one message."""
        feed = self.newest = self.feeds[topic]
        self.answers.send(topic, cdr, time_ns, feed.count)
        feed.publish(cdr, time_ns)

    def has_clock(self) -> None:
        """Make what tells it the time."""
        self._clock = self._clock or self.node.create_publisher(Clock, '/clock', 10)

    def send_clock(self, time_ns: int) -> bool:
        """Tell it the time; return whether it listens."""
        assert self._clock is not None
        self._clock.publish(Clock(clock=to_time(time_ns)))
        return bool(self._clock.get_subscription_count())

    def note_sent(self, topic: str, cdr: bytes, time_ns: int, sent_ns: int) -> None:
        """Note that it was fed a message."""
        feed = self.newest = self.feeds[topic]
        self.answers.send(topic, cdr, time_ns, feed.count)
        feed.note_sent(cdr, time_ns, sent_ns)

    def take(self) -> bool:
        """Take the outputs that have come; tell whether there were any."""
        before = self._kept
        for hearing in self.hearings:
            take = hearing.take
            while (taken := take()) is not None:
                cdr, info = taken
                self.keep(hearing, cdr, info['received_timestamp'] or time.time_ns())
        return self._kept != before

    def keep(self, hearing: Hearing, cdr: bytes, came_ns: int) -> None:
        """Keep an output that was taken."""
        hearing.keep(cdr, came_ns, *self.place(hearing, cdr, came_ns))
        self._kept += 1
        if self.on_output is not None:
            self.on_output(hearing.topic, cdr)

    def _answer(self, hearing: Hearing, cdr: bytes, came_ns: int) -> tuple[int, int]:
        del came_ns
        return self.answers.take(hearing.owed, cdr)

    def note(self) -> None:
        """Do what can wait until the arm is at work."""
        if self.newest is not None:
            self.newest.note()
        self.write_old()

    def write_old(self) -> None:
        """Write what was taken, when it is much."""
        if self._kept >= _KEPT:
            self.write()

    def write(self) -> None:
        """Write what was taken to the bag."""
        for hearing in self.hearings:
            hearing.write_to(self.bag)
        self._kept = 0

    def is_confirmed(self, limit_s: float, topics: set[str] | None = None) -> bool:
        """Wait until all inputs (of some topics) have been acknowledged."""
        deadline_s = time.monotonic() + limit_s
        return all(
            feed.publisher.wait_for_all_acked(
                Duration(seconds=max(deadline_s - time.monotonic(), 0.0))
            )
            for topic, feed in self.feeds.items()
            if topics is None or topic in topics
        )

    @property
    def log(self) -> str:
        """File that takes what the arm says."""
        return self._job.log

    def all_unconfirmed(self, *, lockstep: bool) -> set[str]:
        """Return the input topics of which nobody knows whether the arm has got all.

        Who subscribes as best effort acknowledges nothing; in lockstep, his answers do.
        """
        answered = {
            each.answers
            for each in self.outputs
            if each.least and not self.answers.owed[each.topic].unanswered
        }
        return self.unconfirmed | {
            topic
            for topic, feed in self.feeds.items()
            if feed.is_heard and not feed.is_reliable and not (lockstep and topic in answered)
        }

    def close(self) -> None:
        """End the arm, finish the bag, leave the domain."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.process is not None:
            self.process.end()
        if self.idleness is not None:
            self.idleness.close()
        try:
            self.take()
            self.write()
        finally:
            self.bag.close()
            self.node.destroy_node()
            self._context.try_shutdown()
