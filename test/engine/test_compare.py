"""Seeded faults are attributed to the right key, field and stamp."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros.comparison import Acceptance, Limit, Tolerance, Verdict, compare
from lk_dataset_ros.dataset import Dataset, MemoryDatabase
from lk_dataset_ros.errors import ComparisonError
from lk_dataset_ros.message import Schema, builtin_schema, codec_for

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


def stamp_of(kit: Any, index: int) -> int:
    """Return the stamp of a message of the drive."""
    stamp: int = 100 * kit.second + index * kit.second // 10
    return stamp


def changed(kit: Any, index: int, **fields: Any) -> Dataset:
    """Make the drive with one message changed."""
    items = kit.drive()
    key, _, time_ns = items[index]
    items[index] = (key, kit.odometry(index, **fields), time_ns)
    dataset: Dataset = kit.memory(items)
    return dataset


def differing(comparison: Any) -> list[tuple[str, str, int]]:
    """Return key, field path and number of pairs of everything that differs."""
    return [
        (key.key, field.path, field.mismatched)
        for key in comparison.keys
        for field in key.differing
    ]


def test_a_dataset_is_equivalent_to_itself(kit: Any) -> None:
    """Promise: equal datasets are equivalent, each pair matches in each field."""
    comparison = kit.memory(kit.drive()).compare(kit.memory(kit.drive()))
    assert comparison.verdict is Verdict.EQUIVALENT
    assert comparison.verdict.exit_code == 0
    assert comparison.first_divergence is None
    (key,) = comparison.keys
    assert (key.paired, key.missing, key.extra, key.paired_by) == (10, 0, 0, 'header_stamp')
    assert all((field.matched, field.mismatched) == (10, 0) for field in key.fields)
    assert all(not path.startswith('header.stamp') for path in (f.path for f in key.fields))


@pytest.mark.parametrize('index', [0, 4, 9])
def test_a_dropped_message_is_missing(kit: Any, index: int) -> None:
    """Promise: one dropped message is missing at its stamp, and every other one still pairs."""
    items = kit.drive()
    del items[index]
    comparison = compare(kit.memory(kit.drive()), kit.memory(items))
    (key,) = comparison.keys
    assert key.missing_ns.tolist() == [stamp_of(kit, index)]
    assert (key.paired, key.extra, key.differing) == (9, 0, [])
    assert comparison.first_divergence == ('/odom', stamp_of(kit, index), 'missing')
    assert comparison.verdict is Verdict.DIFFERS


def test_an_added_message_is_extra(kit: Any) -> None:
    """Promise: a message that the original lacks is extra at its stamp."""
    comparison = compare(kit.memory(kit.drive(9)), kit.memory(kit.drive(10)))
    assert comparison.keys[0].extra_ns.tolist() == [stamp_of(kit, 9)]
    assert comparison.first_divergence == ('/odom', stamp_of(kit, 9), 'extra')


def test_disjoint_datasets_differ(kit: Any) -> None:
    """Promise: datasets none of whose stamps meet are all missing and extra, no crash."""
    items = kit.drive(6)
    comparison = compare(kit.memory(items[:3]), kit.memory(items[3:]))
    (key,) = comparison.keys
    assert (key.paired, key.missing, key.extra) == (0, 3, 3)
    assert comparison.verdict is Verdict.DIFFERS


@pytest.mark.parametrize(('factor', 'matches'), [(0.99, True), (1.01, False)])
@pytest.mark.parametrize('tolerance', [None, Tolerance(rtol=1e-3, atol=1e-4)])
def test_the_tolerance_is_the_limit(
    kit: Any, factor: float, matches: bool, tolerance: Tolerance | None
) -> None:
    """Promise: 0.99 of the tolerance off matches, 1.01 differs, in that field and pair only."""
    rule = tolerance or Tolerance()
    limit = rule.limit_for('/odom', 'pose.pose.position.x', np.dtype(np.float64))
    value = 1.0 + 0.25 * 6
    off = factor * (limit.atol + limit.rtol * value)
    comparison = compare(
        kit.memory(kit.drive()),
        changed(kit, 6, pose__pose__position__x=value + off),
        tolerance=tolerance,
    )
    if matches:
        assert comparison.verdict is Verdict.EQUIVALENT
        return
    assert differing(comparison) == [('/odom', 'pose.pose.position.x', 1)]
    (field,) = comparison.keys[0].differing
    assert comparison.first_divergence == ('/odom', stamp_of(kit, 6), 'pose.pose.position.x')
    assert field.first is not None
    assert (field.first.index, field.first.original, field.first.compiled) == (
        6,
        value,
        value + off,
    )
    assert field.max_error == pytest.approx(off, rel=1e-6)
    assert field.bias == pytest.approx(off / 10, rel=1e-6)
    assert field.rms_error == pytest.approx(off / math.sqrt(10), rel=1e-6)
    assert field.over is not None
    assert np.flatnonzero(field.over).tolist() == [6]


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_number_against_none_differs(kit: Any, value: float) -> None:
    """Promise: NaN or infinity against a number differs however wide the tolerance is."""
    for left, right in (
        (kit.memory(kit.drive()), changed(kit, 2, twist__twist__linear__x=value)),
        (changed(kit, 2, twist__twist__linear__x=value), kit.memory(kit.drive())),
    ):
        comparison = compare(left, right, tolerance=Tolerance(rtol=1e9, atol=1e9))
        assert differing(comparison) == [('/odom', 'twist.twist.linear.x', 1)]
        assert comparison.first_divergence == (
            '/odom',
            stamp_of(kit, 2),
            'twist.twist.linear.x',
        )
        (field,) = comparison.keys[0].differing
        assert field.max_error == math.inf
        assert field.max_relative_error == math.inf


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_the_same_non_number_is_equal(kit: Any, value: float) -> None:
    """Promise: NaN equals NaN, an infinity the same infinity, also inside arrays."""
    covariance = np.full(36, value)
    sides = [
        changed(kit, 2, twist__twist__linear__x=value, pose__covariance=covariance)
        for _ in range(2)
    ]
    assert compare(*sides).verdict is Verdict.EQUIVALENT


def test_a_changed_text_differs(kit: Any) -> None:
    """Promise: another string is found in its field, with both texts."""
    comparison = compare(kit.memory(kit.drive()), changed(kit, 3, child_frame_id='base_footprint'))
    assert differing(comparison) == [('/odom', 'child_frame_id', 1)]
    first = comparison.keys[0].differing[0].first
    assert first is not None
    assert (first.index, first.original, first.compiled) == (3, 'base_link', 'base_footprint')


def test_one_element_of_an_array_is_named(kit: Any) -> None:
    """Promise: a difference inside an array says which element."""
    covariance = np.zeros(36)
    covariance[17] = 0.5
    comparison = compare(kit.memory(kit.drive()), changed(kit, 8, pose__covariance=covariance))
    (field,) = comparison.keys[0].differing
    assert (field.path, field.mismatched) == ('pose.covariance', 1)
    assert field.first is not None
    assert (field.first.index, field.first.element, field.first.compiled) == (8, (17,), 0.5)


def test_the_first_of_several_divergences_is_the_earliest(kit: Any) -> None:
    """Promise: the first divergence is the earliest over all keys and fields."""
    items = kit.drive()
    other = kit.drive(10, key='/other')
    bent = kit.drive()
    bent[7] = ('/odom', kit.odometry(7, child_frame_id='x'), bent[7][2])
    bent_other = kit.drive(10, key='/other')
    bent_other[5] = ('/other', kit.odometry(5, pose__pose__position__z=1.0), bent_other[5][2])
    comparison = compare(kit.memory(items + other), kit.memory(bent + bent_other))
    assert comparison.first_divergence == ('/other', stamp_of(kit, 5), 'pose.pose.position.z')
    assert {key.key: key.verdict for key in comparison.keys} == {
        '/odom': Verdict.DIFFERS,
        '/other': Verdict.DIFFERS,
    }


def test_another_type_is_a_problem_of_the_key(kit: Any) -> None:
    """Promise: the same key with another type differs, naming both types."""
    comparison = compare(
        kit.memory([('/n', kit.message('std_msgs/msg/Int32'), 0)]),
        kit.memory([('/n', kit.message('std_msgs/msg/Int64'), 0)]),
    )
    assert comparison.verdict is Verdict.DIFFERS
    assert comparison.keys[0].problem == (
        'std_msgs/msg/Int32 in the original, std_msgs/msg/Int64 in the compiled'
    )


def test_a_key_of_one_side_only_differs(kit: Any) -> None:
    """Promise: a key that one side lacks differs, saying which side."""
    both = kit.drive()
    comparison = compare(kit.memory(both + kit.drive(2, key='/more')), kit.memory(both))
    assert [(key.key, key.verdict) for key in comparison.keys] == [
        ('/odom', Verdict.EQUIVALENT),
        ('/more', Verdict.DIFFERS),
    ]
    assert 'not there in the compiled' in comparison.keys[1].problem


def test_no_messages_are_not_equivalent(kit: Any) -> None:
    """Promise: nothing compared is inconclusive; empty against full is missing."""
    nothing = Dataset(MemoryDatabase())
    assert compare(nothing, nothing).verdict is Verdict.INCONCLUSIVE
    assert compare(nothing, nothing).verdict.exit_code == 2
    declared = Dataset(MemoryDatabase())
    declared.declare('/odom', builtin_schema('nav_msgs/msg/Odometry'))
    assert compare(declared, declared).verdict is Verdict.INCONCLUSIVE
    comparison = compare(kit.memory(kit.drive()), declared)
    assert comparison.verdict is Verdict.DIFFERS
    assert comparison.keys[0].missing == 10
    assert comparison.first_divergence == ('/odom', stamp_of(kit, 0), 'missing')
    assert compare(declared, kit.memory(kit.drive())).keys[0].extra == 10


def test_messages_without_header_pair_by_index(kit: Any) -> None:
    """Promise: a type without header is paired by index, whatever the log times are."""
    left = kit.memory(('/n', kit.message('std_msgs/msg/Int32', data=n), n) for n in range(5))
    right = kit.memory(
        ('/n', kit.message('std_msgs/msg/Int32', data=n + (n == 3)), 1000 + n) for n in range(4)
    )
    (key,) = compare(left, right).keys
    assert (key.paired_by, key.paired, key.missing_ns.tolist()) == ('index', 4, [4])
    assert [(field.path, field.mismatched) for field in key.differing] == [('data', 1)]


def test_a_delay_of_the_log_does_not_differ(kit: Any) -> None:
    """Promise: messages of equal stamps pair, whenever they were recorded."""
    late = [(key, message, time_ns + 10**9) for key, message, time_ns in kit.drive()]
    assert compare(kit.memory(kit.drive()), kit.memory(late)).is_equivalent


def test_integers_have_to_be_equal(kit: Any) -> None:
    """Promise: integers one apart differ under any tolerance, also beyond 2^53."""
    for value in (5, 2**53, 2**63 - 2):
        left = kit.memory([('/n', kit.message('std_msgs/msg/Int64', data=value), 0)])
        right = kit.memory([('/n', kit.message('std_msgs/msg/Int64', data=value + 1), 0)])
        comparison = compare(left, right, tolerance=Tolerance(rtol=1.0, atol=1e9))
        assert differing(comparison) == [('/n', 'data', 1)]


def test_single_floats_have_the_tolerance_of_single_floats(kit: Any) -> None:
    """Promise: a float32 field is judged by the default of float32, 1.3e-6 and 1e-5."""

    def one(value: float) -> Dataset:
        message = kit.message('std_msgs/msg/Float32', data=value)
        dataset: Dataset = kit.memory([('/x', message, 0)])
        return dataset

    assert compare(one(1.0), one(1.0 + 5e-6)).is_equivalent
    assert not compare(one(1.0), one(1.0 + 5e-5)).is_equivalent


def test_ignored_fields_carry_their_reason(kit: Any) -> None:
    """Promise: an ignored field is not judged, and says why."""
    comparison = compare(
        kit.memory(kit.drive()),
        changed(kit, 3, child_frame_id='other'),
        tolerance=Tolerance(ignore={'child_frame_id': 'named by the driver'}),
    )
    assert comparison.is_equivalent
    (field,) = [each for each in comparison.keys[0].fields if each.ignored_because]
    assert (field.path, field.ignored_because) == ('child_frame_id', 'named by the driver')


def test_fields_have_their_own_tolerance(kit: Any) -> None:
    """Promise: a field's own tolerance is used for it, and for no other."""
    rule = Tolerance(fields={'/odom.pose.pose.position.x': Limit(0.0, 0.5)})
    original = kit.memory(kit.drive())
    assert compare(
        original, changed(kit, 0, pose__pose__position__x=1.4), tolerance=rule
    ).is_equivalent
    assert differing(
        compare(original, changed(kit, 0, pose__pose__position__z=0.4), tolerance=rule)
    ) == [('/odom', 'pose.pose.position.z', 1)]


