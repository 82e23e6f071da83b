"""Files that were cut, damaged or made to mislead."""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from lk_dataset_ros.dataset import McapDatabase, SerializedMessage
from lk_dataset_ros.errors import BagFormatError, LkError

if TYPE_CHECKING:
    from pathlib import Path

# That files are closed has a test of its own; here it would hide everything else.
pytestmark = pytest.mark.filterwarnings(
    'ignore::ResourceWarning', 'ignore::pytest.PytestUnraisableExceptionWarning'
)

MAGIC = b'\x89MCAP0\r\n'
KINDS = [
    ('zstd', {'chunk_size': 400}),
    ('lz4', {'chunk_size': 400}),
    ('none', {'chunk_size': 400}),
    ('none', {'use_chunking': False}),
    ('zstd', {}),
]


def small(kit: Any, compression: str, options: dict[str, Any]) -> Path:
    """Write a small file of two topics."""
    items = [
        (
            key,
            kit.message('std_msgs/msg/String', data=f'{key} {number} ' + 'x' * number),
            50 + number,
        )
        for number in range(12)
        for key in ('/a', '/b')
    ]
    path: Path = kit.bare('small.mcap', items, compression=compression, **options)
    return path


def read(path: Path) -> tuple[list[SerializedMessage], list[str]]:
    """Return all messages and warnings."""
    with McapDatabase(path, 'r') as database:
        return list(database.iterate_serialized()), database.warnings


def facts(path: Path) -> tuple[Any, list[str]]:
    """Return messages, topics and time range, and the warnings."""
    with McapDatabase(path, 'r') as database:
        content = (
            list(database.iterate_serialized()),
            database.topics(),
            database.time_range_ns(),
        )
        return content, database.warnings


@pytest.mark.parametrize(('compression', 'options'), KINDS)
def test_a_file_cut_anywhere_gives_its_beginning(
    kit: Any, compression: str, options: dict[str, Any]
) -> None:
    """Promise: cut at every byte, a file is an LkError or gives a prefix and a warning."""
    path = small(kit, compression, options)
    content = path.read_bytes()
    whole, warnings = read(path)
    assert (len(whole), warnings) == (24, [])
    cut = kit.folder / 'cut.mcap'
    longest = 0
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        try:
            messages, warnings = read(cut)
        except LkError as error:
            assert length < len(MAGIC), f'cut at {length}: {error}'  # noqa: PT017
            continue
        assert messages == whole[: len(messages)], f'cut at {length}'
        # What is cut off behind the data is no loss, so the end of data is the last to warn.
        assert warnings or len(messages) == 24, f'cut at {length}'
        assert len(messages) >= longest, f'cut at {length} gives less than a shorter file'
        longest = len(messages)
    assert longest == 24


@pytest.mark.parametrize(('compression', 'options'), KINDS)
def test_flipped_bits_are_noticed_or_harmless(
    kit: Any, compression: str, options: dict[str, Any]
) -> None:
    """Promise: with one bit flipped: an LkError, a warning, or the same messages and counts."""
    path = small(kit, compression, options)
    content = path.read_bytes()
    whole, _ = facts(path)
    dice = random.Random(4)
    bent = kit.folder / 'bent.mcap'
    silent = []
    tracemalloc.start()
    for _ in range(300):
        place, bit = dice.randrange(len(content)), dice.randrange(8)
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        bent.write_bytes(damaged)
        try:
            found, warnings = facts(bent)
        except LkError as error:
            assert '\n' not in str(error)  # noqa: PT017
            continue
        if found != whole and not warnings:
            silent.append((place, bit))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024 * 1024
    if options.get('use_chunking', True):
        assert not silent, f'changed without a word: {silent} of {len(content)} bytes'


@pytest.mark.parametrize(('compression', 'options'), KINDS)
def test_many_flipped_bytes_never_escape_the_error_root(
    kit: Any, compression: str, options: dict[str, Any]
) -> None:
    """Promise: heavy damage is an LkError or some messages, never another exception."""
    content = small(kit, compression, options).read_bytes()
    dice = random.Random(5)
    bent = kit.folder / 'bent.mcap'
    for _ in range(150):
        damaged = bytearray(content[: dice.randint(8, len(content))])
        for _ in range(dice.randint(1, 20)):
            damaged[dice.randrange(min(8, len(damaged) - 1), len(damaged))] = dice.randrange(256)
        bent.write_bytes(damaged)
        try:
            with McapDatabase(bent, 'r') as database:
                list(database.iterate())
        except LkError:
            pass


def record(opcode: int, body: bytes, length: int | None = None) -> bytes:
    """Make a record, of a length that may be a lie."""
    return struct.pack('<BQ', opcode, len(body) if length is None else length) + body


def text(content: str, length: int | None = None) -> bytes:
    """Make a string field, of a length that may be a lie."""
    return struct.pack('<I', len(content) if length is None else length) + content.encode()


