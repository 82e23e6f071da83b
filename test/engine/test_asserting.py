"""`assert_datasets_equal`: its message says where to look."""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np
import pytest

from lk_dataset_ros.comparison import Acceptance, Tolerance, compare_columns
from lk_dataset_ros.comparison.asserting import assert_datasets_equal
from lk_dataset_ros.comparison.renderers.explanation import explanation
from lk_dataset_ros.errors import ComparisonError

S = 1_000_000_000


def failure(original: Any, compiled: Any, **options: Any) -> list[str]:
    """Return the lines of the message."""
    with pytest.raises(AssertionError) as caught:
        assert_datasets_equal(original, compiled, **options)
    return str(caught.value).splitlines()


def test_equal_datasets_pass(kit: Any) -> None:
    """Promise: nothing is raised where nothing differs, nor for what is allowed to."""
    original, compiled = kit.memory(kit.drive(5)), kit.memory(kit.drive(5))
    assert_datasets_equal(original, compiled)
    items = kit.drive(5)
    items[2][1].twist.twist.linear.x += 0.01
    assert_datasets_equal(original, kit.memory(items), tolerance=Tolerance(atol=0.02))


def test_the_message_has_the_first_divergence(kit: Any) -> None:
    """Promise: key, stamp, field, message, both values, error and limit are told."""
    items = kit.drive(10)
    items[4][1].twist.twist.linear.x = 0.8
    items[7][1].pose.pose.position.y = 99.5
    found = failure(
        kit.memory(kit.drive(10)),
        kit.memory(items),
        tolerance=Tolerance(atol=0.25, rtol=0.0),
        original_name='yesterday',
        compiled_name='today',
    )
    assert found[0] == 'today against yesterday: differs'
    assert found[1] == (
        'first divergence: /odom at stamp 100.400000000, twist.twist.linear.x, message 4'
    )
    assert [line.split() for line in found[2:5]] == [
        ['original', '0.3'],
        ['compiled', '0.8'],
        ['error', '0.5,', 'allowed:', '0.25'],
    ]
    assert found[5] == 'what differs, worst first:'
    assert sorted(line.split(': ')[0].strip() for line in found[6:8]) == [
        '/odom pose.pose.position.y',
        '/odom twist.twist.linear.x',
    ]
    assert '1 of 10 differ, largest error 103, allowed: 0.25' in found[6] + found[7]
    assert found[8] == "all of it: original.diffdiff(compiled, 'differences.txt', keys=['/odom'])"
    assert len(found) == 9


def test_missing_and_extra_messages_are_told(kit: Any) -> None:
    """Promise: messages without partner are counted, and where the first is."""
    found = failure(kit.memory(kit.drive(6)[1:]), kit.memory(kit.drive(5)))
    assert found[1] == 'first divergence: /odom at stamp 100.000000000: message extra'
    assert '  /odom: messages 1 missing, 1 extra; 4 paired' in found
    accepted = Acceptance(counts=False)
    assert_datasets_equal(
        kit.memory(kit.drive(6)[1:]), kit.memory(kit.drive(5)), acceptance=accepted
    )


def test_keys_that_cannot_be_compared_are_told(kit: Any) -> None:
    """Promise: a key that is not there, or of another type, is told with its reason."""
    other = kit.memory([('/odom', kit.message('std_msgs/msg/String', data='x'), S)])
    found = failure(kit.memory(kit.drive(2)), other)
    assert any('nav_msgs/msg/Odometry in the original, std_msgs/msg/String' in x for x in found)
    found = failure(kit.memory(kit.drive(2)), kit.memory([]), keys=['/odom'])
    assert any('/odom: nav_msgs/msg/Odometry in the original, not there' in x for x in found)


def test_nothing_to_judge_is_a_failure(kit: Any) -> None:
    """Promise: two datasets with nothing in them do not pass."""
    found = failure(kit.memory([]), kit.memory([]))
    assert found[0].endswith(': inconclusive')
    assert found[1] == 'there is no key to compare'
    empty = [kit.memory([]) for _ in range(2)]
    for each in empty:
        each.declare('/odom', kit.memory(kit.drive(1)).topic('/odom').schema)
    assert '  /odom: no message was compared' in failure(*empty)


def test_many_differences_stay_short() -> None:
    """Promise: 15 lines on what differs at most, the worst first, and how many more there are."""
    original = {f'field_{index:02}': np.zeros(100) for index in range(40)}
    compiled = {name: each.copy() for name, each in original.items()}
    for index, each in enumerate(compiled.values()):
        each[: index + 1] = 1.0
    found = explanation(compare_columns(original, compiled)).splitlines()
    start = found.index('what differs, worst first:')
    fields = found[start + 1 : start + 16]
    assert [line.split()[1] for line in fields] == [
        f'field_{index:02}:' for index in range(39, 24, -1)
    ]
    assert '40 of 100 differ, largest error 1' in fields[0]
    assert found[start + 16] == '  ... and 25 more'
    assert len(found) <= 25


def test_long_values_are_cut(kit: Any) -> None:
    """Promise: a text of a megabyte does not fill the terminal."""
    sides = [
        kit.memory([('/s', kit.message('std_msgs/msg/String', data=letter * 1_000_000), S)])
        for letter in 'ab'
    ]
    assert len('\n'.join(failure(*sides))) < 2_000


def test_pytest_shows_the_caller(kit: Any) -> None:
    """Promise: pytest hides the assertion's own frame."""
    try:
        assert_datasets_equal(kit.memory(kit.drive(2)), kit.memory(kit.drive(3)))
    except AssertionError as error:
        frame = list(traceback.walk_tb(error.__traceback__))[-1][0]
        assert frame.f_code.co_name == 'assert_datasets_equal'
        assert frame.f_locals['__tracebackhide__'] is True


def test_wrong_options_are_no_assertion(kit: Any) -> None:
    """Promise: a key that is nowhere is a mistake of the test, not a difference."""
    with pytest.raises(ComparisonError, match='/nope is in neither'):
        assert_datasets_equal(kit.memory(kit.drive(2)), kit.memory(kit.drive(2)), keys=['/nope'])