@pytest.mark.parametrize(
    ('left', 'right', 'equal'),
    [
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0]], True),
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.1]], False),
        ([[1.0, 2.0], [3.0]], [[1.0], [3.0]], False),
        ([[], [3.0]], [[], [3.0]], True),
        ([[], [3.0]], [[1.0], [3.0]], False),
        ([[], []], [[], [1.0]], False),
        ([[math.nan], []], [[math.nan], []], True),
        ([[math.nan], []], [[0.0], []], False),
    ],
)
def test_sequences_of_varying_length_are_compared(
    kit: Any, left: list[list[float]], right: list[list[float]], equal: bool
) -> None:
    """Promise: sequences have to be of equal length and equal values, pair by pair."""

    def side(rows: list[list[float]]) -> Dataset:
        dataset: Dataset = kit.memory(
            (
                '/j',
                kit.message(
                    'sensor_msgs/msg/JointState', header__stamp__sec=n, position=np.array(row)
                ),
                n,
            )
            for n, row in enumerate(rows)
        )
        return dataset

    comparison = compare(side(left), side(right))
    assert comparison.is_equivalent == equal
    if not equal:
        assert differing(comparison) == [('/j', 'position', 1)]


@pytest.mark.parametrize(('left', 'right'), [(2, 1), (1, 2), (0, 1), (1, 0)])
def test_sequences_of_messages_are_compared(kit: Any, left: int, right: int) -> None:
    """Promise: one pose more or less differs in the length, at the right stamp."""

    def side(counts: list[int]) -> Dataset:
        items = []
        for n, count in enumerate(counts):
            message = kit.message('nav_msgs/msg/Path', header__stamp__sec=n)
            message.poses = [kit.message('geometry_msgs/msg/PoseStamped')] * count
            items.append(('/path', message, n))
        dataset: Dataset = kit.memory(items)
        return dataset

    assert compare(side([1, left, 2]), side([1, left, 2])).is_equivalent
    comparison = compare(side([1, left, 2]), side([1, right, 2]))
    lengths = [each for each in differing(comparison) if each[1] == 'poses.length']
    assert lengths == [('/path', 'poses.length', 1)]
    assert comparison.first_divergence is not None
    assert comparison.first_divergence[1] == S


