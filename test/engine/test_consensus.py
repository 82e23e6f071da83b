"""The consensus recorder: what agrees, what does not, what of it is in the bag."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.cli.main import main
from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.component.health import Level
from lk_dataset_ros.dataset import McapDatabase, MemoryDatabase, SerializedMessage
from lk_dataset_ros.dataset.consensus import EVENTS_TOPIC, ConsensusDx, ConsensusRecorder
from lk_dataset_ros.dataset.consensus.event import DEFINITION
from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lk_dataset_ros.dataset.consensus import Event

MS = 1_000_000
S = 1_000_000_000
START = 1_000 * S
TYPE = 'geometry_msgs/msg/TwistStamped'
ENCODE = codec_for(builtin_schema(TYPE)).encode
ARMS = {'original': '/cmd', 'cpp': '/cpp/cmd', 'nn': '/nn/cmd'}
LIMIT = 0.1


def twist(stamp_ns: int, value: float, kind: str = TYPE) -> bytes:
    """Return a serialized command."""
    message = new_message(kind)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, S)
    message.twist.linear.x = value
    return ENCODE(message)


class Rig:
    """A recorder whose arms answer to every input, 20 ms apart, 1 ms after each other."""

    period_ns = 20 * MS

    def __init__(
        self, arms: Mapping[str, str] | None = None, database: Any = None, **settings: Any
    ) -> None:
        self.database = MemoryDatabase() if database is None else database
        self.arms = dict(arms or ARMS)
        settings = {'pre_s': 0.2, 'post_s': 0.1, 'hysteresis_s': 0.2, **settings}
        extra = {
            name: settings.pop(name) for name in ('comparison_fn', 'tolerance') if name in settings
        }
        extra.setdefault('tolerance', Tolerance(atol=LIMIT, rtol=0.0))
        self.now_ns = START
        self.recorder = ConsensusRecorder(
            self.database,
            self.arms,
            ['/odom'],
            monotonic_ns=lambda: self.now_ns,
            **extra,
            **settings,
        )
        self.recorder.add_input('/odom', TYPE)
        for topic in self.arms.values():
            self.recorder.add_input(topic, TYPE)
        self.events: list[Event] = []

    def put(self, topic: str, cdr: bytes, at_ns: int) -> None:
        """Record a message."""
        self.recorder.record(SerializedMessage(topic, cdr, at_ns, at_ns))

    def tick(self, number: int, values: Mapping[str, float | None], **shift: int) -> None:
        """Let the arms answer an input; None for one that does not, `shift` moves stamps."""
        stamp = START + number * self.period_ns
        self.put('/odom', twist(stamp, number), stamp)
        for place, (arm, value) in enumerate(values.items(), 1):
            if value is not None:
                cdr = twist(stamp + shift.get(arm, 0), value)
                self.put(self.arms[arm], cdr, stamp + place * MS)
        self.now_ns = stamp + 10 * MS
        self.events += self.recorder.advance(self.now_ns)

    def run(self, numbers: range, **off: float) -> None:
        """Let the arms answer with equal values but for what some are off."""
        for number in numbers:
            self.tick(number, {arm: off.get(arm, 0.0) + 1.0 for arm in self.arms})

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * S)
        self.events += self.recorder.advance(self.now_ns)

    @property
    def ended(self) -> list[Event]:
        """Events that are over."""
        return [each for each in self.events if each.is_over]

    def close(self) -> Dataset:
        """Finish; return what was written."""
        self.recorder.close()
        self.events += self.recorder.advance(self.now_ns)
        return Dataset(self.database)

    @property
    def stats(self) -> Any:
        """The only group's statistics."""
        (found,) = self.recorder.get_consensus_stats().values()
        return found


def test_the_definition_of_the_event_is_that_of_the_message() -> None:
    """Promise: what is written without ROS has the type that ROS knows."""
    text = (Path(__file__).resolve().parents[2] / 'msg/ConsensusEvent.msg').read_text()
    assert text.rstrip('\n') == DEFINITION.rstrip('\n')


