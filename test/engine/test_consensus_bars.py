"""The consensus recorder over a thousand disagreements, and over an hour of mishaps."""

from __future__ import annotations

import math
import struct
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.comparison import Tolerance
from lk_dataset_ros.component.health import Level
from lk_dataset_ros.dataset import McapDatabase, MemoryDatabase, SerializedMessage
from lk_dataset_ros.dataset.consensus import EVENTS_TOPIC, ConsensusRecorder
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from lk_dataset_ros.dataset.consensus import Event

MS = 1_000_000
S = 1_000_000_000
START = 1_700_000_000 * S
TYPE = 'geometry_msgs/msg/TwistStamped'
TEMPLATE = codec_for(builtin_schema(TYPE)).encode(new_message(TYPE))
LIMIT = 0.1
RATE = 4


def twist(stamp_ns: int, value: float) -> bytes:
    """Return a serialized command: the template with a stamp and a value."""
    data = bytearray(TEMPLATE)
    struct.pack_into('<iI', data, 4, *divmod(stamp_ns, S))
    struct.pack_into('<d', data, len(data) - 48, value)
    return bytes(data)


def recorder_of(
    arms: dict[str, str], database: McapDatabase | MemoryDatabase, **settings: Any
) -> ConsensusRecorder:
    """Make a recorder that has been told of all topics."""
    recorder = ConsensusRecorder(
        database, arms, ['/odom'], tolerance=Tolerance(atol=LIMIT, rtol=0.0), **settings
    )
    for topic in ('/odom', *arms.values()):
        recorder.add_input(topic, TYPE)
    return recorder


def test_a_thousand_disagreements_are_found_once_each() -> None:
    """Promise: of random length, size and arm: all found, none invented, windows complete."""
    random = np.random.default_rng(7)
    arms = {name: f'/{name}/cmd' for name in ('original', 'cpp', 'nn', 'onnx')}
    topics = ('/odom', *arms.values())
    database = MemoryDatabase()
    recorder = recorder_of(arms, database, pre_s=0.06, post_s=0.04, hysteresis_s=0.1)
    injected: list[tuple[int, int, str, float]] = []
    tick = 20
    for _ in range(1000):
        length, arm = int(random.integers(1, 9)), str(random.choice(list(arms)))
        size = float(math.exp(random.uniform(math.log(0.15), math.log(50.0))))
        injected.append((tick, tick + length - 1, arm, size * random.choice([-1.0, 1.0])))
        tick += length + int(random.integers(6, 12))
    ticks = tick + 20
    off = {
        number: (arm, size)
        for first, last, arm, size in injected
        for number in range(first, last + 1)
    }
    noise = random.uniform(-0.02, 0.02, (ticks, len(arms)))
    found: list[Event] = []
    sent: dict[str, list[int]] = {topic: [] for topic in topics}
    for number in range(ticks):
        stamp = START + number * 20 * MS
        late = random.permutation(len(arms)) * MS
        for place, topic in enumerate(topics):
            value = float(noise[number, place - 1]) if place else 0.0
            if place and number in off and arms[off[number][0]] == topic:
                value += off[number][1]
            at = stamp + (MS + int(late[place - 1]) if place else 0)
            sent[topic].append(at)
            recorder.record(SerializedMessage(topic, twist(stamp, value), at, at))
        found += recorder.advance(stamp + 10 * MS)
    recorder.close()
    found += recorder.advance(0)
    ended = [each for each in found if each.is_over]
    assert [each.number for each in found if not each.is_over] == list(range(1, 1001))
    assert [each.number for each in ended] == list(range(1, 1001))
    inside = {topic: np.zeros(ticks, np.bool_) for topic in topics}
    for event, (first, last, arm, size) in zip(ended, injected, strict=True):
        assert event.outliers == (arm,)
        assert set(event.majority) == set(arms) - {arm}
        assert event.messages == last - first + 1
        assert event.start_ns == START + first * 20 * MS
        assert event.end_ns == START + last * 20 * MS
        assert abs(event.error * LIMIT - abs(size)) < 0.05
        assert event.window_start_ns == START + first * 20 * MS + MS - 60 * MS
        assert event.window_end_ns == START + last * 20 * MS + MS + 40 * MS
        for topic, times in sent.items():
            span = np.searchsorted(times, (event.window_start_ns, event.window_end_ns + 1))
            inside[topic][span[0] : span[1]] = True
    written = Dataset(database)
    for topic, times in sent.items():
        expected = np.array(times)[inside[topic]]
        np.testing.assert_array_equal(written.timestamps(topic), expected)
    assert len(written.timestamps(EVENTS_TOPIC)) == 1000


