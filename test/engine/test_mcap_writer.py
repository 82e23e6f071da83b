"""The MCAP writer: the bytes of the reference library, one by one or all at once."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import Chunk, MessageIndex
from mcap.stream_reader import StreamReader, get_chunk_data_stream
from mcap.writer import CompressionType, Writer

from lk_dataset_ros.dataset.databases.mcap_files.writer import PREFIX, Compression, McapWriter
from lk_dataset_ros.message import Batch

KINDS: dict[Compression, CompressionType] = {
    'none': CompressionType.NONE,
    'lz4': CompressionType.LZ4,
    'zstd': CompressionType.ZSTD,
}
MESSAGES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2**63 - 1), st.binary(max_size=40)), max_size=30
)


def begin(writer: Any) -> list[int]:
    """Write head, a schema and two channels; return the channels."""
    writer.start('ros2', 'test')
    schema = writer.register_schema('p/msg/A', 'ros2msg', b'int32 x')
    return [writer.register_channel(name, 'cdr', schema, {'a': 'b'}) for name in ('/a', '/b')]


def listed(data: bytes) -> list[tuple[int, bytes]]:
    """Return time and content of the messages that the message indexes list."""
    found, chunk = [], b''
    for record in StreamReader(io.BytesIO(data), emit_chunks=True).records:
        if isinstance(record, Chunk):
            stream, _ = get_chunk_data_stream(record)
            chunk = stream.read(record.uncompressed_size)
        elif isinstance(record, MessageIndex):
            for time_ns, offset in record.records:
                opcode, length = struct.unpack_from('<BQ', chunk, offset)
                assert opcode == 5
                assert struct.unpack_from('<Q', chunk, offset + 15) == (time_ns,)
                found.append((time_ns, chunk[offset + 31 : offset + 9 + length]))
    return sorted(found)


@pytest.mark.parametrize('compression', list(KINDS))
@given(messages=MESSAGES, chunk_size=st.integers(1, 300))
def test_single_messages_are_written_as_the_reference_writes_them(
    compression: Compression, messages: list[Any], chunk_size: int
) -> None:
    """The file is byte for byte that of the mcap library."""
    ours, theirs = io.BytesIO(), io.BytesIO()
    for writer in (
        McapWriter(ours, compression=compression, chunk_size=chunk_size),
        Writer(theirs, compression=KINDS[compression], chunk_size=chunk_size),
    ):
        channels = begin(writer)
        for sequence, (channel, time_ns, data) in enumerate(messages):
            writer.add_message(channels[channel], time_ns, data, time_ns // 2, sequence)
        writer.add_metadata('m', {'x': 'y'})
        writer.finish()
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.parametrize('compression', list(KINDS))
@given(
    messages=MESSAGES,
    later=MESSAGES,
    chunk_size=st.integers(1, 300),
    size=st.none() | st.integers(0, 40),
)
def test_many_messages_at_once_are_those_messages(
    compression: Compression, messages: list[Any], later: list[Any], chunk_size: int, size: Any
) -> None:
    """Written at once or singly in between: the mcap library reads them all, CRCs checked."""
    output = io.BytesIO()
    writer = McapWriter(output, compression=compression, chunk_size=chunk_size)
    channels = begin(writer)
    written = []
    for channel in (0, 1):
        chosen = [each for each in messages if each[0] == channel]
        if size is not None:
            chosen = [(a, b, data.ljust(size, b'x')[:size]) for a, b, data in chosen]
        data = b''.join(bytes(PREFIX) + each[2] for each in chosen)
        length = np.array([len(each[2]) for each in chosen], np.int64)
        start = np.cumsum(length + PREFIX) - length
        batch = Batch(np.frombuffer(bytearray(data), np.uint8), start, length)
        times = np.array([each[1] for each in chosen], np.int64)
        sequence = np.arange(len(chosen)).astype(np.uint32)
        writer.add_messages(channels[channel], batch, times, times // 2, sequence)
        written += [('/ab'[:1] + 'ab'[channel], *each[1:], i) for i, each in enumerate(chosen)]
        for _, time_ns, payload in later:
            writer.add_message(channels[1], time_ns, payload, time_ns // 2, 7)
            written.append(('/b', time_ns, payload, 7))
    writer.finish()
    output.seek(0)
    reader = make_reader(output, validate_crcs=True)
    read = [
        (channel.topic, message.log_time, message.data, message.sequence)
        for _, channel, message in reader.iter_messages(log_time_order=False)
    ]
    assert read == written
    summary = reader.get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == len(written)
    assert listed(output.getvalue()) == sorted((time_ns, data) for _, time_ns, data, _ in written)
    in_order = [message.log_time for _, _, message in reader.iter_messages()]
    assert in_order == sorted(in_order)
