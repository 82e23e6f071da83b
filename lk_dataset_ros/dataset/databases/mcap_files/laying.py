"""Lay the heads of message records before many messages at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from lk_dataset_ros.dataset.databases.mcap_files.records import MESSAGE, RECORD
from lk_dataset_ros.message import windows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.message import Batch

#: Bytes of the head of a message record.
PREFIX: Final = 31
_HEADS: Final = np.dtype(
    {
        'names': ['opcode', 'length', 'channel', 'sequence', 'log_time', 'publish_time'],
        'formats': ['u1', '<u8', '<u2', '<u4', '<u8', '<u8'],
        'offsets': [0, 1, 9, 11, 15, 23],
        'itemsize': PREFIX,
    }
)
_BODY_HEAD: Final = PREFIX - RECORD.size


class Laid(NamedTuple):
    """Message records one behind the other.

    Attributes:
        data: Bytes that hold them.
        begin: int64, (n,): where each record begins.
        end: int64, (n,): where it ends, which is where the next one begins.
    """

    data: memoryview
    begin: NDArray[np.int64]
    end: NDArray[np.int64]


def laid(
    batch: Batch,
    channel: int,
    log_time_ns: NDArray[np.int64],
    publish_time_ns: NDArray[np.int64],
    sequence: NDArray[np.integer[Any]],
) -> Laid:
    """Write the heads of messages into the `PREFIX` bytes before each of them.

    Messages that do not lie one behind the other are copied so that they do.
    """
    count, size = len(batch), batch.size
    begin = batch.start - PREFIX
    end = batch.start + batch.length
    heads: NDArray[Any] = np.empty(count, _HEADS)
    heads['opcode'] = MESSAGE
    heads['length'] = batch.length + _BODY_HEAD if size is None else size + _BODY_HEAD
    heads['channel'], heads['sequence'] = channel, sequence
    heads['log_time'], heads['publish_time'] = log_time_ns, publish_time_ns
    joined = bool((begin[1:] == end[:-1]).all())
    whole = heads.view(f'V{PREFIX}')
    if joined and size is not None:
        stride = (size + PREFIX,)
        np.ndarray((count,), whole.dtype, batch.buffer, int(begin[0]), stride)[:] = whole
    else:
        windows_of(batch.buffer, PREFIX)[begin] = whole
    if joined:
        return Laid(batch.buffer.data, begin, end)
    if size is not None:
        together = windows_of(batch.buffer, size + PREFIX)[begin].view(np.uint8)
    else:
        view = batch.buffer.data
        spans = zip(begin.tolist(), end.tolist(), strict=True)
        together = np.frombuffer(b''.join([view[a:b] for a, b in spans]), np.uint8)
    end = np.cumsum(batch.length + PREFIX)
    return Laid(together.data, end - batch.length - PREFIX, end)