def transforms(kit: Any, *messages: list[tuple[str, str, int, float]]) -> Dataset:
    """Make a `/tf` of messages of (parent, child, stamp in s, x)."""
    items = []
    for n, content in enumerate(messages):
        message = kit.message('tf2_msgs/msg/TFMessage')
        message.transforms = [
            kit.message(
                'geometry_msgs/msg/TransformStamped',
                header__stamp__sec=stamp,
                header__frame_id=parent,
                child_frame_id=child,
                transform__translation__x=x,
                transform__rotation__w=1.0,
            )
            for parent, child, stamp, x in content
        ]
        items.append(('/tf', message, n))
    dataset: Dataset = kit.memory(items)
    return dataset


def test_transforms_are_compared_frame_by_frame(kit: Any) -> None:
    """Promise: however transforms are put into messages, each pair of frames is a stream."""
    one, two, odd = ('map', 'odom', 1, 0.5), ('map', 'odom', 2, 0.6), ('odom', 'base', 1, 7.0)
    together = transforms(kit, [one, odd], [two])
    apart = transforms(kit, [odd], [one], [two])
    comparison = compare(together, apart)
    assert comparison.is_equivalent
    assert [(key.key, key.part, key.paired) for key in comparison.keys] == [
        ('/tf', 'map -> odom', 2),
        ('/tf', 'odom -> base', 1),
    ]
    bent = transforms(kit, [one, odd], [('map', 'odom', 2, 0.7)])
    comparison = compare(together, bent)
    assert differing(comparison) == [('/tf', 'transform.translation.x', 1)]
    assert comparison.first_divergence == ('/tf', 2 * S, 'transform.translation.x')
    less = compare(together, transforms(kit, [one], [two]))
    assert [(key.label, key.missing) for key in less.keys if key.missing] == [
        ('/tf [odom -> base]', 1)
    ]


