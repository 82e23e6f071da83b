"""Measure `write_columns` against the mcap Python writer, which is given ready bytes.

    make build && source env.sh && python benchmarks/write_columns.py [--messages 200000]

The peer only writes: its messages are serialized before the clock starts. Ours encodes the columns
and writes them. Times are the best of several runs, both into the same folder, in turn; in memory
where there is `/dev/shm`, since a disk's write-back would be measured otherwise.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mcap.writer import CompressionType, Writer

from lk_dataset_ros import Columns, Dataset, McapDatabase
from lk_dataset_ros.message import Encoder, builtin_schema, codec_for

if TYPE_CHECKING:
    from lk_dataset_ros import Schema

COMPRESSIONS = {'none': CompressionType.NONE, 'zstd': CompressionType.ZSTD}
RUNS = 5
MEMORY = '/dev/shm' if Path('/dev/shm').is_dir() else None


def imu_columns(count: int) -> dict[str, Any]:
    """Make columns of random Imu messages."""
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {
        'header.stamp.sec': np.arange(count) // 1000,
        'header.stamp.nanosec': np.arange(count) % 1000 * 1_000_000,
        'header.frame_id': np.full(count, 'base_link', object),
    }
    for name in ('angular_velocity', 'linear_acceleration'):
        columns |= {f'{name}.{axis}': random.standard_normal(count) for axis in 'xyz'}
    for name in ('orientation', 'angular_velocity', 'linear_acceleration'):
        columns[f'{name}_covariance'] = random.standard_normal((count, 9))
    return columns


def joint_columns(count: int) -> dict[str, Any]:
    """Make columns of random JointState messages with one to six joints."""
    random = np.random.default_rng(1)
    counts = random.integers(1, 7, count)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = np.arange(count)
    from lk_dataset_ros.message import Column  # noqa: PLC0415

    return {
        'header.stamp.sec': np.arange(count) // 1000,
        'header.frame_id': np.full(count, 'base_link', object),
        'position': Column(random.standard_normal(int(offsets[-1])), rows, offsets),
        'velocity': Column(random.standard_normal(int(offsets[-1])), rows, offsets),
    }


def peer(path: Path, parts: list[bytes], schema: Schema, compression: str) -> float:
    """Write ready messages with the mcap library; return the time, s."""
    started = time.perf_counter()
    with path.open('wb') as output:
        writer = Writer(output, compression=COMPRESSIONS[compression])
        writer.start('ros2', 'benchmark')
        number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
        channel = writer.register_channel('/topic', 'cdr', number)
        for index, part in enumerate(parts):
            writer.add_message(channel, index, part, index, index)
        writer.finish()
    return time.perf_counter() - started


def ours(path: Path, columns: Any, schema: Schema, count: int, compression: Any) -> float:
    """Encode and write columns; return the time, s."""
    started = time.perf_counter()
    with Dataset(McapDatabase(path, 'w', compression=compression)) as dataset:
        dataset.declare('/topic', schema)
        dataset.write_columns('/topic', columns, log_time_ns=np.arange(count))
    return time.perf_counter() - started


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--messages', type=int, default=200_000)
    count = parser.parse_args().messages
    print('| written | ours | mcap writer | ratio |')
    print('|---|---|---|---|')
    for name, columns, type_name in (
        ('Imu', imu_columns(count), 'sensor_msgs/msg/Imu'),
        ('JointState, 1 to 6 joints', joint_columns(count), 'sensor_msgs/msg/JointState'),
    ):
        schema = builtin_schema(type_name)
        encoder = Encoder(columns, codec_for(schema), count)
        batch = encoder.encode(0, count, np.zeros(encoder.size(0, count, 0), np.uint8), 0)
        ends = (batch.start + batch.length).tolist()
        parts = [
            batch.buffer[a:b].tobytes() for a, b in zip(batch.start.tolist(), ends, strict=True)
        ]
        for compression in COMPRESSIONS:
            times: list[tuple[float, float]] = []
            for _ in range(RUNS):
                with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                    theirs = peer(Path(folder) / 'peer.mcap', parts, schema, compression)
                    path = Path(folder) / 'ours'
                    times.append((ours(path, columns, schema, count, compression), theirs))
                    with Dataset.load(path) as dataset:
                        check(dataset.columns('/topic'), count)
            taken, theirs = (min(each) for each in zip(*times, strict=True))
            print(
                f'| {count:,} {name}, {compression} | {count / taken:,.0f}/s | '
                f'{count / theirs:,.0f}/s | {theirs / taken:.1f}x |',
                flush=True,
            )


def check(columns: Columns, count: int) -> None:
    """Check that everything is there."""
    assert len(columns.log_time_ns) == count


if __name__ == '__main__':
    main()
