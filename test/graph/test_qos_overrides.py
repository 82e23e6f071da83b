"""QoS overrides: what `ros2 bag` takes is taken, what is wrong is said in one line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from lk_dataset_ros.errors import ComponentError
from lk_dataset_ros.ros.qos import offers_to_yaml
from lk_dataset_ros.ros.qos_overrides import MAX_BYTES, load_qos_overrides, parse_qos_overrides

if TYPE_CHECKING:
    from pathlib import Path

DEPTH = 777


def as_ros2_bag_reads(text: str) -> dict[str, QoSProfile]:
    """Read overrides as ros2bag (Jazzy) `api/__init__.py` does."""
    policies = {
        'history': HistoryPolicy.get_from_short_key,
        'reliability': ReliabilityPolicy.get_from_short_key,
        'durability': DurabilityPolicy.get_from_short_key,
        'liveliness': LivelinessPolicy.get_from_short_key,
    }
    found = {}
    for topic, given_ in yaml.safe_load(text).items():
        values: dict[str, Any] = {}
        for key, value in given_.items():
            if key in ('deadline', 'lifespan', 'liveliness_lease_duration'):
                values[key] = Duration(seconds=value['sec'], nanoseconds=value['nsec'])
            elif key in policies:
                values[key] = policies[key](value)
            else:
                values[key] = value
        found[topic] = QoSProfile(**values)
    return found


DURATIONS = st.fixed_dictionaries(
    {'sec': st.integers(0, 10**6), 'nsec': st.integers(0, 999_999_999)}
)
PROFILES = st.fixed_dictionaries(
    {'depth': st.integers(1, 10_000)},
    optional={
        'history': st.sampled_from(['keep_last', 'keep_all', 'KEEP_ALL', 'system_default']),
        'reliability': st.sampled_from(['reliable', 'best_effort', 'Best_Effort']),
        'durability': st.sampled_from(['volatile', 'transient_local', 'best_available']),
        'liveliness': st.sampled_from(['automatic', 'manual_by_topic']),
        'deadline': DURATIONS,
        'lifespan': DURATIONS,
        'liveliness_lease_duration': DURATIONS,
        'avoid_ros_namespace_conventions': st.booleans(),
    },
)


@given(st.dictionaries(st.sampled_from(['/a', '/b/c', '/d_1']), PROFILES))
def test_reads_what_ros2_bag_reads(profiles: dict[str, Any]) -> None:
    """Promise: a file that `ros2 bag` takes means the same here, policy for policy."""
    text = yaml.safe_dump(profiles)
    assert parse_qos_overrides(text, depth=DEPTH) == (as_ros2_bag_reads(text) if profiles else {})


def test_recorded_offers_are_taken() -> None:
    """Promise: an offer copied from a bag's metadata is taken; its unseen history is ours."""
    offer = QoSProfile(
        depth=10,
        history=HistoryPolicy.UNKNOWN,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    entry = yaml.safe_load(offers_to_yaml([offer]))[0]
    profile = parse_qos_overrides(yaml.safe_dump({'/a': {**entry, 'depth': 0}}), depth=DEPTH)['/a']
    assert (profile.history, profile.depth) == (HistoryPolicy.KEEP_LAST, DEPTH)
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    numbers = '/a: {history: 2, depth: 5, reliability: 2, durability: 1, liveliness: 1}'
    profile = parse_qos_overrides(numbers, depth=DEPTH)['/a']
    assert (profile.history, profile.depth) == (HistoryPolicy.KEEP_ALL, 5)
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_history_and_depth_may_be_left_out() -> None:
    """Promise: one policy alone is enough; history and depth are then ours, the rest ROS 2's."""
    profile = parse_qos_overrides('/a: {reliability: best_effort}', depth=DEPTH)['/a']
    assert profile == QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert parse_qos_overrides('', depth=DEPTH) == {}


WRONG = [
    ('/a: {reliability: relable}', "/a: reliability is 'relable'; it has to be one of"),
    ('/a: {reliability: unknown}', "/a: reliability is 'unknown'; it has to be one of"),
    ('/a: {reliability: 3}', '/a: reliability is 3; it has to be one of'),
    ('/a: {durability: true}', '/a: durability is True; it has to be one of'),
    ('/a: {durability: [volatile]}', "/a: durability is ['volatile']; it has to be one of"),
    ('/a: {history: 17}', '/a: history is 17; it has to be one of'),
    ('/a: {depth: -1}', '/a: depth is -1; it has to be a number from 0 to 1000000'),
    ('/a: {depth: 1000001}', '/a: depth is 1000001'),
    ('/a: {depth: ten}', "/a: depth is 'ten'"),
    ('/a: {depth: 1.5}', '/a: depth is 1.5'),
    ('/a: {depth: true}', '/a: depth is True'),
    ('/a: {avoid_ros_namespace_conventions: 1}', 'conventions is 1; it has to be true or false'),
    ('/a: {deadline: 1}', '/a: deadline is 1; it has to be {sec: 1, nsec: 0}'),
    ('/a: {deadline: {sec: 1}}', "/a: deadline is {'sec': 1}; it has to be"),
    ('/a: {lifespan: {sec: -1, nsec: 0}}', '/a: lifespan is'),
    ('/a: {lifespan: {sec: 1.0, nsec: 0}}', '/a: lifespan is'),
    ('/a: {lifespan: {sec: 1, nsec: 0, x: 1}}', '/a: lifespan is'),
    ('/a: {speed: 1}', "/a: there is no policy 'speed'; there is history, reliability,"),
    ('/a: {[1]: 1}', 'not YAML'),
    ('/a: best_effort', "/a: 'best_effort' stands where policies have to be"),
    ('/a:', '/a: None stands where policies have to be'),
    ('odom: {depth: 1}', "'odom' is not the full name of a topic, such as /odom"),
    ('/o dom: {depth: 1}', "'/o dom' is not the full name"),
    ('1: {depth: 1}', '1 is not the full name'),
    ('[/a]', "['/a'] stands where topics have to be"),
    ('text', "'text' stands where topics have to be"),
    ('{', 'not YAML'),
    ('a: !!python/object:os.system {}', 'not YAML'),
    ('/a: {depth: 2001-01-01}', '/a: depth is datetime.date'),
    ('2001-13-01: {depth: 1}', 'not YAML'),
    ('[' * 5000, 'not YAML'),
]


@pytest.mark.parametrize(('text', 'said'), WRONG, ids=[text[:30] for text, _ in WRONG])
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Promise: a wrong file is one line that names file, topic, field, value and what would do."""
    path = tmp_path / 'qos.yaml'
    path.write_text(text)
    with pytest.raises(ComponentError) as caught:
        load_qos_overrides(path, depth=DEPTH)
    assert str(caught.value).startswith(f'QoS overrides {path}: ')
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Promise: missing, a folder, binary, huge: each is one line with the path."""
    cases = {'missing': 'No such file', '.': 'Is a directory'}
    (tmp_path / 'binary').write_bytes(b'\xff\xfe\x00')
    (tmp_path / 'huge').write_bytes(b'#' * (MAX_BYTES + 1))
    cases |= {'binary': 'not a text in UTF-8', 'huge': 'bytes are too many'}
    for name, said in cases.items():
        with pytest.raises(ComponentError, match=said):
            load_qos_overrides(tmp_path / name, depth=DEPTH)


@given(st.text(max_size=40))
def test_any_text_is_profiles_or_refused(text: str) -> None:
    """Promise: no text makes it fail in another way."""
    with contextlib.suppress(ComponentError):
        parse_qos_overrides(text, depth=DEPTH)
