"""Encode columns to serialized messages, all of them at once: the way back of `cdr.decode`.

The definition is walked once. Each step knows the place in every message (one number while all
messages share a layout) and notes what is to be written there; when the sizes are known the bytes
are written field by field.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import KeyNotFoundError, MessageTypeError
from lk_dataset_ros.message.columnar.batch import Batch, windows_of
from lk_dataset_ros.message.columnar.building import Column
from lk_dataset_ros.message.columnar.cdr import (
    ENCAPSULATION,
    Each,
    aligned,
    one_or_each,
    wire_type,
)
from lk_dataset_ros.message.definitions.definition import STRINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.message.codec import Codec

#: Little endian, plain CDR.
_HEADER = np.frombuffer(b'\x00\x01\x00\x00', '<u4')
#: Fields that are written without being given.
_MOST_STEPS = 2**19
#: A length has 32 bits.
_LONGEST = 2**32 - 1


def encode_columns(
    columns: Mapping[str, Column | NDArray[Any]], codec: Codec, count: int, *, prefix: int = 0
) -> Batch:
    """Encode messages; see `Encoder`.

    Args:
        columns: Columns or arrays by field path, first axis = message.
        codec: Knows the definition.
        count: Number of messages.
        prefix: Bytes to leave free before each message.

    Returns:
        The messages, one after the other.
    """
    encoder = Encoder(columns, codec, count)
    return encoder.encode(0, count, np.zeros(encoder.size(0, count, prefix), np.uint8), prefix)


class Encoder:
    """Encodes columns to messages, as many at a time as are wanted.

    Args:
        columns: Columns or arrays by field path, first axis = message. Fields that are not there
            have their default.
        codec: Knows the definition.
        count: Number of messages.

    Raises:
        KeyNotFoundError: If the type has no such field.
        MessageTypeError: If values do not fit a field.
    """

    def __init__(
        self, columns: Mapping[str, Column | NDArray[Any]], codec: Codec, count: int
    ) -> None:
        rows = np.arange(count, dtype=np.int64)
        given = {path: _as_column(path, each, rows) for path, each in columns.items()}
        writer = _Writer(_Given(given, codec), rows, [])
        writer.put(_HEADER)
        writer.at = ENCAPSULATION
        writer.struct(codec.schema.name, codec.new(), '')
        unknown = set(given) - writer.given.used
        if unknown:
            names = ', '.join(sorted(unknown)[:3])
            raise KeyNotFoundError(f'{codec.schema.name} has no field {names}')
        self._steps = writer.steps
        self._same_size = isinstance(writer.at, int)
        self._ends = np.cumsum(np.broadcast_to(np.asarray(writer.at, np.int64), (count,)))

    def size(self, first: int, last: int, prefix: int) -> int:
        """Return the bytes of some messages, each with a prefix."""
        return self._end(last) - self._end(first) + (last - first) * prefix

    def last(self, first: int, limit: int, prefix: int) -> int:
        """Return the end of the messages from the first on that exceed a number of bytes."""
        count = len(self._ends)
        low, high = first + 1, count
        while low < high:
            middle = (low + high) // 2
            if self.size(first, middle, prefix) > limit:
                high = middle
            else:
                low = middle + 1
        return min(low, count)

    def encode(self, first: int, last: int, buffer: NDArray[np.uint8], prefix: int) -> Batch:
        """Encode some messages into a buffer of zeros.

        Args:
            first: First message.
            last: First message that is left out.
            buffer: Takes them; of `size(first, last, prefix)` bytes.
            prefix: Bytes to leave free before each message.
        """
        ends = self._ends[first:last] - self._end(first)
        ends = ends + np.arange(1, last - first + 1) * prefix
        length = np.diff(ends, prepend=0) - prefix
        start = ends - length
        for step in self._steps if last > first else ():
            step.write(buffer, start, first, self._same_size)
        return Batch(buffer, start, length)

    def _end(self, last: int) -> int:
        return int(self._ends[last - 1]) if last else 0


@dataclass(frozen=True, slots=True)
class _Step:
    """Something to write.

    Attributes:
        values: Shape (n, k) in the type on the wire, or (1, k) for the same in all messages; with
            `spread` a flat array.
        at: Where in the messages.
        rows: The messages, None for all.
        spread: Number of values in each message, where that differs.
        ends: Its cumulative sum.
    """

    values: NDArray[Any]
    at: Each
    rows: NDArray[np.int64] | None
    spread: NDArray[np.int64] | None = None
    ends: NDArray[np.int64] | None = None

    def write(
        self, buffer: NDArray[np.uint8], start: NDArray[np.int64], first: int, same_size: bool
    ) -> None:
        """Write what concerns some messages.

        Args:
            buffer: Takes the bytes.
            start: Where these messages start.
            first: The first of them.
            same_size: All messages have the same size.
        """
        part = slice(first, first + len(start))
        if self.rows is not None:
            part = slice(*np.searchsorted(self.rows, [part.start, part.stop]).tolist())
            start = start[self.rows[part] - first]
        at = self.at if isinstance(self.at, int) else self.at[part]
        itemsize = self.values.dtype.itemsize
        if not len(start):
            return
        if self.spread is not None:
            assert self.ends is not None
            spread = self.spread[part]
            before = int(self.ends[part.start - 1]) if part.start else 0
            values = self.values[before : before + int(spread.sum())]
            if len(values):
                within = np.arange(len(values)) - np.repeat(np.cumsum(spread) - spread, spread)
                places = np.repeat(start + at, spread) + within * itemsize
                windows_of(buffer, itemsize)[places] = values.view(f'V{itemsize}')
            return
        values = self.values if len(self.values) == 1 else self.values[part]
        size = itemsize * values.shape[1]
        if not size:
            return
        if same_size and self.rows is None and isinstance(at, int):
            stride = int(start[1] - start[0]) if len(start) > 1 else len(buffer)
            shape, strides = (len(start), values.shape[1]), (stride, itemsize)
            target = np.ndarray(shape, values.dtype, buffer, int(start[0]) + at, strides)
            target[...] = values
        else:
            words = np.ascontiguousarray(values).view(f'V{size}')[:, 0]
            windows_of(buffer, size)[start + at] = words


class _Given:
    """The columns that were given, and the definition."""

    def __init__(self, columns: dict[str, Column], codec: Codec) -> None:
        self.columns = columns
        self.codec = codec
        self.used: set[str] = set()
        #: A length may say that there are any number of messages; more than these are refused.
        self.most_steps = _MOST_STEPS + 4 * len(columns)

    def column(self, path: str, rows: NDArray[np.int64]) -> Column | None:
        """Return a column of exactly some messages, None if it is not given."""
        found = self.columns.get(path)
        if found is None:
            return None
        self.used.add(path)
        if len(found.rows) != len(rows) or not np.array_equal(found.rows, rows):
            raise MessageTypeError(
                f'{self.codec.schema.name}, {path}: {len(found.rows)} values are not those of '
                f'the {len(rows)} messages that have this field'
            )
        return found


@dataclass(slots=True)
class _Writer:
    """Walks the definition for some of the messages and notes what to write where."""

    given: _Given
    rows: NDArray[np.int64]
    steps: list[_Step]
    at: Each = 0
    whole: bool = True

    def put(self, values: NDArray[Any], spread: NDArray[np.int64] | None = None) -> None:
        """Note values that go to the place where the writer is."""
        if spread is None and values.ndim == 1:
            values = values.reshape(-1, 1)
        rows = None if self.whole else self.rows
        ends = None if spread is None else np.cumsum(spread)
        self.steps.append(_Step(values, self.at, rows, spread, ends))

    def struct(self, name: str, default: Any, prefix: str) -> None:
        """Write the fields of a message."""
        for member, (kind, detail) in self.given.codec.definition(name):
            path = f'{prefix}{member}'
            value = getattr(default, member) if default is not None else None
            if kind == Nodetype.NAME:
                self.struct(detail, value, f'{path}.')
            elif kind == Nodetype.BASE:
                if detail[0] in STRINGS:
                    column = self.given.column(path, self.rows)
                    if column is not None and (
                        column.offsets is not None or column.values.ndim > 1
                    ):
                        raise self._refused(path, 'it needs one string for each message')
                    texts = [value] if column is None else column.values.tolist()
                    self.texts(path, texts, detail)
                else:
                    self._numbers(path, detail[0], (), value)
            else:
                size = int(detail[1]) if kind == Nodetype.ARRAY else None
                limit = int(detail[1]) if kind != Nodetype.ARRAY and detail[1] else None
                self._several(path, detail[0], size, limit, value)

    def _several(
        self, path: str, element: Any, size: int | None, limit: int | None, value: Any
    ) -> None:
        """Write an array (of a size) or a sequence (up to a limit)."""
        kind, detail = element
        if kind == Nodetype.NAME:
            self._messages(path, detail, size, limit, value)
        elif detail[0] in STRINGS:
            self._many_texts(path, detail, size, limit, value)
        elif size is not None:
            self._numbers(path, detail[0], (size,), value)
        else:
            self._sequence(path, detail[0], limit, value)

    def _messages(
        self, path: str, name: str, size: int | None, limit: int | None, value: Any
    ) -> None:
        column = self.given.column(f'{path}.length', self.rows)
        if column is None:
            counts: Each = size if size is not None else len(value) if value is not None else 0
        else:
            counts = one_or_each(self._lengths(f'{path}.length', column))
        self._check_counts(path, counts, size, limit)
        if size is None:
            self._count(counts)
        default = self.given.codec.classes[name]()
        highest = counts if isinstance(counts, int) else int(counts.max(initial=0))
        for index in range(highest):
            # Each takes a step at least.
            if len(self.steps) + highest - index > self.given.most_steps:
                raise self._refused(path, f'{highest} messages are too many to lay them out')
            there = np.broadcast_to(np.asarray(counts > index), self.rows.shape)
            own = value[index] if column is None and value is not None else default
            if there.all():
                self.struct(name, own, f'{path}[{index}].')
                continue
            part = self._part(there)
            part.struct(name, own, f'{path}[{index}].')
            self._join(there, part)

    def _numbers(self, path: str, base: str, shape: tuple[int, ...], value: Any) -> None:
        wire = wire_type(base, '<')
        column = self.given.column(path, self.rows)
        count = shape[0] if shape else 1
        if column is None:
            values = np.asarray(value if value is not None else 0).reshape(1, -1)
        else:
            values = column.values
            if column.offsets is not None:
                lengths = np.diff(column.offsets)
                self._check_counts(path, one_or_each(lengths), count, None)
                values = values[int(column.offsets[0]) : int(column.offsets[-1])]
            elif values.shape[1:] != shape:
                raise self._refused(path, f'shape {values.shape[1:]} is not {shape}')
            values = values.reshape(len(self.rows), count)
        self.at = aligned(self.at, wire.itemsize)
        self.put(self._as(path, values, base))
        self.at = self.at + count * wire.itemsize

    def _sequence(self, path: str, base: str, limit: int | None, value: Any) -> None:
        wire = wire_type(base, '<')
        column = self.given.column(path, self.rows)
        if column is None:
            values = np.asarray(value).reshape(1, -1)
            counts: Each = values.shape[1]
        elif column.offsets is None:
            values = self._in_rows(path, column)
            counts = values.shape[1]
        else:
            counts = one_or_each(np.diff(column.offsets).astype(np.int64))
            values = column.values[int(column.offsets[0]) : int(column.offsets[-1])]
            if isinstance(counts, int):
                values = values.reshape(len(self.rows), counts)
        self._check_counts(path, counts, None, limit)
        self._count(counts)
        if isinstance(counts, int):
            if counts:
                self.at = aligned(self.at, wire.itemsize)
                self.put(self._as(path, values, base))
        else:
            self.at = np.where(counts > 0, aligned(self.at, wire.itemsize), self.at)
            self.put(self._as(path, values, base), counts)
        self.at = one_or_each(self.at + counts * wire.itemsize)

    def _in_rows(self, path: str, column: Column) -> NDArray[Any]:
        """Return a column without offsets as values of shape (n, k)."""
        values = column.values
        if values.ndim > 2:
            raise self._refused(path, f'shape {values.shape[1:]} is no sequence')
        return values.reshape(len(values), values.shape[1] if values.ndim == 2 else 1)

    def _lengths(self, path: str, column: Column) -> NDArray[np.int64]:
        """Return the lengths that a column says."""
        values = column.values
        if column.offsets is not None or values.ndim != 1 or values.dtype.kind not in 'iu':
            raise self._refused(path, 'it needs one whole number for each message')
        if values.size and int(values.max()) > _LONGEST:
            raise self._refused(path, f'at most {_LONGEST} values fit, not {values.max()}')
        return values.astype(np.int64)

    def _many_texts(
        self, path: str, kind: tuple[str, int], size: int | None, limit: int | None, value: Any
    ) -> None:
        column = self.given.column(path, self.rows)
        if column is None:
            lists = [list(value or [])]
        elif column.offsets is None:
            lists = self._in_rows(path, column).tolist()
        else:
            bounds = column.offsets.tolist()
            flat = column.values.tolist()
            lists = [flat[a:b] for a, b in itertools.pairwise(bounds)]
        counts = one_or_each(np.array([len(each) for each in lists], np.int64))
        self._check_counts(path, counts, size, limit)
        if size is None:
            self._count(counts)
        for index in range(counts if isinstance(counts, int) else int(counts.max(initial=0))):
            if isinstance(counts, int):
                self.texts(path, [each[index] for each in lists], kind)
                continue
            there = counts > index
            part = self._part(there)
            part.texts(path, [each[index] for each in lists if len(each) > index], kind)
            self._join(there, part)

    def texts(self, path: str, texts: list[Any], kind: tuple[str, int]) -> None:
        """Write a string for each message, or one for all."""
        base, limit = kind
        try:
            distinct = dict.fromkeys(texts)
            encoded = {each: _bytes_of(each, base) for each in distinct}
            longest = max(map(len, distinct), default=0) if limit else 0
        except (AttributeError, TypeError, UnicodeEncodeError) as error:
            raise self._refused(path, f'not every value is a string ({error})') from error
        if longest > limit:
            raise self._refused(path, f'at most {limit} characters fit, not {longest}')
        # A wstring counts code units of four bytes.
        unit = 1 if base == 'string' else 4
        if len(encoded) == 1:
            data = next(iter(encoded.values()))
            self._count(len(data) // unit)
            self.put(np.frombuffer(data, np.uint8).reshape(1, -1))
            self.at = self.at + len(data)
            return
        pieces = [encoded[each] for each in texts]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        self._count(one_or_each(lengths // unit))
        self.put(np.frombuffer(b''.join(pieces), np.uint8), lengths)
        self.at = one_or_each(self.at + lengths)

    def _part(self, there: NDArray[np.bool_]) -> _Writer:
        """Return a writer for some of the messages, at their places."""
        at = self.at if isinstance(self.at, int) else one_or_each(self.at[there])
        return _Writer(self.given, self.rows[there], self.steps, at, whole=False)

    def _join(self, there: NDArray[np.bool_], part: _Writer) -> None:
        """Take over the places of some of the messages."""
        moved = np.array(np.broadcast_to(np.asarray(self.at), there.shape), dtype=np.int64)
        moved[there] = part.at
        self.at = one_or_each(moved)

    def _count(self, counts: Each) -> None:
        self.at = aligned(self.at, 4)
        self.put(np.atleast_1d(np.asarray(counts)).astype('<u4'))
        self.at = self.at + 4

    def _as(self, path: str, values: NDArray[Any], base: str) -> NDArray[Any]:
        """Return values in the type on the wire; numbers that it cannot hold are refused."""
        wire = wire_type(base, '<')
        kept = np.dtype(np.bool_) if base == 'bool' else wire.newbyteorder('=')
        if values.dtype != kept:
            allowed = np.can_cast(values.dtype, kept, 'same_kind') or (
                values.dtype.kind in 'iub' and kept.kind in 'iuf'
            )
            if values.size and not allowed:
                raise self._refused(path, f'{values.dtype} is not {base}')
            if values.size and kept.kind in 'iu' and values.dtype.kind in 'iu':
                info, low, high = np.iinfo(kept), values.min(), values.max()
                if low < info.min or high > info.max:
                    bad = low if low < info.min else high
                    raise self._refused(path, f'{bad} does not fit {base}')
        if base == 'bool':
            return values.astype(np.bool_).view(np.uint8)
        with np.errstate(over='ignore'):
            encoded = np.ascontiguousarray(values.astype(wire, copy=False))
        if kept.itemsize < values.dtype.itemsize and kept.kind == 'f':
            lost = np.isinf(encoded) & np.isfinite(values)
            if lost.any():
                raise self._refused(path, f'{values[lost][0]} does not fit {base}')
        return encoded

    def _check_counts(self, path: str, counts: Each, size: int | None, limit: int | None) -> None:
        each = np.atleast_1d(np.asarray(counts))
        if size is not None and (each != size).any():
            raise self._refused(path, f'an array of {size} got {each[each != size][0]} values')
        if limit is not None and (each > limit).any():
            raise self._refused(path, f'at most {limit} values fit, not {each.max()}')
        if each.size and int(each.min()) < 0:
            raise self._refused(path, f'a length cannot be {each.min()}')

    def _refused(self, path: str, reason: str) -> MessageTypeError:
        return MessageTypeError(f'{self.given.codec.schema.name}, {path}: {reason}')


def _bytes_of(text: str, base: str) -> bytes:
    """Return the bytes of a string on the wire, behind its length."""
    if base == 'string':
        return text.encode() + b'\0'
    units = np.frombuffer(text.encode('utf-16-le'), '<u2')
    return units.astype('<u4').tobytes()


def _as_column(path: str, values: Any, rows: NDArray[np.int64]) -> Column:
    """Take an array as the column of all messages; check what a column says of itself."""
    if isinstance(values, Column):
        reason = _contradiction(values)
        if reason:
            raise MessageTypeError(f'{path}: {reason}')
        return values
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise MessageTypeError(f'{path}: the values make no array ({error})') from error
    if array.ndim == 0 or len(array) != len(rows):
        raise MessageTypeError(f'{path}: {np.shape(array)} is not {len(rows)} values')
    if array.dtype.kind in 'US':
        array = array.astype(object)
    return Column(array, rows)


def _contradiction(column: Column) -> str:
    """Return what in a column does not fit together, or an empty text."""
    values, rows, offsets = column.values, column.rows, column.offsets
    if not isinstance(values, np.ndarray) or not values.ndim:
        return f'the values are {type(values).__name__}; an array is needed'
    if not _is_list_of_whole(rows):
        return 'the rows are no array of whole numbers'
    if offsets is None:
        return f'{len(values)} values for {len(rows)} rows' if len(values) != len(rows) else ''
    if not _is_list_of_whole(offsets) or len(offsets) != len(rows) + 1 or values.ndim != 1:
        return f'{np.shape(offsets)} offsets for {len(rows)} rows of {values.shape} values'
    if offsets[0] < 0 or offsets[-1] > len(values) or (offsets[1:] < offsets[:-1]).any():
        return f'the offsets do not ascend from 0 to {len(values)}'
    return ''


def _is_list_of_whole(numbers: Any) -> bool:
    return isinstance(numbers, np.ndarray) and numbers.ndim == 1 and numbers.dtype.kind in 'iu'
