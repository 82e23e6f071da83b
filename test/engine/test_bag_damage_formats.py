"""Broken sqlite3 and compressed bags: always an LkError naming the file, or what can be read."""

from __future__ import annotations

import random
import sqlite3
import struct
import tempfile
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import yaml
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.errors import BagFormatError, LkError
from lk_dataset_ros.message import builtin_schema

if TYPE_CHECKING:
    from pathlib import Path

TABLES = """
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""
Found = list[tuple[int, str, bytes]]


def small(path: Path, *, count: int = 40, page: int = 512, size: int = 60) -> Path:
    """Write a small sqlite3 bag of two topics."""
    database = sqlite3.connect(path)
    database.execute(f'PRAGMA page_size={page}')
    database.executescript(TABLES)
    for number in (1, 2):
        row = (number, f'/t{number}', 'std_msgs/msg/String', 'cdr', '')
        database.execute('INSERT INTO topics VALUES (?, ?, ?, ?, ?)', row)
    for n in range(count):
        text = f'{n} '.ljust(size, 'x').encode() + b'\0'
        cdr = b'\0\1\0\0' + struct.pack('<I', len(text)) + text
        # Every fifth message needs pages of its own.
        cdr += bytes(900) if n % 5 == 4 else b''
        database.execute('INSERT INTO messages VALUES (?, ?, ?, ?)', (n + 1, 1 + n % 2, n, cdr))
    database.commit()
    database.close()
    return path


def read(path: Path) -> tuple[Found, list[str]]:
    """Read everything in each of the ways there are."""
    with McapDatabase(path, 'r') as bag:
        found = [(each.log_time_ns, each.key, each.cdr) for each in bag.iterate_serialized()]
        for key in bag.topics():
            sizes = [len(each[2]) for each in found if each[1] == key]
            assert bag.heads(key).size.tolist() == sizes
            batches = [batch for batch, _ in bag.batches(key)]
            assert sum(map(len, batches)) == len(sizes) == bag.topic(key).count
        return found, bag.warnings


def outcome(path: Path) -> tuple[Found, list[str]] | str:
    """Read a damaged bag; what it refuses is an LkError of one line that names the file."""
    try:
        return read(path)
    except LkError as error:
        assert path.name in str(error)  # noqa: PT017
        assert '\n' not in str(error)  # noqa: PT017
        return str(error)


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check after each test that nothing unpacked was left behind."""
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(scratch))
    yield
    assert list(scratch.iterdir()) == []


def test_a_cut_database_gives_what_is_there(tmp_path: Path) -> None:
    """Promise: cut at any byte, a database gives messages it had, or one line that says why."""
    whole = small(tmp_path / 'whole.db3').read_bytes()
    expected, warnings = read(tmp_path / 'whole.db3')
    assert len(expected) == 40
    assert warnings == []
    cut = tmp_path / 'cut.db3'
    counts = []
    for length in range(0, len(whole), 97):
        cut.write_bytes(whole[:length])
        found = outcome(cut)
        if isinstance(found, str):
            continue
        assert set(found[0]) <= set(expected), length
        assert found[1], length
        assert 'cut.db3' in found[1][0], length
        counts.append(len(found[0]))
    assert max(counts) >= 30
    assert len(counts) > 20


def test_a_large_last_message_that_is_cut_is_left_out(tmp_path: Path) -> None:
    """Promise: messages that are listed, but whose bytes are cut, are left out with a warning."""
    # Of each message so little stands in the page of the rows that this page holds all three.
    path = small(tmp_path / 'large.db3', count=3, page=4096, size=16_940)
    expected, _ = read(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 6 * 4096])
    found, warnings = read(path)
    assert found == expected[:1]
    assert 'large.db3' in warnings[0]


