"""The engine of the recorder: takes messages, chooses, caches and writes them, counts them all."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_dataset_ros.component import Component, option
from lk_dataset_ros.dataset.offers import is_latched
from lk_dataset_ros.dataset.recording.admission import Admission
from lk_dataset_ros.dataset.recording.arrivals import arrival_of
from lk_dataset_ros.dataset.recording.cache import Cache
from lk_dataset_ros.dataset.recording.latched import Latched
from lk_dataset_ros.dataset.recording.losses import Sequences
from lk_dataset_ros.dataset.recording.ring import Ring
from lk_dataset_ros.dataset.recording.sink import Sink, splitting
from lk_dataset_ros.dataset.recording.statistics import STATISTICS_RECORD, TopicStats, to_record
from lk_dataset_ros.dataset.records import SerializedMessage
from lk_dataset_ros.dataset.time import NS_PER_S
from lk_dataset_ros.errors import ComponentError, KeyNotFoundError, LkError
from lk_dataset_ros.message import Schema, builtin_schema, codec_for, type_name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.recording.arrivals import Arrivals

    Order = Callable[[], None]


#: What is known of a message besides its bytes takes about so much room.
_HEAD_BYTES: Final = 64


class DataRecorder(Component):
    """Write what comes in to a database.

        recorder = DataRecorder(McapDatabase('bag', 'w'), sample_every_n=2)
        recorder.add_input('/count', 'std_msgs/msg/Int32')
        recorder(**{'/count': message})
        recorder.close()

    Every message is counted: written, lost before it came, dropped for want of room, or skipped
    because it was not wanted (`get_stats`).

    Args:
        database: Where the messages go.
        predicate: Takes key and message; messages for which it is false are skipped.
        now_ns: The time of day; handed in by tests.
        monotonic_ns: The clock of the flushes; handed in by tests.

    Raises:
        CapabilityError: If files are to be split, and the database has none.
    """

    @dataclass(kw_only=True)
    class Config(Component.Config):
        """Settings of a recorder."""

        sample_every_n: int = option(1, 'record every n-th message of a topic', minimum=1)
        max_rate: float = option(
            0.0, 'most messages per second of a topic; 0 is no limit', minimum=0.0, maximum=1e9
        )
        max_samples: int = option(0, 'most messages of a topic; 0 is no limit', minimum=0)
        auto_timestamp: bool = option(
            True,
            'message objects are stamped with the time of day; otherwise with their header, where '
            'they have one',
        )
        use_ring_buffer: bool = option(
            False, 'keep only the newest messages, in memory, and write them at a snapshot'
        )
        ring_buffer_size: int = option(
            0, 'messages that the ring buffer keeps; 0 is no limit', minimum=0
        )
        ring_buffer_bytes: int = option(
            100 * 1024 * 1024, 'bytes that the ring buffer keeps; 0 is no limit', minimum=0
        )
        ring_buffer_s: float = option(
            0.0, 'seconds that the ring buffer keeps; 0 is no limit', minimum=0.0, maximum=1e9
        )
        auto_flush: bool = option(
            True,
            'hand what was written to the file every flush_period_s; at the end, write what is in '
            'the ring buffer',
        )
        flush_every_n: int = option(
            0, 'flush after that many messages, too; 0 is never', minimum=0
        )
        flush_period_s: float = option(
            1.0,
            'at most that long a message stays out of the file: what a crash can take',
            minimum=0.001,
            maximum=3600.0,
        )
        cache_bytes: int = option(
            0,
            'bytes that may wait for the thread that writes; 0 writes in the thread that records',
            minimum=0,
        )
        when_full: str = option(
            'block',
            'what happens when the cache is full',
            choices=('block', 'drop_newest', 'drop_oldest'),
        )
        max_file_bytes: int = option(
            0, 'bytes after which the bag goes on in another file; 0 is never', minimum=0
        )
        max_file_s: float = option(
            0.0,
            'seconds after which the bag goes on in another file; 0 is never',
            minimum=0.0,
            maximum=1e9,
        )
        repeat_latched: bool = option(
            True, 'write the last messages of latched topics again at the start of every file'
        )
        start_paused: bool = option(False, 'record nothing until resume')

        def __post_init__(self) -> None:
            """Check every value, and that memory is bounded.

            Raises:
                ComponentError: If a value is wrong, or the ring buffer has no limit.
            """
            super().__post_init__()
            if self.use_ring_buffer and not (
                self.ring_buffer_size or self.ring_buffer_bytes or self.ring_buffer_s
            ):
                raise ComponentError(
                    'the ring buffer has no limit: set ring_buffer_size, ring_buffer_bytes or '
                    'ring_buffer_s'
                )

    def __init__(
        self,
        database: Database,
        *,
        predicate: Callable[[str, Any], bool] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.database = database
        self._now_ns = now_ns
        config = self.config
        self._stats: dict[str, TopicStats] = {}
        self._schemas: dict[str, Schema] = {}
        self._sequences: dict[str, Sequences] = {}
        self._noted_unknown: dict[str, str] = {}
        self._noted: dict[str, int] = {}
        self._latched_keys: set[str] = set()
        self._latched = Latched()
        self._admission = Admission(
            config.sample_every_n, config.max_rate, config.max_samples, predicate, self._decode
        )
        self._ring = (
            Ring(
                config.ring_buffer_size,
                config.ring_buffer_bytes,
                round(config.ring_buffer_s * NS_PER_S),
            )
            if config.use_ring_buffer
            else None
        )
        self._sink = Sink(
            database,
            self._stats,
            self._latched_keys if config.repeat_latched else (),
            max_file_bytes=config.max_file_bytes,
            max_file_ns=round(config.max_file_s * NS_PER_S),
            flush_period_ns=round(config.flush_period_s * NS_PER_S) if config.auto_flush else 0,
            flush_every_n=config.flush_every_n,
            monotonic_ns=monotonic_ns,
        )
        self._is_paused: bool = config.start_paused
        self._is_closed = False
        #: Orders and messages come from several threads.
        self._lock = threading.RLock()
        #: Held while the database is worked on.
        self._writing = threading.RLock()
        #: Why the writer has stopped.
        self.error: Exception | None = None
        self._cache: Cache[Arrivals | Order] = Cache(
            config.cache_bytes, config.when_full, self._note_dropped
        )
        self._thread: threading.Thread | None = None
        if config.cache_bytes:
            self._thread = threading.Thread(target=self._write_all, name='writer', daemon=True)
            self._thread.start()

    def add_input(
        self, name: str, schema: Schema | str, qos: str = '', *, latched: bool | None = None
    ) -> None:
        """Take a topic from now on; taking it twice is no error.

        Args:
            name: Topic name.
            schema: Definition of its type, or the name of a common ROS 2 type.
            qos: Offered QoS profiles as rosbag2 writes them.
            latched: Whether late subscribers get its last messages (transient local); by default
                what `qos` says.

        Raises:
            MessageTypeError: If the topic is taken with another type already.
        """
        if isinstance(schema, str):
            schema = builtin_schema(schema)
        with self._lock:
            with self._writing:
                self.database.declare(name, schema, qos)
            self._schemas[name] = schema
            self._stats.setdefault(name, TopicStats(schema.name))
            self._sequences.setdefault(name, Sequences())
            if latched or (latched is None and is_latched(qos)):
                self._latched_keys.add(name)

    def record(self, message: SerializedMessage) -> None:
        """Record a serialized message of a topic that was added."""
        self._take(arrival_of(message))

    def take(self, arrivals: Arrivals) -> None:
        """Record messages as they came from a middleware, and count what is missing of them."""
        if not len(arrivals):
            return
        with self._lock:
            stats, sequences = self._known(arrivals.key), self._sequences[arrivals.key]
            sequences.take(arrivals)
            stats.publishers = sequences.publishers
            self._tell_unknown(arrivals.key)
            self._count_lost(arrivals.key)
            self._take(arrivals)

    def _known(self, key: str) -> TopicStats:
        if key not in self._stats:
            raise KeyNotFoundError(f'{key} was not declared')
        return self._stats[key]

    def _take(self, arrivals: Arrivals) -> None:
        with self._lock:
            stats = self._known(arrivals.key)
            if self._is_closed:
                stats.dropped += len(arrivals)
                return
            is_latched = arrivals.key in self._latched_keys
            if is_latched and (self._is_paused or self._ring is not None):
                self._latched.put(arrivals)
            if self._is_paused:
                stats.skipped += len(arrivals)
                return
            wanted = self._admission.admit(arrivals)
            stats.skipped += len(arrivals) - len(wanted)
            if not len(wanted):
                return
            if self._ring is None:
                self._put(wanted)
                return
            for key, count in self._ring.put(wanted):
                self._stats[key].skipped += count

    def _put(self, item: Arrivals | Order) -> None:
        if self._thread is None:
            self._work(item)
            return
        if callable(item):
            self._cache.put(item, 0, must_stay=True)
        else:
            self._cache.put(item, _room_of(item))

    def _work(self, item: Arrivals | Order) -> None:
        with self._writing:
            if callable(item):
                item()
                return
            try:
                self._sink.write(item)
            except BaseException:
                self._note_dropped(item)
                raise

    def _write_all(self) -> None:
        """Write what waits, until nothing more comes: the writer's thread."""
        wait_ns: int | None = None
        while True:
            items = self._cache.take(None if wait_ns is None else wait_ns / NS_PER_S)
            if not items and self._cache.is_closed:
                return
            for item in items:
                if self.error is None:
                    self._try(item)
                else:
                    self._note_dropped(item)
                if not callable(item):
                    self._cache.written(_room_of(item))
            if self.error is None:
                wait_ns = self._flush_if_due()

    def _try(self, item: Arrivals | Order) -> None:
        try:
            self._work(item)
        except Exception as error:  # noqa: BLE001 - a full disk, or whatever a database raises
            self._fail(error)

    def _flush_if_due(self) -> int | None:
        try:
            with self._writing:
                return self._sink.flush_if_due()
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.log.error(f'recording stops: {error}')

    def _note_dropped(self, item: Arrivals | Order) -> None:
        if not callable(item):
            self._stats[item.key].dropped += len(item)

    def _decode(self, key: str, cdr: bytes) -> Any:
        return codec_for(self._schemas[key]).decode(cdr)

    @property
    def is_paused(self) -> bool:
        """Whether messages are skipped until `resume`."""
        return self._is_paused

    def pause(self) -> None:
        """Skip messages until `resume`."""
        with self._lock:
            self._is_paused = True

    def resume(self) -> None:
        """Record again; latched messages that came in the meantime are recorded now."""
        with self._lock:
            if not self._is_paused:
                return
            self._is_paused = False
            if self._ring is None:
                for arrivals in self._latched.state():
                    self._stats[arrivals.key].skipped -= len(arrivals)
                    self._put(arrivals)
                self._latched.forget()

    def split(self) -> None:
        """Go on in another file.

        Raises:
            CapabilityError: If the database has no files.
        """
        splitting(self.database)
        with self._lock:
            self._put(self._sink.split)

    def snapshot(self) -> int:
        """Write what the ring buffer keeps, the latched state before it.

        Returns:
            How many messages that are.

        Raises:
            ComponentError: If there is no ring buffer.
        """
        with self._lock:
            if self._ring is None:
                raise ComponentError('there is no ring buffer: record with use_ring_buffer')
            kept = self._ring.empty()
            numbers = {(each.key, number) for each in kept for number in each.sequence.tolist()}
            before = [
                each
                for each in self._latched.state()
                if (each.key, int(each.sequence[0])) not in numbers
            ]
            for each in before:
                self._stats[each.key].skipped -= len(each)
            self._latched.forget()
            for each in (*before, *kept):
                self._put(each)
            return sum(map(len, (*before, *kept)))

    def flush(self) -> None:
        """Hand what was recorded to the file; it is there when this returns."""
        done = threading.Event()

        def order() -> None:
            try:
                self._sink.flush()
            finally:
                done.set()

        with self._lock:
            self._put(order)
        while not done.wait(0.1):
            if self.error is not None or self._is_closed:
                return

    def note_lost(self, name: str, count: int) -> None:
        """Count messages that were lost before they came here and that no number tells of."""
        self._noted[name] = self._noted.get(name, 0) + count
        self._count_lost(name)

    def note_reported_lost(self, name: str, count: int) -> None:
        """Count losses that the middleware has reported."""
        with self._lock:
            self._stats[name].reported_lost += count

    def note_unknown(self, name: str, why: str) -> None:
        """Say why not all losses of a topic can be known."""
        with self._lock:
            self._noted_unknown[name] = why
            self._tell_unknown(name)

    def _tell_unknown(self, name: str) -> None:
        reasons = self._noted_unknown.get(name, ''), self._sequences[name].doubt
        self._stats[name].unknown = '; '.join(filter(None, reasons))

    def _count_lost(self, name: str) -> None:
        with self._lock:
            stats, before = self._stats[name], self._stats[name].lost
            stats.lost = self._sequences[name].lost + self._noted.get(name, 0)
            if stats.lost > before:
                self.dx.count('lost', stats.lost - before)
                self.dx.warn('messages were lost')

    def get_stats(self) -> dict[str, TopicStats]:
        """Return what was recorded, by topic."""
        return self._stats

    @property
    def count(self) -> int:
        """Messages written, over all topics."""
        return sum(stats.count for stats in list(self._stats.values()))

    @property
    def size(self) -> int:
        """Serialized bytes written, over all topics."""
        return sum(stats.size for stats in list(self._stats.values()))

    @property
    def cache_bytes_used(self) -> int:
        """Bytes that wait for the writer."""
        return self._cache.used_bytes

    def step(self, **inputs: Any) -> None:
        """Write message objects."""
        for name, message in inputs.items():
            if name not in self._stats:
                topics = self.database.topics()
                known = topics[name].schema if name in topics else None
                self.add_input(name, known or builtin_schema(type_name_of(message)))
            cdr = codec_for(self._schemas[name]).encode(message)
            time_ns = self._time_of(message)
            self.record(SerializedMessage(name, cdr, time_ns, time_ns))

    def _time_of(self, message: Any) -> int:
        stamp = getattr(getattr(message, 'header', None), 'stamp', None)
        if self.config.auto_timestamp or stamp is None:
            return self._now_ns()
        return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """Write message objects: any topic is a port."""
        self.step(**inputs)
        return {}

    def close(self) -> None:
        """Write what waits, and finish the database.

        Raises:
            BagWriteError: If not everything could be written.
        """
        with self._lock:
            if self._is_closed:
                return
            try:
                if self._ring is not None and self.config.auto_flush:
                    self.snapshot()
            finally:
                self._is_closed = True
                self._cache.close()
        if self._thread is not None:
            self._thread.join()
        self._finish()
        if self.error is not None:
            raise self.error

    def _finish(self) -> None:
        with self._writing:
            add_metadata = getattr(self.database, 'add_metadata', None)
            try:
                if add_metadata is not None and self.error is None:
                    add_metadata(STATISTICS_RECORD, to_record(self._stats))
            except Exception as error:  # noqa: BLE001 - the bag is to be finished all the same
                self._fail(error)
            try:
                self.database.close()
            except Exception as error:  # noqa: BLE001 - raised by close(), with the right counts
                self.error = self.error or error
            if self.error is not None:
                self._count_unwritten()

    def _count_unwritten(self) -> None:
        """Count again after a failure: what was in no whole chunk yet has not been written."""
        try:
            kept = {name: topic.count for name, topic in self.database.topics().items()}
        except LkError:
            return
        for name, stats in self._stats.items():
            gone = stats.count + stats.repeated - kept.get(name, 0)
            if gone > 0:
                stats.count -= gone
                stats.dropped += gone


def _room_of(arrivals: Arrivals) -> int:
    """Return the bytes that messages take while they wait: their heads are not for nothing."""
    return arrivals.size + _HEAD_BYTES * len(arrivals)