def test_a_disagreement_is_one_event_with_its_window() -> None:
    """Promise: the odd one out, how far, where, and all messages around, each once, in order."""
    rig = Rig()
    rig.run(range(50))
    rig.run(range(50, 55), nn=0.5)
    rig.run(range(55, 80))
    written = rig.close()
    begun, ended = rig.events
    assert (begun.is_over, begun.number, begun.field) == (False, 1, 'twist.linear.x')
    assert begun.error == pytest.approx(5.0)
    assert (ended.outliers, ended.majority) == (('nn',), ('original', 'cpp'))
    assert (ended.messages, ended.output, ended.arms) == (5, '/cmd', tuple(ARMS))
    assert (ended.original, ended.compiled) == (1.0, 1.5)
    first, last = START + 50 * rig.period_ns, START + 54 * rig.period_ns
    assert (ended.start_ns, ended.end_ns) == (first, last)
    first, last = first + MS, last + MS
    assert ended.window_start_ns == first - 200 * MS
    assert ended.window_end_ns == last + 100 * MS
    for place, topic in enumerate(['/odom', *ARMS.values()]):
        times = [START + n * rig.period_ns + place * MS for n in range(80)]
        expected = [t for t in times if first - 200 * MS <= t <= last + 100 * MS]
        assert written.timestamps(topic).tolist() == expected
    (event,) = written[EVENTS_TOPIC]
    assert (event.outliers, event.number, event.messages) == (['nn'], 1, 5)
    assert event.error == ended.error
    assert (event.start.sec, event.start.nanosec) == divmod(ended.start_ns, S)


def test_agreement_for_the_hysteresis_ends_an_event() -> None:
    """Promise: one disagreement with short agreements in it is one, after a long one another."""
    rig = Rig()
    for number in range(100):
        rig.run(range(number, number + 1), cpp=0.3 if number in (20, 25, 30, 60) else 0.0)
    rig.close()
    assert [(each.number, each.messages) for each in rig.ended] == [(1, 3), (2, 1)]


def test_stamps_may_begin_anew() -> None:
    """Promise: a bag that is played again is judged again, and the restarts are counted."""
    rig = Rig()
    rig.run(range(200))
    for number in range(200, 300):
        rig.tick(number, dict.fromkeys(ARMS, 1.0), **dict.fromkeys(ARMS, -4 * S))
    stats = rig.stats
    assert {each.compared for each in stats.pairs} == {300}
    assert {(each.restarts, each.late) for each in stats.arms.values()} == {(1, 0)}


def test_reset_counts_from_the_beginning() -> None:
    """Promise: after a reset there is nothing but what came since; numbers of events go on."""
    rig = Rig()
    rig.run(range(20), nn=1.0)
    rig.recorder.reset()
    assert (rig.stats.sets, rig.stats.events, rig.stats.pairs[1].compared) == (0, 0, 0)
    rig.run(range(20, 40))
    assert (rig.stats.sets, rig.stats.disagreeing, rig.stats.level) == (20, 0, Level.OK)
    rig.run(range(40, 41), nn=1.0)
    rig.close()
    assert [(each.number, each.is_over) for each in rig.events] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]


def test_no_majority_names_all() -> None:
    """Promise: where two of two, or three of three disagree, all are outliers."""
    rig = Rig()
    rig.run(range(5), cpp=1.0, nn=2.0)
    rig.close()
    assert rig.ended[0].outliers == tuple(ARMS)
    assert rig.ended[0].majority == ()
    two = Rig({'original': '/cmd', 'cpp': '/cpp/cmd'})
    two.run(range(5), cpp=1.0)
    two.close()
    assert two.ended[0].outliers == ('original', 'cpp')


def test_of_a_chain_the_original_is_in_the_majority() -> None:
    """Promise: a agrees with b and b with c, but not a with c: c is the odd one out."""
    rig = Rig()
    rig.run(range(5), cpp=0.08, nn=0.16)
    rig.close()
    assert rig.ended[0].outliers == ('nn',)