#: Minute of the hour -> what the arm nn does in it.
MISHAPS = {
    3: 'stops',
    8: 'back',
    13: 'ahead',
    18: 'nan',
    23: 'type',
    28: 'bytes',
    33: 'off',
    38: 'flood',
    43: 'clock',
    48: 'dies',
    53: 'late',
}


def answers_of(mishap: str, now: int, cdr: bytes, random: np.random.Generator) -> list[bytes]:
    """Return what the arm nn says instead of the right answer."""
    if mishap in ('stops', 'dies'):
        return []
    if mishap == 'flood':
        return [cdr] * 20
    noise = random.bytes(int(random.integers(0, 200)))
    wrong = {
        'back': twist(now - 7200 * S, 0.0),
        'ahead': twist(now + 86400 * S, 0.0),
        'nan': twist(now, math.nan),
        'bytes': noise if len(noise) % 2 else cdr[:12] + noise,
        'off': twist(now, 10.0 + random.normal()),
    }
    return [wrong.get(mishap, cdr)]


def an_hour(recorder: ConsensusRecorder) -> tuple[dict[int, Level], list[int]]:
    """Let an hour pass; return the level of the arm nn at the end of each minute, and the memory.

    The memory is what is in use then, in bytes.
    """
    random = np.random.default_rng(3)
    levels: dict[int, Level] = {}
    used: list[int] = []
    back_ns = 0
    for number in range(3600 * RATE):
        minute, second = divmod(number // RATE, 60)
        is_full_second, mishap = number % RATE == 0, MISHAPS.get(minute, '')
        if mishap == 'clock' and second == 30 and is_full_second:
            back_ns += 3600 * S
        if mishap == 'type' and second in (0, 59) and is_full_second:
            kind = TYPE if second else 'std_msgs/msg/String'
            recorder.add_input('/nn/cmd', kind, '- reliability: best_effort')
        now = START + number * S // RATE - back_ns
        cdr = twist(now, math.sin(0.01 * number))
        for topic in ('/odom', '/cmd', '/cpp/cmd'):
            recorder.record(SerializedMessage(topic, cdr, now, now))
        at = now + 80 * MS * (mishap == 'late')
        for answer in answers_of(mishap, now, cdr, random):
            recorder.record(SerializedMessage('/nn/cmd', answer, at, at))
        recorder.advance(now + 100 * MS)
        if second == 57 and is_full_second:
            stats = recorder.dx.get_consensus_stats()['/cmd']
            levels[minute] = stats.arms['nn'].level
            used.append(tracemalloc.get_traced_memory()[0])
    return levels, used


def test_an_hour_of_mishaps(tmp_path: Path) -> None:
    """Promise: whatever an arm does, memory is bounded, its status tells, and recovers."""
    arms = {'original': '/cmd', 'cpp': '/cpp/cmd', 'nn': '/nn/cmd'}
    recorder = recorder_of(
        arms,
        McapDatabase(tmp_path / 'bag', 'w'),
        window_s=20.0,
        window_bytes=256 * 1024,
        waiting_bytes=256 * 1024,
        budget_bytes_per_hour=512 * 1024,
        max_window_s=5.0,
        max_waiting=64,
    )
    tracemalloc.start()
    levels, used = an_hour(recorder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f'an hour: peak {peak / 1e6:.2f} MB, at the end {used[-1] / 1e6:.2f} MB')
    bad = {minute: levels.pop(minute) for minute in MISHAPS}
    assert set(levels.values()) == {Level.OK}, levels
    assert {minute for minute, level in bad.items() if level == Level.STALE} == {3, 48}
    errors = {minute for minute, level in bad.items() if level == Level.ERROR}
    assert errors == {8, 13, 18, 23, 28, 33, 53}, bad
    assert peak < 4e6
    # What is kept does not grow: the second half of the hour adds next to nothing.
    assert max(used[40:]) < max(used[20:40]) + 5e5
    recorder.close()
    stats = recorder.get_consensus_stats()['/cmd']
    arm = stats.arms['nn']
    assert arm.restarts >= 2
    assert arm.alone >= 2 * 60 * RATE
    assert arm.malformed >= 30 * RATE
    assert arm.late >= 60 * RATE
    assert arm.duplicates >= 19 * 60 * RATE
    assert stats.arms['cpp'].outlier == 0
    assert stats.recorded_events + stats.skipped_events == stats.events
    written = Dataset.load(tmp_path / 'bag')
    assert len(written.timestamps(EVENTS_TOPIC)) == stats.recorded_events > 0
