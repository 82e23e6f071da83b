"""Measure time and peak memory on bags that are larger than the memory one wants to spend.

    make build && source env.sh && python benchmarks/large_bags.py [--gigabytes 5] [--only NAME]

Parts (`--only` takes some of them): `tiny`, `image`, `small`, `large`, `sqlite3`. The bags are
made in a temporary folder, one after the other, by the `mcap` library's writer (sqlite3: by
rosbags'), checksums included; at most twice `--gigabytes` and 10 GB of disk are needed. Every step
is a process of its own: `s` and `MB` are its time and its peak resident memory, imports and mapped
pages of the file included. `read` is what it asked of the disk, whose cache was emptied of the
file before; where nothing is said, the file was in the cache if the machine has the memory for it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

# The peak memory of a process starts with that of the one that started it: nothing large is
# imported or made here, but in processes of their own.
CHUNK = 768 * 1024
IMAGE = 'sensor_msgs/msg/Image'
IMU = 'sensor_msgs/msg/Imu'
SCAN = 'sensor_msgs/msg/LaserScan'
#: Messages that the peer decodes.
PEER_IMAGES, PEER_MESSAGES = 500, 20_000
#: From the end of a file: its footer.
FOOTER = 64


class Ran(NamedTuple):
    """What a process took.

    Attributes:
        seconds: Wall time, start of the interpreter included.
        peak: Resident memory, bytes.
        output: What it printed.
    """

    seconds: float
    peak: int
    output: str

    def row(self, bag: str, step: str, remark: str = '') -> None:
        """Print a row of the table."""
        print(f'| {bag} | {step} | {self.seconds:.2f} | {self.peak / 1e6:.0f} | {remark} |')
        sys.stdout.flush()


def run(*command: str, lines: bool = False) -> Ran:
    """Run a Python process and measure it; exit if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE if lines else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if '-m' in command else None,
        text=True,
    )
    output = process.stdout.read() if process.stdout else ''
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f'{" ".join(command)} failed: {process.returncode}')
    return Ran(time.perf_counter() - began, usage.ru_maxrss * 1024, output)


def step(name: str, *arguments: Any) -> Ran:
    """Run one of `STEPS` in a process of its own."""
    return run(__file__, '--step', name, *map(str, arguments), lines=True)


def lk(*arguments: Any, lines: bool = False) -> Ran:
    """Run an `lk` command."""
    return run('-m', 'lk_dataset_ros.cli', *map(str, arguments), lines=lines)


# Steps: each runs in a process of its own.


def write(path: str, kind: str, size: str, compression: str, pixels: str, checksums: str) -> None:
    """Write a bag of about so many bytes; print its number of messages."""
    from mcap.writer import CompressionType, Writer  # noqa: PLC0415

    from lk_dataset_ros.message import builtin_schema  # noqa: PLC0415

    channels: dict[str, int] = {}
    count = written = 0
    with Path(path).open('wb') as output:
        writer = Writer(
            output,
            chunk_size=CHUNK,
            compression=CompressionType[compression.upper()],
            enable_crcs=checksums == 'crc',
        )
        writer.start('ros2', 'benchmark')
        for key, type_name, cdr in messages(kind, pixels):
            if key not in channels:
                schema = builtin_schema(type_name)
                number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
                channels[key] = writer.register_channel(key, 'cdr', number)
            writer.add_message(channels[key], count * 1_000_000, cdr, count * 1_000_000, count)
            count += 1
            written += len(cdr)
            if written >= int(size):
                break
        writer.finish()
    print(count)