def test_statistics_are_those_of_the_messages() -> None:
    """Promise: counts, agreement, errors and lag per pair and field are what was sent."""
    rig = Rig()
    errors = np.random.default_rng(2).uniform(0.0, 0.15, 400)
    for number, error in enumerate(errors):
        rig.tick(number, {'original': 1.0, 'cpp': 1.0, 'nn': 1.0 + error})
    stats = rig.stats
    pair = next(each for each in stats.pairs if (each.arm, each.other) == ('nn', 'original'))
    (field,) = pair.fields
    over = int((np.abs(1.0 + errors - 1.0) > LIMIT).sum())
    assert (pair.compared, pair.agreeing) == (400, 400 - over)
    assert (field.compared, field.differing) == (400, over)
    assert pair.agreement == pair.recent_agreement == pytest.approx(1 - over / 400)
    assert field.max == pytest.approx(errors.max())
    for part in (50, 95, 99):
        assert getattr(field, f'p{part}') == pytest.approx(np.percentile(errors, part), rel=0.08)
    assert pair.lag_s == pytest.approx(0.002)
    same = next(each for each in stats.pairs if (each.arm, each.other) == ('cpp', 'original'))
    assert (same.agreement, same.fields) == (1.0, ())
    assert stats.sets == 400
    assert stats.disagreeing == over


def test_recent_statistics_forget() -> None:
    """Promise: after the sliding window only the total remembers, and the level is OK again."""
    rig = Rig(window_s=2.0)
    rig.run(range(50), nn=1.0)
    assert rig.stats.level == Level.ERROR
    rig.run(range(50, 250))
    stats = rig.stats
    assert (stats.level, stats.message) == (Level.OK, '3 arms agree')
    assert stats.pairs[1].recent_agreement == 1.0
    assert stats.pairs[1].agreement == pytest.approx(0.8)
    assert stats.pairs[1].fields[0].p50 == 0.0
    assert stats.outlier == 'nn'


def test_an_arm_that_is_late_or_missing_holds_nobody_up() -> None:
    """Promise: after the limit the others are judged; what comes then is late, twice is double."""
    rig = Rig(limit_s=0.05)
    stamp = START
    rig.run(range(1))
    for number in range(1, 11):
        stamp = START + number * rig.period_ns
        rig.tick(number, {'original': 1.0, 'cpp': 2.0, 'nn': None})
    rig.wait(0.1)
    assert rig.stats.disagreeing == 10
    rig.put('/nn/cmd', twist(stamp, 1.0), rig.now_ns)
    rig.put('/nn/cmd', twist(stamp, 1.0), rig.now_ns)
    rig.put('/cmd', twist(stamp, 1.0), rig.now_ns)
    arms = rig.stats.arms
    assert (arms['nn'].missing, arms['nn'].late, arms['nn'].duplicates) == (10, 1, 1)
    assert (arms['original'].missing, arms['original'].duplicates) == (0, 1)
    pair = next(each for each in rig.stats.pairs if (each.arm, each.other) == ('nn', 'original'))
    assert (pair.missing, pair.extra, pair.late) == (10, 0, 1)
    rig.wait(10.0)
    assert rig.stats.arms['nn'].level == Level.STALE


def test_late_is_what_came_late_whoever_asks_when() -> None:
    """Promise: an answer beyond the limit is late although nobody has given up on it yet."""
    rig = Rig({'original': '/cmd', 'cpp': '/cpp/cmd'}, limit_s=0.05)
    rig.put('/cmd', twist(START, 1.0), START)
    rig.put('/cpp/cmd', twist(START, 1.0), START + 51 * MS)
    assert (rig.stats.arms['cpp'].late, rig.stats.pairs[0].compared) == (1, 0)
    rig.put('/cmd', twist(START + 1, 1.0), START + 60 * MS)
    rig.put('/cpp/cmd', twist(START + 1, 1.0), START + 110 * MS)
    assert (rig.stats.arms['cpp'].late, rig.stats.pairs[0].compared) == (1, 1)


@pytest.mark.parametrize('by', ['arrival', 'index'])
def test_messages_without_header_are_paired_too(by: str) -> None:
    """Promise: by arrival within the limit, or by number."""
    schema = builtin_schema('std_msgs/msg/Float64')
    recorder = ConsensusRecorder(
        MemoryDatabase(), {'a': '/a', 'b': '/b'}, pair_by=by, tolerance=Tolerance(atol=0.1)
    )
    for topic in ('/a', '/b'):
        recorder.add_input(topic, schema)
    for number in range(50):
        for place, topic in enumerate(('/a', '/b')):
            message = new_message('std_msgs/msg/Float64')
            message.data = number + 5.0 * (place and number == 20)
            at = START + number * 100 * MS + place * MS
            recorder.record(SerializedMessage(topic, codec_for(schema).encode(message), at, at))
        recorder.advance(START + number * 100 * MS + 50 * MS)
    (stats,) = recorder.get_consensus_stats().values()
    assert (stats.pairs[0].compared, stats.pairs[0].agreeing) == (50, 49)
    assert stats.events == 1


