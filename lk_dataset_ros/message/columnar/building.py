"""Build columns batch by batch: what all messages have goes straight into its final array."""

from __future__ import annotations

import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import KeyNotFoundError
from lk_dataset_ros.message.columnar.batch import Batch, fill
from lk_dataset_ros.message.columnar.cdr import decode
from lk_dataset_ros.message.columnar.target import Piece
from lk_dataset_ros.message.fields import STAMP, without_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message.codec import Codec
    from lk_dataset_ros.message.columnar.plan import Plan

#: Bytes to copy that are worth another thread.
SHARED_BYTES = 4 * 1024 * 1024
#: A field that takes more bytes of a message than this is left where it is until asked for.
HEAVY = 4096


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one field path.

    Attributes:
        values: Values, first axis = message, or all values of all messages if they vary in length.
        rows: int64, (n,): the message that each row of `values` (or each span of `offsets`)
            belongs to; a field inside a sequence need not be there in every message.
        offsets: int64, (n + 1,): row i is `values[offsets[i]:offsets[i + 1]]`; None where every
            message has the same shape.
    """

    values: NDArray[Any]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of messages that have this field."""
        return len(self.rows)

    def row(self, index: int) -> Any:
        """Return the value of one row."""
        if self.offsets is None:
            return self.values[index]
        return self.values[self.offsets[index] : self.offsets[index + 1]]