def chunk(data: bytes, size: int, length: int | None = None, packing: str = '') -> bytes:
    """Make a chunk record."""
    head = struct.pack('<QQQI', 0, 9, size, 0) + text(packing)
    return record(6, head + struct.pack('<Q', len(data) if length is None else length) + data)


BIG = 2**60
HEADER = record(1, text('ros2') + text('x'))
LIES = {
    'record': HEADER + record(5, b'', BIG),
    'record of 2^64 - 1': HEADER + record(5, b'', 2**64 - 1),
    'header': record(1, text('ros2', 2**32 - 1)),
    'schema': HEADER + record(3, struct.pack('<H', 1) + text('a', 2**31)),
    'channel': HEADER + record(4, struct.pack('<HH', 1, 1) + text('/a') + text('cdr', 2**32 - 1)),
    'metadata': HEADER
    + record(4, struct.pack('<HH', 1, 0) + text('/a') + text('cdr') + struct.pack('<I', 2**31)),
    'chunk data': HEADER + chunk(b'abc', 3, BIG),
    'chunk size': HEADER + chunk(b'abc', BIG),
    'chunk zstd': HEADER + chunk(b'\x28\xb5\x2f\xfd' + bytes(9), BIG, packing='zstd'),
    'chunk lz4': HEADER + chunk(b'\x04\x22\x4d\x18' + bytes(9), BIG, packing='lz4'),
    'chunk of unknown packing': HEADER + chunk(b'abc', 3, packing='brotli'),
    'inner record': HEADER + chunk(record(5, b'abc', BIG), 12),
    'short message': HEADER + record(5, b'abc'),
    'short message in a chunk': HEADER + chunk(record(5, b'abc'), 12),
    'footer': HEADER + record(15, b'\0\0\0\0') + record(2, struct.pack('<QQI', BIG, BIG, 0)),
    'footer of garbage': HEADER + record(15, b'\0\0\0\0') + record(2, b'\xff' * 20),
    'zeros': bytes(100),
}


@pytest.mark.parametrize('name', LIES)
@pytest.mark.parametrize('ending', [b'', MAGIC], ids=['cut', 'ended'])
def test_lying_lengths_are_refused_without_allocating(
    tmp_path: Path, name: str, ending: bytes
) -> None:
    """Promise: a length of 2^60 is an LkError or a warning, and costs no memory."""
    path = tmp_path / 'lie.mcap'
    path.write_bytes(MAGIC + LIES[name] + ending)
    tracemalloc.start()
    try:
        messages, warnings = read(path)
        assert not messages
        assert warnings or name.startswith('footer')
    except LkError as error:
        assert '\n' not in str(error)  # noqa: PT017
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


@pytest.mark.parametrize('compression', ['zstd', 'lz4'])
def test_a_decompression_bomb_is_refused(tmp_path: Path, compression: str) -> None:
    """Promise: a chunk that unpacks to more than it says is refused without unpacking it."""
    import lz4.frame
    import zstandard

    zeros = bytes(200 * 1024 * 1024)
    packed = (
        zstandard.compress(zeros)
        if compression == 'zstd'
        else lz4.frame.compress(zeros, compression_level=0)
    )
    path = tmp_path / 'bomb.mcap'
    path.write_bytes(MAGIC + HEADER + chunk(packed, 1000, packing=compression) + MAGIC)
    tracemalloc.start()
    with pytest.raises(BagFormatError):
        read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_files_that_are_refused_are_closed(tmp_path: Path) -> None:
    """Promise: a file that cannot be read is not left open."""
    import gc
    import warnings

    path = tmp_path / 'lie.mcap'
    path.write_bytes(MAGIC + LIES['short message'])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        with pytest.raises(BagFormatError):
            McapDatabase(path, 'r')
        gc.collect()
    assert [str(each.message) for each in caught] == []


def test_a_damaged_chunk_is_named(kit: Any) -> None:
    """Promise: a chunk whose checksum is wrong is a BagFormatError that names file and byte."""
    path = small(kit, 'none', {'chunk_size': 400})
    content = bytearray(path.read_bytes())
    content[content.index(b'/a 3 xxx') + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(BagFormatError, match=r'small.mcap: the chunk at byte \d+ is damaged'):
        read(path)


def test_channels_that_cannot_be_decoded_are_left_out(tmp_path: Path) -> None:
    """Promise: a channel that is not CDR or has no schema is left out, with a warning."""
    for encoding, schema, reason in (('json', 0, "encoding 'json'"), ('cdr', 7, 'no schema')):
        path = tmp_path / f'{encoding}.mcap'
        body = struct.pack('<HH', 1, schema) + text('/a') + text(encoding) + bytes(4)
        path.write_bytes(MAGIC + HEADER + record(4, body))
        with McapDatabase(path, 'r') as database:
            assert database.keys() == []
            assert any(re.search(f'/a.*{reason}', each) for each in database.warnings)
