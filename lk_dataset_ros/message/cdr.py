"""Decode all messages of a topic at once: CDR bytes to arrays, one per field path.

The definition is walked once for all messages. The position in each message is one number while
all messages share a layout, and an array of numbers from the first string or sequence on whose
length differs; either way every step is one NumPy operation over all messages. Every length is
checked against the end of its message before anything is read.

Encoding: OMG CDR (XCDR version 1) as in the ROS 2 middlewares: alignment counts from the end of
the 4-byte encapsulation header, strings carry their terminating zero.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import MessageFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Fields = Sequence[tuple[str, Any]]

ENCAPSULATION = 4
#: Runs of places shorter than this on average are read place by place.
_LEAST_RUN = 16
_STRING_TYPES = ('string', 'wstring')


@dataclass(frozen=True, slots=True)
class Batch:
    """Serialized messages of one type.

    Attributes:
        buffer: uint8: bytes that hold the messages.
        start: int64, (n,): where each message (its encapsulation header) starts.
        length: int64, (n,): bytes of each message, header included.
    """

    buffer: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Piece:
    """A field's values in some of the messages; as `Column`, which is made of pieces.

    Attributes:
        values: Values, first axis = message, or all values if they vary in length.
        rows: int64, (n,): the message of each row.
        lengths: int64, (n,): number of values in each row, None for a fixed shape.
    """

    values: NDArray[Any]
    rows: NDArray[np.int64]
    lengths: NDArray[np.int64] | None = None


def decode(
    batch: Batch,
    definition: Callable[[str], Fields],
    type_name: str,
    wanted: Callable[[str], bool],
) -> dict[str, list[Piece]]:
    """Decode the wanted fields of all messages of a batch.

    Args:
        batch: The messages.
        definition: Gives field names and nodes of a type.
        type_name: Type of the messages.
        wanted: Tells whether a field path is wanted.

    Raises:
        MessageFormatError: Naming the first message that is not of the type.
    """
    pieces: dict[str, list[Piece]] = {}
    rows = np.arange(len(batch), dtype=np.int64)
    short = batch.length < ENCAPSULATION
    if short.any():
        raise _broken(type_name, rows[short][0], 'is shorter than its encapsulation header')
    kinds = gather(batch.buffer, batch.start, np.dtype('>u2'))
    known = (kinds == 0) | (kinds == 1)
    if not known.all():
        raise _broken(type_name, rows[~known][0], 'has an encapsulation that is not plain CDR')
    for kind, order in ((1, '<'), (0, '>')):
        chosen = rows[kinds == kind]
        if not len(chosen):
            continue
        reader = _Reader(
            batch.buffer,
            chosen,
            batch.start[chosen] + ENCAPSULATION,
            batch.length[chosen] - ENCAPSULATION,
            _Sink(definition, type_name, wanted, order, pieces),
        )
        reader._may_wait = True  # noqa: SLF001
        reader.struct(definition(type_name), '')
        reader.finish()
        reader.fill()
    return pieces


Runs = list[tuple[int, int, int]]


def runs_of(where: NDArray[np.int64]) -> Runs | None:
    """Split ascending places into runs of equal distance: `(first, end, distance)`.

    Returns:
        None where there are so many that reading run by run would not pay.
    """
    if len(where) < 2:
        return [(0, len(where), 0)]
    distance = np.diff(where)
    ends = np.flatnonzero(np.diff(distance)) + 2
    if len(ends) > len(where) // _LEAST_RUN or int(distance.min()) < 0:
        return None
    bounds = [0, *ends.tolist(), len(where)]
    return [
        (first, end, int(distance[first]) if end - first > 1 else 0)
        for first, end in itertools.pairwise(bounds)
    ]


def gather(
    buffer: NDArray[np.uint8],
    where: NDArray[np.int64],
    dtype: np.dtype[Any],
    count: int = 1,
    runs: Runs | None = None,
) -> NDArray[Any]:
    """Read `count` values of a type at each of many (unaligned) places.

    Args:
        buffer: The bytes.
        where: int64, (n,): the places.
        dtype: Type of the values, in their byte order.
        count: Values at each place.
        runs: Runs of the places, if they are known.

    Returns:
        Shape (n,) for count 1, (n, count) otherwise; in the machine's byte order.
    """
    size = dtype.itemsize * count
    native = dtype.newbyteorder('=')
    if not len(where) or not size:
        return np.zeros((len(where), count) if count != 1 else len(where), native)
    if runs is None:
        windows = np.ndarray((len(buffer) - size + 1,), f'V{size}', buffer, 0, (1,))
        found = windows[where].view(dtype).reshape(len(where), count).astype(native, copy=False)
    else:
        found = np.empty((len(where), count), native)
        for first, end, distance in runs:
            strides = (distance, dtype.itemsize)
            found[first:end] = np.ndarray(
                (end - first, count), dtype, buffer, int(where[first]), strides
            )
    values: NDArray[Any] = found[:, 0] if count == 1 else found
    return values


@dataclass(frozen=True, slots=True)
class _Sink:
    """What all readers of one batch and byte order share."""

    definition: Callable[[str], Fields]
    type_name: str
    wanted: Callable[[str], bool]
    order: str
    pieces: dict[str, list[Piece]]

    def put(self, path: str, piece: Piece) -> None:
        """Keep a piece."""
        self.pieces.setdefault(path, []).append(piece)

    def dtype(self, base: str) -> np.dtype[Any]:
        """Return the type of a number on the wire."""
        name = {'byte': 'uint8', 'char': 'uint8', 'octet': 'uint8', 'bool': 'uint8'}.get(
            base, base
        )
        return np.dtype(f'{self.order}{np.dtype(name).str[1:]}')


class _Reader:
    """Reads fields of many messages, one after the other, at a position in each."""

    def __init__(
        self,
        buffer: NDArray[np.uint8],
        rows: NDArray[np.int64],
        origin: NDArray[np.int64],
        limit: NDArray[np.int64],
        sink: _Sink,
    ) -> None:
        self._buffer = buffer
        self._rows = rows
        self._origin = origin
        self._limit = limit
        self._smallest = int(limit.min()) if len(limit) else 0
        self._sink = sink
        self._at: Any = 0
        self._runs = runs_of(origin)
        #: Arrays that are still to be filled: where their first value is in a message, what it is.
        self._pending: list[tuple[NDArray[Any], int, np.dtype[Any]]] = []
        self._uniform = True
        #: Only a reader that is told to fill its arrays may put it off.
        self._may_wait = False

    def struct(self, fields: Fields, prefix: str) -> None:
        """Read the fields of a message."""
        for name, (kind, detail) in fields:
            path = f'{prefix}{name}'
            if kind == Nodetype.BASE:
                self._base(detail[0], path)
            elif kind == Nodetype.NAME:
                self.struct(self._sink.definition(detail), f'{path}.')
            elif kind == Nodetype.ARRAY:
                self._array(detail[0], int(detail[1]), path)
            else:
                self._sequence(detail[0], path)

    def finish(self) -> None:
        """Check that the messages end here, but for padding."""
        beyond = np.asarray(self._limit - self._at > ENCAPSULATION - 1)
        if beyond.any():
            self._fail(int(beyond.argmax()), 'is longer than its definition says')

    def fill(self) -> None:
        """Fill the arrays of numbers, run by run: each part of the buffer is fetched once."""
        for first, end, distance in self._runs or ():
            place = int(self._origin[first])
            for found, at, dtype in self._pending:
                shape, strides = (end - first, found.shape[1]), (distance, dtype.itemsize)
                found[first:end] = np.ndarray(shape, dtype, self._buffer, place + at, strides)

    def _base(self, base: str, path: str) -> None:
        if base in _STRING_TYPES:
            where, lengths = self._string()
            if self._sink.wanted(path):
                texts = self._texts(where, lengths)
                self._sink.put(path, Piece(texts, self._rows))
            return
        dtype = self._sink.dtype(base)
        where = self._take(dtype.itemsize, dtype.itemsize)
        if self._sink.wanted(path):
            self._sink.put(path, Piece(self._numbers(where, dtype, 1, base), self._rows))

    def _array(self, element: Any, count: int, path: str) -> None:
        kind, detail = element
        if kind == Nodetype.NAME:
            for index in range(count):
                self.struct(self._sink.definition(detail), f'{path}[{index}].')
            self._put_length(path, np.full(len(self._rows), count))
        elif detail[0] in _STRING_TYPES:
            self._strings(np.full(len(self._rows), count), path)
        else:
            dtype = self._sink.dtype(detail[0])
            where = self._take(dtype.itemsize, dtype.itemsize * count)
            if self._sink.wanted(path):
                values = self._numbers(where, dtype, count, detail[0]).reshape(-1, count)
                self._sink.put(path, Piece(values, self._rows))

    def _sequence(self, element: Any, path: str) -> None:
        kind, detail = element
        counts = self._count()
        if kind == Nodetype.NAME:
            for index in range(int(counts.max()) if len(counts) else 0):
                there = counts > index
                with_it = self._subset(there)
                with_it.struct(self._sink.definition(detail), f'{path}[{index}].')
                self._move(there, with_it._at)  # noqa: SLF001
            self._put_length(path, counts)
        elif detail[0] in _STRING_TYPES:
            self._strings(counts, path)
        else:
            self._number_sequence(counts, detail[0], path)

    def _number_sequence(self, counts: NDArray[np.int64], base: str, path: str) -> None:
        dtype = self._sink.dtype(base)
        # An empty sequence is not padded to the alignment of the elements it does not have.
        at = self._at
        start = np.broadcast_to(np.asarray(at), counts.shape)
        padded = -(-start // dtype.itemsize) * dtype.itemsize
        begin = np.where(counts > 0, padded, start)
        end = begin + counts * dtype.itemsize
        self._check(end)
        self._set(end)
        if not self._sink.wanted(path):
            return
        where = self._origin + begin
        self._uniform = isinstance(at, int)
        if len(counts) and (counts == counts[0]).all():
            values = self._numbers(where, dtype, int(counts[0]), base).reshape(len(counts), -1)
            self._sink.put(path, Piece(values, self._rows))
            return
        spans = [
            self._buffer[first : first + size]
            for first, size in zip(where.tolist(), (counts * dtype.itemsize).tolist(), strict=True)
        ]
        flat = np.concatenate(spans).view(dtype).astype(dtype.newbyteorder('='), copy=False)
        values = flat != 0 if base == 'bool' else flat
        self._sink.put(path, Piece(values, self._rows, counts))

    def _strings(self, counts: NDArray[np.int64], path: str) -> None:
        """Read strings one place after the other, since each may be of another length."""
        wanted = self._sink.wanted(path)
        # Place k of message i is value offsets[i] + k of all values.
        offsets = np.cumsum(counts) - counts
        texts = np.empty(int(counts.sum()), dtype=object)
        for index in range(int(counts.max()) if len(counts) else 0):
            there = counts > index
            with_it = self._subset(there)
            where, lengths = with_it._string()  # noqa: SLF001
            self._move(there, with_it._at)  # noqa: SLF001
            if wanted:
                texts[offsets[there] + index] = with_it._texts(where, lengths)  # noqa: SLF001
        if wanted:
            self._sink.put(path, Piece(texts, self._rows, counts))

    def _string(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where each string's characters are, and how many without the zero."""
        counts = self._count()
        where = self._origin + self._at
        self._uniform = isinstance(self._at, int)
        end: Any = self._at + counts
        self._check(end)
        self._set(end)
        return where, np.maximum(counts - 1, 0)

    def _count(self) -> NDArray[np.int64]:
        """Read a length; one that exceeds its message is refused."""
        where = self._take(4, 4)
        counts = self._gather(where, np.dtype(f'{self._sink.order}u4'), 1).astype(np.int64)
        self._check(self._at + counts)
        return counts

    def _take(self, alignment: int, size: int) -> Any:
        """Return where the next bytes are, and step over them."""
        at: Any = -(-self._at // alignment) * alignment
        self._check(at + size)
        self._at = at + size
        self._uniform = isinstance(at, int)
        return self._origin + at

    def _check(self, end: Any) -> None:
        highest = end if isinstance(end, int) else int(end.max(initial=0))
        if highest > self._smallest:
            over = np.asarray(end > self._limit)
            if over.any():
                self._fail(int(over.argmax()), 'is shorter than its definition needs')

    def _fail(self, place: int, reason: str) -> None:
        raise _broken(self._sink.type_name, self._rows[place], reason)

    def _set(self, at: Any) -> None:
        """Set the position; one number again where all messages agree."""
        same = len(at) > 0 and bool((at == at[0]).all())
        self._at = int(at[0]) if same else at

    def _subset(self, there: NDArray[np.bool_]) -> _Reader:
        """Return a reader of some of the messages, at their positions."""
        if there.all():
            reader = _Reader(self._buffer, self._rows, self._origin, self._limit, self._sink)
            reader._at = self._at
            return reader
        reader = _Reader(
            self._buffer, self._rows[there], self._origin[there], self._limit[there], self._sink
        )
        reader._set(np.broadcast_to(np.asarray(self._at), there.shape)[there])
        return reader

    def _move(self, there: NDArray[np.bool_], at: int | NDArray[np.int64]) -> None:
        """Take over the positions of a subset."""
        moved = np.array(np.broadcast_to(np.asarray(self._at), there.shape), dtype=np.int64)
        moved[there] = at
        self._set(moved)

    def _put_length(self, path: str, counts: NDArray[np.int64]) -> None:
        if self._sink.wanted(f'{path}.length'):
            self._sink.put(f'{path}.length', Piece(counts, self._rows))

    def _texts(self, where: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[Any]:
        """Decode strings; where all are equal, as frame names mostly are, only once."""
        texts = np.empty(len(where), dtype=object)
        if not len(where):
            return texts
        length = int(lengths[0])
        try:
            if (lengths == length).all():
                raw = self._gather(where, np.dtype('u1'), length).reshape(len(where), length)
                if (raw == raw[0]).all():
                    texts[:] = raw[0].tobytes().decode()
                    return texts
            data = memoryview(self._buffer)  # type: ignore[arg-type]
            spans = zip(where.tolist(), lengths.tolist(), strict=True)
            for place, (first, size) in enumerate(spans):
                texts[place] = str(data[first : first + size], 'utf-8')
        except UnicodeDecodeError as error:
            self._fail(0, f'holds a string that is not UTF-8 ({error.reason})')
        return texts

    def _gather(self, where: NDArray[np.int64], dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        runs = self._runs if self._uniform else None
        return gather(self._buffer, where, dtype, count, runs)

    def _numbers(
        self, where: NDArray[np.int64], dtype: np.dtype[Any], count: int, base: str
    ) -> NDArray[Any]:
        if base == 'bool':
            truth: NDArray[np.bool_] = self._gather(where, dtype, count) != 0
            return truth
        if self._runs is None or not self._uniform or not count or not self._may_wait:
            return self._gather(where, dtype, count)
        found = np.empty((len(where), count), dtype.newbyteorder('='))
        self._pending.append((found, int(where[0] - self._origin[0]), dtype))
        values: NDArray[Any] = found[:, 0] if count == 1 else found
        return values


def _broken(type_name: str, row: Any, reason: str) -> MessageFormatError:
    return MessageFormatError(f'message {int(row)} is not a {type_name}: it {reason}')