def test_flipped_bits_in_a_database_are_survived(tmp_path: Path) -> None:
    """Promise: no flipped bit makes anything but an LkError or messages come out."""
    whole = small(tmp_path / 'whole.db3').read_bytes()
    bent = tmp_path / 'bent.db3'
    rng = random.Random(7)
    places = [*range(100), *rng.sample(range(100, len(whole)), 300)]
    refused = 0
    # Names that are no text: SQLite's own message cannot be decoded.
    bent.write_bytes(whole[:122] + b'\0\0\0\0\0\1\1\x80' + whole[130:])
    outcome(bent)
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << rng.randrange(8)
        bent.write_bytes(content)
        refused += isinstance(outcome(bent), str)
    assert 0 < refused < len(places)


def test_a_first_message_whose_pages_are_lost_is_named(tmp_path: Path) -> None:
    """Promise: a message that is listed but cannot be fetched is an error naming the file."""
    path = small(tmp_path / 'lost.db3', count=4, size=3000)
    content = bytearray(path.read_bytes())
    for page in range(0, len(content), 512):
        if content[page + 4 : page + 512] == b'x' * 508:
            content[page : page + 4] = b'\xff' * 4
    path.write_bytes(content)
    with McapDatabase(path, 'r') as bag:
        assert bag.topic('/t1').count == 2
        for way in (bag.iterate_serialized, lambda: bag.batches('/t1')):
            with pytest.raises(BagFormatError, match=r'lost\.db3 (cannot be read|is damaged)'):
                list(way())


def test_pages_that_stand_in_the_wrong_place_are_survived(tmp_path: Path) -> None:
    """Promise: pages of a database that were exchanged make an LkError or messages."""
    whole = small(tmp_path / 'whole.db3', count=12, size=900).read_bytes()
    bent = tmp_path / 'bent.db3'
    rng = random.Random(3)
    pages = range(512, len(whole), 512)
    refused = 0
    for _ in range(250):
        content = bytearray(whole)
        source, target = rng.choice(pages), rng.choice(pages)
        content[target : target + 512] = content[source : source + 512]
        bent.write_bytes(content)
        refused += isinstance(outcome(bent), str)
    assert 0 < refused < 250


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_in_a_database_are_survived(tmp_path: Path, data: st.DataObject) -> None:
    """Promise: stretches of any bytes in a database make nothing but an LkError or messages."""
    path = tmp_path / 'whole.db3'
    if not path.exists():
        small(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + 8] = data.draw(st.binary(min_size=1, max_size=8))
    bent = tmp_path / 'bent.db3'
    bent.write_bytes(content)
    outcome(bent)


def test_a_damaged_index_loses_nothing(tmp_path: Path) -> None:
    """Promise: what the index of a database says of its messages is not believed."""
    path = small(tmp_path / 'whole.db3')
    expected, _ = read(path)
    with sqlite3.connect(path) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'timestamp_idx'"
        ).fetchone()
    database.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 512 : root * 512] = bytes(512)
    path.write_bytes(content)
    assert read(path) == (expected, [])