def test_near_stamps_are_paired_within_the_tolerance() -> None:
    """Promise: stamps of one set may lie apart as far as is said, and no farther."""
    for shift, compared in ((4 * MS, 20), (6 * MS, 0)):
        rig = Rig({'original': '/cmd', 'cpp': '/cpp/cmd'}, stamp_tolerance_s=0.005)
        for number in range(20):
            rig.tick(number, {'original': 1.0, 'cpp': 1.0}, cpp=shift)
        assert rig.stats.pairs[0].compared == compared


def test_matches_and_all() -> None:
    """Promise: matches are what lies in no window; all is everything; each has the events."""
    counts = {}
    for mode in ('mismatches', 'matches', 'all'):
        rig = Rig(record_mode=mode)
        rig.run(range(50))
        rig.run(range(50, 55), nn=0.5)
        rig.run(range(55, 80))
        written = rig.close()
        counts[mode] = [len(written.timestamps(topic)) for topic in ('/odom', *ARMS.values())]
        assert len(written.timestamps(EVENTS_TOPIC)) == 1
        assert rig.stats.recorded_events == 1
        for topic, each in rig.recorder.get_stats().items():
            expected = 80 if topic != EVENTS_TOPIC else 1
            assert (each.count + each.skipped, each.dropped) == (expected, 0)
    assert counts['all'] == [80] * 4
    assert [a + b for a, b in zip(counts['matches'], counts['mismatches'], strict=True)] == [
        80
    ] * 4


def test_a_long_disagreement_is_no_match() -> None:
    """Promise: in matches there is nothing of a disagreement, however long it is."""
    rig = Rig(record_mode='matches', max_window_s=0.5, max_events_per_minute=1)
    for first in (0, 300):
        rig.run(range(first, first + 50))
        rig.run(range(first + 50, first + 200), nn=1.0)
        rig.run(range(first + 200, first + 300))
    written = rig.close()
    assert {each.twist.linear.x for each in written['/nn/cmd']} == {1.0}
    # But for 10 messages before, and 5 after each.
    assert len(written.timestamps('/nn/cmd')) == pytest.approx(600 - 2 * (150 + 10 + 5), abs=4)


def test_the_budget_keeps_the_most_different() -> None:
    """Promise: what does not fit waits, the least different goes; no hour has more bytes."""
    size = len(twist(0, 0.0))
    window = size * 4 * 16
    rig = Rig(
        budget_bytes_per_hour=3 * window,
        waiting_bytes=2 * 4 * 16 * (size + 256),
        hysteresis_s=0.1,
    )
    for event, error in enumerate((1.0, 2.0, 3.0, 9.0, 4.0, 7.0, 5.0, 8.0)):
        rig.run(range(event * 60, event * 60 + 1), nn=error)
        rig.run(range(event * 60 + 1, event * 60 + 60))
    stats = rig.stats
    assert (stats.events, stats.recorded_events) == (8, 3)
    assert (stats.waiting_events, stats.skipped_events) == (2, 3)
    rig.wait(3700.0)
    written = rig.close()
    found = [round(each.error * LIMIT) for each in written[EVENTS_TOPIC]]
    assert sorted(found) == [1, 2, 3, 8, 9]
    stats = rig.stats
    assert stats.recorded_events + stats.skipped_events == stats.events == 8


def test_no_more_events_than_allowed_in_a_minute() -> None:
    """Promise: events over the rate are told and counted, not recorded."""
    rig = Rig(max_events_per_minute=3)
    for event in range(10):
        rig.run(range(event * 50, event * 50 + 1), nn=1.0)
        rig.run(range(event * 50 + 1, event * 50 + 50))
    written = rig.close()
    assert len(written.timestamps(EVENTS_TOPIC)) == 3
    assert (len(rig.ended), rig.stats.skipped_events) == (10, 7)


def test_a_long_disagreement_is_one_event_whose_window_is_bounded() -> None:
    """Promise: an arm that is off for ever fills neither memory nor disk."""
    rig = Rig(max_window_s=1.0)
    rig.run(range(20))
    rig.run(range(20, 1000), nn=1.0)
    written = rig.close()
    (event,) = rig.ended
    assert event.messages == 980
    assert event.window_end_ns - event.window_start_ns == pytest.approx(1.2 * S)
    assert len(written.timestamps('/odom')) == 60
    assert len(written.timestamps(EVENTS_TOPIC)) == 1


