"""What fuzzing has found: each bug in its smallest form, so that it stays fixed."""

from __future__ import annotations

import dataclasses
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lk_dataset_ros import Columns, Dataset, Schema
from lk_dataset_ros.comparison.renderers._charts import histogram
from lk_dataset_ros.dataset import McapDatabase
from lk_dataset_ros.dataset.databases.mcap_files import topic
from lk_dataset_ros.errors import BagFormatError, BagTimeError, LkError, MessageFormatError
from lk_dataset_ros.message import Batch, Codec, Column, builtin_schema, codec_for
from lk_dataset_ros.message.columnar.encoding import encode_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAGIC = b'\x89MCAP0\r\n'
INT32 = codec_for(builtin_schema('std_msgs/msg/Int32'))


def record(opcode: int, body: bytes, length: int | None = None) -> bytes:
    """Make a record, of a length that may be a lie."""
    return struct.pack('<BQ', opcode, len(body) if length is None else length) + body


def blob(data: bytes) -> bytes:
    """Make a field with its length before it."""
    return struct.pack('<I', len(data)) + data


def message(number: int, *, channel: int = 1, log_time: int | None = None, **lie: int) -> bytes:
    """Make a message of std_msgs/Int32, recorded at ten times its number."""
    time_ns = 10 * number if log_time is None else log_time
    body = struct.pack('<HIQQ', channel, number, time_ns, time_ns)
    return record(5, body + b'\0\1\0\0' + struct.pack('<i', number), **lie)


class Bag:
    """A file of chunks without compression, of which single parts can lie.

    Attributes:
        chunks: For each the messages' numbers, and what replaces values: `messages` (the records
            themselves), `span`, `crc`, `entries` (numbers that the message index lists).
        offset: Added to the places of the chunks in the summary.
        times: First and last time in the statistics.
    """

    def __init__(self, path: Path, *chunks: dict[str, Any], **options: Any) -> None:
        self.path = path
        self.chunks = chunks
        self.has_summary = options.get('summary', True)
        self.options = options
        path.write_bytes(self._content())

    def _content(self) -> bytes:
        schema = INT32.schema
        out = MAGIC + record(1, blob(b'ros2') + blob(b''))
        definitions = record(
            3,
            struct.pack('<H', 1)
            + b''.join(map(blob, (schema.name.encode(), b'ros2msg', schema.text.encode()))),
        ) + record(4, struct.pack('<HH', 1, 1) + blob(b'/n') + blob(b'cdr') + bytes(4))
        listed: list[bytes] = []
        every: list[int] = []
        for number, chunk in enumerate(self.chunks):
            numbers = chunk['numbers']
            every += numbers
            data = definitions if number == 0 else b''
            places = {}
            for each, one in zip(
                numbers, chunk.get('messages', map(message, numbers)), strict=True
            ):
                places[each] = len(data)
                data += one
            first, last = chunk.get('span', (10 * min(numbers), 10 * max(numbers)))
            crc = chunk.get('crc', zlib.crc32(data))
            head = struct.pack('<QQQI', first, last, len(data), crc) + bytes(4)
            offset = len(out)
            packed = record(6, head + struct.pack('<Q', len(data)) + data)
            out += chunk.get('opcode', b'\6') + packed[1:]
            entries = b''.join(
                struct.pack('<QQ', 10 * each, places[each])
                for each in chunk.get('entries', numbers)
            )
            place = len(out)
            out += record(chunk.get('index', 7), struct.pack('<H', 1) + blob(entries))
            listed.append(
                struct.pack('<QQ', *chunk.get('summary_span', (first, last)))
                + struct.pack('<QQ', offset + self.options.get('offset', 0), len(packed))
                + blob(struct.pack('<HQ', 1, place))
                + struct.pack('<Q', len(out) - place)
                + blob(b'')
                + struct.pack('<QQ', len(data), len(data))
            )
        out += record(15, bytes(4))
        if not self.has_summary:
            return out + record(2, bytes(20)) + MAGIC
        start = len(out)
        span = self.options.get('times', (10 * min(every), 10 * max(every)))
        numbers = struct.pack('<QHIIII', len(every), 1, 1, 0, 0, len(self.chunks))
        counts = blob(struct.pack('<HQ', 1, len(every)))
        out += definitions + record(11, numbers + struct.pack('<QQ', *span) + counts)
        out += b''.join(record(8, each) for each in listed)
        return out + record(2, struct.pack('<QQI', start, 0, 0)) + MAGIC

    def walked(self, *span: int) -> list[int]:
        """Return the numbers as single messages give them."""
        with McapDatabase(self.path, 'r') as database:
            found = database.iterate_serialized(None, *span)
            return [INT32.decode(each.cdr).data for each in found]

    def at_once(self, *span: int) -> list[int]:
        """Return the numbers as columns give them."""
        with McapDatabase(self.path, 'r') as database:
            limits = dict(zip(('start_ns', 'stop_ns'), span, strict=False))
            found: list[int] = database.columns('/n', **limits)['data'].values.tolist()
            return found

    def warnings(self) -> str:
        """Return what is to be known about the file."""
        with McapDatabase(self.path, 'r') as database:
            return ' '.join(database.warnings)