@pytest.mark.parametrize(
    ('statement', 'reason'),
    [
        ("UPDATE messages SET data = 'text' WHERE id = 3", 'message 3 has .* wrong type'),
        ('UPDATE messages SET data = NULL WHERE id = 3', 'wrong type'),
        ("UPDATE messages SET timestamp = 'noon' WHERE id = 3", 'wrong type'),
        ('UPDATE messages SET timestamp = 1.5 WHERE id = 3', 'wrong type'),
        ('UPDATE messages SET topic_id = NULL WHERE id = 3', 'wrong type'),
        ('UPDATE messages SET timestamp = -5 WHERE id = 3', 'message 3 has the time -5 ns'),
        ("UPDATE topics SET name = x'ff'", 'table topics holds a value of a wrong type'),
        ("UPDATE topics SET type = 5; UPDATE topics SET type = x'00'", 'wrong type'),
        ('DROP TABLE topics', 'no topics'),
        ('DROP TABLE messages', 'no messages'),
        (
            'DROP TABLE messages; CREATE VIEW messages AS SELECT 1 topic_id, 2 timestamp, 3 data',
            'no messages',
        ),
        (
            (
                'DROP TABLE messages; CREATE TABLE messages'
                '(topic_id, timestamp, data AS (zeroblob(1000000000)))'
            ),
            'no messages.data',
        ),
        (
            (
                'DROP TABLE messages; CREATE TABLE messages'
                '(topic_id, timestamp, data, PRIMARY KEY(topic_id)) WITHOUT ROWID'
            ),
            'cannot be read as a sqlite3 bag',
        ),
    ],
)
def test_a_database_that_is_no_bag_is_refused(tmp_path: Path, statement: str, reason: str) -> None:
    """Promise: wrong types, times and tables are a BagFormatError that names the file."""
    path = small(tmp_path / 'wrong.db3')
    with sqlite3.connect(path) as database:
        database.executescript(statement)
    database.close()
    with pytest.raises(BagFormatError, match=f'wrong.db3.*{reason}') as caught:
        read(path)
    assert '\n' not in str(caught.value)


def test_messages_of_no_topic_are_left_out_with_a_warning(tmp_path: Path) -> None:
    """Promise: messages whose topic is missing do not hide the others."""
    path = small(tmp_path / 'lost.db3')
    with sqlite3.connect(path) as database:
        database.execute('DELETE FROM topics WHERE id = 2')
    database.close()
    found, warnings = read(path)
    assert len(found) == 20
    assert '20 messages of no topic are left out' in warnings[0]


@pytest.mark.parametrize('inside', ['db3', 'mcap'])
def test_a_cut_packed_file_gives_what_can_be_unpacked(
    kit: Any, tmp_path: Path, inside: str
) -> None:
    """Promise: cut at any byte, a packed file gives messages it had, or one line."""
    plain = tmp_path / f'plain.{inside}'
    if inside == 'db3':
        small(plain, count=100)
    else:
        kit.bare(plain.name, kit.drive(40), compression='none', chunk_size=2000)
    expected, _ = read(plain)
    # Blocks as small as can be, so that a part of it can be unpacked.
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    content = plain.read_bytes()
    packed = b''.join(
        packer.compress(content[at : at + 2000]) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for at in range(0, len(content), 2000)
    )
    packed += packer.flush()
    path = tmp_path / f'cut.{inside}.zstd'
    path.write_bytes(packed)
    assert read(path) == (expected, [])
    counts = []
    for length in range(4, len(packed), 97):
        path.write_bytes(packed[:length])
        found = outcome(path)
        if not isinstance(found, str):
            assert set(found[0]) <= set(expected)
            # Where only the end of the packing is cut, everything is there.
            assert found[0] == expected or path.name in found[1][0]
            counts.append(len(found[0]))
    assert max(counts) > 0.7 * len(expected)
    rng = random.Random(5)
    for place in rng.sample(range(len(packed)), 60):
        bent = bytearray(packed)
        bent[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bent)
        outcome(path)


