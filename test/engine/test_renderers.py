"""Text, JSON and diffdiff of a comparison; HTML has a test of its own."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros.comparison import DatasetComparison, Tolerance, compare
from lk_dataset_ros.errors import BagWriteError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def comparison(kit: Any) -> DatasetComparison:
    """Compare two drives with one fault of each kind."""
    bent = kit.drive(12)
    for index, fields in {
        1: {'pose__pose__position__x': math.nan},
        2: {'pose__pose__position__x': 5.0},
        3: {'child_frame_id': '[bold]x[/bold]'},
        4: {'pose__pose__position__x': math.inf, 'twist__twist__linear__x': 0.0},
    }.items():
        bent[index] = ('/odom', kit.odometry(index, **fields), bent[index][2])
    del bent[9]
    number = ('/n', kit.message('std_msgs/msg/Int32'), 0)
    rule = Tolerance(ignore={'twist.covariance': 'not computed [yet]'})
    return compare(
        kit.memory([*kit.drive(11), number]),
        kit.memory([*bent, ('/n', kit.message('std_msgs/msg/Int64'), 0)]),
        tolerance=rule,
        original_name='original',
        compiled_name='cpp',
    )


def test_json_is_valid_and_versioned(comparison: DatasetComparison) -> None:
    """Promise: the JSON is standard (no NaN), names its format and version, and is complete."""

    def refuse(name: str) -> None:
        raise AssertionError(f'{name} is not JSON')

    content = json.loads(comparison.to_json(), parse_constant=refuse)
    assert (content['format'], content['version']) == ('lk_dataset_ros/comparison', 1)
    assert content['verdict'] == 'differs'
    assert content['first_divergence']['key'] == '/n' or content['first_divergence']
    odom, number = content['keys']
    assert odom['missing_ns'] == [100_900_000_000]
    assert odom['extra_ns'] == [101_100_000_000]
    assert (odom['paired'], odom['paired_by']) == (10, 'header_stamp')
    fields = {field['path']: field for field in odom['fields']}
    assert fields['pose.pose.position.x']['mismatched'] == 3
    assert fields['pose.pose.position.x']['first']['compiled'] == 'nan'
    assert fields['pose.pose.position.x']['max_error'] == 'inf'
    assert fields['child_frame_id']['first']['compiled'] == '[bold]x[/bold]'
    assert fields['twist.covariance']['ignored_because'] == 'not computed [yet]'
    assert 'std_msgs/msg/Int64 in the compiled' in number['problem']


def test_json_holds_whatever_a_message_holds(kit: Any) -> None:
    """Promise: sequences, NumPy scalars, large integers and bytes are written as JSON."""
    rng = np.random.default_rng(6)
    for type_name in (
        'sensor_msgs/msg/JointState',
        'std_msgs/msg/UInt64',
        'sensor_msgs/msg/Image',
        'tf2_msgs/msg/TFMessage',
        'diagnostic_msgs/msg/DiagnosticArray',
        'std_msgs/msg/Bool',
    ):
        sides = []
        for _ in range(2):
            messages = [kit.random_message(type_name, rng) for _ in range(4)]
            for number, message in enumerate(messages):
                if hasattr(message, 'header'):
                    message.header.stamp = kit.message('builtin_interfaces/msg/Time', sec=number)
            sides.append(kit.memory(('/x', each, n) for n, each in enumerate(messages)))
        comparison = compare(*sides)
        assert json.loads(comparison.to_json())['keys'][0]['key'] == '/x'
        assert comparison.to_str()
        assert comparison.to_diffdiff()


def test_diffdiff_lists_every_difference(comparison: DatasetComparison) -> None:
    """Promise: every pair that differs is one line with index, stamp and both values."""
    text = comparison.to_diffdiff()
    lines = text.splitlines()
    assert lines[:3] == ['original: original', 'compiled: cpp', 'verdict:  differs']
    assert '  missing at stamp 100.900000000' in lines
    assert '  extra at stamp 101.100000000' in lines
    assert '--- twist.covariance: ignored: not computed [yet]' in lines
    for expected in (
        '  [1] 100.100000000  1.25 != nan  error inf',
        '  [2] 100.200000000  1.5 != 5.0  error 3.5',
        '  [4] 100.400000000  2.0 != inf  error inf',
        '  [4] 100.400000000  0.3 != 0.0  error 0.3',
        "  [3] 100.300000000  'base_link' != '[bold]x[/bold]'",
    ):
        assert expected in lines
    differences = [line for line in lines if line.startswith('  [')]
    fields = [field for key in comparison.keys for field in key.differing]
    assert len(differences) == sum(field.mismatched for field in fields) == 5
    assert any('std_msgs/msg/Int64 in the compiled' in line for line in lines)


def test_diffdiff_cuts_nothing_of_many(kit: Any) -> None:
    """Promise: 2000 differences are 2000 lines."""
    sides = [
        kit.memory(
            ('/n', kit.message('std_msgs/msg/Int32', data=n + shift), n) for n in range(2000)
        )
        for shift in (0, 1)
    ]
    lines = compare(*sides).to_diffdiff().splitlines()
    assert sum(line.startswith('  [') for line in lines) == 2000


def test_diffdiff_shows_values_of_varying_length(kit: Any) -> None:
    """Promise: a sequence that differs in length is shown with both values."""
    sides = [
        kit.memory(
            [
                ('/j', kit.message('sensor_msgs/msg/JointState', position=np.array(row)), n)
                for n, row in enumerate(rows)
            ]
        )
        for rows in ([[1.0], [2.0, 3.0]], [[1.0], [2.5]])
    ]
    text = compare(*sides).to_diffdiff()
    assert '[2.0, 3.0] != [2.5]' in text


def test_diffdiff_of_equal_datasets_says_so(kit: Any) -> None:
    """Promise: without differences the text says that there is none."""
    text = compare(kit.memory(kit.drive(2)), kit.memory(kit.drive(2))).to_diffdiff()
    assert 'verdict:  equivalent' in text
    assert '  no difference' in text


def test_the_table_shows_every_field_those_that_differ_first(
    comparison: DatasetComparison,
) -> None:
    """Promise: the text has verdict, counts, first divergence, all fields, and no markup read."""
    text = comparison.to_str()
    assert text.startswith('cpp against original: differs\n')
    assert '/odom (nav_msgs/msg/Odometry): 10 pairs by header stamp, 1 missing, 1 extra' in text
    rows = [line.split()[0] for line in text.splitlines() if line.strip()]
    for field in comparison.keys[0].fields:
        assert field.path in rows
    assert rows.index('pose.pose.position.x') < rows.index('header.frame_id')
    assert 'ignored: not computed [yet]' in text
    assert '\x1b[' not in text
    assert max(map(len, text.splitlines())) <= 140


def test_long_names_are_never_cut(kit: Any) -> None:
    """Promise: a field path longer than the table is folded, every character of it is there."""
    name = 'a_field_of_a_very_long_name_' * 6 + 'end'
    schema = kit.schema('a/msg/B', f'int32 {name}\n')

    def side(value: int) -> Any:
        from lk_dataset_ros.message import codec_for

        dataset = kit.memory([])
        dataset.declare('/k', schema)
        message = codec_for(schema).new()
        setattr(message, name, value)
        dataset.write('/k', message, timestamp_ns=0)
        return dataset

    text = compare(side(1), side(2)).to_str()
    assert 'mismatch' in text
    assert name in ''.join(line[:95].split('  ')[0].strip() for line in text.splitlines())


def test_saving_follows_the_ending(comparison: DatasetComparison, tmp_path: Path) -> None:
    """Promise: .json is the machine format, anything else the table; a bad path an LkError."""
    comparison.save_to_file(tmp_path / 'a.json')
    comparison.save_to_file(str(tmp_path / 'a.txt'))
    assert (tmp_path / 'a.json').read_text() == comparison.to_json()
    assert (tmp_path / 'a.txt').read_text() == comparison.to_str()
    with pytest.raises(BagWriteError, match='cannot be written'):
        comparison.save_to_file(tmp_path / 'no' / 'a.json')