def test_own_comparison() -> None:
    """Promise: a function of two messages judges instead, by truth or by multiples."""
    for answer, error in ((False, math.inf), (2.5, 2.5)):

        def differ(original: Any, compiled: Any, answer: Any = answer) -> Any:
            is_same = original.twist.linear.x == compiled.twist.linear.x
            return (True if answer is False else 0.5) if is_same else answer

        rig = Rig(comparison_fn=differ)
        rig.run(range(10), cpp=1e-9)
        rig.close()
        assert rig.ended[0].outliers == ('cpp',)
        assert rig.ended[0].error == error


def test_a_comparison_that_fails_is_reported() -> None:
    """Promise: what it raises does not get out; the group is in error until it works."""
    is_broken = True

    def compare(original: Any, compiled: Any) -> bool:
        if is_broken:
            raise RuntimeError('broken')
        return True

    rig = Rig(comparison_fn=compare)
    rig.run(range(5), cpp=0.01)
    assert rig.stats.level == Level.ERROR
    assert 'broken' in rig.stats.message
    is_broken = False
    rig.run(range(5, 10), cpp=0.01)
    assert rig.stats.level == Level.OK


def test_malformed_messages_are_counted_and_the_others_judged() -> None:
    """Promise: bytes of another type are a fault of their arm, not of the recorder."""
    rig = Rig()
    for number in range(10):
        stamp = START + number * rig.period_ns
        rig.put('/cmd', twist(stamp, 1.0), stamp)
        rig.put('/cpp/cmd', twist(stamp, 2.0), stamp)
        rig.put('/nn/cmd', twist(stamp, 1.0)[: 12 if number % 2 else 5], stamp)
        rig.recorder.advance(stamp + 100 * MS)
    stats = rig.stats
    assert stats.arms['nn'].malformed == 10
    assert (stats.disagreeing, stats.level) == (10, Level.ERROR)
    assert stats.arms['nn'].level == Level.ERROR


def test_another_type_is_reported_until_it_is_right() -> None:
    """Promise: an arm of another type is skipped, and taken once it has the right one."""
    rig = Rig({'original': '/cmd', 'cpp': '/cpp/cmd'})
    rig.run(range(5))
    rig.recorder.add_input('/cpp/cmd', 'std_msgs/msg/String')
    rig.run(range(5, 10))
    arm = rig.stats.arms['cpp']
    assert (arm.level, arm.other_type) == (Level.ERROR, 'std_msgs/msg/String')
    rig.recorder.add_input('/cpp/cmd', TYPE)
    rig.run(range(10, 15))
    assert rig.stats.arms['cpp'].level == Level.OK
    assert rig.stats.pairs[0].compared == 10


def test_diagnostics_have_a_status_for_each_arm() -> None:
    """Promise: the recorder's `dx` is a ConsensusDx with a task for the group and each arm."""
    rig = Rig()
    rig.run(range(20), nn=1.0)
    assert isinstance(rig.recorder.dx, ConsensusDx)
    found = {each.name.partition(': ')[2]: each for each in rig.recorder.dx.update(0)}
    assert found['/cmd/nn'].level == found['/cmd'].level == found[''].level == Level.ERROR
    assert found['/cmd/nn'].message == 'disagrees in 100.0% of the sets'
    assert found['/cmd/original'].level == Level.OK


def test_a_full_disk_stops_the_recording_not_the_watching() -> None:
    """Promise: what a database raises does not get out while running, and `close` raises it."""

    class Full(MemoryDatabase):
        """Has no room."""

        def write_batch(self, *args: Any, **kwargs: Any) -> None:
            """Fail."""
            raise OSError('no room')

    rig = Rig(database=Full())
    for first in (0, 40, 80):
        rig.run(range(first, first + 5), nn=1.0)
        rig.run(range(first + 5, first + 40))
    stats = rig.stats
    assert (stats.events, rig.recorder.dx.status().message) == (3, 'recording stops: no room')
    with pytest.raises(OSError, match='no room'):
        rig.recorder.close()
    counts = rig.recorder.get_stats()['/odom']
    assert (counts.count + counts.dropped + counts.skipped, counts.count) == (120, 0)