@pytest.mark.parametrize('storage', ['db3', 'mcap'])
def test_damaged_packed_messages_are_refused(kit: Any, tmp_path: Path, storage: str) -> None:
    """Promise: flipped bits in packed messages, and lengths that lie, are an LkError."""
    folder = tmp_path / 'bag'
    folder.mkdir()
    good = zstandard.compress(b'\0\1\0\0' + bytes(300))
    lies = [
        b'',
        good[:-3],
        b'\0' + good[1:],
        good[:4] + b'\xe0' + struct.pack('<Q', 2**60) + good[6:],
        good[:4] + b'\xe0' + struct.pack('<Q', 2**29) + good[6:],
        zstandard.ZstdCompressor(write_content_size=False).compress(b'x' * 100),
    ]
    path = folder / f'bag.{storage}'
    name = f'bag.{storage}'
    information = {
        'relative_file_paths': [name],
        'compression_mode': 'MESSAGE',
        'compression_format': 'zstd',
    }
    (folder / 'metadata.yaml').write_text(
        yaml.safe_dump({'rosbag2_bagfile_information': information})
    )
    for message in [good, *lies]:
        path.unlink(missing_ok=True)
        if storage == 'db3':
            small(path, count=0)
            with sqlite3.connect(path) as database:
                database.execute('INSERT INTO messages VALUES (1, 1, 5, ?)', (message,))
            database.close()
        else:
            from mcap.writer import Writer

            with path.open('wb') as output:
                writer = Writer(output)
                writer.start(profile='ros2')
                schema = builtin_schema('std_msgs/msg/String')
                number = writer.register_schema(schema.name, 'ros2msg', schema.text.encode())
                channel = writer.register_channel('/t1', 'cdr', number)
                writer.add_message(channel, 5, message, 5)
                writer.finish()  # type: ignore[no-untyped-call]
        if message == good:
            assert read(folder)[0] == [(5, '/t1', b'\0\1\0\0' + bytes(300))]
            continue
        tracemalloc.start()
        with McapDatabase(folder, 'r') as bag:
            for way in (bag.iterate_serialized, lambda bag=bag: bag.batches('/t1')):
                with pytest.raises(BagFormatError, match=name):
                    list(way())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 32 * 1024 * 1024


def test_a_packed_message_that_grows_is_bounded(tmp_path: Path) -> None:
    """Promise: a message of zeros that unpacks to more than a message may be is refused."""
    from lk_dataset_ros.dataset.databases.rosbag2 import packed as _packed

    unpacker = _packed.MessageUnpacker(tmp_path / 'x', always=True)
    large = bytes(_packed.PIECE * 2)
    assert unpacker.one(zstandard.compress(large)) == large
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_packed, 'MAX_MESSAGE_BYTES', _packed.PIECE)
        with pytest.raises(BagFormatError, match='says that to 8388608 bytes it unpacks'):
            unpacker.one(zstandard.compress(large))
    unsaid = zstandard.ZstdCompressor(write_content_size=False).compress(large)
    with pytest.raises(BagFormatError, match='does not say to how many bytes it unpacks'):
        unpacker.one(unsaid)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{compression_mode: MESSAGE, compression_format: lz4}', "compressed by 'lz4'"),
        ('{compression_mode: FILE}', "compressed by ''"),
        ('{compression_mode: SHRUNK}', "compression_mode 'shrunk'"),
        ('{relative_file_paths: {a: b}}', 'does not list its files'),
    ],
)
def test_metadata_of_unknown_packing_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Promise: a packing that is not known is named."""
    small(tmp_path / 'bag.db3')
    (tmp_path / 'metadata.yaml').write_text(f'rosbag2_bagfile_information: {text}')
    with pytest.raises(BagFormatError, match=reason):
        McapDatabase(tmp_path, 'r')


@pytest.mark.parametrize(
    'text',
    [
        '[' * 100_000,
        'rosbag2_bagfile_information: 2001-99-99',
        'a: &a [x,x,x,x,x,x,x,x,x]\n'
        + ''.join(
            f'{b}: &{b} [{",".join([f"*{a}"] * 9)}]\n'
            for a, b in zip('abcdefgh', 'bcdefghi', strict=True)
        )
        + 'rosbag2_bagfile_information: {compression_mode: *i, relative_file_paths: *i}',
    ],
    ids=['deep', 'date', 'laughs'],
)
def test_metadata_that_would_exhaust_the_reader_is_refused(tmp_path: Path, text: str) -> None:
    """Promise: metadata that nests without end or grows without end is one line."""
    small(tmp_path / 'bag.db3')
    (tmp_path / 'metadata.yaml').write_text(text)
    with pytest.raises(BagFormatError) as caught:
        McapDatabase(tmp_path, 'r')
    assert len(str(caught.value)) < 1000
