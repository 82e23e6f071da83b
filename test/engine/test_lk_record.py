"""`lk record`: what its options become, and which do not go together."""

from __future__ import annotations

from typing import Any

import pytest

from lk_dataset_ros.cli import record
from lk_dataset_ros.cli.main import main

GIVEN: list[tuple[str, dict[str, Any]]] = [
    ('/a', {'topics': ['/a']}),
    ('/a --topics /b /c -o x', {'topics': ['/b', '/c', '/a'], 'bag': 'x'}),
    ('-a', {'all_topics': True, 'all_services': True}),
    ('--all-topics', {'all_topics': True}),
    ('--all-services', {'all_services': True}),
    ('-e ^/a -x b$', {'regex': '^/a', 'exclude_regex': 'b$'}),
    ('--topic-types a/msg/B c/msg/D', {'topic_types': ['a/msg/B', 'c/msg/D']}),
    (
        '--services /s /t --exclude-services /u',
        {'services': ['/s', '/t'], 'exclude_services': ['/u']},
    ),
    (
        '-a --exclude-topics /a /b --exclude-topic-types a/msg/B',
        {
            'all_topics': True,
            'all_services': True,
            'exclude_topics': ['/a', '/b'],
            'exclude_topic_types': ['a/msg/B'],
        },
    ),
    (
        '/a --include-unpublished-topics --include-hidden-topics --ignore-leaf-topics',
        {
            'topics': ['/a'],
            'include_unpublished_topics': True,
            'include_hidden_topics': True,
            'ignore_leaf_topics': True,
        },
    ),
    ('/a --no-discovery -p 250', {'topics': ['/a'], 'discovery': False, 'polling_period_s': 0.25}),
    ('/a --qos-profile-overrides-path q', {'topics': ['/a'], 'qos_overrides': 'q'}),
    ('/a -b 5 -d 1.5', {'topics': ['/a'], 'max_file_bytes': 5, 'max_file_s': 1.5}),
    ('/a -b 0', {'topics': ['/a'], 'max_file_bytes': 0}),
    ('/a --max-cache-size 0', {'topics': ['/a'], 'cache_bytes': 0}),
    ('/a --max-files 3', {'topics': ['/a'], 'max_files': 3}),
    ('/a --disable-keyboard-controls --no-info', {'keyboard': False, 'print_info': False}),
    ('/a --start-paused --use-sim-time', {'start_paused': True, 'use_sim_time': True}),
    ('/a --custom-data a=b c=d=e', {'custom_data': ['a=b', 'c=d=e']}),
    ('/a --storage-preset-profile zstd_fast', {'preset': 'zstd_fast'}),
    ('/a --storage-config-file s', {'storage_config': 's'}),
    ('/a --compression lz4', {'compression': 'lz4'}),
    ('/a --compression-mode file', {'compression': 'zstd'}),
    ('/a --compression-mode message --compression-format lz4', {'compression': 'lz4'}),
    ('/a -s mcap -f cdr', {'topics': ['/a']}),
    ('/a --snapshot-mode', {'use_ring_buffer': True, 'auto_flush': False}),
    (
        '/a --snapshot-mode --max-cache-size 7 --snapshot-duration 2',
        {'use_ring_buffer': True, 'ring_buffer_bytes': 7, 'ring_buffer_s': 2.0},
    ),
    ('/a --sync --flush-period 0.5', {'sync': True, 'flush_period_s': 0.5}),
    ('/a --when-full drop_oldest --depth 5', {'when_full': 'drop_oldest', 'depth': 5}),
    ('/a --sample-every-n 2 --max-rate 3 --max-samples 4', {'sample_every_n': 2, 'max_rate': 3.0}),
    ('/a --as-recorded', {'topics': ['/a'], 'as_recorded': True}),
]
WHOLE = {'/a', '-a', '--all-topics', '--all-services', '/a -b 0', '/a --max-cache-size 0'}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], list[str]]]:
    """Collect what would be started."""
    found: list[tuple[str, dict[str, Any], list[str]]] = []

    def start(executable: str, parameters: dict[str, Any], more: list[str]) -> int:
        found.append((executable, parameters, more))
        return 0

    monkeypatch.setattr(record, 'start_node', start)
    return found


@pytest.mark.parametrize(('line', 'parameters'), GIVEN, ids=[line for line, _ in GIVEN])
def test_options_become_parameters(
    started: list[Any], line: str, parameters: dict[str, Any]
) -> None:
    """Promise: every option of `ros2 bag record` is the parameter that means the same."""
    assert main(['record', *line.split()]) == 0
    ((executable, found, more),) = started
    assert (executable, more) == ('recorder', [])
    assert found | parameters == found
    if line in WHOLE or 'topics' in parameters or 'all_topics' in parameters:
        assert found == parameters


def test_node_options_are_passed_on(started: list[Any]) -> None:
    """Promise: name, logging level and what follows --ros-args reach ROS."""
    line = 'record /a --node-name bagger --log-level warn --ros-args -p depth:=7'
    assert main(line.split()) == 0
    (_, _, more) = started[0]
    assert more == ['-p', 'depth:=7', '-r', '__node:=bagger', '--log-level', 'warn']


WRONG = [
    ('', 'nothing is chosen: give topics, --topic-types'),
    ('-x a', 'nothing is chosen'),
    ('-a -s sqlite3', '--storage sqlite3 is only read here'),
    ('-a -f json', "'json' is not one of"),
    ('-a --compression-format zstd', '--compression-format needs a --compression-mode'),
    ('-a --compression lz4 --compression-mode file', 'one of them'),
    ('-a --use-sim-time --no-discovery', '--use-sim-time needs discovery'),
    ('-a --snapshot-duration 3', '--snapshot-duration needs --snapshot-mode'),
    ('-a -b -1', '-1 is not in the range'),
    ('-a -b x', "'x' is not a valid integer"),
    ('-a -d nan', '--max-bag-duration is nan; give a number'),
    ('-a -p 0', '0 is not in the range'),
    ('--topics', "Option '--topics' requires an argument"),
    ('-a --storage-preset-profile fast', "'fast' is not one of"),
    ('-a --speed 3', "No such option '--speed'"),
]


@pytest.mark.parametrize(('line', 'said'), WRONG, ids=[line for line, _ in WRONG])
def test_what_does_not_go_is_one_line(
    started: list[Any], capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    """Promise: what is wrong is said in one line with exit code 2, and no node is started."""
    assert main(['record', *line.split()]) == 2
    error = capsys.readouterr().err
    assert said.lower() in error.lower()
    assert len(error.splitlines()) == 1
    assert started == []


def test_what_changes_nothing_is_said(
    started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Promise: options that are taken for rosbag2's sake say that they change nothing."""
    line = 'record -a --topics /b --services /s --compression-threads 2 --compression-mode file'
    assert main(line.split()) == 0
    said = capsys.readouterr().err
    assert 'no effect: --topics, as --all takes every topic' in said
    assert 'no effect: --services, as --all takes every service' in said
    assert 'no effect: --compression-threads' in said
    assert '--compression-mode file: chunks are compressed instead' in said
    assert len(started) == 1