def write_sqlite3(path: str, size: str) -> None:
    """Write a sqlite3 bag of small messages with rosbags; print its number of messages."""
    from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: PLC0415
    from rosbags.typesys import Stores, get_typestore  # noqa: PLC0415

    store = get_typestore(Stores.ROS2_JAZZY)
    connections: dict[str, Any] = {}
    count = written = 0
    with Writer(Path(path), version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for key, type_name, cdr in messages('small', ''):
            if key not in connections:
                connections[key] = writer.add_connection(key, type_name, typestore=store)
            writer.write(connections[key], count * 1_000_000, cdr)
            count += 1
            written += len(cdr)
            if written >= int(size):
                break
    print(count)


def messages(kind: str, pixels: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield topic, type and bytes of messages without end; stamps and numbers differ."""
    import numpy as np  # noqa: PLC0415

    from lk_dataset_ros import new_message  # noqa: PLC0415
    from lk_dataset_ros.message import builtin_schema, codec_for  # noqa: PLC0415

    random = np.random.default_rng(1)

    def bodies(type_name: str, number: int) -> list[bytes]:
        codec = codec_for(builtin_schema(type_name))
        return [
            codec.encode(_filled(new_message(type_name), random, pixels)) for _ in range(number)
        ]

    imus = [('/imu', IMU, cdr) for cdr in bodies(IMU, 4099)]
    scans = [('/scan', SCAN, cdr) for cdr in bodies(SCAN, 1021)]
    images = [('/image', IMAGE, cdr) for cdr in bodies(IMAGE, 16)] if pixels else []
    # Ten Imu to each LaserScan; six Imu and one LaserScan to each image.
    every: dict[str, list[list[tuple[str, str, bytes]]]] = {
        'small': [imus] * 10 + [scans],
        'image': [images],
        'mixed': [imus] * 6 + [scans, images],
    }
    order = every[kind]
    index = 0
    while True:
        bodies_of = order[index % len(order)]
        key, type_name, cdr = bodies_of[index % len(bodies_of)]
        # The stamp comes first in each of them.
        stamp = np.array(divmod(index * 1_000_000, 10**9), '<u4').tobytes()
        yield key, type_name, cdr[:4] + stamp + cdr[12:]
        index += 1


def _filled(message: Any, random: np.random.Generator, pixels: str) -> Any:
    import numpy as np  # noqa: PLC0415

    if hasattr(message, 'ranges'):
        message.ranges = random.random(720, dtype=np.float32)
    elif hasattr(message, 'orientation_covariance'):
        message.linear_acceleration.x = random.standard_normal()
        message.orientation_covariance = random.standard_normal(9)
    elif hasattr(message, 'encoding'):
        channels = 3 if pixels.startswith('rgb8') else 1
        message.height, message.width, message.step = 480, 640, 640 * channels
        message.encoding = 'rgb8' if channels == 3 else 'mono8'
        # A camera's noise: some four bits of each pixel.
        values = np.full(480 * 640 * channels, 128.0)
        if 'noise' in pixels:
            values += 4 * random.standard_normal(len(values))
        message.data = values.astype(np.uint8)
    return message


def one_field(path: str, key: str, how: str) -> None:
    """Read the seconds, or lazily the nanoseconds, of every header."""
    from lk_dataset_ros import Dataset  # noqa: PLC0415

    began, read = time.perf_counter(), _read_bytes()
    with Dataset.load(path) as dataset:
        if how == 'lazy':
            values = dataset.columns(key)['header.stamp.nanosec'].values
        else:
            values = dataset.columns(key, fields=['header.stamp.sec'])['header.stamp.sec'].values
        assert len(values) == dataset.topic(key).count
        _tell(began, len(values), _read_bytes() - read)


def _read_bytes() -> int:
    fields = dict(line.split(': ') for line in Path('/proc/self/io').read_text().splitlines())
    return int(fields['read_bytes'])


def _tell(began: float, count: int, read: int = 0) -> None:
    print(json.dumps({'seconds': time.perf_counter() - began, 'count': count, 'read': read}))


def peer(path: str, key: str, limit: str) -> None:
    """Decode the first messages of a topic with mcap-ros2-support."""
    from itertools import islice  # noqa: PLC0415

    from mcap.reader import make_reader  # noqa: PLC0415
    from mcap_ros2.decoder import DecoderFactory  # noqa: PLC0415

    began = time.perf_counter()
    with Path(path).open('rb') as source:
        reader = make_reader(source, decoder_factories=[DecoderFactory()])
        decoded = islice(reader.iter_decoded_messages(topics=[key]), int(limit))
        seconds = [item.decoded_message.header.stamp.sec for item in decoded]
    _tell(began, len(seconds))


def batches(path: str) -> None:
    """Stream every key in batches of columns and touch every value."""
    from lk_dataset_ros import Dataset  # noqa: PLC0415

    began, count = time.perf_counter(), 0
    with Dataset.load(path) as dataset:
        for key in dataset.keys():  # noqa: SIM118
            for columns in dataset.column_batches(key):
                count += len(columns.log_time_ns)
                for column in columns.values():
                    if column.values.dtype.kind != 'O':
                        column.values.max(initial=0)
    _tell(began, count)


def serialized(path: str) -> None:
    """Iterate over all messages, all topics, in order of time."""
    from lk_dataset_ros import Dataset  # noqa: PLC0415

    began = time.perf_counter()
    with Dataset.load(path) as dataset:
        count = sum(1 for _ in dataset.iterate_serialized())
    _tell(began, count)


def opened(path: str) -> None:
    """Open."""
    from lk_dataset_ros import Dataset  # noqa: PLC0415

    began = time.perf_counter()
    with Dataset.load(path) as dataset:
        count = sum(topic.count for topic in dataset.topics().values())
    _tell(began, count)


def columns_of_all(path: str) -> None:
    """Read the columns of all keys."""
    from lk_dataset_ros import Dataset  # noqa: PLC0415

    began, count = time.perf_counter(), 0
    with Dataset.load(path) as dataset:
        for key in dataset.keys():  # noqa: SIM118
            columns = dataset.columns(key)
            count += len(columns.log_time_ns)
            columns.values()
    _tell(began, count)


STEPS: dict[str, Callable[..., None]] = {
    each.__name__: each
    for each in (
        write,
        write_sqlite3,
        one_field,
        peer,
        batches,
        serialized,
        opened,
        columns_of_all,
    )
}


# Parts of the table.


def made(
    path: Path,
    kind: str,
    size: float,
    compression: str = 'none',
    pixels: str = '',
    crc: str = 'crc',
) -> int:
    """Make a bag and return its number of messages."""
    return int(step('write', path, kind, int(size), compression, pixels, crc).output)


def forget(path: Path) -> None:
    """Empty the system's cache of a file."""
    with path.open('rb') as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure_tiny(folder: Path, _: float) -> None:
    """Time the whole process of `lk info` on a bag that is read in full."""
    path = folder / 'tiny.mcap'
    made(path, 'small', 100_000)
    runs = [lk('info', path) for _ in range(7)]
    min(runs).row('0.1 MB', 'lk info, best of 7', 'reads all messages')


def measure_image(folder: Path, gigabytes: float) -> None:
    """Read one number of each image."""
    cases = [
        ('image', 'rgb8 noise', 'none', 'crc'),
        ('image', 'rgb8 noise', 'none', 'no crc'),
        ('image', 'rgb8 noise', 'zstd', 'crc'),
        ('image', 'rgb8 flat', 'zstd', 'crc'),
        ('image', 'mono8 noise', 'none', 'crc'),
        ('image', 'mono8 noise', 'zstd', 'crc'),
        ('mixed', 'rgb8 noise', 'none', 'crc'),
        ('mixed', 'rgb8 noise', 'zstd', 'crc'),
    ]
    images = int(2000 * gigabytes)
    for kind, pixels, compression, checksums in cases:
        path = folder / 'image.mcap'
        each = 640 * 480 * (3 if pixels.startswith('rgb8') else 1)
        if kind == 'mixed':
            each += 6 * 324 + 5820
        made(path, kind, images * each, compression, pixels, checksums)
        size = path.stat().st_size
        name = f'{pixels}, {compression}, {checksums}{", interleaved" * (kind == "mixed")}'
        name += f', {size / 1e9:.2f} GB'
        reference = json.loads(step('peer', path, '/image', PEER_IMAGES).output)
        for how in ('asked for', 'lazy'):
            forget(path)
            told = step('one_field', path, '/image', how)
            read = json.loads(told.output)
            warm = step('one_field', path, '/image', how)
            warmly = json.loads(warm.output)
            ratio = reference['seconds'] / reference['count'] * warmly['count'] / warmly['seconds']
            told.row(
                name,
                f'one field, {how}, {read["count"]} images',
                f'read {read["read"] / size:.3f} of the file; cached {warmly["seconds"]:.2f} s, '
                f'{warm.peak / 1e6:.0f} MB, {ratio:.0f}x mcap-ros2-support',
            )
        path.unlink()


def measure_small(folder: Path, gigabytes: float) -> None:
    """Stream a bag of many small messages."""
    _measure_streams(folder, gigabytes, 'small', '')


def measure_large(folder: Path, gigabytes: float) -> None:
    """Stream a bag of images."""
    _measure_streams(folder, gigabytes, 'image', 'rgb8 noise')


def _measure_streams(folder: Path, gigabytes: float, kind: str, pixels: str) -> None:
    path, bag = folder / f'{kind}.mcap', folder / f'{kind}_zstd'
    count = made(path, kind, gigabytes * 1e9, 'none', pixels)
    name = f'{kind}, {path.stat().st_size / 1e9:.2f} GB'
    _measure_stream(folder, path, f'{name}, none', count)
    done = lk('convert', path, bag, '--compression', 'zstd', '--no-progress')
    (packed,) = bag.glob('*.mcap')
    packed_name = f'{kind}, {packed.stat().st_size / 1e9:.2f} GB, zstd'
    done.row(f'{name}, none', 'lk convert --compression zstd')
    _measure_opening(path, f'{name}, none', count)
    path.unlink()
    _measure_stream(folder, packed, packed_name, count)
    _measure_opening(packed, packed_name, count)
    for each in bag.iterdir():
        each.unlink()
    bag.rmdir()


def _measure_stream(folder: Path, path: Path, name: str, count: int) -> None:
    for each, words in (
        ('batches', 'column_batches of all'),
        ('serialized', 'iterate_serialized'),
    ):
        done = step(each, path)
        assert json.loads(done.output)['count'] == count
        done.row(name, words, f'{count} messages')
    lk('info', path, '--full', '--no-progress').row(name, 'lk info --full')
    tables = folder / 'tables'
    lk('export', path, '--to', 'parquet', '--out', tables, '--no-progress').row(
        name, 'lk export --to parquet'
    )
    for table in tables.iterdir():
        table.unlink()
    tables.rmdir()


def _measure_opening(path: Path, name: str, count: int) -> None:
    """Open and sum up a bag, then the same without its footer, and cut; it is cut after that."""
    done = step('opened', path)
    seconds = json.loads(done.output)['seconds']
    done.row(name, 'Dataset.load', f'{seconds:.3f} s of it without imports')
    min(lk('info', path, '--summary') for _ in range(3)).row(name, 'lk info, best of 3')
    size = path.stat().st_size
    for left, words in ((size - FOOTER, 'without footer'), (size * 9 // 10, 'cut at 90 %')):
        os.truncate(path, left)
        done = lk('info', path, '--summary', '--json', lines=True)
        found = json.loads(done.output)['bag']['messages']
        assert found == count if left == size - FOOTER else 0.85 < found / count < 0.95
        done.row(name, f'lk info, {words}', f'{found} messages')


def measure_sqlite3(folder: Path, gigabytes: float) -> None:
    """Open and read a sqlite3 bag of a fifth of the size."""
    bag = folder / 'sqlite3'
    count = int(step('write_sqlite3', bag, int(gigabytes / 5 * 1e9)).output)
    size = sum(each.stat().st_size for each in bag.iterdir())
    name = f'sqlite3, {size / 1e9:.2f} GB'
    for each, words in (
        ('opened', 'Dataset.load'),
        ('columns_of_all', 'columns of all'),
        ('batches', 'column_batches of all'),
        ('serialized', 'iterate_serialized'),
    ):
        done = step(each, bag)
        told = json.loads(done.output)
        assert told['count'] == count
        done.row(name, words, f'{told["seconds"]:.2f} s without imports, {count} messages')
    lk('info', bag, '--summary').row(name, 'lk info')


PARTS: dict[str, Callable[[Path, float], None]] = {
    'tiny': measure_tiny,
    'image': measure_image,
    'small': measure_small,
    'large': measure_large,
    'sqlite3': measure_sqlite3,
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--gigabytes', type=float, default=5.0, help='of bags that are streamed')
    parser.add_argument('--only', action='append', choices=PARTS, help='may be given again')
    parser.add_argument('--folder', type=Path, help='where the bags are made for a while')
    parser.add_argument('--step', nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, *arguments = options.step
        STEPS[name](*arguments)
        return
    print('| bag | step | s | peak MB | |')
    print('|---|---|---|---|---|')
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            PARTS[name](Path(folder), options.gigabytes)


if __name__ == '__main__':
    main()
