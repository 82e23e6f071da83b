"""Builders of messages, bags and datasets, and a second opinion on decoded values."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mcap.writer import CompressionType, Writer
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from lk_dataset_ros.dataset import Dataset, McapDatabase, MemoryDatabase
from lk_dataset_ros.message import Schema, builtin_schema, codec_for, field_names, new_message
from lk_dataset_ros.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable

S = 1_000_000_000
REPOSITORY = Path(__file__).resolve().parents[2]
TYPESTORE = get_typestore(Stores.ROS2_JAZZY)
COMPRESSIONS = {
    'none': CompressionType.NONE,
    'lz4': CompressionType.LZ4,
    'zstd': CompressionType.ZSTD,
}

Item = tuple[str, Any, int]


class Kit:
    """Makes what the tests need."""

    second = S
    repository = REPOSITORY
    typestore = TYPESTORE

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def message(self, type_name: str, **fields: Any) -> Any:
        """Make a message; `pose__position__x=1.0` sets a nested field."""
        message = new_message(type_name)
        for path, value in fields.items():
            *parents, last = path.split('__')
            target = message
            for parent in parents:
                target = getattr(target, parent)
            setattr(target, last, value)
        return message

    def odometry(self, index: int, **fields: Any) -> Any:
        """Make the odometry of a drive, stamped 100 s + 0.1 s * index."""
        stamp_ns = 100 * S + index * S // 10
        return self.message(
            'nav_msgs/msg/Odometry',
            **{
                'header__stamp__sec': stamp_ns // S,
                'header__stamp__nanosec': stamp_ns % S,
                'header__frame_id': 'odom',
                'child_frame_id': 'base_link',
                'pose__pose__position__x': 1.0 + 0.25 * index,
                'pose__pose__position__y': -0.5 * index,
                'pose__pose__orientation__w': 1.0,
                'twist__twist__linear__x': 0.3,
                **fields,
            },
        )

    def drive(self, count: int = 10, *, key: str = '/odom') -> list[Item]:
        """Make odometry messages, recorded 1 ms after their stamp."""
        return [
            (key, self.odometry(index), 100 * S + index * S // 10 + 1_000_000)
            for index in range(count)
        ]

    def memory(self, items: Iterable[Item]) -> Dataset:
        """Make a dataset in memory."""
        dataset = Dataset(MemoryDatabase())
        for key, message, time_ns in items:
            dataset.write(key, message, timestamp_ns=time_ns)
        return dataset

    def bag(self, name: str, items: Iterable[Item], **options: Any) -> Path:
        """Write a bag with our own writer; return its directory."""
        path = self.folder / name
        with McapDatabase(path, 'w', **options) as database:
            for key, message, time_ns in items:
                database.write(key, message, timestamp_ns=time_ns)
        return path

    def bare(
        self, name: str, items: Iterable[Item], *, compression: str = 'zstd', **options: Any
    ) -> Path:
        """Write a bare .mcap file with the reference writer; return its path."""
        path = self.folder / name
        with path.open('wb') as output:
            writer = Writer(output, compression=COMPRESSIONS[compression], **options)
            writer.start(profile='ros2', library='test')
            channels: dict[str, int] = {}
            for sequence, (key, message, time_ns) in enumerate(items):
                schema = builtin_schema(message.__msgtype__)
                if key not in channels:
                    number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
                    channels[key] = writer.register_channel(key, 'cdr', number)
                cdr = codec_for(schema).encode(message)
                writer.add_message(channels[key], time_ns, cdr, time_ns - 7, sequence)
            writer.finish()
        return path

    def schema(self, type_name: str, text: str) -> Schema:
        """Make a schema of one's own."""
        return Schema(type_name, text)

    def random_message(self, type_name: str, rng: np.random.Generator) -> Any:
        """Make a rosbags message whose fields are random, NaN and infinities included."""
        fields = TYPESTORE.get_msgdef(type_name).fields
        values = {name: self._random(node, rng) for name, node in fields}
        return TYPESTORE.types[type_name](**values)

    def _random(self, node: Any, rng: np.random.Generator) -> Any:
        kind, detail = node
        if kind == Nodetype.NAME:
            return self.random_message(detail, rng)
        if kind == Nodetype.BASE:
            if detail[0] in ('string', 'wstring'):
                return ''.join(rng.choice(list('aäß\n∞ 7')) for _ in range(rng.integers(0, 6)))
            # rosbags takes a scalar `byte` as signed; test_message_codec.py looks at it apart.
            dtype = 'uint8' if detail[0] == 'byte' else detail[0]
            value = self._numbers(dtype, 1, rng)[0].item()
            return value % 128 if detail[0] == 'byte' else value
        element, size = detail
        length = size if kind == Nodetype.ARRAY else int(rng.integers(0, 5))
        if element[0] == Nodetype.BASE and element[1][0] not in ('string', 'wstring'):
            return self._numbers(element[1][0], length, rng)
        return [self._random(element, rng) for _ in range(length)]

    def _numbers(self, base: str, length: int, rng: np.random.Generator) -> Any:
        dtype = np.dtype({'byte': 'uint8', 'char': 'uint8', 'octet': 'uint8'}.get(base, base))
        if dtype.kind == 'b':
            return rng.integers(0, 2, length).astype(np.bool_)
        if dtype.kind == 'f':
            special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40], dtype)
            plain = rng.normal(size=length).astype(dtype)
            return np.where(rng.random(length) < 0.3, rng.choice(special, length), plain)
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, length, dtype, endpoint=True)

    def assert_same(self, ours: Any, theirs: Any, where: str = '') -> None:
        """Check two decoded messages, of whatever class, bit for bit."""
        for name in field_names(ours):
            if name == 'structure_needs_at_least_one_member':
                continue
            self._assert_same(getattr(ours, name), getattr(theirs, name), f'{where}.{name}')

    def _assert_same(self, ours: Any, theirs: Any, where: str) -> None:
        if isinstance(ours, np.ndarray):
            if isinstance(theirs, (bytes, bytearray, memoryview)):
                theirs = np.frombuffer(theirs, ours.dtype)
            other = np.asarray(theirs, ours.dtype)
            assert ours.tobytes() == other.tobytes(), where
        elif isinstance(ours, float):
            assert struct.pack('<d', ours) == struct.pack('<d', float(theirs)), where
        elif isinstance(ours, (bool, int, str)):
            assert ours == theirs, where
        elif isinstance(ours, list):
            assert len(ours) == len(theirs), where
            for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                self._assert_same(a, b, f'{where}[{index}]')
        else:
            self.assert_same(ours, theirs, where)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Return the builders, over a folder of the test's own."""
    return Kit(tmp_path)


@pytest.fixture
def fake_time() -> FakeClock:
    """Return a wall clock in the test's hand."""
    return FakeClock()
