"""A real recording of a TurtleBot, read by us and by two others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.message import walk

BAG = Path(__file__).resolve().parents[3] / 'shared' / 'bags' / 'nav2_turtlebot.mcap'

pytestmark = pytest.mark.skipif(not BAG.exists(), reason=f'{BAG} is not there')


def test_counts_and_types_are_those_of_the_recording() -> None:
    """Promise: topics, types and counts are as the recording's description says."""
    with McapDatabase(BAG, 'r') as bag:
        found = {key: (topic.schema.name, topic.count) for key, topic in bag.topics().items()}
        assert bag.warnings == []
        first_ns, last_ns = bag.time_range_ns() or (0, 0)
    assert found == {
        '/odom': ('nav_msgs/msg/Odometry', 2639),
        '/tf': ('tf2_msgs/msg/TFMessage', 5422),
        '/tf_static': ('tf2_msgs/msg/TFMessage', 1),
        '/amcl_pose': ('geometry_msgs/msg/PoseWithCovarianceStamped', 135),
    }
    assert (last_ns - first_ns) / 1e9 == pytest.approx(97.4, abs=0.1)


def test_two_other_decoders_read_the_same(kit: Any) -> None:
    """Promise: rosbags and mcap-ros2-support give the same messages, bit for bit."""
    with McapDatabase(BAG, 'r') as bag:
        ours: dict[str, list[Any]] = {key: [] for key in bag.topics()}
        for key, message, time_ns in bag.iterate():
            ours[key].append((time_ns, message))
    with BAG.open('rb') as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        places = dict.fromkeys(ours, 0)
        for _, channel, record, theirs in reader.iter_decoded_messages():
            time_ns, message = ours[channel.topic][places[channel.topic]]
            places[channel.topic] += 1
            assert time_ns == record.log_time
            kit.assert_same(message, theirs)
    assert places == {key: len(messages) for key, messages in ours.items()}
    with AnyReader([BAG]) as any_reader:
        places = dict.fromkeys(ours, 0)
        for connection, time_ns, cdr in any_reader.messages():
            expected_ns, message = ours[connection.topic][places[connection.topic]]
            places[connection.topic] += 1
            assert time_ns == expected_ns
            kit.assert_same(message, any_reader.deserialize(cdr, connection.msgtype))
    assert places == {key: len(messages) for key, messages in ours.items()}


def test_columns_equal_the_messages() -> None:
    """Promise: the arrays of a real topic hold what its messages hold."""
    with McapDatabase(BAG, 'r') as bag:
        columns = bag.columns('/odom')
        messages = bag.read_all('/odom')
    assert columns.stamp_ns is not None
    for row in range(0, 2639, 97):
        for path, value in walk(messages[row]):
            assert (
                (columns[path].values[row] == value).all()
                if hasattr(value, 'all')
                else (columns[path].values[row] == value)
            ), path


def test_a_cut_recording_gives_its_readable_part(tmp_path: Path) -> None:
    """Promise: of its one compressed chunk, cut, all that can be unpacked comes out."""
    content = BAG.read_bytes()
    with McapDatabase(BAG, 'r') as bag:
        whole = list(bag.iterate_serialized())
    by_key: dict[str, list[Any]] = {}
    for each in whole:
        by_key.setdefault(each.key, []).append(each)
    cut = tmp_path / 'cut.mcap'
    counts = []
    for number in range(1, 21):
        length = len(content) * number // 21
        cut.write_bytes(content[:length])
        with McapDatabase(cut, 'r') as bag:
            messages = list(bag.iterate_serialized())
            assert any('cut or damaged' in warning for warning in bag.warnings)
        for key, expected in by_key.items():
            found = [each for each in messages if each.key == key]
            assert found == expected[: len(found)], (key, length)
        counts.append(len(messages))
    assert counts == sorted(counts)
    # A zstd block holds 128 KiB unpacked: at half of the file about half of the messages are there.
    assert counts[9] > 0.35 * len(whole)
    assert counts[19] > 0.8 * len(whole)
