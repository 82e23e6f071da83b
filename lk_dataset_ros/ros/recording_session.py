"""One bag from its beginning to its end: database, engine, intake and discovery together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.dataset import DataRecorder, McapDatabase
from lk_dataset_ros.dataset.recording.history import history_depth
from lk_dataset_ros.errors import LkError
from lk_dataset_ros.ros.discovery import TopicDiscovery
from lk_dataset_ros.ros.intake import Intake
from lk_dataset_ros.ros.played import PlayedListener
from lk_dataset_ros.ros.types import schema_of

if TYPE_CHECKING:
    from pathlib import Path

    from rclpy.node import Node

    from lk_dataset_ros.ros.recorder_options import RecorderOptions

#: How long topics are looked for where those that appear later are not wanted, s: matching takes
#: up to 2.4 s by chance.
STARTUP_S: Final = 3.0


class RecordingSession:
    """Records one bag.

    Args:
        node: The node.
        options: What the parameters mean.
        bag: Directory that does not exist.
        own: Topics of the recorder itself.

    Raises:
        BagExistsError: If there is something at `bag`.
        BagWriteError: If nothing can be written there.

    Attributes:
        bag: Absolute path.
        problem: Why recording failed, empty as long as it did not.
    """

    def __init__(
        self, node: Node, options: RecorderOptions, bag: Path, *, own: tuple[str, ...]
    ) -> None:
        self._node = node
        self._log = node.get_logger()
        self._options = options
        self.bag = bag.absolute()
        self.problem = ''
        self.is_closed = False
        self._database = McapDatabase(self.bag, 'w', **options.storage)
        try:
            self.recorder = DataRecorder(self._database, config=options.engine, log=self._log)
        except LkError:
            self._database.close()
            raise
        self._uses_clock = bool(node.get_parameter('use_sim_time').value)
        self._intake = Intake(
            node,
            self.recorder,
            now_ns=self._now_ns if self._uses_clock else None,
            as_recorded=options.node.as_recorded,
        )
        self._played = PlayedListener(node, self._intake) if options.node.as_recorded else None
        self._discovery = TopicDiscovery(
            node,
            self._intake,
            self.recorder,
            options.choice,
            overrides=options.overrides,
            depth_of=self._depth_of,
            own=own,
        )
        self._look_at_s = 0.0
        self._look_until_s: float | None = None
        self._has_started = False

    def _depth_of(self, type_name: str) -> int:
        """Return how many messages of a type may wait in the middleware."""
        node = self._options.node
        return node.depth or history_depth(schema_of(type_name), node.history_bytes)

    def _now_ns(self) -> int:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return now_ns

    @property
    def file(self) -> str:
        """Path of the file that is being written."""
        return str(self.bag / self._database.file_name)

    @property
    def is_waiting_for_clock(self) -> bool:
        """Whether nothing is recorded because there is no time yet."""
        return self._uses_clock and self._now_ns() == 0

    def turn(self) -> None:
        """Look for topics when it is time to.

        Raises:
            LkError: If recording has failed.
        """
        failure = self.recorder.error or self._intake.error
        if failure is not None:
            self.problem = str(failure) or type(failure).__name__
            return
        if not self._has_started:
            if self.is_waiting_for_clock:
                return
            self._start()
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + self._options.node.polling_period_s
        if self._look_until_s is None or now_s < self._look_until_s:
            self._discovery.look()
        self._discovery.watch()
        if self._played is not None:
            self._played.look()

    def _start(self) -> None:
        self._has_started = True
        if not self._options.node.discovery:
            self._look_until_s = time.monotonic() + STARTUP_S
        if self._uses_clock:
            self._log.info('/clock is there, recording begins')
        self._intake.start()

    def split(self) -> str:
        """Go on in another file; return its name."""
        self.recorder.split()
        self.recorder.flush()
        return str(self._database.file_name)

    def snapshot(self) -> int:
        """Write what the ring buffer holds; return how many messages that are."""
        count = self.recorder.snapshot()
        self.recorder.flush()
        return count

    def close(self) -> None:
        """Take what has arrived and finish the bag; failures are kept as `problem`."""
        if self.is_closed:
            return
        self.is_closed = True
        for end in (self._discovery.check, self._end_intake, self.recorder.close):
            try:
                end()
            except Exception as error:  # noqa: BLE001 - the bag is to be closed, whatever fails
                self.problem = self.problem or str(error) or type(error).__name__
        self._tell()

    def _end_intake(self) -> None:
        if self._played is not None:
            self._played.close()
        self._intake.stop()

    def _tell(self) -> None:
        for topic in self._discovery.missing():
            self._log.warning(f'nothing was recorded on {topic}: nobody published it')
        for topic, stats in self.recorder.get_stats().items():
            parts = [
                f'{number} {what}'
                for number, what in (
                    (stats.lost, 'lost'),
                    (stats.dropped, 'dropped'),
                    (stats.skipped, 'skipped'),
                )
                if number
            ]
            unknown = f' ({stats.unknown})' if stats.unknown else ''
            text = ', '.join((f'recorded {stats.count} messages of {topic}', *parts)) + unknown
            if stats.lost or stats.dropped:
                self._log.warning(text)
            else:
                self._log.info(text)
        if self.problem:
            self._log.error(f'recording failed: {self.problem}')
        self._log.info(f'bag finished: {self.bag}')