def test_messages_in_another_order_differ(kit: Any) -> None:
    """Promise: two messages that changed places are told, unless the order is accepted."""
    items = kit.drive()
    times = [each[2] for each in items]
    items[3], items[4] = items[4], items[3]
    swapped = [(key, message, time) for (key, message, _), time in zip(items, times, strict=True)]
    original = kit.memory(kit.drive())
    comparison = compare(original, kit.memory(swapped))
    assert comparison.first_divergence == ('/odom', stamp_of(kit, 3), 'reordered')
    assert comparison.keys[0].reordered == 2
    accepted = compare(original, kit.memory(swapped), acceptance=Acceptance(order=False))
    assert accepted.is_equivalent


def test_a_constant_shift_of_all_stamps_is_hinted_at(kit: Any) -> None:
    """Promise: where all stamps are off by as much, it says by how much, and what would pair."""
    late = kit.drive()
    for _, message, _ in late:
        message.header.stamp.sec += 2
    (key,) = compare(kit.memory(kit.drive()), kit.memory(late)).keys
    assert (key.paired, key.missing, key.extra) == (0, 10, 10)
    assert key.hint == 'all stamps of the compiled are 2 s later; pair by relative_time'
    again = compare(kit.memory(kit.drive()), kit.memory(late), pairing='relative_time')
    assert again.keys[0].paired == 10


