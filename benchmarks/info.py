"""Time `lk info` as a process, on large bags: with summary, without, and as a full read.

    make build && source env.sh && python benchmarks/info.py [--gigabytes 5] [--full]

Two bags are made in a temporary folder, uncompressed: `large`, images of 1 MB, and `small`, eight
interleaved topics of 300-byte messages. Each is summed up with its summary section, and a copy
that lost it (a killed recorder) by a scan. Times are the best of three, of the whole process,
with the file in the page cache where the machine has the memory for it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mcap.writer import CompressionType, Writer

from lk_dataset_ros import new_message
from lk_dataset_ros.message import builtin_schema, codec_for

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 768 * 1024
LOST = 64


def messages(kind: str, size: int) -> Iterator[tuple[str, str, bytes, int]]:
    """Yield topic, type, bytes and time of messages that take a number of bytes together."""
    if kind == 'large':
        image = new_message('sensor_msgs/msg/Image')
        image.data = bytes(1_000_000)
        cdr = codec_for(builtin_schema('sensor_msgs/msg/Image')).encode(image)
        for index in range(size // len(cdr)):
            yield '/image', 'sensor_msgs/msg/Image', cdr, index * 33_000_000
        return
    cdr = codec_for(builtin_schema('sensor_msgs/msg/Imu')).encode(
        new_message('sensor_msgs/msg/Imu')
    )
    for index in range(size // len(cdr)):
        yield f'/imu_{index % 8}', 'sensor_msgs/msg/Imu', cdr, index * 100_000


def write_bag(path: Path, kind: str, size: int) -> int:
    """Write a bag; return its number of messages."""
    channels: dict[str, int] = {}
    count = 0
    with path.open('wb') as output:
        writer = Writer(
            output, chunk_size=CHUNK, compression=CompressionType.NONE, enable_crcs=False
        )
        writer.start('ros2', 'benchmark')
        for key, type_name, cdr, time_ns in messages(kind, size):
            if key not in channels:
                schema = builtin_schema(type_name)
                number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
                channels[key] = writer.register_channel(key, 'cdr', number)
            writer.add_message(channels[key], time_ns, cdr, time_ns, count)
            count += 1
        writer.finish()
    return count


def best_of(runs: int, *arguments: str) -> tuple[float, int]:
    """Return the best time of a process in seconds, and its peak memory in bytes."""
    command = [sys.executable, '-m', 'lk_dataset_ros.cli', *arguments]
    best, peak = float('inf'), 0
    for _ in range(runs):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        best = min(best, time.perf_counter() - began)
        if status:
            raise SystemExit(f'{" ".join(arguments)} failed: {status}')
        peak = max(peak, usage.ru_maxrss * 1024)
    return best, peak


def measure(folder: Path, kind: str, size: int, *, full: bool) -> None:
    """Make a bag, time `lk info` on it, and remove it."""
    path = folder / f'{kind}.mcap'
    count = write_bag(path, kind, size)
    print(f'{kind}: {path.stat().st_size / 1e9:.2f} GB, {count} messages')
    runs = [('lk info', 3, ['info', str(path), '--summary'])]
    if full:
        runs.append(('lk info --full', 1, ['info', str(path), '--full']))
    for name, times, arguments in runs:
        taken, peak = best_of(times, *arguments)
        print(f'  {name:<28} {taken:8.2f} s  {peak / 1e6:6.0f} MB')
    with path.open('r+b') as file:
        file.truncate(path.stat().st_size - LOST)
    taken, peak = best_of(1, 'info', str(path), '--summary')
    print(f'  {"without summary section":<28} {taken:8.2f} s  {peak / 1e6:6.0f} MB')
    path.unlink()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gigabytes', type=float, default=5.0)
    parser.add_argument('--full', action='store_true', help='time the full read, too')
    parser.add_argument('--folder', type=Path, help='where the bags are made for a while')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        tiny = Path(name) / 'tiny.mcap'
        write_bag(tiny, 'small', 100_000)
        print(f'a tiny bag, read in full: {best_of(3, "info", str(tiny))[0]:.2f} s')
        for kind in ('large', 'small'):
            measure(Path(name), kind, int(options.gigabytes * 1e9), full=options.full)


if __name__ == '__main__':
    main()