def test_a_thread_may_write_and_latched_messages_are_always_there(tmp_path: Path) -> None:
    """Promise: with a cache nothing is different; what is latched is written when it comes."""
    rig = Rig(database=McapDatabase(tmp_path / 'bag', 'w'), cache_bytes=1_000_000)
    rig.recorder.add_input('/map', TYPE, latched=True)
    rig.put('/map', twist(START, 7.0), START)
    rig.run(range(50))
    rig.run(range(50, 55), nn=0.5)
    rig.run(range(55, 80))
    rig.recorder.close()
    bag = Dataset.load(tmp_path / 'bag')
    assert [len(bag.timestamps(key)) for key in ('/map', '/cmd', EVENTS_TOPIC)] == [1, 20, 1]


def test_while_paused_nothing_is_kept() -> None:
    """Promise: a paused recorder goes on judging, and writes nothing of that time."""
    rig = Rig()
    rig.run(range(20))
    rig.recorder.pause()
    rig.run(range(20, 30), nn=1.0)
    rig.run(range(30, 60))
    rig.recorder.resume()
    rig.run(range(60, 80))
    written = rig.close()
    assert rig.stats.events == 1
    assert len(written.timestamps('/odom')) == len(written.timestamps(EVENTS_TOPIC)) == 0


def test_several_groups() -> None:
    """Promise: groups are judged apart, their events numbered together."""
    arms = {'left': {'a': '/a', 'b': '/b'}, 'right': {'a': '/c', 'b': '/d'}}
    recorder = ConsensusRecorder(MemoryDatabase(), arms, tolerance=Tolerance(atol=0.1))
    for topic in ('/a', '/b', '/c', '/d'):
        recorder.add_input(topic, TYPE)
        value = 1.0 if topic == '/d' else 0.0
        recorder.record(SerializedMessage(topic, twist(START, value), START, START))
    (event,) = recorder.advance(START + MS)
    assert (event.group, event.output) == ('right', '/c')
    assert recorder.get_consensus_stats()['left'].events == 0


@pytest.mark.parametrize(
    ('arms', 'settings', 'what'),
    [
        ({'a': '/a'}, {}, 'has 1 arms; give 2 to 16'),
        ({'a': '/a', 'b': '/a'}, {}, '/a cannot be the output of b'),
        ({'a': '/a', 'b': '/odom'}, {}, 'it is an input'),
        ({'a': '/a', 'b': {'c': '/c'}}, {}, 'not both'),
        (ARMS, {'use_ring_buffer': True}, 'pre_s and window_bytes'),
        (ARMS, {'error_agreement': 1.0, 'warn_agreement': 0.5}, 'is above warn_agreement'),
        (ARMS, {'record_mode': 'none'}, 'record_mode'),
    ],
)
def test_wrong_arguments_are_named(arms: Any, settings: Any, what: str) -> None:
    """Promise: what cannot be watched is refused in one line."""
    with pytest.raises(ComponentError, match=what):
        ConsensusRecorder(MemoryDatabase(), arms, ['/odom'], **settings)


def test_the_bag_is_training_data(tmp_path: Path) -> None:
    """Promise: `to_pytorch_dataset` and `compare` read the bag: inputs labelled by the original."""
    pytest.importorskip('torch')
    rig = Rig(database=McapDatabase(tmp_path / 'bag', 'w'))
    rig.run(range(50))
    rig.run(range(50, 55), nn=0.5)
    rig.run(range(55, 80))
    rig.recorder.close()
    bag = Dataset.load(tmp_path / 'bag')
    pairs = bag.to_pytorch_dataset({'/odom': ['twist.linear.x']}, {'/cmd': ['twist.linear.x']})
    # The window begins between an input and its answer.
    assert len(pairs) == len(bag.timestamps('/odom')) == 19
    value, label = pairs[0]
    assert (float(np.ravel(value)[0]), float(np.ravel(label)[0])) == (41.0, 1.0)
    assert main(['compare', str(tmp_path / 'bag'), str(tmp_path / 'bag')]) == 0
    event = bag[EVENTS_TOPIC][0]
    assert (event.field, event.error) == ('twist.linear.x', pytest.approx(5.0))
