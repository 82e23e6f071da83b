"""Messages of one key as arrays: one per field path, first axis = message."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import KeyNotFoundError
from lk_dataset_ros.message.building import Column, ColumnBuilder, rows_of
from lk_dataset_ros.message.fields import Layout, header_stamp_ns, walk, without_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.message.batch import Batch
    from lk_dataset_ros.message.codec import Codec


class Columns(Mapping[str, Column]):
    """All field paths of a key's messages, in order of definition.

    Args:
        columns: Columns by field path; None for one that is read when it is asked for.
        log_time_ns: int64, (n,): when each message was recorded.
        stamp_ns: int64, (n,): `header.stamp` of each message, or None for a type without header.
        load: Reads columns that are None, given their field paths.

    Attributes:
        log_time_ns: As above.
        stamp_ns: As above.
    """

    def __init__(
        self,
        columns: Mapping[str, Column | None],
        log_time_ns: NDArray[np.int64],
        stamp_ns: NDArray[np.int64] | None,
        load: Callable[[list[str]], Columns] | None = None,
    ) -> None:
        self._columns = dict(columns)
        self._load = load
        self.log_time_ns = log_time_ns
        self.stamp_ns = stamp_ns

    def __getitem__(self, path: str) -> Column:
        """Return a field path's column.

        Raises:
            KeyNotFoundError: If no message has this field.
        """
        if path not in self._columns:
            near = get_close_matches(path, self._columns, 3, 0.4) or list(self._columns)[:5]
            raise KeyNotFoundError(
                f'there is no field {path}; there is {", ".join(near) or "none"}'
            )
        column = self._columns[path]
        if column is None:
            assert self._load is not None
            column = self._columns[path] = self._load([path])[path]
        return column

    def __iter__(self) -> Iterator[str]:
        """Iterate over the field paths."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of field paths."""
        return len(self._columns)

    def __contains__(self, path: object) -> bool:
        """Tell whether there is a field, reading nothing."""
        return path in self._columns

    @property
    def heavy(self) -> list[str]:
        """Field paths that are not in memory: they are read when they are asked for."""
        return [path for path, column in self._columns.items() if column is None]

    @classmethod
    def from_batches(
        cls,
        batches: Iterable[tuple[Batch, NDArray[np.int64]]],
        codec: Codec,
        fields: Sequence[str] | None = None,
        *,
        expected: int = 0,
        load: Callable[[list[str]], Columns] | None = None,
    ) -> Columns:
        """Build columns from serialized messages, all of them at once.

        Args:
            batches: Batches of messages, each with int64, (n,) log times.
            codec: Knows their definition.
            fields: Field paths that are wanted; all when left out. Others are not copied.
            expected: How many messages there will be, if that is known.
            load: Reads heavy fields when they are asked for; without it they are read now.

        Raises:
            KeyNotFoundError: If the type has no such field.
            MessageFormatError: If a message is not of the type.
        """
        builder = ColumnBuilder(codec, fields, expected=expected, leave_heavy=load is not None)
        for batch, time_ns in batches:
            builder.add(batch, time_ns)
        return cls.from_builder(builder, load)

    @classmethod
    def from_builder(
        cls, builder: ColumnBuilder, load: Callable[[list[str]], Columns] | None = None
    ) -> Columns:
        """Take what a builder has built, in order of log time."""
        columns, log_time_ns, stamp_ns = builder.finish()
        return cls(columns, log_time_ns, stamp_ns, load).in_log_order()

    def every(self, step: int) -> Columns:
        """Return every n-th message, the first one included.

        Raises:
            ValueError: If the step is not positive.
        """
        if step < 1:
            raise ValueError(f'every {step}-th message cannot be taken; 1 and more can')

        def chosen(column: Column) -> Column:
            keep = np.flatnonzero(column.rows % step == 0)
            return rows_of(column, keep, column.rows[keep] // step)

        stamps = None if self.stamp_ns is None else self.stamp_ns[::step]
        return self._each(
            chosen, self.log_time_ns[::step], stamps, lambda found: found.every(step)
        )

    def in_log_order(self) -> Columns:
        """Return the same in order of log time."""
        times = self.log_time_ns
        if len(times) < 2 or bool((times[1:] >= times[:-1]).all()):
            return self
        order = np.argsort(times, kind='stable')
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        stamps = None if self.stamp_ns is None else self.stamp_ns[order]
        return self._each(
            lambda column: _sorted_by_row(column, place), times[order], stamps, lambda found: found
        )

    def _each(
        self,
        change: Callable[[Column], Column],
        log_time_ns: NDArray[np.int64],
        stamp_ns: NDArray[np.int64] | None,
        change_read: Callable[[Columns], Columns],
    ) -> Columns:
        """Return the same with every column changed; those that are read later are, then."""
        columns = {
            path: None if column is None else change(column)
            for path, column in self._columns.items()
        }
        load = self._load
        later = None if load is None else lambda paths: change_read(load(paths))
        return Columns(columns, log_time_ns, stamp_ns, later)

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


def _sorted_by_row(column: Column, place: NDArray[np.int64]) -> Column:
    """Return a column whose message i is now message place[i]."""
    rows = place[column.rows]
    order = np.argsort(rows, kind='stable')
    return rows_of(column, order, rows[order])


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
