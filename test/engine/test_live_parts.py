"""The parts of live runs that need no graph: lineage, names, times, requests."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lk_dataset_ros.dataset import Arrivals
from lk_dataset_ros.errors import ArmError, SpecificationError
from lk_dataset_ros.experiment.running.arm_run import Place
from lk_dataset_ros.experiment.running.external_world import ResetService
from lk_dataset_ros.experiment.running.live_arms import shadow_rules, shadowed_command
from lk_dataset_ros.experiment.specification import Arm
from lk_dataset_ros.message import Batch, builtin_schema
from lk_dataset_ros.ros.live.clock_times import ClockTimes
from lk_dataset_ros.ros.live.job import LiveOutput
from lk_dataset_ros.ros.live.lineage import Lineage, has_header, stamps_of
from lk_dataset_ros.ros.live.pace import Pace
from lk_dataset_ros.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


def arrivals(*pairs: tuple[float, float], key: str = '/x', order: str = '<') -> Arrivals:
    """Return messages: the stamp that each begins with, and when it came, s."""
    texts = []
    for stamp, _ in pairs:
        sec, nanosec = divmod(round(stamp * S), S)
        texts.append(
            bytes([0, order == '<', 0, 0]) + struct.pack(f'{order}iI', sec, nanosec) + b'\0' * 8
        )
    buffer = np.frombuffer(b''.join(texts), np.uint8)
    length = np.array([len(each) for each in texts])
    received = np.array([round(each * S) for _, each in pairs], np.int64)
    count = len(pairs)
    return Arrivals(
        key,
        Batch(buffer, np.cumsum(length) - length, length),
        received,
        received,
        np.arange(1, count + 1, dtype=np.uint64),
        np.zeros(count, 'V16'),
    )


@pytest.mark.parametrize('order', ['<', '>'])
def test_stamps_are_read_from_the_bytes(order: str) -> None:
    """Promise: the stamp at the beginning of a message is read in either byte order."""
    found = stamps_of(arrivals((1.5, 0), (-0.25, 0), (2.0**31 - 1, 0), order=order))
    assert found.tolist() == [1_500_000_000, -250_000_000, (2**31 - 1) * S]


def test_headers_are_known_by_the_definition() -> None:
    """Promise: a type begins with a stamp if its first field is a header."""
    assert has_header(builtin_schema('nav_msgs/msg/Odometry'))
    assert not has_header(builtin_schema('geometry_msgs/msg/Twist'))
    assert has_header(builtin_schema('geometry_msgs/msg/TransformStamped'))


def test_answers_are_found_by_their_stamps() -> None:
    """Promise: latency is from an input to the output with its stamp; what lies outside waits."""
    lineage = Lineage(LiveOutput('/y', '/x'), by_stamp=True, limit_s=5.0, warm_up_s=0.5)
    lineage.ask(arrivals((10, 1.0), (11, 2.0), (12, 3.0)))
    outputs = arrivals((9, 1.1), (11, 2.25), (10, 2.5), (13, 3.5))
    belongs, waits = lineage.sort(outputs)
    assert belongs.tolist() == [False, True, True, False]
    assert waits.tolist() == [False, False, False, True]
    lineage.answer(outputs.chosen(belongs))
    assert lineage.is_by_stamp
    assert lineage.latencies_s == [0.25]
    assert (lineage.owed, lineage.unanswered) == (1, 1)


def test_answers_without_stamps_are_found_by_order() -> None:
    """Promise: without stamps the first answer belongs to the first input that has none."""
    lineage = Lineage(LiveOutput('/y', '/x'), by_stamp=False, limit_s=5.0)
    lineage.ask(arrivals((0, 1.0), (0, 2.0), (0, 3.0)))
    outputs = arrivals((0, 0.5), (0, 1.5), (0, 2.75))
    belongs, _ = lineage.sort(outputs)
    assert belongs.tolist() == [False, True, True]
    lineage.answer(outputs.chosen(belongs))
    assert lineage.latencies_s == [0.5, 0.75]
    assert lineage.unanswered == 1


def test_stamps_of_their_own_are_no_lineage() -> None:
    """Promise: an arm that stamps with the time of day is followed by order."""
    lineage = Lineage(LiveOutput('/y', '/x'), by_stamp=True, limit_s=5.0)
    lineage.ask(arrivals((10, 1.0), (11, 2.0)))
    belongs, waits = lineage.sort(arrivals((100.5, 1.5), (101.5, 2.5)))
    assert (belongs.any(), waits.all()) == (False, True)
    lineage.go_by_order()
    outputs = arrivals((100.5, 1.5), (101.5, 2.5))
    lineage.answer(outputs.chosen(lineage.sort(outputs)[0]))
    assert lineage.latencies_s == [0.5, 0.5]


def test_inputs_that_stay_unanswered_are_given_up() -> None:
    """Promise: memory is bounded: what is older than the limit is counted and forgotten."""
    lineage = Lineage(LiveOutput('/y', '/x', least=1, most=2), by_stamp=True, limit_s=2.0)
    lineage.ask(arrivals((10, 1.0)))
    lineage.ask(arrivals((11, 4.0)))
    assert (lineage.owed, lineage.unanswered) == (1, 2)


def test_simulated_time_of_messages() -> None:
    """Promise: a message came at the clock's last time before it; a jump back is noticed."""
    clock = ClockTimes()
    clock.take(arrivals((5.0, 1.0), (6.0, 2.0), key='/clock'))
    assert (clock.now_ns, clock.jumps) == (6 * S, 0)
    clock.take(arrivals((0.0, 3.0), (0.5, 3.5), key='/clock'))
    assert (clock.jumps, clock.begun_ns, clock.begun_at_ns) == (1, 3 * S, 0)
    found = clock.at(np.array([0.5, 1.0, 2.9, 3.2, 9.0]) * S)
    assert found.tolist() == [-1, 5 * S, 6 * S, 0, S // 2]


def test_pace_does_not_catch_up() -> None:
    """Promise: moments are due by the factor; a world that is too slow goes on from there."""
    clock = FakeClock()
    pace = Pace(2.0, now_s=lambda: clock.now_ns / S)
    pace.begin(0)
    assert pace.wait_s(S) == pytest.approx(0.5)
    clock.sleep(0.25)
    assert pace.wait_s(S) == pytest.approx(0.25)
    clock.sleep(10.0)
    assert pace.wait_s(S) == 0.0
    assert pace.wait_s(2 * S) == pytest.approx(0.5)
    pace.change(0.0, 2 * S)
    assert pace.wait_s(100 * S) == 0.0


def test_shadowed_names() -> None:
    """Promise: inputs keep their names, everything else goes below the prefix, known or not."""
    arm = Arm('cpp', component='m:C', remappings={'out': '/y', 'in': 'x', '~/debug': '/d'})
    rules = shadow_rules(arm, '/cpp', ['/x'], ['/y'])
    assert rules[0] == ('__ns', '/cpp')
    first = {}
    for name, to in rules:
        first.setdefault(name, to)
    assert first['out'] == first['/out'] == first['/cpp/out'] == '/cpp/y'
    assert first['in'] == first['/in'] == first['/cpp/in'] == '/x'
    assert first['~/debug'] == '/cpp/d'
    assert first['/cpp/x'] == '/x'
    assert first['/y'] == '/cpp/y'
    assert first['/diagnostics'] == '/cpp/diagnostics'


def test_command_without_place_for_names_is_refused(tmp_path: Path) -> None:
    """Promise: what cannot be shadowed is not started."""
    place = Place(Arm('cpp', command=('program',)), 'cpp')
    with pytest.raises(ArmError, match=r'its command has no \{ros_args\}'):
        shadowed_command(place, tmp_path, [('__ns', '/cpp')])
    assert shadowed_command(place, tmp_path, []) == ['program']


def test_reset_requests() -> None:
    """Promise: a reset is a service, its type and one request or several, with the seed in it."""
    found = ResetService.parse(
        '/w/control ros_gz_interfaces/srv/ControlWorld [{a: {seed}}, {}]', 4
    )
    assert found == ResetService(
        '/w/control', 'ros_gz_interfaces/srv/ControlWorld', ({'a': 4}, {})
    )
    assert ResetService.parse('/reset std_srvs/Empty').kind == 'std_srvs/srv/Empty'


@pytest.mark.parametrize(
    'text', ['again', '/reset', '/r a/srv/B 3', '/r a/srv/B [', '/r a/srv/B []']
)
def test_wrong_resets_are_refused(text: str) -> None:
    """Promise: what is no reset is said in one line."""
    with pytest.raises(ArmError) as error:
        ResetService.parse(text)
    assert '\n' not in str(error.value)
    assert not isinstance(error.value, SpecificationError)