@pytest.fixture
def bag(tmp_path: Path) -> Callable[..., Bag]:
    """Return a function that makes a file."""
    return lambda *chunks, **options: Bag(tmp_path / 'small.mcap', *chunks, **options)


def chunk(*numbers: int, **lies: Any) -> dict[str, Any]:
    """Describe a chunk."""
    return {'numbers': numbers, **lies}


def test_the_files_made_here_are_whole(bag: Any) -> None:
    """Without a lie, with and without summary, all numbers are there without a warning."""
    for summary in (True, False):
        made = bag(chunk(1, 2), chunk(3), summary=summary)
        assert made.walked() == made.at_once() == [1, 2, 3]
        assert made.warnings() == ''


@pytest.mark.parametrize('entries', [(1, 1, 3), (1, 3, 3), (2, 2, 2)])
def test_a_message_listed_twice_does_not_hide_another(bag: Any, entries: Any) -> None:
    """An index that lists one message twice and one not at all loses none."""
    made = bag(chunk(1, 2, 3, entries=entries), chunk(4))
    assert made.at_once() == made.walked() == [1, 2, 3, 4]


def test_a_short_index_is_noticed_within_a_span_of_time(bag: Any) -> None:
    """An index that misses a message loses none where only a part of the file is read."""
    made = bag(chunk(1, 2, 3, entries=(1, 3)), chunk(4, 5))
    assert made.at_once(0, 35) == made.walked(0, 35) == [1, 2, 3]


def test_indexes_whose_errors_cancel_out_are_noticed(bag: Any) -> None:
    """An index that misses a message, and another with one too many, are no silent loss."""
    made = bag(chunk(1, 2, entries=(1,)), chunk(3, 4, entries=(3, 4, 4)))
    assert made.at_once() == made.walked() == [1, 2, 3, 4]


@pytest.mark.parametrize('summary', [True, False])
def test_a_record_that_exceeds_its_chunk_is_refused(bag: Any, summary: bool) -> None:
    """A length beyond the end of a chunk without checksum does not end the chunk silently."""
    for length in (31, 2**60, 2**63, 2**64 - 1):
        records = [message(1), message(2, length=length)]
        made = bag(chunk(1, 2, messages=records, crc=0), chunk(3), summary=summary)
        for read in (made.walked, made.at_once):
            with pytest.raises(BagFormatError, match=r'small.mcap'):
                read()


def test_times_beyond_63_bits_are_an_error_of_arrays_only(bag: Any) -> None:
    """A log time of 2^63 and more is read singly; for an array it is a BagTimeError."""
    late = 2**63 + 5
    records = [message(1), message(2, log_time=late)]
    made = bag(chunk(1, 2, messages=records, span=(10, late)), times=(10, late))
    assert made.walked() == [1, 2]
    with McapDatabase(made.path, 'r') as database:
        for read in (database.columns, database.heads, database.timestamps):
            with pytest.raises(BagTimeError, match=f'small.mcap.*{late}'):
                read('/n')


def test_the_times_in_the_head_of_a_chunk_are_not_believed(bag: Any) -> None:
    """Without summary the messages' own times count: the order and spans of time are right."""
    made = bag(chunk(1, 2, span=(700, 900)), chunk(3, 4, span=(0, 5)), summary=False)
    assert made.walked() == made.at_once() == [1, 2, 3, 4]
    assert made.walked(20, 31) == made.at_once(20, 31) == [2, 3]