class _Filling:
    """The array of a field that every message has in the same shape, filled batch by batch."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        self.used = 0

    def fits(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
        """Tell whether values of a shape and type can go on here."""
        return self.values.shape[1:] == shape and self.values.dtype == dtype

    def next(self, count: int) -> NDArray[Any]:
        """Return where the next messages go."""
        end = self.used + count
        if end > len(self.values):
            grown = np.empty((end + end // 2, *self.values.shape[1:]), self.values.dtype)
            grown[: self.used] = self.values[: self.used]
            self.values = grown
        part = self.values[self.used : end]
        self.used = end
        return part

    def piece(self) -> Piece:
        """Return what was filled in, for a field that goes on in another shape."""
        return Piece(self.values[: self.used], np.arange(self.used, dtype=np.int64))


class _Copy(NamedTuple):
    """Numbers that are to be copied out of a batch; as the arguments of `ColumnBuilder.fill`."""

    batch: Batch
    values: NDArray[Any]
    at: int
    dtype: np.dtype[Any]


def copy_all(copies: Iterable[_Copy]) -> None:
    """Copy numbers, batch by batch: each part of a buffer is fetched once.

    Where there is much to copy, threads share the batches.
    """
    groups = [
        list(group) for _, group in itertools.groupby(copies, key=lambda copy: id(copy.batch))
    ]
    for group in groups:
        if group[0].batch.check is not None:
            group[0].batch.check()
    size = sum(copy.values.nbytes for group in groups for copy in group)
    threads = min(4, os.cpu_count() or 1, len(groups), 1 + size // SHARED_BYTES)
    if threads < 2:
        _copy_groups(groups)
        return
    bounds = [len(groups) * index // threads for index in range(threads + 1)]
    with ThreadPoolExecutor(max_workers=threads - 1) as pool:
        others = [pool.submit(_copy_groups, groups[a:b]) for a, b in pairwise(bounds[1:])]
        _copy_groups(groups[: bounds[1]])
        for other in others:
            other.result()


def _copy_groups(groups: Sequence[list[_Copy]]) -> None:
    for group in groups:
        batch = group[0].batch
        assert batch.runs is not None
        fields = [(copy.values, copy.at, copy.dtype) for copy in group]
        fill(batch.buffer, batch.start, batch.runs, fields)
        if batch.forget is not None and len(batch):
            batch.forget(int(batch.start[0]), int(batch.start[-1] + batch.length[-1]))


class Built(NamedTuple):
    """What a builder has built.

    Attributes:
        columns: Columns by field path, None for one that is too heavy.
        log_time_ns: int64, (n,): log times.
        stamps: Seconds and nanoseconds of the header stamps, and what is still to be copied into
            them; None for a type without.
        later: What is still to be copied into columns.
    """

    columns: dict[str, Column | None]
    log_time_ns: NDArray[np.int64]
    stamps: tuple[Column, Column, list[_Copy]] | None
    later: dict[str, list[_Copy]]


class ColumnBuilder:
    """Takes serialized messages in batches, gives columns.

    Args:
        codec: Knows the definition of the messages.
        fields: Field paths that are wanted, a message's standing for all below it; all when
            left out.
        expected: How many messages there will be, if that is known.
        is_lazy: Only name the fields that take much of a message, and leave numbers where they
            are as long as the buffers of batches last.

    Raises:
        KeyNotFoundError: If the type has no such field.
    """

    def __init__(
        self,
        codec: Codec,
        fields: Sequence[str] | None = None,
        *,
        expected: int = 0,
        is_lazy: bool = False,
    ) -> None:
        self._codec = codec
        self.plan: Plan | None = None
        self._heaviest = HEAVY if is_lazy else math.inf
        self._is_lazy = is_lazy
        self._asked = None if fields is None else set(fields)
        self._answers: dict[str, bool] = {}
        self._capacity = expected
        self._count = 0
        self._size = 0
        self._filled: dict[str, _Filling] = {}
        self._pieces: dict[str, list[Piece]] = {}
        self._copies: list[_Copy] = []
        self._later: dict[str, list[_Copy]] = {}
        self._times: list[NDArray[np.int64]] = []
        #: Fields in order of appearance, and those that were too heavy.
        self._seen: dict[str, bool] = {}
        for path in fields or ():
            self._check(path)

    def add(self, batch: Batch, log_time_ns: NDArray[np.int64]) -> None:
        """Decode a batch; nothing of its buffer is kept, unless that lasts.

        Raises:
            MessageFormatError: If a message is not of the type.
        """
        self._size = len(batch)
        self._capacity = max(self._capacity, self._size)
        decode(batch, self._codec.definition, self._codec.schema.name, self, self._count)
        copy_all(self._copies)
        self._copies.clear()
        self._times.append(log_time_ns)
        self._count += self._size

    def wants(self, path: str, size: float) -> bool:
        """Tell whether a field is wanted that takes so many bytes of a message."""
        if self._asked is None:
            if size > self._heaviest:
                self._seen[path] = False
                self._filled.pop(path, None)
                self._pieces.pop(path, None)
            return self._seen.setdefault(path, True)
        if path not in self._answers:
            self._answers[path] = path in STAMP or any(
                each in self._asked for each in _with_ancestors(path)
            )
        return self._answers[path]

    def place(
        self, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any] | None:
        """Return where a field of all messages of this batch goes."""
        filling = self._filled.get(path)
        if filling is None:
            if self._count or path in self._pieces:
                return None
            filling = self._filled[path] = _Filling(np.empty((self._capacity, *shape), dtype))
        elif path in self._pieces or filling.used != self._count or not filling.fits(shape, dtype):
            return None
        return filling.next(self._size)

    def put(self, path: str, piece: Piece) -> None:
        """Keep a field of some messages, or of varying length."""
        self._pieces.setdefault(path, []).append(piece)

    def fill(
        self, batch: Batch, path: str, values: NDArray[Any], at: int, dtype: np.dtype[Any]
    ) -> None:
        """Copy numbers of a batch; those of one that lasts are copied when they are asked for."""
        copy = _Copy(batch, values, at, dtype)
        if batch.check is None or not self._is_lazy:
            self._copies.append(copy)
        else:
            self._later.setdefault(path, []).append(copy)

    def finish(self) -> Built:
        """Return what was built."""
        rows = np.arange(self._count, dtype=np.int64)
        found = {path: self._column(path, rows) for path in self._in_order()}
        times = np.concatenate(self._times) if self._times else np.empty(0, np.int64)
        stamps = None
        there = all(len(found.get(path) or ()) == self._count > 0 for path in STAMP)
        if there and self._codec.layout.has_stamp:
            sec, nanosec = (found[path] for path in STAMP)
            assert sec is not None
            assert nanosec is not None
            copies = [copy for path in STAMP for copy in self._later.get(path, [])]
            stamps = (sec, nanosec, copies)
        if self._asked is not None:
            wanted = self._asked
            found = {
                path: column
                for path, column in found.items()
                if any(each in wanted for each in _with_ancestors(path))
            }
        later = {path: copies for path, copies in self._later.items() if path in found}
        return Built(found, times, stamps, later)

    def _in_order(self) -> list[str]:
        return list(self._seen) if self._asked is None else [*self._answers]

    def _column(self, path: str, rows: NDArray[np.int64]) -> Column | None:
        filling = self._filled.get(path)
        pieces = self._pieces.get(path, [])
        if pieces:
            # The array goes on in another shape: what was put off is needed now.
            copy_all(self._later.pop(path, []))
        if filling is None:
            return _joined(pieces) if pieces else None
        if filling.used == self._count:
            values = filling.values[: self._count]
            if values.dtype.kind != 'O' or values.ndim == 1:
                return Column(values, rows)
            offsets = np.arange(self._count + 1, dtype=np.int64) * values.shape[1]
            return Column(values.reshape(-1), rows, offsets)
        return _joined([filling.piece(), *pieces])

    def _check(self, path: str) -> None:
        """Refuse a field path that no message of the type can have."""
        name: str | None = self._codec.schema.name
        names = without_index(path).replace('[]', '').split('.')
        for depth, part in enumerate(names):
            fields = dict(self._codec.definition(name)) if name is not None else {}
            if part not in fields:
                if part == 'length' and depth and depth == len(names) - 1:
                    return
                raise KeyNotFoundError(
                    f'{self._codec.schema.name} has no field {path}; '
                    f'{".".join(names[:depth]) or "it"} has {", ".join(fields) or "none"}'
                )
            kind, detail = fields[part]
            if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                kind, detail = detail[0]
            name = detail if kind == Nodetype.NAME else None


def _with_ancestors(path: str) -> Iterator[str]:
    """Yield a field path and those of the messages that it is a part of."""
    yield path
    while '.' in path or path.endswith(']'):
        path = path.rpartition('[' if path.endswith(']') else '.')[0]
        yield path


def _joined(parts: list[Piece]) -> Column:
    """Join the pieces of one field, in order of messages."""
    column = _concatenated(parts)
    rows = column.rows
    if len(rows) < 2 or bool((rows[1:] > rows[:-1]).all()):
        return column
    order = np.argsort(rows, kind='stable')
    return rows_of(column, order, rows[order])


def _concatenated(parts: list[Piece]) -> Column:
    rows = np.concatenate([part.rows for part in parts]) if len(parts) > 1 else parts[0].rows
    shapes = {part.values.shape[1:] for part in parts}
    numbers = all(part.lengths is None for part in parts)
    texts = parts[0].values.dtype.kind == 'O' and parts[0].values.ndim > 1
    if len(shapes) == 1 and numbers and not texts:
        values = [part.values for part in parts]
        return Column(np.concatenate(values) if len(values) > 1 else values[0], rows)
    lengths = np.concatenate(
        [
            np.full(len(part.rows), part.values.shape[1]) if part.lengths is None else part.lengths
            for part in parts
        ]
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Column(np.concatenate([part.values.reshape(-1) for part in parts]), rows, offsets)


def rows_of(column: Column, chosen: NDArray[np.int64], rows: NDArray[np.int64]) -> Column:
    """Return the chosen rows of a column, now rows of the messages `rows`."""
    if column.offsets is None:
        return Column(column.values[chosen], rows)
    lengths = np.diff(column.offsets)[chosen]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    starts = np.repeat(column.offsets[:-1][chosen] - offsets[:-1], lengths)
    return Column(column.values[starts + np.arange(offsets[-1])], rows, offsets)
