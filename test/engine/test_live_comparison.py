"""Original and compiled compared while they run: the same counts as comparing the bags."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.comparison import DatasetComparison, Tolerance, compare
from lk_dataset_ros.comparison.live import LiveComparison, LiveConfig
from lk_dataset_ros.comparison.pairing.incremental import Heard, Settled
from lk_dataset_ros.comparison.rules_file import pairing_of
from lk_dataset_ros.dataset.consensus.switching import ActuatorSwitch
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import builtin_schema, codec_for
from lk_dataset_ros.message.stamps import begins_with_header, stamp_of
from lk_dataset_ros.ros.comparing.heard_bags import HeardBags
from lk_dataset_ros.ros.comparing.numbers import ArrivalNumbers
from lk_dataset_ros.ros.comparing.report import ReportJob, run

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000
STAMPED = builtin_schema('geometry_msgs/msg/TwistStamped')
PLAIN = builtin_schema('geometry_msgs/msg/Twist')


def say(number: int, x: float = 0.0, schema: Any = STAMPED) -> bytes:
    """Return the message number of 100 Hz, serialized."""
    message = new_message(schema)
    twist = message
    if schema is STAMPED:
        twist = message.twist
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(number * 10 * MS, 10**9)
    twist.linear.x = x
    return codec_for(schema).encode(message)


def live(schema: Any = STAMPED, **settings: Any) -> LiveComparison:
    """Make a comparison of one topic."""
    found = LiveComparison(Tolerance(atol=0.1, rtol=0.0), LiveConfig(**settings))
    found.add('/cmd', '/cpp/cmd', schema)
    return found


def hear(it: LiveComparison, side: Any, cdr: bytes, at_ns: int) -> None:
    """Hear a message of /cmd."""
    it.take(side, '/cmd', cdr, log_time_ns=at_ns, now_ns=at_ns)


def test_pairs_are_counted_and_the_first_divergence_is_told_once() -> None:
    """Promise: counts, verdict, and one divergence per field, with values, error and limit."""
    it = live()
    told = []
    for number in range(20):
        hear(it, 'original', say(number), number * 10 * MS)
        hear(it, 'compiled', say(number, 0.5 if number >= 12 else 0.05), number * 10 * MS + MS)
        told += it.advance(number * 10 * MS + 2 * MS)
    assert len(told) == 1
    first = told[0]
    assert (first.field, first.index, first.stamp_ns) == ('twist.linear.x', 12, 120 * MS)
    assert (first.original, first.compiled) == (0.0, 0.5)
    assert first.error == pytest.approx(0.5)
    assert first.limit == pytest.approx(0.1)
    assert (it.counts.paired, it.counts.differing, it.verdict) == (20, 8, 'differs')
    assert it.first == [first]
    it.reset()
    assert (it.counts.paired, it.verdict, it.first) == (0, 'inconclusive', [])
    for side in ('original', 'compiled'):
        hear(it, side, say(99, 0.5 if side == 'compiled' else 0.0), 990 * MS)
    assert [each.index for each in it.advance(990 * MS)] == [0]


def test_what_comes_before_the_first_pair_is_not_counted() -> None:
    """Promise: an arm that is heard later is not missing what it could not answer."""
    it = live(answer_limit_s=0.05)
    for number in range(40):
        hear(it, 'original', say(number), number * 10 * MS)
        if number >= 20 and number != 30:
            hear(it, 'compiled', say(number), number * 10 * MS + MS)
        it.advance(number * 10 * MS + MS)
    counts = it.counts
    assert (counts.early, counts.paired, counts.missing, counts.extra) == (20, 19, 1, 0)
    assert it.verdict == 'differs'
    assert it.first[0].field == 'missing'


def test_nothing_heard_of_one_side_is_inconclusive() -> None:
    """Promise: without a pair there is no verdict, and memory stays bounded."""
    it = live(max_waiting=100)
    for number in range(1000):
        hear(it, 'original', say(number), number)
    it.advance(1000)
    assert it.verdict == 'inconclusive'
    assert it.counts.early == 900


def test_late_extra_and_lost_are_counted() -> None:
    """Promise: late is later than late_s; what was lost on the way makes no one differ."""
    it = live(late_s=0.02, answer_limit_s=0.5)
    hear(it, 'original', say(1), 0)
    hear(it, 'compiled', say(1), 20 * MS)
    hear(it, 'original', say(2), 40 * MS)
    hear(it, 'compiled', say(2), 61 * MS)
    hear(it, 'compiled', say(3), 70 * MS)
    told = it.advance(1000 * MS)
    assert {each.field for each in told} == {'late', 'extra'}
    assert (it.counts.late, it.counts.extra, it.counts.missing) == (1, 1, 0)
    other = live(answer_limit_s=0.1)
    for side in ('original', 'compiled'):
        hear(other, side, say(1), 0)
    hear(other, 'original', say(2), 0)
    other.note_lost('/cmd', 1)
    other.advance(1000 * MS)
    assert (other.counts.missing, other.verdict) == (1, 'inconclusive')


@pytest.mark.parametrize(
    ('schema', 'settings', 'by'),
    [
        (PLAIN, {}, 'arrival'),
        (PLAIN, {'pair_by': 'index'}, 'index'),
        (STAMPED, {'limit_s': 0.004}, 'header_stamp'),
        (STAMPED, {'pair_by': 'relative_time'}, 'relative_time'),
        (PLAIN, {'pair_by': 'relative_time', 'limit_s': 0.004}, 'relative_time'),
    ],
)
def test_every_way_of_pairing(schema: Any, settings: dict[str, Any], by: str) -> None:
    """Promise: stamps within a limit, relative to the first, arrivals and numbers pair all."""
    it = live(schema, **settings)
    assert it.paired_by('/cmd') == by
    shift = 1000 if by == 'relative_time' else 0
    random = np.random.default_rng(3)
    for number in range(50):
        at_ns = number * 10 * MS + 10**9
        delay_ns = int(random.integers(0, 3 * MS))
        hear(it, 'original', say(number, number, schema), at_ns)
        hear(it, 'compiled', say(number + shift, number, schema), at_ns + delay_ns)
        it.advance(at_ns + 4 * MS)
    it.advance(10**11)
    assert (it.counts.paired, it.counts.differing, it.verdict) == (50, 0, 'equivalent')


def test_a_plain_type_has_no_stamp_to_be_paired_by() -> None:
    """Promise: refused in one line that names what needs none; headers are recognized."""
    with pytest.raises(ComparisonError, match='has no header to be paired by its stamp'):
        live(PLAIN, pair_by='header_stamp')
    assert begins_with_header(STAMPED)
    assert begins_with_header(builtin_schema('nav_msgs/msg/Odometry'))
    assert not begins_with_header(PLAIN)
    assert stamp_of(say(123)) == 1230 * MS
    assert stamp_of(b'\0\1\0\0') is None


def test_what_cannot_be_decoded_differs_and_the_rest_is_judged() -> None:
    """Promise: garbage is a difference that is told; the pairs gathered with it are judged."""
    it = live()
    for number in range(10):
        hear(it, 'original', say(number), number)
        hear(it, 'compiled', say(number)[: 20 if number == 5 else None], number)
    told = it.advance(20)
    assert [each.field for each in told] == ['undecodable']
    assert (it.counts.paired, it.counts.differing) == (10, 1)


def test_texts_nan_and_whole_parts_are_told() -> None:
    """Promise: strings are told as texts, NaN as NaN, a quaternion by its error."""
    schema = builtin_schema('nav_msgs/msg/Odometry')
    it = LiveComparison(Tolerance(atol=1e-3, rtol=0.0))
    it.add('/odom', '/cpp/odom', schema)
    for side in ('original', 'compiled'):
        message = new_message(schema)
        message.pose.pose.orientation.w = 1.0
        if side == 'compiled':
            message.child_frame_id = 'other'
            message.twist.twist.linear.y = math.nan
            message.pose.pose.orientation.z = 0.5
            message.pose.covariance[7] = 2.0
        cdr = codec_for(schema).encode(message)
        it.take(side, '/odom', cdr, log_time_ns=5, now_ns=5)
    found = {each.field: each for each in it.advance(6)}
    assert found['child_frame_id'].text == ' in the original, other in the compiled'
    assert math.isnan(found['twist.twist.linear.y'].compiled)
    assert found['twist.twist.linear.y'].error == math.inf
    assert (found['pose.covariance'].original, found['pose.covariance'].compiled) == (0.0, 2.0)
    assert any('orientation' in path for path in found)


def test_problems_make_the_verdict_until_they_are_gone() -> None:
    """Promise: a topic that cannot be compared differs, and no longer when it can."""
    it = live()
    it.refuse('/scan', 'two types')
    assert (it.verdict, it.problems) == ('differs', {'/scan': 'two types'})
    it.refuse('/scan', '')
    for side in ('original', 'compiled'):
        hear(it, side, say(1), 0)
    it.advance(0)
    assert it.verdict == 'equivalent'
    it.expect('/scan')
    assert it.verdict == 'inconclusive'
    with pytest.raises(ComparisonError, match='/scan is not compared; /cmd is'):
        it.take('original', '/scan', b'', log_time_ns=0, now_ns=0)


@pytest.mark.parametrize(
    ('schema', 'settings', 'pairing'),
    [
        (STAMPED, {}, {'by': 'header_stamp'}),
        (STAMPED, {'limit_s': 0.004}, {'by': 'header_stamp', 'limit_s': 0.004}),
        (PLAIN, {'arrival_limit_s': 0.004}, {'by': 'log_time', 'limit_s': 0.004}),
    ],
)
def test_it_counts_what_comparing_the_bags_counts(
    schema: Any, settings: dict[str, Any], pairing: dict[str, Any]
) -> None:
    """Promise: random losses, delays and errors, judged in gulps: what `compare` says of them."""
    random = np.random.default_rng(7)
    sides = Dataset.create('memory'), Dataset.create('memory')

    def write(key: str, settled: Settled) -> None:
        for dataset, each in zip(sides, (settled.original, settled.compiled), strict=True):
            if each is not None:
                message = codec_for(schema).decode(each.cdr)
                dataset.write(key, message, timestamp_ns=each.log_time_ns)

    it = LiveComparison(Tolerance(atol=0.1, rtol=0.0), LiveConfig(**settings), on_settled=write)
    it.add('/cmd', '/cpp/cmd', schema)
    for number in range(400):
        at_ns = 10**9 + number * 10 * MS
        x = float(random.normal())
        if number < 2 or random.random() > 0.05:
            hear(it, 'original', say(number, x, schema), at_ns)
        if number < 2 or random.random() > 0.05:
            wrong = float(random.choice([0.0, 0.05, 0.3]))
            delay_ns = int(random.integers(0, 3 * MS))
            hear(it, 'compiled', say(number, x + wrong, schema), at_ns + delay_ns)
        if random.random() < 0.2:
            it.advance(at_ns + 4 * MS)
    it.advance(10**12)
    found = compare(
        *sides, tolerance=Tolerance(atol=0.1, rtol=0.0), pairing=pairing_of(**pairing)
    ).keys[0]
    counts = it.counts
    assert (counts.paired, counts.missing, counts.extra) == (
        found.paired,
        found.missing,
        found.extra,
    )
    assert counts.missing > 3
    assert counts.extra > 3
    path = 'twist.linear.x' if schema is STAMPED else 'linear.x'
    field = next(each for each in found.fields if each.path == path)
    assert counts.differing == int(field.over.sum()) > 50


def test_heard_bags_forget_the_oldest_and_stay_pairs(tmp_path: Path) -> None:
    """Promise: the bags stay below their bound, and what is left of both sides is compared."""
    bags = HeardBags(tmp_path / 'heard', 1_000_000, logging.getLogger())
    # Noise is not compressed; 1.2 kB each, 6 MB of both sides.
    schema = builtin_schema('std_msgs/msg/Float64MultiArray')
    bags.add('/cmd', schema)
    random = np.random.default_rng(1)
    sizes = []
    for number in range(2500):
        message = new_message(schema)
        message.data = random.normal(size=150)
        cdr = codec_for(schema).encode(message)
        first = Heard(cdr, number, 10**9 + number * MS, 10**9 + number * MS)
        bags.write('/cmd', Settled(first, first._replace(log_time_ns=first.log_time_ns + 100)))
        if number % 100 == 99:
            sizes.append(sum(each.stat().st_size for each in bags.folder.rglob('*.mcap')))
    assert bags.forgotten
    assert max(sizes) < 1_300_000
    (tmp_path / 'report').mkdir()
    bags.link(tmp_path / 'report' / 'bags')
    job = ReportJob(
        folder=str(tmp_path / 'report'),
        topics={'/cmd': 'arrival', '/never': 'index'},
        arrival_limit_s=1e-4,
        formats=['json', 'html', 'diffdiff'],
        facts={'remarks': 'its beginning is gone'},
    )
    # Of /never nothing was heard.
    assert run(job) == 'inconclusive'
    found = DatasetComparison.load(tmp_path / 'report' / 'comparison.json').keys
    assert [each.key for each in found] == ['/cmd', '/never']
    assert found[0].verdict.value == 'equivalent'
    assert 300 < found[0].paired < 2500
    assert 'its beginning is gone' in (tmp_path / 'report' / 'report.html').read_text()
    bags.reset()
    assert (bags.forgotten, bags.problem) == (0, '')
    assert sum(each.stat().st_size for each in bags.folder.rglob('*.mcap')) < 5_000
    bags.close()


@pytest.mark.parametrize('delay_ns', [2 * MS, -2 * MS])
def test_messages_without_stamp_are_numbered_by_arrival(delay_ns: int) -> None:
    """Promise: partners get one number, whoever is first, and again after one was left out."""
    numbers = ArrivalNumbers(4 * MS)
    events = sorted(
        [(number * 10 * MS, 'original', number) for number in range(1, 50)]
        + [
            (number * 10 * MS + delay_ns, 'compiled', number)
            for number in range(1, 50)
            if number % 10
        ]
    )
    given: dict[int, set[int]] = {}
    for at_ns, side, number in events:
        given.setdefault(number, set()).add(numbers.number(side, at_ns))  # type: ignore[arg-type]
    assert all(len(each) == 1 for each in given.values())
    assert len(set.union(*given.values())) == 49


def test_the_switch_falls_back_when_one_message_is_left_out() -> None:
    """Promise: known by the next pair: the original's come out in order, none twice."""
    switch = ActuatorSwitch(
        lambda left, right: left[1:] == right[1:],
        config=ActuatorSwitch.Config(hold_s=0.0, limit_s=1.0),
        log=logging.getLogger('quiet'),
    )
    switch.want('compiled', 0)
    out: list[bytes] = []
    for number in range(20):
        now_ns = number * 10 * MS
        out += switch.original(f'o{number}'.encode(), number, now_ns)
        # As late as the next but one original, at the end.
        if number not in (10, 19):
            out += switch.compiled(f'c{number}'.encode(), number, now_ns + MS)
    assert [int(each[1:]) for each in out] == list(range(20))
    assert {each[:1] for each in out[1:10]} == {b'c'}
    assert {each[:1] for each in out[10:]} == {b'o'}
    assert (switch.fallbacks, switch.active) == (1, 'original')
