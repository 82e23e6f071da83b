"""Read one sqlite3 file of a bag (`.db3`), of any version of rosbag2.

The database is untrusted: it is opened read-only and immutable, nothing of its schema is run, and
whatever is read is checked against what is possible. One pass at opening lists all messages, in
the order of the file and without its index, which may be damaged where the messages are not.
"""

from __future__ import annotations

import contextlib
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lk_dataset_ros.dataset.databases.mcap_files.records import (
    McapChannel,
    McapMessage,
    McapSchema,
)
from lk_dataset_ros.dataset.databases.rosbag2.packed import batch_of
from lk_dataset_ros.dataset.databases.rosbag2.sqlite3_tables import (
    DAMAGE,
    Tables,
    damaged,
    open_read_only,
)
from lk_dataset_ros.dataset.records import Heads
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.databases.rosbag2.packed import Scratch
    from lk_dataset_ros.message import Batch

#: Bytes of messages that are decoded at once.
BATCH_BYTES = 32 * 1024 * 1024
#: Rows that are listed at once.
_ROWS_AT_ONCE = 65536
#: A stretch of rows is read through where at least every n-th row of it is wanted.
_SPARSE = 8
#: So many messages at the end of a cut file are tried before it is given up.
_TRIES_AT_END = 10_000

_LIST = (
    'SELECT rowid, topic_id, timestamp, length(data), '
    "typeof(data) = 'blob' AND typeof(timestamp) = 'integer' AND typeof(topic_id) = 'integer' "
    'FROM messages NOT INDEXED WHERE rowid > ? ORDER BY rowid'
)
_STRETCH = 'SELECT rowid, data FROM messages NOT INDEXED WHERE rowid BETWEEN ? AND ?'
_TOGETHER = (
    'SELECT data FROM messages NOT INDEXED WHERE rowid BETWEEN ? AND ? AND topic_id = ? '
    'AND timestamp BETWEEN ? AND ? ORDER BY rowid'
)
_ONE = 'SELECT data FROM messages WHERE rowid = ?'


class _Rows(NamedTuple):
    """All messages of a file, in its order."""

    #: int64, (n,): ascending.
    rowid: NDArray[np.int64]
    topic: NDArray[np.int64]
    time: NDArray[np.int64]
    size: NDArray[np.int64]


