"""The parts of the recorder's engine: counting losses, choosing, keeping the newest, caching."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import DataRecorder, McapDatabase, MemoryDatabase
from lk_dataset_ros.dataset.offers import is_latched
from lk_dataset_ros.dataset.recording import PREFIX, Arrivals, AsRecorded, Played
from lk_dataset_ros.dataset.recording.admission import Admission
from lk_dataset_ros.dataset.recording.arrivals import GID, NO_SEQUENCE
from lk_dataset_ros.dataset.recording.cache import Cache
from lk_dataset_ros.dataset.recording.losses import Sequences
from lk_dataset_ros.dataset.recording.ring import Ring
from lk_dataset_ros.errors import BagWriteError, CapabilityError, ComponentError
from lk_dataset_ros.message import Batch
from lk_dataset_ros.testing import FakeClock

LATCHED = '- durability: transient_local\n  reliability: reliable'
SECOND = 1_000_000_000


def arrivals(
    key: str,
    times_ns: list[int],
    *,
    sequence: list[int] | None = None,
    publisher: list[int] | int = 1,
    values: list[int] | None = None,
) -> Arrivals:
    """Make messages of std_msgs/Int32 that arrived together; their values are their numbers."""
    count = len(times_ns)
    numbers = list(range(1, count + 1)) if sequence is None else sequence
    shown = numbers if values is None else values
    size = PREFIX + 8
    buffer = np.zeros((count, size), np.uint8)
    buffer[:, PREFIX + 1] = 1
    wrapped = np.array([value & 0x7FFFFFFF for value in shown], '<i4')
    buffer[:, PREFIX + 4 :] = wrapped.view(np.uint8).reshape(count, 4)
    publishers = publisher if isinstance(publisher, list) else [publisher] * count
    return Arrivals(
        key,
        Batch(buffer.ravel(), np.arange(count) * size + PREFIX, np.full(count, 8)),
        np.array(times_ns, np.int64),
        np.maximum(np.array(times_ns, np.int64) - 5, 0),
        np.array(numbers, np.uint64),
        np.array([each.to_bytes(16, 'little') for each in publishers]).astype('V16').astype(GID),
    )


def recorder_of(database: Any = None, **settings_: Any) -> DataRecorder:
    """Make a recorder with a latched and a plain topic."""
    recorder = DataRecorder(database or MemoryDatabase(), **settings_)
    recorder.add_input('/n', 'std_msgs/msg/Int32')
    recorder.add_input('/latched', 'std_msgs/msg/Int32', LATCHED)
    return recorder


def recorded(database: Any) -> list[tuple[str, int, int]]:
    """Return key, value and log time of what is in a database."""
    return [
        (each.key, int.from_bytes(each.cdr[4:], 'little'), each.log_time_ns)
        for each in database.iterate_serialized()
    ]


# Sequence numbers


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(1, 5), st.lists(st.booleans(), min_size=1, max_size=30)
        ),
        max_size=4,
        unique_by=lambda each: each[0],
    ),
    st.randoms(use_true_random=False),
)
def test_every_gap_is_counted_once(
    publishers: list[tuple[int, int, list[bool]]], random: Any
) -> None:
    """Promise: what lies between the first and the last number heard, and was not, is lost."""
    sequences = Sequences()
    streams, lost, heard = [], 0, 0
    for publisher, first, fates in publishers:
        numbers = [first + place for place, arrives in enumerate(fates) if arrives]
        if numbers:
            heard += 1
            lost += numbers[-1] - numbers[0] + 1 - len(numbers)
            streams.append([(publisher, number) for number in numbers])
    while streams:
        batch = []
        for _ in range(random.randint(1, 6)):
            stream = random.choice(streams)
            batch.append(stream.pop(0))
            streams = [each for each in streams if each]
            if not streams:
                break
        sequences.take(
            arrivals(
                '/n',
                [1] * len(batch),
                sequence=[number for _, number in batch],
                publisher=[publisher for publisher, _ in batch],
            )
        )
    assert (sequences.lost, sequences.publishers) == (lost, heard)


def test_a_message_that_was_overtaken_is_no_loss() -> None:
    """Promise: order does not matter, only what never comes."""
    sequences = Sequences()
    sequences.take(arrivals('/n', [1, 1], sequence=[5, 9]))
    assert (sequences.lost, sequences.before) == (3, 4)
    sequences.take(arrivals('/n', [1, 1, 1], sequence=[8, 6, 7]))
    assert sequences.lost == 0
    sequences.take(arrivals('/n', [1], sequence=[3]))
    assert (sequences.lost, sequences.before) == (1, 2)


def test_what_cannot_be_known_is_said() -> None:
    """Promise: a late start and a middleware without numbers are told beside other reasons."""
    recorder = recorder_of(MemoryDatabase())
    recorder.take(arrivals('/n', [1, 2], sequence=[1, 2]))
    assert recorder.get_stats()['/n'].unknown == ''
    late = '7 messages had been sent before the first one that was received'
    recorder.take(arrivals('/n', [3], sequence=[8], publisher=[2]))
    assert recorder.get_stats()['/n'].unknown == late
    recorder.note_unknown('/n', 'best effort')
    assert recorder.get_stats()['/n'].unknown == f'best effort; {late}'
    recorder.take(arrivals('/n', [4], sequence=[NO_SEQUENCE], publisher=[3]))
    assert 'best effort; the middleware does not number' in recorder.get_stats()['/n'].unknown
    recorder.close()


def test_a_middleware_without_numbers_tells_no_losses() -> None:
    """Promise: without numbers nothing is invented, and it is known that nothing is known."""
    sequences = Sequences()
    sequences.take(arrivals('/n', [1, 1], sequence=[NO_SEQUENCE, NO_SEQUENCE]))
    sequences.take(arrivals('/n', [1], sequence=[NO_SEQUENCE]))
    assert (sequences.lost, sequences.is_numbered) == (0, False)


# Admission


def admission(**changes: Any) -> Admission:
    """Make one that takes all but for what is said."""
    known = {'sample_every_n': 1, 'max_rate': 0.0, 'max_samples': 0, 'predicate': None}
    return Admission(**{**known, 'decode': lambda key, cdr: cdr[4], **changes})


@given(st.integers(1, 5), st.integers(0, 12), st.lists(st.integers(1, 7), max_size=8))
def test_sampling_does_not_depend_on_how_messages_arrive(
    every: int, most: int, sizes: list[int]
) -> None:
    """Promise: every n-th of a topic, at most so many, whatever arrives together."""
    chosen, number, taken = admission(sample_every_n=every, max_samples=most), 0, []
    for size in sizes:
        batch = arrivals('/n', [1] * size, sequence=list(range(number, number + size)))
        number += size
        taken += chosen.admit(batch).sequence.tolist()
    expected = [each for each in range(number) if each % every == 0]
    assert taken == (expected[:most] if most else expected)


@given(
    st.lists(st.integers(1, 40_000_000), min_size=20, max_size=150),
    st.sampled_from([10.0, 33.0, 100.0]),
)
def test_a_rate_is_never_exceeded_and_nearly_reached(steps: list[int], rate: float) -> None:
    """Promise: in no span more than the rate allows; a dense topic is thinned no further."""
    times = np.cumsum(steps).tolist()
    taken = admission(max_rate=rate).admit(arrivals('/n', times)).log_time_ns
    period_ns = round(SECOND / rate)
    first = np.arange(len(taken))
    for each in range(len(taken)):
        span = taken[each:] - taken[each]
        assert (first[: len(span)] <= span // period_ns + 1).all()
    # Between two that are taken lies at most one period and one step.
    if len(taken) > 1:
        assert np.diff(taken).max() <= 2 * period_ns + max(steps)


def test_time_that_jumps_back_does_not_stop_a_limited_topic() -> None:
    """Promise: after a simulator's reset its messages are taken again."""
    limited = admission(max_rate=1.0)
    assert len(limited.admit(arrivals('/n', [50 * SECOND, 100 * SECOND]))) == 2
    assert limited.admit(arrivals('/n', [SECOND, 2 * SECOND])).log_time_ns.tolist() == [
        SECOND,
        2 * SECOND,
    ]