def test_times_of_the_summary_that_are_wrong_are_no_silent_loss(bag: Any) -> None:
    """Times in a summary that contradict each other, or the messages, are not used."""
    made = bag(chunk(1, 2), chunk(3, 4), times=(35, 40))
    assert made.walked(0, 31) == [1, 2, 3]
    made = bag(chunk(1, 2, summary_span=(30, 40)), chunk(3, 4), times=(10, 40))
    with pytest.raises(BagFormatError, match=r'small.mcap: .* has a message of the time 10 ns'):
        made.walked()


def test_a_summary_that_lists_no_chunk_of_the_file_is_refused(bag: Any) -> None:
    """A chunk that is listed beyond the end of the file is missed by every way of reading."""
    for offset in (10_000, 2**62, 2**63, 2**64 - 200):
        made = bag(chunk(1, 2), offset=offset)
        for read in (made.walked, made.at_once):
            with pytest.raises(BagFormatError, match=r'small.mcap: the chunk at byte \d+ is cut'):
                read()


def test_a_count_that_lies_takes_no_memory(bag: Any) -> None:
    """Statistics that count more messages than fit into the chunks are not believed."""
    made = bag(chunk(1, 2))
    content = made.path.read_bytes()
    for old in (struct.pack('<QHIIII', 2, 1, 1, 0, 0, 1), blob(struct.pack('<HQ', 1, 2))):
        assert content.count(old) == 1
        content = content.replace(old, old.replace(struct.pack('<Q', 2), struct.pack('<Q', 2**40)))
    made.path.write_bytes(content)
    with McapDatabase(made.path, 'r') as database:
        assert database.topic('/n').count == 2
    assert made.at_once() == [1, 2]


@pytest.mark.parametrize('opcode', [0x07, 0x16, 0x86, 0x0D, 0x01])
def test_a_chunk_with_another_opcode_is_missed(bag: Any, opcode: int) -> None:
    """Without summary a chunk that says to be something else is left out with a warning."""
    made = bag(chunk(1), chunk(2, opcode=bytes([opcode])), chunk(3), summary=False)
    assert made.walked() == [1, 3]
    assert 'small.mcap may lack messages' in made.warnings()


def test_a_message_index_is_never_a_message(bag: Any) -> None:
    """A message index whose opcode turned into that of a message is left out with a warning."""
    made = bag(chunk(1, 2, index=5), chunk(3, 4), summary=False)
    assert made.walked() == made.at_once() == [1, 2, 3, 4]
    assert 'small.mcap may lack messages' in made.warnings()


def test_messages_of_no_channel_are_missed(bag: Any) -> None:
    """Messages whose channel is not defined are left out with a warning."""
    made = bag(chunk(1, 2, messages=[message(1), message(2, channel=9)]), summary=False)
    assert made.walked() == made.at_once() == [1]
    assert re.search(r'small.mcap has 1 messages of the channel 9', made.warnings())


@pytest.mark.parametrize('compression', ['none', 'zstd'])
@pytest.mark.parametrize('varying', [range(4), range(4, 8), range(0, 8, 2), range(0)])
def test_numbers_that_are_put_off_are_read_before_they_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: Any, varying: range
) -> None:
    """A sequence that varies in some batches of a file and not in others has no numbers of chance.

    Numbers of a file without compression are left there until they are asked for, unless a column
    is joined from parts.
    """
    monkeypatch.setattr(topic, 'IN_FILE_MESSAGES', 1)
    monkeypatch.setattr(topic, 'GROUP_BYTES', 1)
    codec = codec_for(builtin_schema('std_msgs/msg/Float64MultiArray'))
    rows = []
    with McapDatabase(tmp_path / 'bag', 'w', compression=compression) as database:
        database.declare('/n', codec.schema)
        for number in range(8):
            for each in range(40):
                length = each % 3 if number in varying else 2
                rows.append(np.arange(length) + number * 100.0 + each)
                made = codec.new()
                made.data = rows[-1]
                database.write('/n', made, timestamp_ns=len(rows))
            database.flush()
    # Freed memory that is not zero is what numbers of chance are made of.
    del made
    waste = [np.full(320 * size, 7.5) for size in (1, 2, 3)]
    del waste
    with McapDatabase(tmp_path / 'bag', 'r') as database:
        column = database.columns('/n')['data']
        assert [column.row(index).tolist() for index in range(320)] == [
            each.tolist() for each in rows
        ]