class Sqlite3File:
    """One sqlite3 file, open for reading: its topics are seen as the channels of an MCAP file.

    Args:
        path: The file.
        scratch: Where it is copied to if it has a write-ahead log or a journal beside it.

    Raises:
        BagFormatError: If it is not a sqlite3 file of rosbag2.

    Attributes:
        warning: What is wrong with the file although it can be read, or empty.
        distro: The ROS distribution that wrote it, as far as it tells.
    """

    def __init__(self, path: Path, scratch: Scratch) -> None:
        self.path = path
        self.warning = ''
        self._database, self._is_cut = open_read_only(path, scratch)
        try:
            tables = Tables(self._database, path)
            self.distro = tables.distro
            self.channels: dict[int, McapChannel] = tables.channels
            self.schemas: dict[int, McapSchema] = tables.schemas
            self._rows = self._list()
            self._check_end()
            self._check_size()
        except DAMAGE as error:
            self.close()
            raise damaged(path, error) from error
        except BaseException:
            self.close()
            raise
        known, counts = np.unique(self._rows.topic, return_counts=True)
        found = dict(zip(known.tolist(), counts.tolist(), strict=True))
        #: Number of messages by topic.
        self.counts: dict[int, int] = {number: found.pop(number, 0) for number in self.channels}
        if found:
            self._warn(f'{sum(found.values())} messages of no topic are left out')

    @property
    def time_range(self) -> tuple[int, int] | None:
        """First and last time, or None for a file without messages."""
        times = self._rows.time
        return (int(times.min()), int(times.max())) if len(times) else None

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return nothing: sqlite3 files have no records of that kind."""
        return []

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def messages(
        self, channel_ids: Collection[int], start_ns: int, stop_ns: int
    ) -> Iterator[McapMessage]:
        """Yield the messages of some topics in order of time, then of the file.

        Args:
            channel_ids: The topics.
            start_ns: First time.
            stop_ns: First time that is left out.
        """
        rows = self._select(channel_ids, start_ns, stop_ns)
        times = self._rows.time[rows]
        if (np.diff(times) < 0).any():
            rows = rows[np.argsort(times, kind='stable')]
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[first : first + _ROWS_AT_ONCE]
            known = self._rows.topic[part].tolist(), self._rows.time[part].tolist()
            heads = zip(part.tolist(), *known, strict=True)
            for data, (row, topic, time_ns) in zip(self._payloads(part), heads, strict=True):
                yield McapMessage(time_ns, (0, row), topic, 0, time_ns, data)

    def batches(
        self, channel: int, start_ns: int, stop_ns: int
    ) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Yield the messages of a topic in batches, in order of the file."""
        rows = self._select([channel], start_ns, stop_ns)
        ends = np.cumsum(self._rows.size[rows])
        first = 0
        while first < len(rows):
            done = int(ends[first - 1]) if first else 0
            end = max(first + 1, int(np.searchsorted(ends, done + BATCH_BYTES, 'right')))
            part = rows[first:end]
            times = self._rows.time[part]
            batch = batch_of(self._together(part, channel, times))
            if not np.array_equal(batch.length, self._rows.size[part]):
                raise BagFormatError(f'{self.path} is damaged: its messages are not as listed')
            yield batch, times
            first = end

    def _together(
        self, rows: NDArray[np.int64], topic: int, times: NDArray[np.int64]
    ) -> list[bytes]:
        """Return the bytes of a topic's messages, all that it has within a stretch of time."""
        if rows[-1] - rows[0] >= _SPARSE * len(rows):
            return list(self._payloads(rows))
        ends = self._rows.rowid[rows[[0, -1]]].tolist()
        span = [int(times.min()), int(times.max())]
        try:
            found = self._database.execute(_TOGETHER, [*ends, topic, *span])
            parts = [data for (data,) in found]
        except DAMAGE as error:
            raise damaged(self.path, error) from error
        if set(map(type, parts)) != {bytes}:
            raise BagFormatError(f'{self.path} is damaged: its messages are not as listed')
        return parts

    def heads(self, channel: int, start_ns: int, stop_ns: int) -> Iterator[Heads]:
        """Yield times and sizes of a topic's messages in order of the file; nothing is read."""
        rows = self._select([channel], start_ns, stop_ns)
        times = self._rows.time[rows]
        sequence = np.zeros(len(rows), np.uint32)
        yield Heads(times, times.copy(), sequence, self._rows.size[rows])

    def _select(self, topics: Collection[int], start_ns: int, stop_ns: int) -> NDArray[np.int64]:
        """Return the places of the messages of some topics within a span of time."""
        times = self._rows.time
        wanted = np.isin(self._rows.topic, np.fromiter(topics, np.int64, len(topics)))
        wanted &= times >= max(start_ns, 0)
        if stop_ns < 2**63:
            wanted &= times < stop_ns
        return np.flatnonzero(wanted)

    def _payloads(self, rows: NDArray[np.int64]) -> Iterator[bytes]:
        """Yield the bytes of messages, in the order asked for."""
        if not len(rows):
            return
        rowids = self._rows.rowid[rows]
        dense = (np.diff(rows) > 0).all() and rows[-1] - rows[0] < _SPARSE * len(rows)
        expected = zip(rowids.tolist(), self._rows.size[rows].tolist(), strict=True)
        try:
            found = self._stretch(rows) if dense else self._singly(rowids)
            for rowid, size in expected:
                row = next(found, (None, None))
                if row[0] != rowid or not isinstance(row[1], bytes) or len(row[1]) != size:
                    raise BagFormatError(f'{self.path} is damaged at message {rowid}')
                yield row[1]
        except DAMAGE as error:
            raise damaged(self.path, error) from error

    def _stretch(self, rows: NDArray[np.int64]) -> Iterator[tuple[Any, Any]]:
        """Yield number and bytes of the messages wanted, in one walk over a stretch of rows."""
        rowids = self._rows.rowid
        topics = np.unique(self._rows.topic[rows]).tolist()
        # A database takes a few hundred parameters only; more topics are told apart here.
        some = f' AND topic_id IN ({",".join("?" * len(topics))})' if len(topics) < 500 else ''
        wanted = set(rowids[rows].tolist())
        found = self._database.execute(
            f'{_STRETCH}{some} ORDER BY rowid',
            [int(rowids[rows[0]]), int(rowids[rows[-1]]), *(topics if some else ())],
        )
        return (row for row in found if row[0] in wanted)

    def _singly(self, rowids: NDArray[np.int64]) -> Iterator[tuple[Any, Any]]:
        for rowid in rowids.tolist():
            row = self._database.execute(_ONE, [rowid]).fetchone()
            yield rowid, row[0] if row is not None else None

    def _list(self) -> _Rows:
        """List all messages; where the file is damaged, those that stand before."""
        parts: list[NDArray[np.int64]] = []
        last = -(2**63)
        try:
            found = self._database.execute(_LIST, [last])
            while len(part := self._listed(chain.from_iterable(islice(found, _ROWS_AT_ONCE)))):
                self._check_rows(part, last)
                parts.append(part)
                last = int(part[-1, 0])
        except DAMAGE as error:
            rest = self._salvaged(last)
            if not parts and not len(rest):
                raise
            parts.append(rest)
            self._warn(f'{" ".join(str(error).split())}: the messages that stand before are used')
        every = np.concatenate(parts) if parts else np.empty((0, 5), np.int64)
        return _Rows(*(np.ascontiguousarray(every[:, place]) for place in range(4)))

    def _salvaged(self, last: int) -> NDArray[np.int64]:
        """List, row by row, the messages that follow a row up to the damage."""
        rows: list[Any] = []
        with contextlib.suppress(*DAMAGE):
            for row in self._database.execute(_LIST, [last]):
                rows += row
                if len(rows) > 5 * self._size():
                    break
        part = self._listed(rows)
        if len(part):
            self._check_rows(part, last)
        return part

    def _listed(self, values: Any) -> NDArray[np.int64]:
        try:
            return np.fromiter(values, np.int64).reshape(-1, 5)
        except (TypeError, ValueError, OverflowError) as error:
            raise BagFormatError(
                f'{self.path} is no bag: a message has a time, a topic or data of a wrong type'
            ) from error

    def _check_rows(self, part: NDArray[np.int64], last: int) -> None:
        wrong = np.flatnonzero(part[:, 4] == 0)
        if len(wrong):
            raise BagFormatError(
                f'{self.path}: message {part[wrong[0], 0]} has a time, a topic or data of a '
                'wrong type'
            )
        early = np.flatnonzero(part[:, 2] < 0)
        if len(early):
            raise BagFormatError(
                f'{self.path}: message {part[early[0], 0]} has the time {part[early[0], 2]} ns; '
                'a bag starts at 0'
            )
        if part[0, 0] <= last or (np.diff(part[:, 0]) <= 0).any():
            raise BagFormatError(f'{self.path} is damaged: its messages are not in order')

    def _check_end(self) -> None:
        """Leave out messages whose bytes lie beyond the end of a cut file."""
        if not self._is_cut:
            return
        rows = self._rows
        keep = len(rows.rowid)
        for _ in range(min(keep, _TRIES_AT_END)):
            with contextlib.suppress(*DAMAGE):
                if self._database.execute(_ONE, [int(rows.rowid[keep - 1])]).fetchone():
                    break
            keep -= 1
        self._rows = _Rows(*(each[:keep] for each in rows))
        self._warn('it is cut: the messages that are there are used')

    def _check_size(self) -> None:
        """Refuse a file whose messages share pages: they would be more than it can hold."""
        limit = self._size()
        if len(self._rows.size) > limit or int(self._rows.size.sum()) > limit:
            raise BagFormatError(
                f'{self.path} is damaged: it lists more messages than it can hold'
            )

    def _size(self) -> int:
        return max(self.path.stat().st_size, 512 * self._pages())

    def _pages(self) -> int:
        row = self._database.execute('PRAGMA page_count').fetchone()
        page = self._database.execute('PRAGMA page_size').fetchone()
        return int(row[0]) * int(page[0]) // 512 if row and page else 0

    def _warn(self, text: str) -> None:
        self.warning = self.warning or f'{self.path} is damaged or cut: {text}'