def test_a_predicate_is_asked_about_messages() -> None:
    """Promise: it gets key and message; what it refuses is skipped and counted."""
    asked: list[tuple[str, int]] = []

    def is_even(key: str, message: Any) -> bool:
        asked.append((key, message.data))
        return bool(message.data % 2 == 0)

    recorder = recorder_of(predicate=is_even)
    recorder.take(arrivals('/n', [1, 2, 3, 4]))
    assert [value for _, value, _ in recorded(recorder.database)] == [2, 4]
    assert asked == [('/n', 1), ('/n', 2), ('/n', 3), ('/n', 4)]
    stats = recorder.get_stats()['/n']
    assert (stats.count, stats.skipped) == (2, 2)


# Ring buffer


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), max_size=12),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_the_ring_keeps_the_newest(
    batches: list[list[int]], count: int, size: int, span: int
) -> None:
    """Promise: what is kept is the longest tail within all bounds, and what goes is told."""
    ring, everything, now, gone = Ring(count, size * (8 + PREFIX), span), [], 0, 0
    for steps in batches:
        times = (now + np.cumsum(steps)).tolist()
        now = times[-1]
        everything += times
        gone += sum(n for _, n in ring.put(arrivals('/n', times)))
    expected = [each for each in everything if not span or each >= now - span]
    for bound in filter(None, (count, size)):
        expected = expected[-bound:]
    kept = ring.empty()
    assert [time for each in kept for time in each.log_time_ns.tolist()] == expected
    assert gone == len(everything) - len(expected)
    assert (ring.count, ring.size, ring.empty()) == (0, 0, [])