def batch_of(*parts: bytes) -> Batch:
    """Put messages one after the other."""
    length = np.array([len(part) for part in parts], np.int64)
    return Batch(np.frombuffer(b''.join(parts), np.uint8), np.cumsum(length) - length, length)


@pytest.mark.parametrize('others', [(), (b'abc',), (b'',), (b'longer',)])
@pytest.mark.parametrize('order', ['<', '>'])
def test_a_string_keeps_its_last_character(others: tuple[bytes, ...], order: str) -> None:
    """A string without its terminating zero is refused, and not read without its end."""
    codec = codec_for(builtin_schema('std_msgs/msg/String'))
    head = b'\0\1\0\0' if order == '<' else bytes(4)
    whole = [head + struct.pack(f'{order}I', len(each) + 1) + each + b'\0' for each in others]
    batch = batch_of(*whole, head + struct.pack(f'{order}I', 3) + b'abc')
    with pytest.raises(MessageFormatError, match='terminating zero'):
        Columns.from_batches([(batch, np.arange(len(batch)))], codec)
    # A length of 0 is what some writers give an empty string.
    batch = batch_of(*whole, head + bytes(4))
    found = Columns.from_batches([(batch, np.arange(len(batch)))], codec)['data']
    assert found.row(len(others)) == ''


@pytest.mark.parametrize(
    'fields',
    ['int32 secs\nuint32 nanosec', 'string sec\nuint32 nanosec', 'int64 sec\nint8 nanosec'],
)
def test_a_stamp_that_is_no_time_is_none(fields: str) -> None:
    """What is called `header.stamp` without having a time's numbers gives no stamps."""
    line = '=' * 80
    text = f'Header header\n{line}\nMSG: p/Header\nTime stamp\n{line}\nMSG: p/Time\n{fields}\n'
    codec = Codec(Schema('p/msg/Root', text))
    data = codec.encode(codec.new())
    at_once = Columns.from_batches([(batch_of(data, data), np.arange(2))], codec)
    singly = Columns.from_messages(
        [(codec.decode(data), 0), (codec.decode(data), 1)], codec.layout
    )
    assert at_once.stamp_ns is None
    assert singly.stamp_ns is None


def test_strings_behind_an_empty_list_are_kept() -> None:
    """A string that ends with a zero keeps it where the first list of strings is empty."""
    codec = Codec(Schema('p/msg/Root', 'string[] names\n'))
    parts = [codec.message_class(names=names) for names in ([], ['a\0', 'b'])]
    singly = Columns.from_messages([(part, index) for index, part in enumerate(parts)])
    assert singly['names'].row(1).tolist() == ['a\0', 'b']


def columns_of_joints() -> tuple[Codec, dict[str, Column]]:
    """Return columns with strings, numbers, sequences and messages."""
    line = '=' * 80
    text = (
        'float32 one\nint8[2] two\nfloat64[] many\nstring name\nstring[] names\nPart[] parts\n'
        f'{line}\nMSG: p/Part\nint32 x\n'
    )
    codec = Codec(Schema('p/msg/Root', text))
    made = []
    for number in range(3):
        each = codec.new()
        each.many, each.name = np.arange(number, dtype=np.float64), 'n' * number
        each.names = ['a'] * number
        each.parts = [codec.classes['p/msg/Part'](x=number) for _ in range(number)]
        made.append(codec.encode(each))
    found = Columns.from_batches([(batch_of(*made), np.arange(3))], codec)
    assert encode_columns(found, codec, 3).buffer.tobytes() == b''.join(made)
    return codec, dict(found)