def test_chosen_keys_only(kit: Any) -> None:
    """Promise: only the keys asked for are compared; an unknown one is refused by name."""
    left = kit.memory(kit.drive() + kit.drive(3, key='/other'))
    right = kit.memory(kit.drive() + kit.drive(2, key='/other'))
    assert [key.key for key in compare(left, right, keys=['/odom']).keys] == ['/odom']
    with pytest.raises(ComparisonError, match='/x is in neither dataset; there is /odom, /other'):
        compare(left, right, keys=['/x'])


def test_duplicate_stamps_pair_in_order(kit: Any) -> None:
    """Promise: messages that share a stamp pair in the order in which they came."""
    left = kit.memory(
        ('/o', kit.odometry(1, pose__pose__position__x=x), n)
        for n, x in enumerate((1.0, 2.0, 3.0))
    )
    right = kit.memory(
        ('/o', kit.odometry(1, pose__pose__position__x=x), n) for n, x in enumerate((1.0, 5.0))
    )
    comparison = compare(left, right)
    (key,) = comparison.keys
    assert (key.paired, key.missing) == (2, 1)
    assert differing(comparison) == [('/o', 'pose.pose.position.x', 1)]


def test_bags_compare_like_memory(kit: Any) -> None:
    """Promise: the verdict does not depend on where the messages are stored."""
    items = kit.drive()
    bent = kit.drive()
    bent[4] = ('/odom', kit.odometry(4, twist__twist__angular__z=1.0), bent[4][2])
    left, right = Dataset.load(kit.bag('left', items)), Dataset.load(kit.bag('right', bent))
    with left, right:
        comparison = left.compare(right)
        assert differing(comparison) == [('/odom', 'twist.twist.angular.z', 1)]
        assert comparison.original is left
        assert comparison.original_name.endswith('left')


def test_diffdiff_writes_its_file(kit: Any, tmp_path: Path) -> None:
    """Promise: diffdiff compares and writes the text; a path that cannot be is an LkError."""
    left, right = kit.memory(kit.drive()), changed(kit, 4, child_frame_id='x')
    comparison = left.diffdiff(right, tmp_path / 'diff.txt')
    assert (tmp_path / 'diff.txt').read_text() == comparison.to_diffdiff()
    with pytest.raises(OSError, match='cannot be written'):
        left.diffdiff(right, tmp_path / 'no' / 'diff.txt')


def test_large_integers_in_sequences_of_varying_length_are_compared_exactly() -> None:
    """Promise: integers that are equal as floats but not as integers differ, in sequences too."""
    schema = Schema('p/msg/Ids', 'int64[] ids\n')
    datasets = []
    for last in (2**60, 2**60 + 1):
        dataset = Dataset.create('memory')
        dataset.declare('/ids', schema)
        for ids in ([1], [1, last]):
            message = codec_for(schema).new()
            message.ids = np.array(ids, np.int64)
            dataset.write('/ids', message, timestamp_ns=len(ids))
        datasets.append(dataset)
    (key,) = datasets[0].compare(datasets[1]).keys
    assert [(field.path, field.matched, field.mismatched) for field in key.fields] == [
        ('ids', 1, 1)
    ]