def test_a_snapshot_has_what_a_late_subscriber_would_get() -> None:
    """Promise: latched messages are in a snapshot even when the ring has long forgotten them."""
    recorder = recorder_of(use_ring_buffer=True, ring_buffer_size=2)
    recorder.take(arrivals('/latched', [1], sequence=[1], values=[77]))
    recorder.take(arrivals('/n', [2, 3, 4, 5]))
    assert recorded(recorder.database) == []
    assert recorder.snapshot() == 3
    assert recorded(recorder.database) == [('/latched', 77, 1), ('/n', 3, 4), ('/n', 4, 5)]
    stats = recorder.get_stats()
    assert (stats['/n'].count, stats['/n'].skipped) == (2, 2)
    assert (stats['/latched'].count, stats['/latched'].skipped) == (1, 0)
    assert recorder.snapshot() == 0


def test_what_is_in_the_ring_is_written_at_the_end_if_it_is_to_be() -> None:
    """Promise: `auto_flush` decides what happens to the ring buffer when the recorder closes."""
    for auto_flush, count in ((True, 2), (False, 0)):
        database = MemoryDatabase()
        recorder = recorder_of(
            database, use_ring_buffer=True, ring_buffer_size=2, auto_flush=auto_flush
        )
        recorder.take(arrivals('/n', [2, 3, 4]))
        recorder.close()
        assert recorder.count == count


def test_a_ring_without_bounds_is_refused() -> None:
    """Promise: memory is bounded; the message names the bounds."""
    with pytest.raises(ComponentError, match='ring_buffer_s'):
        DataRecorder(MemoryDatabase(), use_ring_buffer=True, ring_buffer_bytes=0)
    with pytest.raises(ComponentError, match='use_ring_buffer'):
        DataRecorder(MemoryDatabase()).snapshot()


# Pausing


