"""Measure columns against the readers that decode one message at a time, from file to arrays.

    make build && source env.sh && python benchmarks/columns.py [--messages 200000] [--case Imu]

All peers read the same file in the same run. Ours end with arrays of every field of every message
(or of one field only: what users mostly want; the whole file is checked all the same); the peers
are only asked to decode each message, no array is made. Times are the best of several runs for
us, of one for the peers. pybag-sdk is measured where it is installed (`--pybag PYTHON`
names an interpreter that has it).
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from lk_dataset_ros import Dataset, new_message
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 768 * 1024
MIXED = (
    'sensor_msgs/msg/Imu',
    'nav_msgs/msg/Odometry',
    'sensor_msgs/msg/JointState',
    'geometry_msgs/msg/TwistStamped',
    'sensor_msgs/msg/NavSatFix',
    'geometry_msgs/msg/PoseStamped',
    'sensor_msgs/msg/Range',
    'sensor_msgs/msg/MagneticField',
    'geometry_msgs/msg/WrenchStamped',
    'sensor_msgs/msg/BatteryState',
)
PYBAG = """
import sys, time
from pybag import Reader
started, count = time.perf_counter(), 0
with Reader.from_file(sys.argv[1]) as reader:
    for topic in reader.get_topics():
        for message in reader.messages(topic):
            message.data
            count += 1
