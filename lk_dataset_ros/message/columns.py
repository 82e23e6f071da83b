"""Messages of one key as arrays: one per field path, first axis = message."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.message.cdr import Batch, Piece, decode
from lk_dataset_ros.message.fields import Layout, header_stamp_ns, walk, without_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message.codec import Codec


_STAMP = ('header.stamp.sec', 'header.stamp.nanosec')


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


class Columns(Mapping[str, Column]):
    """All field paths of a key's messages, in order of definition.

    Attributes:
        log_time_ns: int64, (n,): when each message was recorded.
        stamp_ns: int64, (n,): `header.stamp` of each message, or None for a type without header.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        log_time_ns: NDArray[np.int64],
        stamp_ns: NDArray[np.int64] | None,
    ) -> None:
        self._columns = dict(columns)
        self.log_time_ns = log_time_ns
        self.stamp_ns = stamp_ns

    def __getitem__(self, path: str) -> Column:
        """Return a field path's column."""
        return self._columns[path]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the field paths."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of field paths."""
        return len(self._columns)

    @classmethod
    def from_batches(
        cls,
        batches: Iterable[tuple[Batch, NDArray[np.int64]]],
        codec: Codec,
        fields: Sequence[str] | None = None,
    ) -> Columns:
        """Build columns from serialized messages, all of them at once.

        Args:
            batches: Batches of messages, each with int64, (n,) log times.
            codec: Knows their definition.
            fields: Field paths that are wanted; all when left out. Others are not copied.

        Raises:
            MessageFormatError: If a message is not of the type.
        """
        asked = None if fields is None else set(fields)
        pieces: dict[str, list[Piece]] = {}
        times: list[NDArray[np.int64]] = []
        stamps: list[NDArray[np.int64]] = []
        first = 0

        def wanted(path: str) -> bool:
            return asked is None or path in asked or path in _STAMP

        for batch, time_ns in batches:
            found = decode(batch, codec.definition, codec.schema.name, wanted)
            if _STAMP[0] in found:
                stamps.append(_stamps(found, len(batch)))
            for path, parts in found.items():
                if asked is None or path in asked:
                    if first:
                        parts = [  # noqa: PLW2901
                            dataclasses.replace(part, rows=part.rows + first) for part in parts
                        ]
                    pieces.setdefault(path, []).extend(parts)
            times.append(time_ns)
            first += len(batch)
        log_time_ns = np.concatenate(times) if times else np.empty(0, np.int64)
        columns = {path: _joined(parts) for path, parts in pieces.items()}
        stamp_ns = np.concatenate(stamps) if stamps else None
        unordered = cls(columns, log_time_ns, stamp_ns)
        return unordered.in_log_order()

    def every(self, step: int) -> Columns:
        """Return every n-th message, the first one included.

        Raises:
            ValueError: If the step is not positive.
        """
        if step < 1:
            raise ValueError(f'every {step}-th message cannot be taken; 1 and more can')
        columns: dict[str, Column] = {}
        for path, column in self._columns.items():
            keep = np.flatnonzero(column.rows % step == 0)
            columns[path] = _rows_of(column, keep, column.rows[keep] // step)
        stamps = None if self.stamp_ns is None else self.stamp_ns[::step]
        return Columns(columns, self.log_time_ns[::step], stamps)

    def in_log_order(self) -> Columns:
        """Return the same in order of log time."""
        times = self.log_time_ns
        if len(times) < 2 or bool((times[1:] >= times[:-1]).all()):
            return self
        order = np.argsort(times, kind='stable')
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        columns = {path: _sorted_by_row(each, place) for path, each in self._columns.items()}
        stamps = None if self.stamp_ns is None else self.stamp_ns[order]
        return Columns(columns, times[order], stamps)

    @classmethod
    def from_messages(
        cls, messages: Iterable[tuple[Any, int]], layout: Layout | None = None
    ) -> Columns:
        """Build columns from messages.

        Args:
            messages: Pairs of a message and the time it was recorded, nanoseconds.
            layout: What the definition says; without it types are guessed from the values.
        """
        known = layout or Layout()
        values: dict[str, list[Any]] = {}
        rows: dict[str, list[int]] = {}
        times: list[int] = []
        stamps: list[int | None] = []
        for index, (message, time_ns) in enumerate(messages):
            times.append(time_ns)
            stamps.append(header_stamp_ns(message))
            for path, value in _declared(walk(message), known):
                values.setdefault(path, []).append(value)
                rows.setdefault(path, []).append(index)
        has_stamps = bool(stamps) and None not in stamps
        return cls(
            {
                path: _column(values[path], rows[path], known.scalars.get(without_index(path)))
                for path in values
            },
            np.array(times, dtype=np.int64),
            np.array(stamps, dtype=np.int64) if has_stamps else None,
        )


def _stamps(found: dict[str, list[Piece]], count: int) -> NDArray[np.int64]:
    stamps = np.empty(count, np.int64)
    for sec, nanosec in zip(*(found[path] for path in _STAMP), strict=True):
        stamps[sec.rows] = sec.values.astype(np.int64) * 1_000_000_000 + nanosec.values
    return stamps


def _joined(parts: list[Piece]) -> Column:
    """Join the pieces of one field, in order of messages."""
    column = _concatenated(parts)
    rows = column.rows
    if len(rows) < 2 or bool((rows[1:] > rows[:-1]).all()):
        return column
    return _sorted_by_row(column, np.arange(int(rows.max()) + 1))


def _concatenated(parts: list[Piece]) -> Column:
    rows = np.concatenate([part.rows for part in parts]) if len(parts) > 1 else parts[0].rows
    shapes = {part.values.shape[1:] for part in parts}
    if len(shapes) == 1 and all(part.lengths is None for part in parts):
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


def _sorted_by_row(column: Column, place: NDArray[np.int64]) -> Column:
    """Return a column whose message i is now message place[i]."""
    rows = place[column.rows]
    order = np.argsort(rows, kind='stable')
    return _rows_of(column, order, rows[order])


def _rows_of(column: Column, chosen: NDArray[np.int64], rows: NDArray[np.int64]) -> Column:
    """Return the chosen rows of a column, now rows of the messages `rows`."""
    if column.offsets is None:
        return Column(column.values[chosen], rows)
    lengths = np.diff(column.offsets)[chosen]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    starts = np.repeat(column.offsets[:-1][chosen] - offsets[:-1], lengths)
    return Column(column.values[starts + np.arange(offsets[-1])], rows, offsets)


def _declared(leaves: Iterable[tuple[str, Any]], layout: Layout) -> Iterator[tuple[str, Any]]:
    """Give an empty sequence of messages its length, as one that is not empty has."""
    for path, value in leaves:
        if layout.sequences and without_index(path) in layout.sequences:
            yield f'{path}.length', len(value)
        else:
            yield path, value


def _column(values: list[Any], rows: list[int], dtype: np.dtype[Any] | None) -> Column:
    where = np.array(rows, dtype=np.int64)
    if dtype is not None:
        return Column(np.array(values, dtype=dtype), where)
    first = values[0]
    if isinstance(first, tuple):
        return _ragged([np.array(value, dtype=object) for value in values], where)
    if isinstance(first, (str, bytes)):
        return Column(np.array(values, dtype=object), where)
    if isinstance(first, np.ndarray) or hasattr(first, 'typecode'):
        arrays = [np.asarray(value) for value in values]
        if len({array.shape for array in arrays}) > 1:
            return _ragged(arrays, where)
        return Column(np.stack(arrays), where)
    if isinstance(first, int) and not isinstance(first, bool):
        try:
            return Column(np.array(values, dtype=np.int64), where)
        except OverflowError:
            return Column(np.array(values, dtype=np.uint64), where)
    return Column(np.array(values), where)


def _ragged(arrays: list[NDArray[Any]], rows: NDArray[np.int64]) -> Column:
    flat = [array.reshape(-1) for array in arrays]
    offsets = np.concatenate([[0], np.cumsum([len(array) for array in flat])]).astype(np.int64)
    # An empty Python list carries no type: those with values decide.
    typed = [array for array in flat if len(array)] or flat[:1]
    return Column(np.concatenate(typed), rows, offsets)
