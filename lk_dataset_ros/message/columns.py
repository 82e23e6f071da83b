"""Messages of one key as arrays: one per field path, first axis = message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.message.fields import Layout, header_stamp_ns, walk, without_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


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
