"""Decode all messages of a topic at once: CDR bytes to arrays, one per field path.

The definition is walked once for all messages. The position in each message is one number while
all messages share a layout, and an array of numbers from the first string or sequence on whose
length differs; either way every step is one NumPy operation over all messages. Every length is
checked against the end of its message before anything is read.

Encoding: OMG CDR (XCDR version 1) as in the ROS 2 middlewares: alignment counts from the end of
the 4-byte encapsulation header, strings carry their terminating zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.interfaces import Nodetype

from lk_dataset_ros.errors import MessageFormatError
from lk_dataset_ros.message.columnar.batch import Batch, gather
from lk_dataset_ros.message.columnar.plan import Plan
from lk_dataset_ros.message.columnar.target import Piece
from lk_dataset_ros.message.definitions.definition import STRINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message.columnar.target import Target

    Fields = Sequence[tuple[str, Any]]

ENCAPSULATION = 4
#: rclpy's serialize_message leaves up to this much room behind a message, unset, for each wstring
#: and each empty sequence of numbers of 8 bytes.
EXCESS = 8
#: Strings that lie this close together are decoded at once.
_DENSE = 64


def decode(
    batch: Batch,
    definition: Callable[[str], Fields],
    type_name: str,
    target: Target,
    first: int = 0,
) -> None:
    """Decode the wanted fields of all messages of a batch.

    Args:
        batch: The messages.
        definition: Gives field names and nodes of a type.
        type_name: Type of the messages.
        target: Takes the fields.
        first: Row of the first message.

    Raises:
        MessageFormatError: Naming the first message that is not of the type.
    """
    batch = batch.brought_together()
    if target.plan is not None and target.plan.fits(batch):
        target.plan.read(batch, target, first)
        return
    rows = np.arange(first, first + len(batch), dtype=np.int64)
    short = batch.length < ENCAPSULATION
    if short.any():
        raise _broken(type_name, rows[short][0], 'is shorter than its encapsulation header')
    kinds = gather(batch.buffer, batch.start, np.dtype('>u2'), runs=batch.runs)
    for kind, order in ((1, '<'), (0, '>')):
        same = kinds == kind
        whole = bool(same.all())
        if not same.any():
            continue
        chosen = batch
        if not whole:
            chosen = Batch(batch.buffer, batch.start[same], batch.length[same])
        reader = _Reader(chosen, rows[same], _Job(definition, type_name, order, target))
        if whole and batch.size is not None and batch.runs is not None:
            reader.plan = Plan(batch.size, [(0, kind.to_bytes(2, 'big'))])
        reader.whole = whole
        reader.struct(definition(type_name), '')
        reader.finish()
        if whole:
            target.plan = reader.plan
            return
    known = (kinds == 0) | (kinds == 1)
    if not known.all():
        raise _broken(type_name, rows[~known][0], 'has an encapsulation that is not plain CDR')


@dataclass(frozen=True, slots=True)
class _Job:
    """What all readers of one batch and byte order share."""

    definition: Callable[[str], Fields]
    type_name: str
    order: str
    target: Target


#: A number where all messages agree, otherwise one for each message.
Each = Any


class _Reader:
    """Reads fields of many messages, one after the other, at a position in each.

    Attributes:
        whole: It reads all messages of the batch, in order.
        plan: What later batches may agree with; None once these messages differ in layout.
    """

    def __init__(self, batch: Batch, rows: NDArray[np.int64], job: _Job) -> None:
        self.whole = False
        self.plan: Plan | None = None
        self._batch = batch
        self._rows = rows
        self._limit = batch.length
        self._smallest = int(batch.length.min()) if len(batch) else 0
        self._job = job
        #: How many bytes may follow: the padding that some writers leave.
        self._slack: Each = ENCAPSULATION - 1
        #: The place in each message; alignment counts from behind the encapsulation header.
        self._at: Each = ENCAPSULATION

    def struct(self, fields: Fields, prefix: str) -> None:
        """Read the fields of a message."""
        for name, (kind, detail) in fields:
            path = f'{prefix}{name}'
            if kind == Nodetype.BASE:
                self._base(detail[0], path)
            elif kind == Nodetype.NAME:
                self.struct(self._job.definition(detail), f'{path}.')
            elif kind == Nodetype.ARRAY:
                self._array(detail[0], int(detail[1]), path)
            else:
                self._sequence(detail[0], path)

    def finish(self) -> None:
        """Check that the messages end here, but for padding."""
        beyond = np.asarray(self._limit - self._at > self._slack)
        if beyond.any():
            self._fail(int(beyond.argmax()), 'is longer than its definition says')

    def _base(self, base: str, path: str) -> None:
        if base in STRINGS:
            at, lengths = self._string(base)
            if self._job.target.wants(path, float(np.mean(lengths))):
                texts = self._new(path, (), np.dtype(object))
                self._read_texts(base, at, lengths, texts, (path, (), 0))
            return
        dtype = wire_type(base, self._job.order)
        self._numbers(self._take(dtype.itemsize, dtype.itemsize), dtype, (), base, path)

    def _array(self, element: Any, count: int, path: str) -> None:
        kind, detail = element
        if kind == Nodetype.NAME:
            for index in range(count):
                self.struct(self._job.definition(detail), f'{path}[{index}].')
            self._put_length(path, count)
        elif detail[0] in STRINGS:
            self._strings(detail[0], count, path)
        else:
            dtype = wire_type(detail[0], self._job.order)
            at = self._take(dtype.itemsize, dtype.itemsize * count)
            self._numbers(at, dtype, (count,), detail[0], path)

    def _sequence(self, element: Any, path: str) -> None:
        kind, detail = element
        counts = self._count()
        if kind == Nodetype.NAME:
            for index in range(_highest(counts)):
                there = np.broadcast_to(np.asarray(counts > index), self._rows.shape)
                with_it = self._subset(there)
                with_it.struct(self._job.definition(detail), f'{path}[{index}].')
                self._move(there, with_it)
            self._put_length(path, counts)
        elif detail[0] in STRINGS:
            self._strings(detail[0], counts, path)
        else:
            self._number_sequence(counts, detail[0], path)

    def _number_sequence(self, counts: Each, base: str, path: str) -> None:
        dtype = wire_type(base, self._job.order)
        at = self._at
        # An empty sequence is not padded to the alignment of the elements it does not have.
        padded = aligned(at, dtype.itemsize)
        if isinstance(counts, int):
            begin: Each = padded if counts else at
        else:
            begin = np.where(counts > 0, padded, at)
        if dtype.itemsize == 8:
            self._slack = self._slack + EXCESS * (np.asarray(counts) == 0)
        self._go_to(begin + counts * dtype.itemsize)
        if isinstance(counts, int):
            self._numbers(begin, dtype, (counts,), base, path)
        elif self._job.target.wants(path, float(counts.mean()) * dtype.itemsize):
            where = (self._batch.start + begin).tolist()
            sizes = (counts * dtype.itemsize).tolist()
            spans = [
                self._batch.buffer[a : a + size] for a, size in zip(where, sizes, strict=True)
            ]
            flat = np.concatenate(spans).view(dtype).astype(dtype.newbyteorder('='), copy=False)
            values = flat != 0 if base == 'bool' else flat
            self._job.target.put(path, Piece(values, self._rows, counts))

    def _strings(self, base: str, counts: Each, path: str) -> None:
        """Read strings one place after the other, since each may be of another length."""
        if isinstance(counts, int):
            found = [self._string(base) for _ in range(counts)]
            size = sum(float(np.mean(lengths)) for _, lengths in found)
            if self._job.target.wants(path, size):
                texts = self._new(path, (counts,), np.dtype(object))
                for index, (at, lengths) in enumerate(found):
                    self._read_texts(base, at, lengths, texts[:, index], (path, (counts,), index))
                if self.plan is not None and not counts:
                    self.plan.numbers.append((path, (0,), texts.dtype, 0, np.dtype('u1')))
            return
        # Place k of message i is value offsets[i] + k of all values.
        offsets = np.cumsum(counts) - counts
        texts = np.empty(int(counts.sum()), dtype=object)
        wanted = self._job.target.wants(path, float(counts.mean()))
        for index in range(_highest(counts)):
            there = counts > index
            with_it = self._subset(there)
            at, lengths = with_it._string(base)  # noqa: SLF001
            self._move(there, with_it)
            if wanted:
                found_here = np.empty(len(with_it._rows), dtype=object)  # noqa: SLF001
                with_it._read_texts(base, at, lengths, found_here, None)  # noqa: SLF001
                texts[offsets[there] + index] = found_here
        if wanted:
            self._job.target.put(path, Piece(texts, self._rows, counts))

    def _string(self, base: str) -> tuple[Each, Each]:
        """Return where each string's characters are, and their bytes without the zero."""
        counts = self._count()
        at = self._at
        if base == 'wstring':
            # UTF-16 code units of four bytes each, without a terminating zero.
            self._go_to(at + 4 * counts)
            self._slack = self._slack + EXCESS
            return at, 4 * counts
        self._go_to(at + counts)
        self._check_terminated(at, counts)
        return at, max(counts - 1, 0) if isinstance(counts, int) else np.maximum(counts - 1, 0)

    def _check_terminated(self, at: Each, counts: Each) -> None:
        """Check that strings end with a zero; one without even that (a length of 0) is empty."""
        if isinstance(counts, int) and not counts:
            return
        # For a length of 0 this is the end of the length itself, a zero too.
        last = at + counts - 1
        ends = self._read(last, np.dtype('u1'), 1)[:, 0]
        if ends.any():
            self._fail(int(ends.argmax()), 'holds a string without its terminating zero')
        if self.plan is not None and isinstance(last, int):
            self.plan.same.append((last, b'\0'))

    def _count(self) -> Each:
        """Read a length; one that exceeds its message is refused."""
        at = self._take(4, 4)
        wire = np.dtype(f'{self._job.order}u4')
        each = self._read(at, wire, 1)[:, 0].astype(np.int64)
        self._check(self._at + each)
        counts = one_or_each(each)
        if not (isinstance(counts, int) and isinstance(at, int)):
            self.plan = None
        elif self.plan is not None:
            self.plan.same.append((at, np.array(counts, wire).tobytes()))
        return counts

    def _take(self, alignment: int, size: int) -> Each:
        """Return where the next bytes are, and step over them."""
        at = aligned(self._at, alignment)
        self._check(at + size)
        self._at = at + size
        return at

    def _go_to(self, at: Each) -> None:
        self._check(at)
        self._at = one_or_each(at)

    def _check(self, end: Each) -> None:
        if _highest(end) > self._smallest:
            over = np.asarray(end > self._limit)
            if over.any():
                self._fail(int(over.argmax()), 'is shorter than its definition needs')

    def _fail(self, place: int, reason: str) -> None:
        raise _broken(self._job.type_name, self._rows[place], reason)

    def _subset(self, there: NDArray[np.bool_]) -> _Reader:
        """Return a reader of some of the messages, at their positions."""
        if there.all():
            return self
        part = Batch(self._batch.buffer, self._batch.start[there], self._batch.length[there])
        reader = _Reader(part, self._rows[there], self._job)
        self.plan = None
        reader._at = self._at if isinstance(self._at, int) else one_or_each(self._at[there])
        reader._slack = np.broadcast_to(np.asarray(self._slack), there.shape)[there]
        return reader

    def _move(self, there: NDArray[np.bool_], part: _Reader) -> None:
        """Take over the positions of a subset."""
        if part is self:
            return
        moved = np.array(np.broadcast_to(np.asarray(self._at), there.shape), dtype=np.int64)
        moved[there] = part._at
        self._at = one_or_each(moved)
        if part._slack is not self._slack:
            slack = np.array(np.broadcast_to(np.asarray(self._slack), there.shape))
            slack[there] = part._slack
            self._slack = slack

    def _put_length(self, path: str, counts: Each) -> None:
        if self._job.target.wants(f'{path}.length', 0):
            lengths = self._new(f'{path}.length', (), np.dtype(np.int64))
            lengths[:] = counts
            if self.plan is not None:
                self.plan.lengths.append((f'{path}.length', counts))

    def _new(self, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array for a field of these messages, known to the target already."""
        values = self._job.target.place(path, shape, dtype) if self.whole else None
        if values is None:
            values = np.empty((len(self._rows), *shape), dtype)
            self._job.target.put(path, Piece(values, self._rows))
        return values

    def _numbers(
        self, at: Each, dtype: np.dtype[Any], shape: tuple[int, ...], base: str, path: str
    ) -> None:
        count = shape[0] if shape else 1
        if not self._job.target.wants(path, dtype.itemsize * count):
            return
        kept = np.dtype(np.bool_) if base == 'bool' else dtype.newbyteorder('=')
        values = self._new(path, shape, kept)
        flat = values.reshape(len(values), count)
        if self.whole and isinstance(at, int) and self._batch.runs is not None:
            self._job.target.fill(self._batch, path, flat, at, dtype)
            if self.plan is not None:
                self.plan.numbers.append((path, shape, kept, at, dtype))
        else:
            self.plan = None
            read = self._read(at, dtype, count)
            flat[...] = read != 0 if base == 'bool' else read

    def _read(self, at: Each, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """Read numbers now; shape (n, count)."""
        runs = self._batch.runs if isinstance(at, int) else None
        values = gather(self._batch.buffer, self._batch.start + at, dtype, count, runs)
        return values.reshape(len(self._rows), count)

    def _read_texts(
        self,
        base: str,
        at: Each,
        lengths: Each,
        texts: NDArray[Any],
        place: tuple[str, tuple[int, ...], int] | None,
    ) -> None:
        """Decode strings; where all are equal, as frame names mostly are, only once.

        Args:
            base: `string` or `wstring`.
            at: Where they are in each message.
            lengths: Their bytes.
            texts: Takes them.
            place: Field path, shape and index that the texts are of, for the plan.
        """
        if not len(texts):
            return
        decode = bytes.decode if base == 'string' else partial(_wide_text, self._job.order)
        try:
            if isinstance(lengths, int):
                raw = self._read(at, np.dtype('u1'), lengths)
                if (raw == raw[0]).all():
                    texts[:] = text = decode(raw[0].tobytes())
                    if self.plan is not None and place is not None:
                        self.plan.same.append((at, raw[0].tobytes()))
                        self.plan.texts.append((*place, text))
                    return
                buffer, start = raw.reshape(-1), np.arange(len(texts)) * lengths
            else:
                buffer, start = self._batch.buffer, self._batch.start + at
            self.plan = None
            texts[:] = _texts_of(buffer, start, start + lengths, decode)
        except UnicodeDecodeError as error:
            self._fail(0, f'holds a string that is not UTF ({error.reason})')


def _wide_text(order: str, data: bytes) -> str:
    """Decode a wstring."""
    units = np.frombuffer(data, f'{order}u4')
    if (units > 0xFFFF).any():
        raise UnicodeDecodeError('utf-16', data, 0, len(data), 'not a UTF-16 code unit')
    return units.astype('<u2').tobytes().decode('utf-16-le')


def _texts_of(
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    decode: Callable[[bytes], str],
) -> NDArray[Any]:
    """Decode the strings of many spans."""
    found = np.empty(len(start), dtype=object)
    lowest, highest = int(start.min()), int(stop.max())
    is_dense = highest - lowest < _DENSE * (int((stop - start).sum()) + len(start))
    if is_dense and decode is bytes.decode:
        # Slices of one decoded text are much cheaper than decoding each; true for ASCII only.
        text = buffer[lowest:highest].tobytes().decode('latin-1')
        spans = zip((start - lowest).tolist(), (stop - lowest).tolist(), strict=True)
        texts = [text[a:b] for a, b in spans]
        if ''.join(texts).isascii():
            found[:] = texts
            return found
    spans = zip(start.tolist(), stop.tolist(), strict=True)
    found[:] = [decode(buffer[a:b].tobytes()) for a, b in spans]
    return found


def wire_type(base: str, order: str) -> np.dtype[Any]:
    """Return the type of a number on the wire: a `bool` is a byte there."""
    name = {'byte': 'uint8', 'char': 'uint8', 'octet': 'uint8', 'bool': 'uint8'}.get(base, base)
    return np.dtype(f'{order}{np.dtype(name).str[1:]}')


def aligned(at: Each, size: int) -> Each:
    """Return the next places where a number of a size may stand."""
    return -(-(at - ENCAPSULATION) // size) * size + ENCAPSULATION


def one_or_each(values: Each) -> Each:
    """Return one number where all messages agree."""
    if isinstance(values, int) or not len(values):
        return values
    first = int(values[0])
    return first if (values == first).all() else values


def _highest(values: Each) -> int:
    return values if isinstance(values, int) else int(values.max(initial=0))


def _broken(type_name: str, row: Any, reason: str) -> MessageFormatError:
    return MessageFormatError(f'message {int(row)} is not a {type_name}: it {reason}')
