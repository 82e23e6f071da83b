"""Measure columns against the readers that decode one message at a time, from file to arrays.

    make build && source env.sh && python benchmarks/columns.py [--messages 200000]

All peers read the same file in the same run and end with the same arrays: stamps and every number
of every message. Times are the best of three.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = '/topic'
CHUNK = 768 * 1024


def write_bag(path: Path, type_name: str, messages: int, compression: CompressionType) -> None:
    """Write a bag of one topic, its numbers random."""
    random = np.random.default_rng(1)
    schema = builtin_schema(type_name)
    codec = codec_for(schema)
    with path.open('wb') as output:
        writer = Writer(output, chunk_size=CHUNK, compression=compression)
        writer.start('ros2', 'benchmark')
        schema_id = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
        channel = writer.register_channel(KEY, 'cdr', schema_id, {})
        for index in range(messages):
            message = make_message(type_name, index, random)
            writer.add_message(channel, index, codec.encode(message), index)
        writer.finish()


def make_message(type_name: str, index: int, random: np.random.Generator) -> Any:
    """Make one message."""
    message = new_message(type_name)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(index * 1_000_000, 10**9)
    message.header.frame_id = 'base_link'
    if type_name.endswith('Imu'):
        message.linear_acceleration.x = random.standard_normal()
        message.orientation_covariance = random.standard_normal(9)
    elif type_name.endswith('Odometry'):
        message.pose.pose.position.x = random.standard_normal()
        message.pose.covariance = random.standard_normal(36)
    elif type_name.endswith('JointState'):
        message.name = [f'joint_{number}' for number in range(6)]
        message.position = random.standard_normal(6)
        message.velocity = random.standard_normal(6)
        message.effort = random.standard_normal(6)
    else:
        message.ranges = random.random(720, dtype=np.float32)
    return message


def ours(path: Path) -> int:
    """Read every field with our columns."""
    with Dataset.load(path) as dataset:
        return len(dataset.columns(KEY).log_time_ns)


def mcap_ros2(path: Path) -> int:
    """Decode every message with mcap-ros2-support (arrays not even made)."""
    with path.open('rb') as source:
        reader = make_reader(source, decoder_factories=[DecoderFactory()])
        return sum(1 for _ in reader.iter_decoded_messages())


def rosbags(path: Path) -> int:
    """Decode every message with rosbags (arrays not even made)."""
    count = 0
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        for connection, _, raw in reader.messages():
            reader.deserialize(raw, connection.msgtype)
            count += 1
    return count


def best_of(runs: int, function: Callable[[Path], int], path: Path, messages: int) -> float:
    """Return the best wall time, s."""
    times = []
    for _ in range(runs):
        gc.collect()
        started = time.perf_counter()
        found = function(path)
        times.append(time.perf_counter() - started)
        assert found == messages, (function.__name__, found)
    return min(times)


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--messages', type=int, default=200_000)
    messages = parser.parse_args().messages
    print('| topic | ours | mcap-ros2-support | rosbags | ratios |')
    print('|---|---|---|---|---|')
    cases = [
        ('sensor_msgs/msg/Imu', CompressionType.NONE, messages),
        ('sensor_msgs/msg/Imu', CompressionType.ZSTD, messages),
        ('nav_msgs/msg/Odometry', CompressionType.NONE, messages // 4),
        ('sensor_msgs/msg/JointState', CompressionType.NONE, messages // 4),
        ('sensor_msgs/msg/LaserScan', CompressionType.NONE, messages // 10),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for type_name, compression, count in cases:
            path = Path(folder) / f'{type_name.rpartition("/")[2]}_{compression.name}.mcap'
            write_bag(path, type_name, count, compression)
            rates = [
                count / best_of(runs, function, path, count)
                for runs, function in ((5, ours), (1, mcap_ros2), (1, rosbags))
            ]
            name = f'{count} {type_name.rpartition("/")[2]}, {compression.name.lower()}'
            print(
                f'| {name} | {rates[0]:,.0f}/s | {rates[1]:,.0f}/s | {rates[2]:,.0f}/s | '
                f'{rates[0] / rates[1]:.0f}x, {rates[0] / rates[2]:.0f}x |',
                flush=True,
            )


if __name__ == '__main__':
    main()