ROWS = np.arange(3)
LIES: list[tuple[str, Callable[[Column], Any]]] = [
    ('many', lambda column: dataclasses.replace(column, offsets=column.offsets[:-1])),
    ('many', lambda column: dataclasses.replace(column, offsets=column.offsets + 2**40)),
    ('many', lambda column: dataclasses.replace(column, offsets=column.offsets[::-1])),
    ('many', lambda column: dataclasses.replace(column, offsets=column.offsets.astype(float))),
    ('many', lambda column: dataclasses.replace(column, values=column.values[:1])),
    ('many', lambda column: dataclasses.replace(column, values=column.values.tolist())),
    ('many', lambda _: np.zeros((3, 2, 2))),
    ('many', lambda _: [[1.0], [1.0, 2.0], []]),
    ('names', lambda column: dataclasses.replace(column, offsets=column.offsets - 1)),
    ('names', lambda column: Column(column.values[:2], ROWS)),
    ('one', lambda column: Column(column.values, ROWS, np.arange(3))),
    ('one', lambda column: Column(column.values, ROWS.astype(float))),
    ('one', lambda column: Column(column.values[:-1], ROWS)),
    ('one', lambda _: np.array([0.0, 1e300, 0.0])),
    ('one', lambda _: None),
    ('two', lambda column: Column(column.values.reshape(-1), ROWS)),
    ('two', lambda column: Column(column.values.reshape(-1), ROWS, np.array([0, 2, 4, 5]))),
    ('name', lambda column: Column(column.values, ROWS, np.arange(4))),
    ('name', lambda column: Column(column.values.reshape(-1, 1), ROWS)),
    ('name', lambda column: Column(column.values[:-1], ROWS)),
    ('parts.length', lambda _: np.array([0.0, 1.0, 2.0])),
    ('parts.length', lambda _: np.array(['0', '1', '2'])),
    ('parts.length', lambda _: np.array([0, 1, 2**31])),
    ('parts.length', lambda _: np.array([0, 1, 2**63], np.uint64)),
    ('parts.length', lambda _: Column(np.arange(2), ROWS)),
]


@pytest.mark.parametrize(('path', 'lie'), LIES)
def test_columns_that_contradict_themselves_are_refused(path: str, lie: Any) -> None:
    """Offsets, rows, lengths, shapes and types that do not fit are an LkError of one line."""
    codec, columns = columns_of_joints()
    with pytest.raises(LkError, match=re.escape(path.split('.', maxsplit=1)[0])) as caught:
        encode_columns({**columns, path: lie(columns[path])}, codec, 3)
    assert '\n' not in str(caught.value)


def test_offsets_may_name_a_part_of_the_values() -> None:
    """Values before the first and behind the last offset are left out, of arrays too."""
    codec, columns = columns_of_joints()
    wanted = encode_columns(columns, codec, 3).buffer.tobytes()
    flat = columns['two'].values.reshape(-1)
    padded = np.concatenate([flat[:1], flat, flat[:1]])
    columns['two'] = Column(padded, ROWS, np.array([1, 3, 5, 7]))
    assert encode_columns(columns, codec, 3).buffer.tobytes() == wanted


def test_a_dataset_of_plain_python_refuses_in_one_line() -> None:
    """An array where a text should be is an error of one line, whatever it prints as."""
    for wrong in ({'qos': np.zeros((2, 2))}, {'timestamps_ns': [np.zeros((2, 2))]}):
        content = {'type': 'std_msgs/msg/Int32', 'timestamps_ns': [0], 'messages': [{'data': 0}]}
        with pytest.raises(LkError) as caught:
            Dataset.from_dict({'/n': {**content, **wrong}})
        assert '\n' not in str(caught.value)


def test_a_type_may_have_its_short_name() -> None:
    """A definition named `p/Root` is that of `p/msg/Root`, also from and to plain Python."""
    content = {
        'type': 'p/Root',
        'definition': 'int32 data\n',
        'timestamps_ns': [0],
        'messages': [{'data': 7}],
    }
    dataset = Dataset.from_dict({'/n': content})
    assert dataset.to_dict()['/n']['messages'] == [{'data': 7}]


def test_close_values_of_32_bits_have_a_histogram() -> None:
    """Values that differ by less than a bin of 32-bit floats can tell are counted."""
    found = histogram(np.array([2**30, 2**30 + 64], np.float32))
    assert found is not None
    assert sum(found['counts'][0]) == 2