def test_latched_messages_that_come_during_a_pause_are_recorded_after_it() -> None:
    """Promise: a pause skips messages, but not the state that later ones stand on."""
    recorder = recorder_of(start_paused=True)
    recorder.take(arrivals('/latched', [1, 2], values=[7, 8]))
    recorder.take(arrivals('/n', [3]))
    assert recorder.is_paused
    assert recorder.count == 0
    recorder.resume()
    recorder.take(arrivals('/n', [4], sequence=[2]))
    assert recorded(recorder.database) == [('/latched', 8, 2), ('/n', 2, 4)]
    recorder.pause()
    recorder.take(arrivals('/n', [5], sequence=[3]))
    stats = recorder.get_stats()
    assert (stats['/n'].count, stats['/n'].skipped, stats['/n'].lost) == (1, 2, 0)
    assert (stats['/latched'].count, stats['/latched'].skipped) == (1, 1)


# Files


def test_each_file_begins_with_the_latched_state(kit: Any) -> None:
    """Promise: a file of a split bag can be played by itself; a repetition is no new message."""
    recorder = recorder_of(McapDatabase(kit.folder / 'bag', 'w'))
    recorder.take(arrivals('/latched', [1, 2], publisher=[1, 2], values=[7, 8]))
    recorder.take(arrivals('/n', [3]))
    recorder.split()
    recorder.take(arrivals('/n', [14, 15], sequence=[2, 3]))
    recorder.close()
    stats = recorder.get_stats()
    assert (stats['/latched'].count, stats['/latched'].repeated) == (2, 2)
    with McapDatabase(kit.folder / 'bag' / 'bag_1.mcap', 'r') as second:
        found = recorded(second)
    assert sorted(found) == [
        ('/latched', 7, 14),
        ('/latched', 8, 14),
        ('/n', 2, 14),
        ('/n', 3, 15),
    ]
    with McapDatabase(kit.folder / 'bag', 'r') as both:
        assert [value for key, value, _ in recorded(both) if key == '/n'] == [1, 2, 3]


