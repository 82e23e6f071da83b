"""Messages of one key as arrays: one per field path, first axis = message."""

from __future__ import annotations

import itertools
from collections.abc import ItemsView, Mapping, ValuesView
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import KeyNotFoundError
from lk_dataset_ros.message.columnar.building import Column, ColumnBuilder, copy_all, rows_of
from lk_dataset_ros.message.fields import Layout, header_stamp_ns, walk, without_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lk_dataset_ros.message.codec import Codec
    from lk_dataset_ros.message.columnar.batch import Batch


class Columns(Mapping[str, Column]):
    """All field paths of a key's messages, in order of definition.

    Numbers that a mapped file holds at fixed places are copied out of it when their column is
    first asked for.

    Args:
        columns: Columns by field path; None for one that is read when it is asked for.
        log_time_ns: int64, (n,): when each message was recorded.
        stamp_ns: int64, (n,): `header.stamp` of each message, or None for a type without header.
        load: Reads columns that are None, given their field paths.

    Attributes:
        log_time_ns: As above.
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
        #: What is still to be copied out of the file, by field path.
        self._later: dict[str, list[Any]] = {}
        self._copied = False
        self.log_time_ns = log_time_ns
        self._stamp_ns = stamp_ns
        #: Seconds and nanoseconds that the stamps are made of when they are asked for.
        self._stamps: tuple[Column, Column, list[Any]] | None = None

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
        if path in self._later and self._copied:
            # Who asks for a second field wants most: one pass for all is cheaper than one each.
            self._copy_now()
        elif path in self._later:
            self._copied = True
            copy_all(self._later.pop(path))
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

    def __repr__(self) -> str:
        """Tell number of messages and field paths, reading nothing."""
        names = ', '.join(itertools.islice(self._columns, 5))
        more = f', ... ({len(self)} fields)' if len(self) > 5 else ''
        return f'<Columns of {len(self.log_time_ns)} messages: {names}{more}>'

    def _copy_now(self) -> None:
        copies = itertools.chain(*self._later.values())
        copy_all(sorted(copies, key=lambda copy: int(copy.batch.start[0])))
        self._later.clear()

    def values(self) -> ValuesView[Column]:
        """Return the columns; all that is still in the file is copied at once."""
        self._copy_now()
        return super().values()

    def items(self) -> ItemsView[str, Column]:
        """Return field paths and columns; all that is still in the file is copied at once."""
        self._copy_now()
        return super().items()

    def __getstate__(self) -> dict[str, Any]:
        """Let it be pickled: everything is read before."""
        columns, stamp_ns = dict(self.items()), self.stamp_ns
        return {**self.__dict__, '_columns': columns, '_stamp_ns': stamp_ns, '_load': None}

    @property
    def stamp_ns(self) -> NDArray[np.int64] | None:
        """`header.stamp` of each message, int64, (n,), or None for a type without header."""
        if self._stamps is not None:
            sec, nanosec, copies = self._stamps
            copy_all(copies)
            stamp_ns = sec.values.astype(np.int64)
            stamp_ns *= 1_000_000_000
            stamp_ns += nanosec.values
            self._stamp_ns, self._stamps = stamp_ns, None
        return self._stamp_ns

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
        builder = ColumnBuilder(codec, fields, expected=expected, is_lazy=load is not None)
        for batch, time_ns in batches:
            builder.add(batch, time_ns)
        return cls.from_builder(builder, load)

    @classmethod
    def from_builder(
        cls, builder: ColumnBuilder, load: Callable[[list[str]], Columns] | None = None
    ) -> Columns:
        """Take what a builder has built, in order of log time."""
        built = builder.finish()
        columns = cls(built.columns, built.log_time_ns, None, load)
        columns._later, columns._stamps = built.later, built.stamps
        return columns.in_log_order()

    def to_arrow(self, **options: Any) -> Any:
        """Return a `pyarrow.Table`; see `tables.arrow_of`."""
        from lk_dataset_ros.message.columnar.tables import arrow_of  # noqa: PLC0415

        return arrow_of(self, **options)

    def to_pandas(self, **options: Any) -> Any:
        """Return a `pandas.DataFrame`; see `tables.pandas_of`."""
        from lk_dataset_ros.message.columnar.tables import pandas_of  # noqa: PLC0415

        return pandas_of(self, **options)

    def to_parquet(self, path: str | PathLike[str], **options: Any) -> int:
        """Write a Parquet file and return its rows; see `parquet.write_parquet`."""
        from lk_dataset_ros.message.columnar.parquet import write_parquet  # noqa: PLC0415

        return write_parquet(self, path, **options)

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
        self._copy_now()
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
        has_stamps = bool(stamps) and None not in stamps and known.has_stamp
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
    if any(isinstance(value, tuple) for value in values):
        # An empty one does not tell that it is of strings.
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