print(count / (time.perf_counter() - started))
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A bag to read.

    Attributes:
        name: What the table calls it.
        types: Message types, one topic each, interleaved.
        share: Messages, as a share of `--messages`.
        compression: Of the chunks.
    """

    name: str
    types: tuple[str, ...]
    share: float = 1.0
    compression: CompressionType = CompressionType.NONE


CASES = (
    Case('Imu', MIXED[:1]),
    Case('Imu, zstd', MIXED[:1], 1.0, CompressionType.ZSTD),
    Case('Odometry', MIXED[1:2], 0.25),
    Case('JointState, 6 joints', MIXED[2:3], 0.25),
    Case('LaserScan, 720 ranges', ('sensor_msgs/msg/LaserScan',), 0.1),
    Case('ten topics interleaved', MIXED),
    Case('ten topics interleaved, zstd', MIXED, 1.0, CompressionType.ZSTD),
    Case('TFMessage, 1 to 8 transforms', ('tf2_msgs/msg/TFMessage',), 0.1),
    Case('String, 0 to 200 characters', ('std_msgs/msg/String',)),
)


def write_bag(path: Path, case: Case, messages: int) -> None:
    """Write a bag, its numbers random."""
    random = np.random.default_rng(1)
    with path.open('wb') as output:
        writer = Writer(output, chunk_size=CHUNK, compression=case.compression)
        writer.start('ros2', 'benchmark')
        channels = []
        for index, type_name in enumerate(case.types):
            schema = builtin_schema(type_name)
            number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
            channel = writer.register_channel(f'/topic_{index}', 'cdr', number, {})
            channels.append((channel, type_name, codec_for(schema)))
        for index in range(messages):
            channel, type_name, codec = channels[index % len(channels)]
            message = make_message(type_name, index, random)
            writer.add_message(channel, index, codec.encode(message), index)
        writer.finish()


def make_message(type_name: str, index: int, random: np.random.Generator) -> Any:
    """Make one message."""
    message = new_message(type_name)
    name = type_name.rpartition('/')[2]
    if hasattr(message, 'header'):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(index * 1_000_000, 10**9)
        message.header.frame_id = 'base_link'
    if name == 'Imu':
        message.linear_acceleration.x = random.standard_normal()
        message.orientation_covariance = random.standard_normal(9)
    elif name == 'Odometry':
        message.pose.pose.position.x = random.standard_normal()
        message.pose.covariance = random.standard_normal(36)
    elif name == 'JointState':
        message.name = [f'joint_{number}' for number in range(6)]
        message.position = random.standard_normal(6)
        message.velocity = random.standard_normal(6)
        message.effort = random.standard_normal(6)
    elif name == 'LaserScan':
        message.ranges = random.random(720, dtype=np.float32)
    elif name == 'BatteryState':
        message.cell_voltage = random.random(4, dtype=np.float32)
    elif name == 'String':
        message.data = 'x' * int(random.integers(0, 201))
    elif name == 'TFMessage':
        for number in range(int(random.integers(1, 9))):
            transform = new_message('geometry_msgs/msg/TransformStamped')
            transform.header.frame_id = 'map' if number else 'odom'
            transform.child_frame_id = f'link_{number * number}'
            transform.transform.translation.x = random.standard_normal()
            message.transforms.append(transform)
    return message


def ours(path: Path) -> int:
    """Read every field of every topic with our columns."""
    with Dataset.load(path) as dataset:
        count = 0
        for key in dataset.keys():  # noqa: SIM118
            columns = dataset.columns(key)
            for column in columns.values():
                assert column.values.size >= 0
            count += len(columns.log_time_ns)
        return count


def one_field(path: Path) -> int:
    """Read the last field of every topic with our columns, which check the whole file."""
    with Dataset.load(path) as dataset:
        count = 0
        for key in dataset.keys():  # noqa: SIM118
            columns = dataset.columns(key)
            count += len(columns[list(columns)[-1]].rows)
        return count


def mcap_ros2(path: Path) -> int:
    """Decode every message with mcap-ros2-support."""
    with path.open('rb') as source:
        reader = make_reader(source, decoder_factories=[DecoderFactory()])
        return sum(1 for _ in reader.iter_decoded_messages())


def rosbags(path: Path) -> int:
    """Decode every message with rosbags."""
    count = 0
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        for connection, _, raw in reader.messages():
            reader.deserialize(raw, connection.msgtype)
            count += 1
    return count


def decompress(path: Path) -> int:
    """Decompress the chunks, and nothing else."""
    with path.open('rb') as source:
        for record in StreamReader(source, emit_chunks=True).records:
            if isinstance(record, Chunk):
                zstandard.ZstdDecompressor().decompress(record.data, record.uncompressed_size)
    return 0


def best_of(runs: int, function: Callable[[Path], int], path: Path) -> float:
    """Return the best wall time, s."""
    times = []
    for _ in range(runs):
        gc.collect()
        started = time.perf_counter()
        function(path)
        times.append(time.perf_counter() - started)
    return min(times)


def pybag(python: str, path: Path) -> float | None:
    """Return the rate of pybag-sdk, 1/s; None where it cannot read the bag."""
    done = subprocess.run(
        [python, '-c', PYBAG, str(path)], capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.returncode == 0 else None


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--messages', type=int, default=200_000)
    parser.add_argument('--case', default='', help='only cases whose name contains this')
    parser.add_argument('--pybag', help='a Python that has pybag-sdk')
    arguments = parser.parse_args()
    print('| topic | ours | one field | mcap-ros2-support | rosbags | pybag-sdk | ratios |')
    print('|---|---|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if arguments.case not in case.name:
                continue
            count = int(arguments.messages * case.share)
            path = Path(folder) / 'bag.mcap'
            write_bag(path, case, count)
            assert ours(path) == mcap_ros2(path) == rosbags(path) == count
            taken = best_of(9, ours, path)
            rates = [
                count / taken,
                *(count / best_of(1, each, path) for each in (mcap_ros2, rosbags)),
            ]
            fourth = pybag(arguments.pybag, path) if arguments.pybag else None
            ratios = ', '.join(f'{rates[0] / rate:.0f}x' for rate in [*rates[1:], fourth] if rate)
            if case.compression == CompressionType.ZSTD:
                ratios += f'; {taken / best_of(5, decompress, path):.1f} x decompressing'
            told = f'{fourth:,.0f}/s' if fourth else '-'
            one = count / best_of(9, one_field, path)
            print(
                f'| {count:,} {case.name} | {rates[0]:,.0f}/s | {one:,.0f}/s | {rates[1]:,.0f}/s | '
                f'{rates[2]:,.0f}/s | {told} | {ratios} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