@pytest.mark.parametrize(
    'bound', [{'max_file_bytes': 400}, {'max_file_s': 1.0, 'repeat_latched': False}]
)
def test_a_bag_goes_on_in_another_file(kit: Any, bound: dict[str, Any]) -> None:
    """Promise: no file is longer or larger than asked for, and nothing is lost between them."""
    recorder = recorder_of(McapDatabase(kit.folder / 'bag', 'w', compression='none'), **bound)
    for place in range(40):
        recorder.take(arrivals('/n', [place * SECOND // 5], sequence=[place]))
    recorder.close()
    files = sorted((kit.folder / 'bag').glob('*.mcap'), key=lambda path: int(path.stem[4:]))
    assert len(files) > 3
    values = []
    for path in files:
        with McapDatabase(path, 'r') as file:
            found = recorded(file)
        assert found[-1][2] - found[0][2] < SECOND or 'max_file_bytes' in bound
        values += [value for _, value, _ in found]
    assert values == list(range(40))


def test_only_a_database_with_files_is_split() -> None:
    """Promise: what cannot be done is said, at once."""
    with pytest.raises(CapabilityError, match='no files to split'):
        recorder_of(MemoryDatabase(), max_file_bytes=100)
    with pytest.raises(CapabilityError, match='no files to split'):
        recorder_of(MemoryDatabase()).split()


# Flushing


class Flushed(MemoryDatabase):
    """Notes how many messages were there at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[int] = []

    def flush(self) -> None:
        """Take note."""
        self.flushed.append(sum(topic.count for topic in self.topics().values()))
        super().flush()


def test_what_is_written_is_flushed_within_a_bound() -> None:
    """Promise: no message waits longer than the period, and an idle recorder flushes nothing."""
    clock, database = FakeClock(), Flushed()
    recorder = recorder_of(database, monotonic_ns=clock, flush_period_s=1.0)
    for number in range(25):
        recorder.take(arrivals('/n', [number], sequence=[number]))
        clock.advance(0.1)
    assert database.flushed == [11, 22]
    recorder.flush()
    assert database.flushed == [11, 22, 25]


def test_flushing_by_number_and_not_at_all() -> None:
    """Promise: `flush_every_n` counts messages; without `auto_flush` time does nothing."""
    clock, database = FakeClock(), Flushed()
    recorder = recorder_of(database, monotonic_ns=clock, auto_flush=False, flush_every_n=4)
    for number in range(10):
        recorder.take(arrivals('/n', [number], sequence=[number]))
        clock.advance(10.0)
    assert database.flushed == [4, 8]


# Cache and writer


class Gate(MemoryDatabase):
    """Writes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.open = threading.Event()

    def write_batch(self, *args: Any) -> None:
        """Wait for the gate."""
        self.reached.set()
        assert self.open.wait(30.0)
        super().write_batch(*args)


@pytest.mark.parametrize(
    ('when_full', 'left'), [('drop_newest', [1, 2, 3]), ('drop_oldest', [1, 5, 6])]
)
def test_every_message_that_finds_no_room_is_counted(when_full: str, left: list[int]) -> None:
    """Promise: memory is bounded, the policy decides which go, and each one is counted."""
    gate = Gate()
    recorder = recorder_of(gate, cache_bytes=3 * 72, when_full=when_full)
    recorder.take(arrivals('/n', [1], sequence=[1]))
    assert gate.reached.wait(30.0)
    for number in range(2, 7):
        recorder.take(arrivals('/n', [number], sequence=[number]))
        assert recorder.cache_bytes_used <= 3 * 72
    gate.open.set()
    recorder.close()
    assert [time for _, _, time in recorded(gate)] == left
    stats = recorder.get_stats()['/n']
    assert (stats.count, stats.dropped, stats.lost) == (3, 3, 0)


def test_blocking_loses_nothing() -> None:
    """Promise: with `block` whoever records waits for the writer, and everything is written."""
    gate = Gate()
    recorder = recorder_of(gate, cache_bytes=3 * 72, when_full='block')
    done = threading.Event()

    def feed() -> None:
        for number in range(1, 50):
            recorder.take(arrivals('/n', [number], sequence=[number]))
        done.set()

    thread = threading.Thread(target=feed)
    thread.start()
    assert gate.reached.wait(30.0)
    assert not done.is_set()
    gate.open.set()
    thread.join(30.0)
    recorder.close()
    assert [time for _, _, time in recorded(gate)] == list(range(1, 50))
    assert recorder.get_stats()['/n'].dropped == 0


class Full(MemoryDatabase):
    """A disk with room for three messages."""

    closed = False

    def write_batch(self, *args: Any) -> None:
        """Fail when it is full."""
        if self.topics()['/n'].count >= 3:
            raise BagWriteError('bag cannot be written: No space left on device')
        super().write_batch(*args)

    def close(self) -> None:
        """Take note."""
        self.closed = True


@pytest.mark.parametrize('cache_bytes', [0, 1_000_000])
def test_a_full_disk_ends_the_recording_and_nothing_is_hidden(cache_bytes: int) -> None:
    """Promise: what could not be written is counted, the error is told, the database closed."""
    database = Full()
    recorder = recorder_of(database, cache_bytes=cache_bytes)
    for number in range(1, 8):
        if cache_bytes or number <= 3:
            recorder.take(arrivals('/n', [number], sequence=[number]))
        else:
            with pytest.raises(BagWriteError):
                recorder.take(arrivals('/n', [number], sequence=[number]))
    if cache_bytes:
        with pytest.raises(BagWriteError, match='No space left'):
            recorder.close()
    else:
        recorder.close()
    assert database.closed
    stats = recorder.get_stats()['/n']
    assert (stats.count, stats.dropped) == (3, 4)


def test_flush_waits_for_what_was_recorded_before() -> None:
    """Promise: after flush() everything recorded before it is in the database."""
    database = Flushed()
    recorder = recorder_of(database, cache_bytes=1_000_000)
    for number in range(200):
        recorder.take(arrivals('/n', [number], sequence=[number]))
    recorder.flush()
    assert len(recorded(database)) == 200
    assert database.flushed[-1] == 200
    recorder.close()


def test_a_single_item_larger_than_the_cache_still_passes() -> None:
    """Promise: no message is too large for the cache: it is let through alone."""
    dropped: list[str] = []
    cache: Cache[str] = Cache(10, 'block', dropped.append)
    cache.put('large', 1000)
    assert cache.take(None) == ['large']
    cache.put('order', 0, must_stay=True)
    cache.close()
    cache.put('late', 1)
    assert cache.take(None) == ['order']
    assert dropped == ['late']


# As recorded


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=40),
    st.randoms(use_true_random=False),
)
def test_what_was_played_comes_back_in_the_order_of_the_bag(
    course: list[tuple[int, int, bool]], random: Any
) -> None:
    """Promise: order, stamps and numbers are those of the bag; what is lost is left out and told.

    However messages and what is said of them are cut up, and topics that are not recorded apart.
    """
    topics, keys = ['/a', '/b', '/other'], ['/a', '/b']
    as_recorded = AsRecorded(keys)
    published = dict.fromkeys(topics, 0)
    entries, expected = [], []
    time_ns = 100
    streams: dict[str, list[tuple[int, int]]] = {'/a': [], '/b': []}
    lost = dict.fromkeys(keys, 0)
    for number, (topic, step, arrives) in enumerate(course):
        key = topics[topic]
        published[key] += 1
        time_ns += step
        entries.append((topic, published[key], time_ns, time_ns - 1, number))
        if key in keys and arrives:
            streams[key].append((published[key], number))
            expected.append((key, number, time_ns, time_ns - 1, number))
        elif key in keys:
            lost[key] += 1
    got = []
    while entries or any(streams.values()):
        if entries and random.random() < 0.5:
            size = random.randint(1, 5)
            now, entries = entries[:size], entries[size:]
            as_recorded.announce(Played(topics, *(list(each) for each in zip(*now, strict=True))))
        key = random.choice(keys)
        if streams[key]:
            size = random.randint(1, 4)
            some, streams[key] = streams[key][:size], streams[key][size:]
            as_recorded.take(
                arrivals(
                    key,
                    [random.randint(0, 9)] * len(some),
                    sequence=[publication for publication, _ in some],
                    values=[value for _, value in some],
                )
            )
        got += as_recorded.ready()
    got += as_recorded.ready(is_over=True)
    assert [
        (m.key, int.from_bytes(m.cdr[4:], 'little'), m.log_time_ns, m.publish_time_ns, m.sequence)
        for m in got
    ] == expected
    assert as_recorded.lost == {key: count for key, count in lost.items() if count}
    assert as_recorded.unannounced() == []


# What a bag says of its topics


@pytest.mark.parametrize(
    ('qos', 'expected'),
    [
        (LATCHED, True),
        ('- durability: 1', True),
        ('- durability: volatile', False),
        ('- durability: 2', False),
        (LATCHED + '\n- durability: volatile', False),
        ('', False),
        ('- [', False),
        ('7', False),
        ('- 7', False),
    ],
)
def test_latched_is_what_every_publisher_offers(qos: str, expected: bool) -> None:
    """Promise: both spellings of rosbag2 are understood; what is not YAML is not latched."""
    assert is_latched(qos) is expected


def test_losses_are_in_the_bag(kit: Any) -> None:
    """Promise: a finished bag tells what its recorder could not write."""
    recorder = recorder_of(McapDatabase(kit.folder / 'bag', 'w'))
    recorder.take(arrivals('/n', [1, 2, 3], sequence=[4, 6, 9]))
    recorder.note_reported_lost('/n', 2)
    recorder.note_lost('/latched', 1)
    recorder.note_unknown('/latched', 'best effort')
    recorder.close()
    with McapDatabase(kit.folder / 'bag', 'r') as bag:
        (record,) = [data for name, data in bag.metadata() if name == 'lk_recording']
    assert record['format'] == '1'
    assert '"lost": 3, "reported_lost": 2' in record['statistics']
    assert recorder.get_stats()['/latched'].lost == 1
