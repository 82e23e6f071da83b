"""The writer's side of a recorder: writes what waits, splits and flushes when it is time to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lk_dataset_ros.dataset.recording.latched import Latched, at
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.databases.mcap import McapDatabase
    from lk_dataset_ros.dataset.recording.arrivals import Arrivals
    from lk_dataset_ros.dataset.recording.statistics import TopicStats


class Sink:
    """Writes arrivals to a database.

    Args:
        database: Where to.
        stats: Where is counted what was written.
        latched: The keys whose last messages are repeated in every file; it may grow.
        max_file_bytes: Bytes after which the next file is begun; 0 is never.
        max_file_ns: Recorded time after which the next file is begun; 0 is never.
        flush_period_ns: Wall time after which what was written is handed to the system; 0 is
            never.
        flush_every_n: Messages after which it is; 0 is never.
        monotonic_ns: The wall clock, handed in by tests.

    Raises:
        CapabilityError: If files are to be split and the database has none.
    """

    def __init__(
        self,
        database: Database,
        stats: Mapping[str, TopicStats],
        latched: Collection[str],
        *,
        max_file_bytes: int = 0,
        max_file_ns: int = 0,
        flush_period_ns: int = NS_PER_S,
        flush_every_n: int = 0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._database = database
        self._stats = stats
        self._latched_keys = latched
        self._latched = Latched()
        self._max_file_bytes = max_file_bytes
        self._max_file_ns = max_file_ns
        self._flush_period_ns = flush_period_ns
        self._flush_every_n = flush_every_n
        self._monotonic_ns = monotonic_ns
        self._unflushed = 0
        self._flush_at_ns = 0
        #: The latched state is to be repeated before the next message.
        self._repeats = False
        if max_file_bytes or max_file_ns:
            splitting(database)

    def write(self, arrivals: Arrivals) -> None:
        """Write messages, in the next file if the present one is full."""
        if not len(arrivals):
            return
        first_ns = int(arrivals.log_time_ns[0])
        if self._is_full(int(arrivals.log_time_ns.max())):
            self.split()
        if self._repeats:
            self._repeat(first_ns)
        self._put(arrivals)
        stats = self._stats[arrivals.key]
        stats.count += len(arrivals)
        stats.size += arrivals.size
        if arrivals.key in self._latched_keys:
            self._latched.put(arrivals)
        self._note_written(len(arrivals))

    def _put(self, arrivals: Arrivals) -> None:
        self._database.write_batch(
            arrivals.key,
            arrivals.batch,
            arrivals.log_time_ns,
            arrivals.publish_time_ns,
            (arrivals.sequence & 0xFFFFFFFF).astype('<u4'),
        )

    def _is_full(self, newest_ns: int) -> bool:
        if not (self._max_file_bytes or self._max_file_ns):
            return False
        database = splitting(self._database)
        span_ns = database.file_span_ns
        if span_ns is None:
            return False
        is_long = self._max_file_ns and newest_ns - span_ns[0] >= self._max_file_ns
        is_large = self._max_file_bytes and database.file_bytes >= self._max_file_bytes
        return bool(is_long or is_large)

    def split(self, *, repeat: bool = True) -> None:
        """Begin the next file.

        Args:
            repeat: Write the latched state again before its first message.
        """
        splitting(self._database).split()
        self._unflushed = 0
        self._repeats = repeat

    def _repeat(self, time_ns: int) -> None:
        """Write the latched state once more, so that a file can be played by itself."""
        self._repeats = False
        for each in self._latched.state():
            self._put(at(each, time_ns))
            self._stats[each.key].repeated += 1

    def _note_written(self, count: int) -> None:
        if not self._unflushed:
            self._flush_at_ns = self._monotonic_ns() + self._flush_period_ns
        self._unflushed += count
        if self._flush_every_n and self._unflushed >= self._flush_every_n:
            self.flush()
        else:
            self.flush_if_due()

    def flush_if_due(self) -> int | None:
        """Flush if it is time to; return wall nanoseconds until it will be, None for never."""
        if not (self._unflushed and self._flush_period_ns):
            return None
        left_ns = self._flush_at_ns - self._monotonic_ns()
        if left_ns > 0:
            return left_ns
        self.flush()
        return None

    def flush(self) -> None:
        """Hand everything that was written to the system."""
        self._unflushed = 0
        self._database.flush()


def splitting(database: Database) -> McapDatabase:
    """Return a database that has files.

    Raises:
        CapabilityError: If it has none.
    """
    if not hasattr(database, 'split'):
        raise CapabilityError(f'{database.name} has no files to split; record to an MCAP bag')
    return database  # type: ignore[return-value]
