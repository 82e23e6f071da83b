"""Which answer belongs to which input; what processes have used: without ROS."""

from __future__ import annotations

import math
import subprocess
import sys
from array import array
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros import Dataset, McapDatabase
from lk_dataset_ros.message import builtin_schema
from lk_dataset_ros.process.usage import descendants, usage_of
from lk_dataset_ros.ros.arms.answers import Answers
from lk_dataset_ros.ros.arms.ends import Hearing
from lk_dataset_ros.ros.arms.job import OutputJob
from lk_dataset_ros.ros.arms.latencies import achieved_rtf, latencies_s, numbers_of

if TYPE_CHECKING:
    from pathlib import Path


def message(stamp: int) -> bytes:
    """Return a message that begins with a stamp."""
    return b'\0\1\0\0' + stamp.to_bytes(8, 'little') + b'rest'


def answers(least: int = 1, most: int = 1, *, stamped: bool = True) -> Answers:
    """Return what is owed on one output."""
    return Answers([OutputJob('/out', '/in', least, most)], ['/out'] if stamped else [])


def send(owed: Answers, number: int) -> None:
    """Begin with an input."""
    owed.send('/in', message(number), number * 10, number)


def test_every_answer_counts_for_its_input() -> None:
    """Promise: an input is through when each output has answered as often as declared."""
    owed = answers(2, 2)
    send(owed, 0)
    assert owed.pending == 2
    assert owed.take(owed.owed['/out'], message(0)) == (0, 0)
    assert owed.take(owed.owed['/out'], message(0)) == (0, 0)
    assert (owed.pending, owed.may_come) == (0, False)
    assert owed.take(owed.owed['/out'], message(0)) == (0, -1)
    assert owed.owed['/out'].surplus == 1


@pytest.mark.parametrize('stamped', [True, False])
def test_late_answers_never_count_for_the_next_input(stamped: bool) -> None:
    """Promise: what a busy arm still owes is paid first, and told as late instead of missing."""
    owed = answers(stamped=stamped)
    out = owed.owed['/out']
    send(owed, 0)
    owed.close(is_busy=True)
    assert (out.unanswered, owed.is_owed) == (1, True)
    send(owed, 1)
    assert owed.take(out, message(0)) == (0, 0)
    assert owed.pending == 1
    assert (out.unanswered, out.late) == (0, 1)
    assert owed.take(out, message(1)) == (10, 1)
    assert (owed.pending, out.late, out.surplus) == (0, 1, 0)


def test_an_idle_arm_owes_nothing_more() -> None:
    """Promise: an answer that an idle arm has not given is missing, and the next one counts."""
    owed = answers(stamped=False)
    out = owed.owed['/out']
    send(owed, 0)
    owed.close(is_busy=False)
    owed.close(is_busy=False)
    send(owed, 1)
    assert owed.take(out, message(1)) == (10, 1)
    owed.close()
    assert (out.unanswered, out.late, owed.pending) == (1, 0, 0)
    assert owed.silent_in_a_row == 0


def test_an_answer_after_silence_is_known_by_its_stamp() -> None:
    """Promise: an answer that was taken to stay away is late, and not the next one's."""
    owed = answers(0, 1)
    out = owed.owed['/out']
    send(owed, 0)
    owed.close()
    send(owed, 1)
    assert owed.take(out, message(0)) == (0, 0)
    assert (out.late, out.got, out.unanswered) == (1, 0, 0)
    assert owed.take(out, message(1)) == (10, 1)


def feed(sent: list[int], stamps: list[int]) -> Any:
    """Return what was sent."""
    return SimpleNamespace(
        sent_ns=array('q', sent),
        times_ns=array('q', [each * 2 for each in sent]),
        stamps=bytearray(np.array(stamps, np.uint64).tobytes()),
    )


def heard(came: list[int], stamps: list[int]) -> Any:
    """Return what was heard."""
    return SimpleNamespace(
        came_ns=array('q', came),
        stamps=bytearray(np.array(stamps, np.uint64).tobytes()),
        numbers=array('q'),
    )


def test_answers_are_paired_by_stamp_then_by_order() -> None:
    """Promise: stamps pair where they are those of the inputs; else the order, else the time."""
    inputs = feed([100, 200, 300], [7, 8, 9])
    assert numbers_of(inputs, heard([150, 350], [8, 9]), 1, 1).tolist() == [1, 2]
    assert numbers_of(inputs, heard([150, 350, 360], [1, 2, 3]), 1, 1).tolist() == [0, 1, 2]
    assert numbers_of(inputs, heard([250], [1]), 1, 1).tolist() == [1]


def test_latencies_are_those_of_answered_inputs_behind_the_warm_up() -> None:
    """Promise: latencies are in order of the inputs, without those of the warm-up."""
    inputs, outputs = feed([100, 200, 300], [7, 8, 9]), heard([150, 390], [7, 9])
    outputs.numbers = array('q', [0, 2])
    found = latencies_s({'/in': inputs}, [('/in', outputs)], 0)
    np.testing.assert_allclose(found, [50e-9, 90e-9])
    np.testing.assert_allclose(latencies_s({'/in': inputs}, [('/in', outputs)], 100), [90e-9])
    assert achieved_rtf({'/in': inputs}) == 2.0
    assert math.isnan(achieved_rtf({}))


def test_usage_is_that_of_a_tree_of_processes() -> None:
    """Promise: what the children of children use counts, and what has ended does no harm."""
    inner = (
        'x = bytearray(30_000_000)\nfor i in range(300_000): pass\nprint(1, flush=True)\ninput()'
    )
    outer = f'import subprocess, sys; subprocess.run([sys.executable, "-c", {inner!r}])'
    guard = 'import subprocess, sys; subprocess.run([sys.executable, "-c", sys.argv[1]])'
    with subprocess.Popen(
        [sys.executable, '-c', guard, outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(descendants(process.pid)) >= 2
        used = usage_of(process.pid)
        assert 0.005 < used.cpu_s < 60.0
        assert used.peak_bytes > 40e6
        process.communicate(b'\n')
        assert math.isnan(usage_of(process.pid).cpu_s)


def test_a_late_answer_stays_behind_those_that_came_before_it(tmp_path: Path) -> None:
    """Promise: answering 3 before 2 shows in the bag, which is read in order of time."""
    owed = Answers([OutputJob('/out', '/in', 1, 1)]).owed['/out']
    handle = SimpleNamespace(take_message=None)
    subscription: Any = SimpleNamespace(handle=handle, msg_type=None)
    hearing = Hearing(subscription, owed, is_stamped=False)
    for number in (1, 3, 2, 4):
        hearing.keep(bytes([0, 1, 0, 0, number, 0, 0, 0]), 0, 10 * number, number)
    with McapDatabase(tmp_path / 'bag', 'w') as bag:
        bag.declare('/out', builtin_schema('std_msgs/msg/Int32'))
        hearing.write_to(bag)
    with Dataset.load(tmp_path / 'bag') as dataset:
        assert dataset.columns('/out')['data'].values.tolist() == [1, 3, 2, 4]
        assert dataset.timestamps('/out').tolist() == [10, 30, 30, 40]
