"""What `lk info` tells of losses, and YAML out of bags that means no good."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from lk_dataset_ros.cli.main import main
from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.databases.rosbag2.qos_profiles import profiles_in
from lk_dataset_ros.dataset.inspection.losses import TopicLosses, recorded_losses
from lk_dataset_ros.dataset.yaml_text import dump_yaml, load_yaml

IMU = {
    'count': 50,
    'bytes': 400,
    'lost': 7,
    'reported_lost': 3,
    'dropped': 2,
    'skipped': 1,
    'publishers': 4,
    'unknown': 'best\neffort',
}


def recorded(kit: Any, statistics: str, name: str = 'bag') -> Any:
    """Write a bag whose recorder left a record."""
    path = kit.folder / name
    with McapDatabase(path, 'w') as database:
        for key, message, time_ns in kit.drive(5):
            database.write(key, message, timestamp_ns=time_ns)
        database.add_metadata('lk_recording', {'format': '1', 'statistics': '{"/old": {}}'})
        database.split()
        database.add_metadata('lk_recording', {'format': '1', 'statistics': statistics})
    return path


def test_losses_are_told(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: the last record of the recorder is shown, a line for each topic."""
    path = recorded(kit, json.dumps({'/imu': IMU, '/odom': {'count': 5}}))
    assert main(['info', str(path), '--summary']) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith('Losses:'))
    assert lines[at] == (
        'Losses:            Topic: /imu | Recorded: 50 | Lost: 7 (3 reported) | Dropped: 2 | '
        'Skipped: 1 | Publishers: 4 | Not certain: best effort'
    )
    assert lines[at + 1].strip() == (
        'Topic: /odom | Recorded: 5 | Lost: 0 (0 reported) | Dropped: 0 | Skipped: 0 | '
        'Publishers: 0'
    )
    assert main(['info', str(path), '--summary', '--topic', '/odom']) == 0
    assert '/imu' not in capsys.readouterr().out
    assert main(['info', str(path), '--json']) == 0
    told = json.loads(capsys.readouterr().out)['bag']['losses']
    assert [each['lost'] for each in told] == [7, 0]
    assert set(told[0]) == set(TopicLosses.__slots__)


def test_bags_without_a_record(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise: a bag of another recorder says nothing of losses, with -v that it does not."""
    path = str(kit.bag('bag', kit.drive(5)))
    assert main(['info', path]) == 0
    assert 'Losses' not in capsys.readouterr().out
    for option in ('-v', '--verbose'):
        assert main(['info', path, option]) == 0
        assert '\nLosses:            no record of losses\n' in capsys.readouterr().out
    assert main(['info', path, '--json']) == 0
    assert json.loads(capsys.readouterr().out)['bag']['losses'] is None


@pytest.mark.parametrize(
    'text', ['', 'x', '3', '[]', '[' * 100_000, '{"/a": 3}', '{"/a": {"lost": "many"}}', 'null']
)
def test_records_that_mean_no_good(
    kit: Any, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Promise: a record that is none is passed over; a count that is none is 0."""
    path = recorded(kit, text)
    assert main(['info', str(path)]) == 0
    assert 'Lost: many' not in capsys.readouterr().out
    found = recorded_losses([('lk_recording', {'statistics': text})])
    assert not found or found[0].lost == 0
    assert recorded_losses([('lk_recording', {})]) is None


def test_long_reasons_are_cut() -> None:
    """Promise: a record cannot fill the screen."""
    (found,) = recorded_losses(
        [('lk_recording', {'statistics': json.dumps({'/a': {'unknown': 'x' * 10_000}})})]
    ) or (None,)
    assert found is not None
    assert len(found.unknown) == 200


@pytest.mark.parametrize('text', ['[' * 100_000, '- ' * 100_000, '{a: ' * 70 + '}' * 70])
def test_yaml_that_nests_for_ever_is_refused(text: str) -> None:
    """Promise: nesting that would end the process is an error; so is it in offered QoS."""
    with pytest.raises((ValueError, yaml.YAMLError)):
        load_yaml(text)
    assert profiles_in(text) == []


def test_yaml_is_what_it_was() -> None:
    """Promise: what is written is read again, and by the parser in Python too."""
    content = {'b': [1, 'yes', 'ä: x\n', {'c': None}], 'a': {'1': '1', 'x': 1.5, 'e': []}}
    assert load_yaml(dump_yaml(content)) == content == yaml.safe_load(dump_yaml(content))
    assert list(load_yaml(dump_yaml(content))) == ['b', 'a']


def test_qos_of_old_bags_is_written_in_words(kit: Any) -> None:
    """Promise: policies that are numbers in old bags become the words that version 9 wants."""
    old = '- history: 3\n  depth: 0\n  reliability: 1\n  durability: 2\n  liveliness: 1\n'
    (profile,) = profiles_in(old)
    assert profile == {
        'history': 'unknown',
        'depth': 0,
        'reliability': 'reliable',
        'durability': 'volatile',
        'liveliness': 'automatic',
    }
    assert profiles_in('- history: 17\n- 3\n') == [{'history': 17}, 3]
    assert profiles_in('a: 1') == profiles_in('') == profiles_in('2001-99-99') == []
    path = kit.folder / 'bag'
    with McapDatabase(path, 'w') as database:
        from lk_dataset_ros.message import builtin_schema

        database.declare('/a', builtin_schema('std_msgs/msg/Int8'), old)
        database.declare('/b', builtin_schema('std_msgs/msg/Int8'), '[' * 5000)
    told = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    topics = [each['topic_metadata'] for each in told['topics_with_message_count']]
    assert [each['offered_qos_profiles'] for each in topics] == [[profile], []]
    with McapDatabase(path, 'r') as bag:
        assert bag.topic('/a').qos == old
