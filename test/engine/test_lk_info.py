"""`lk info`: the numbers against other readers and brute force, the words against ros2 bag info."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import statistics
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader

from lk_dataset_ros.cli import info as cli_info
from lk_dataset_ros.cli.main import main
from lk_dataset_ros.dataset import Dataset, McapDatabase, MemoryDatabase
from lk_dataset_ros.dataset.copying import Source, copy
from lk_dataset_ros.dataset.inspection.files import stored_files
from lk_dataset_ros.dataset.inspection.summary import inspect_topic, summarize
from lk_dataset_ros.dataset.inspection.timing import (
    SequenceDrops,
    StampDrops,
    sequence_drops_of,
    stamp_drops_of,
    timing_of,
)
from lk_dataset_ros.message import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

S = 1_000_000_000
REAL_BAG = Path('/work/shared/bags/nav2_turtlebot.mcap')


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the local time zone to UTC."""
    monkeypatch.setenv('TZ', 'UTC')
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def info(capsys: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    """Run `lk info --json` and return what it printed."""
    assert main(['info', '--json', *map(str, arguments)]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def opened(path: Path) -> Dataset:
    """Return what a bag holds, in memory."""
    dataset = Dataset(MemoryDatabase())
    with Dataset.load(path) as bag:
        copy([Source(bag)], dataset.databases[0])
    return dataset


def scans(kit: Any, count: int = 40) -> list[tuple[str, Any, int]]:
    """Make laser scans with numbers that are none, or infinite."""
    rng = np.random.default_rng(5)
    found = []
    for index in range(count):
        ranges = rng.normal(5.0, 2.0, 30).astype(np.float32)
        ranges[rng.integers(0, 30, 3)] = np.inf
        ranges[rng.integers(0, 30, index % 3)] = np.nan
        scan = kit.message(
            'sensor_msgs/msg/LaserScan',
            header__stamp__sec=100 + index,
            angle_min=-1.5,
            range_max=float(index),
            ranges=ranges,
        )
        found.append(('/scan', scan, (100 + index) * S))
    return found


@pytest.mark.usefixtures('utc')
def test_it_says_what_ros2_bag_info_says(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: the first block is what rosbag2's format_bag_meta_data (Jazzy) writes."""
    path = kit.bag('drive', kit.drive(3))
    drive = opened(path)
    odom = drive.topic('/odom').schema
    event = Schema('demo/srv/Add_Event', 'int32 a\n')
    with McapDatabase(kit.folder / 'bag', 'w') as bag:
        bag.declare('/odom', odom)
        bag.declare('/add/_service_event', event)
        bag.declare('/none', odom)
        for record in drive.iterate_serialized():
            bag.write_serialized(*record)
        bag.write_serialized('/add/_service_event', b'\0\1\0\0\1\0\0\0', 101 * S)
    capsys.readouterr()
    assert main(['info', '--summary', str(kit.folder / 'bag')]) == 0
    size = sum(each.stat().st_size for each in (kit.folder / 'bag').iterdir())
    assert capsys.readouterr().out.startswith(f"""
Files:             bag_0.mcap
Bag size:          {size / 1024:.1f} KiB
Storage id:        mcap
ROS Distro:        {stored_files(kit.folder / 'bag').ros_distro}
Duration:          0.999000000s
Start:             Jan  1 1970 00:01:40.001000000 (100.001000000)
End:               Jan  1 1970 00:01:41.000000000 (101.000000000)
Messages:          3
Topic information: Topic: /odom | Type: nav_msgs/msg/Odometry | Count: 3 | Serialization Format: cdr
                   Topic: /none | Type: nav_msgs/msg/Odometry | Count: 0 | Serialization Format: cdr
Service:           1
Service information: Service: /add | Type: demo/srv/Add | Event Count: 1 | Serialization Format: cdr
""")


@pytest.mark.parametrize('which', ['own', 'real'])
def test_counts_and_times_are_those_of_rosbags(
    which: str, kit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: topics, counts, span and rates are those that rosbags' reader gives."""
    if which == 'real' and not REAL_BAG.exists():
        pytest.skip('the shared bag is not here')
    path = REAL_BAG if which == 'real' else kit.bag('bag', [*kit.drive(30), *scans(kit)])
    found = info(capsys, path)
    with AnyReader([path]) as reader:
        times: dict[str, list[int]] = {each.topic: [] for each in reader.connections}
        for connection, time_ns, _ in reader.messages():
            times[connection.topic].append(time_ns)
        assert found['bag']['start_ns'] == reader.start_time
        assert found['bag']['duration_ns'] == reader.duration - (which == 'real') * 0 - 1
        assert found['bag']['messages'] == reader.message_count
        types = {each.topic: each.msgtype for each in reader.connections}
    assert {each['name']: each['type_name'] for each in found['topics']} == types
    for topic in found['topics']:
        stamps = times[topic['name']]
        timing = topic['details']['timing']
        assert topic['count'] == len(stamps)
        assert (timing['first_ns'], timing['last_ns']) == (stamps[0], stamps[-1])
        if len(stamps) > 1:
            periods = [b - a for a, b in itertools.pairwise(stamps)]
            mean_hz = (len(stamps) - 1) / (stamps[-1] - stamps[0]) * 1e9
            assert timing['mean_hz'] == pytest.approx(mean_hz)
            assert timing['median_period_ns'] == pytest.approx(statistics.median(periods))
            assert timing['std_period_ns'] == pytest.approx(statistics.pstdev(periods))
            assert timing['largest_gap_ns'] == max(periods)
            assert stamps[periods.index(max(periods))] == timing['largest_gap_at_ns']
            limit = 3.0 * statistics.median(periods)
            assert timing['gaps'] == sum(period > limit for period in periods)


@given(
    steps=st.lists(st.integers(0, 10 * S), min_size=1, max_size=40),
    factor=st.sampled_from([1.5, 3.0, 10.0]),
)
def test_timing_is_that_of_brute_force(steps: list[int], factor: float) -> None:
    """Promise: any times give the rate, spread and gaps that the definitions say."""
    times = np.cumsum([5 * S, *steps])
    found = timing_of(times, gap_factor=factor)
    assert found is not None
    median = statistics.median(steps)
    assert found.median_period_ns == pytest.approx(median)
    assert found.mean_period_ns == pytest.approx(statistics.fmean(steps))
    assert found.gaps == (sum(each > factor * median for each in steps) if median else 0)
    assert found.largest_gap_ns == max(steps)
    assert found.largest_gap_at_ns == times[steps.index(max(steps))]
    if sum(steps):
        assert found.mean_hz == pytest.approx(len(steps) * 1e9 / sum(steps))
    else:
        assert found.mean_hz is None


def test_a_gap_is_longer_than_the_factor() -> None:
    """Promise: a period of exactly three medians is no gap of factor 3, one ns more is."""
    for widest, gaps in ((30, 0), (31, 1)):
        found = timing_of(np.cumsum([0, 10, 10, widest, 10, 10]), gap_factor=3.0)
        assert found is not None
        assert found.gaps == gaps


@pytest.mark.parametrize(
    ('numbers', 'expected'),
    [
        ([1, 2, 3, 4], (0, 0, 0, 0)),
        ([1, 2, 3, 7, 8, 9], (3, 0, 0, 0)),
        ([1, 2, 3, 3, 4, 5], (0, 1, 0, 0)),
        ([1, 2, 3, 4, 2, 5, 6, 7], (0, 1, 0, 0)),
        ([1, 2, 3, 5, 4, 6, 7, 8, 9], (0, 0, 1, 0)),
        ([1, 2, 3, 6, 7, 4, 8, 9, 10], (1, 0, 1, 0)),
        ([5, 6, 7, 8, 0, 1, 2, 3], (0, 0, 0, 1)),
        ([0, 1, 2, 3, 4, 0, 1, 2, 5, 6, 7], (0, 3, 0, 0)),
        ([0, 1, 2, 3, 4, 0, 1, 2, 3, 7, 8, 9], (3, 0, 0, 1)),
        ([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6], (0, 0, 0, 1)),
        ([1, 2, 5, 6, 7, 0, 1, 3, 4, 5, 6], (3, 0, 0, 1)),
        ([2**32 - 2, 2**32 - 1, 0, 1, 3], (1, 0, 0, 0)),
        ([0, 0, 0, 0], None),
        ([7], None),
        ([], None),
        ([0, 4, 8, 12, 16], None),
        ([10, 500, 11, 501, 12, 502], None),
    ],
)
def test_drops_by_sequence(numbers: list[int], expected: tuple[int, ...] | None) -> None:
    """Promise: missing, doubled, late numbers and resets of a hand-made list are counted."""
    found = sequence_drops_of(np.array(numbers, np.uint32))
    assert found == (None if expected is None else SequenceDrops(*expected))


@given(start=st.integers(0, 2**32 - 1), lost=st.sets(st.integers(1, 98), max_size=40))
def test_every_lost_number_is_missed(start: int, lost: set[int]) -> None:
    """Promise: numbers taken out of a counter, which may wrap, are counted as missing."""
    kept = [(start + each) % 2**32 for each in range(100) if each not in lost]
    found = sequence_drops_of(np.array(kept, np.uint32))
    if found is None:
        assert len(lost) > 20
    else:
        assert found == SequenceDrops(len(lost), 0, 0, 0)


@pytest.mark.parametrize(
    ('stamps', 'expected'),
    [
        ([0, 10, 20, 30, 40], (10.0, 0, 0, 0)),
        ([0, 10, 20, 50, 60, 70], (10.0, 2, 0, 0)),
        ([0, 10, 21, 30, 40, 61, 70], (10.0, 1, 0, 0)),
        ([0, 10, 10, 20, 30], (10.0, 0, 1, 0)),
        ([0, 10, 20, 0, 10, 20], (10.0, 0, 0, 1)),
        ([0, 10, 30, 20, 40], (10.0, 0, 0, 1)),
        ([0, 10, 14, 30, 37, 61, 65], (8.5, None, 0, 0)),
        ([5, 5, 5], (None, None, 2, 0)),
        ([], None),
    ],
)
def test_drops_by_stamp(stamps: list[int], expected: tuple[Any, ...] | None) -> None:
    """Promise: stamps that miss a multiple of the period, repeat or go back are counted."""
    found = stamp_drops_of(np.array(stamps, np.int64))
    assert found == (None if expected is None else StampDrops(*expected))


@given(
    period=st.integers(1000, S),
    lost=st.sets(st.integers(1, 98), max_size=15),
    seed=st.integers(0, 99),
)
def test_every_lost_stamp_is_missed(period: int, lost: set[int], seed: int) -> None:
    """Promise: messages taken out of a periodic topic are counted, also when it jitters."""
    jitter = np.random.default_rng(seed).uniform(-0.05, 0.05, 100) * period
    stamps = (np.arange(100) * period + jitter).astype(np.int64)
    found = stamp_drops_of(np.delete(stamps, sorted(lost)))
    assert found is not None
    assert found.missing == len(lost)


def test_ranges_are_those_of_brute_force(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: minimum, maximum, NaN and infinite counts are those of decoding one by one."""
    path = kit.bag('bag', scans(kit))
    (topic,) = info(capsys, path)['topics']
    fields = {each['path']: each for each in topic['details']['fields']}
    messages = [message for _, message, _ in opened(path).iterate()]
    values = np.concatenate([message.ranges for message in messages])
    finite = values[np.isfinite(values)]
    assert fields['ranges'] == {
        'path': 'ranges',
        'dtype': 'float32',
        'values': values.size,
        'minimum': float(finite.min()),
        'maximum': float(finite.max()),
        'nan': sum(math.isnan(each) for each in values),
        'infinite': sum(math.isinf(each) for each in values),
        'constant': False,
    }
    assert fields['ranges']['nan'] > 0 < fields['ranges']['infinite']
    assert (fields['range_max']['minimum'], fields['range_max']['maximum']) == (0.0, 39.0)
    assert fields['angle_min']['constant'] is True
    assert fields['range_max']['constant'] is False
    assert topic['details']['stamps'] == {
        'period_ns': 1e9,
        'missing': 0,
        'repeated': 0,
        'backwards': 0,
    }


def test_ranges_in_sequences_of_messages_are_joined(kit: Any) -> None:
    """Promise: elements of a sequence count as one field, however many a message has."""
    items = []
    # The first message is the largest, yet others have more elements.
    for index, count in enumerate([1, 3, 0, 2]):
        transforms = [
            kit.message(
                'geometry_msgs/msg/TransformStamped',
                child_frame_id='x' * (0 if index else 900),
                transform__translation__x=10.0 * at,
            )
            for at in range(count)
        ]
        items.append(('/tf', kit.message('tf2_msgs/msg/TFMessage', transforms=transforms), index))
    details = inspect_topic(kit.memory(items), '/tf')
    fields = {each.path: each for each in details.fields}
    x = fields['transforms[].transform.translation.x']
    assert (x.values, x.minimum, x.maximum) == (6, 0.0, 20.0)
    assert (fields['transforms.length'].minimum, fields['transforms.length'].maximum) == (0, 3)


@pytest.mark.parametrize(('size', 'is_read'), [(256, True), (257, False)])
def test_bytes_are_read_up_to_a_limit(kit: Any, size: int, is_read: bool) -> None:
    """Promise: 256 bytes in a field are looked at, 257 are left out, in whichever message."""
    items = [
        ('/image', kit.message('sensor_msgs/msg/Image', data=np.full(count, 7, np.uint8)), time_ns)
        for time_ns, count in enumerate([3, size, 3])
    ]
    details = inspect_topic(kit.memory(items), '/image')
    assert ('data' in [each.path for each in details.fields]) is is_read
    assert ([each.path for each in details.left_out] == ['data']) is not is_read


def test_large_bags_are_read_when_asked(
    kit: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: small bags are read at once, large ones with --full, none with --summary."""
    path = kit.bag('bag', kit.drive(5))
    assert info(capsys, path)['depth'] == 'full'
    assert info(capsys, path, '--summary')['depth'] == 'summary'
    monkeypatch.setattr(cli_info, 'AUTOMATIC_BYTES', 1000)
    assert info(capsys, path)['depth'] == 'summary'
    assert info(capsys, path, '--full')['depth'] == 'full'
    monkeypatch.setattr(cli_info, 'AUTOMATIC_BYTES', 10**9)
    monkeypatch.setattr(cli_info, 'AUTOMATIC_MESSAGES', 4)
    assert info(capsys, path)['depth'] == 'summary'


def test_pixels_are_left_out_and_named(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: pixels are not looked at, and the output says so; the other fields are there."""
    image = kit.message(
        'sensor_msgs/msg/Image', height=40, width=50, data=np.full(6000, 7, np.uint8)
    )
    path = kit.bag('bag', [('/image', image, S), ('/image', image, 2 * S)])
    assert main(['info', str(path)]) == 0
    text = capsys.readouterr().out
    assert 'data: left out, 6000 values in one message' in text
    assert any(line.split()[:3] == ['height', 'uint32', '40'] for line in text.splitlines())


def test_the_summary_reads_no_message(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: `--summary` looks at the end of the file only; it says what it left out."""
    path = kit.bare('bag.mcap', kit.drive(200), chunk_size=4096)
    before = info(capsys, '--summary', path)
    assert before['depth'] == 'summary'
    data = bytearray(path.read_bytes())
    with path.open('rb') as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    last = summary.chunk_indexes[-1]
    end = last.chunk_start_offset + last.chunk_length
    data[100:end] = bytes(end - 100)
    path.write_bytes(data)
    assert info(capsys, '--summary', path) == before
    assert main(['info', '--summary', str(path)]) == 0
    text = capsys.readouterr().out
    assert 'lk info --full' in text
    assert 'mean Hz' in text


def test_a_damaged_topic_does_not_hide_the_others(
    kit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: where messages are not of their type, that is told and the rest still shown."""
    drive = opened(kit.bag('drive', kit.drive(3)))
    odom = drive.topic('/odom').schema
    with McapDatabase(kit.folder / 'bag', 'w') as bag:
        bag.declare('/bad', odom)
        bag.declare('/good', odom)
        bag.write_serialized('/bad', b'\0\1\0\0\1\2', S)
        for record in drive.iterate_serialized():
            bag.write_serialized('/good', *record[1:])
    bad, good = info(capsys, kit.folder / 'bag')['topics']
    assert '/bad' in bad['details']['problem']
    assert bad['details']['timing']['first_ns'] == S
    assert good['details']['problem'] == ''
    assert good['details']['fields']


def test_a_cut_bag_is_summed_up_by_a_scan(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: without summary the counts are those of what can be read; a warning says why."""
    whole = kit.bare('whole.mcap', kit.drive(400), compression='none', chunk_size=4096)
    path = kit.folder / 'cut.mcap'
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    messages = 0
    with path.open('rb') as file, contextlib.suppress(McapError, EOFError, struct.error):
        for _ in NonSeekingReader(file).iter_messages(log_time_order=False):
            messages += 1
    assert main(['info', '--json', str(path)]) == 0
    out, error = capsys.readouterr()
    found = json.loads(out)
    # What the reference reader gives up on is the chunk that was cut.
    assert messages <= found['bag']['messages'] <= messages + 10
    assert found['bag']['messages'] > 100
    assert found['topics'][0]['details']['timing']['mean_hz'] == pytest.approx(10.0)
    (line,) = error.splitlines()
    assert line.startswith(f'lk: warning: {path} is cut')
    assert found['bag']['warnings'] == [line.removeprefix('lk: warning: ')]


def test_topics_can_be_chosen(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: `--topic` and `--key` show these topics only; one that is not there is an error."""
    path = kit.bag('bag', [*kit.drive(5), *scans(kit, 5)])
    assert [each['name'] for each in info(capsys, path, '--topic', '/scan')['topics']] == ['/scan']
    assert info(capsys, path, '--key', '/odom')['bag']['messages'] == 5
    assert main(['info', str(path), '--topic', '/nothing']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('lk: error: there is no /nothing')


def test_the_distribution_is_found_inside_a_file(kit: Any) -> None:
    """Promise: a bare file tells its ROS distribution, as new and as old recorders wrote it."""
    for name, entries in (
        ('new', {'serialized_metadata': 'version: 9\nros_distro: kilted\n'}),
        ('old', {'ROS_DISTRO': 'iron'}),
        ('none', {}),
    ):
        path = kit.folder / f'{name}.mcap'
        with path.open('wb') as file:
            writer = Writer(file)
            writer.start('ros2', 'test')
            writer.add_metadata('other', {'ROS_DISTRO': 'wrong'})
            writer.add_metadata('rosbag2', entries)
            writer.finish()
    found = {name: stored_files(kit.folder / f'{name}.mcap') for name in ('new', 'old', 'none')}
    assert {name: each.ros_distro for name, each in found.items()} == {
        'new': 'kilted',
        'old': 'iron',
        'none': '',
    }
    assert found['new'].names == ('new.mcap',)


@given(data=st.binary(max_size=200), cut=st.integers(0, 400))
def test_looking_for_the_distribution_survives_anything(
    data: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Promise: whatever stands in a file, its metadata is found or left empty, nothing raises."""
    path = tmp_path_factory.getbasetemp() / 'fuzz.mcap'
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start('ros2', 'test')
        writer.add_metadata('rosbag2', {'ROS_DISTRO': 'iron'})
        writer.finish()
    whole = path.read_bytes()
    at = min(cut, len(whole))
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    assert stored_files(path).names == ('fuzz.mcap',)


def test_what_is_in_memory_can_be_inspected_too(kit: Any) -> None:
    """Promise: the engine works on any dataset; without files it tells none."""
    dataset = kit.memory(kit.drive(10))
    summary = summarize(dataset)
    assert (summary.files, summary.size_bytes, summary.messages) == ((), None, 10)
    assert summary.topics[0].mean_hz == pytest.approx(10.0)
    steps: list[int] = []
    details = inspect_topic(dataset, '/odom', advance=steps.append)
    assert sum(steps) == 10
    assert details.timing is not None
    assert details.stamps == StampDrops(1e8, 0, 0, 0)


def test_an_empty_bag_is_told_as_such(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: a bag without messages gives zeros and no error, as text and as JSON."""
    path = kit.bag('bag', [])
    assert main(['info', str(path)]) == 0
    assert 'Messages:          0\n' in capsys.readouterr().out
    assert info(capsys, path)['bag']['start_ns'] is None


def test_nothing_readable_is_one_line(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: what is not there is refused with one line and exit code 2."""
    assert main(['info', str(kit.folder / 'nothing')]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('lk: error: ')
