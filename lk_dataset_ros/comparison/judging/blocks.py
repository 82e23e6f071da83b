"""Pairs of messages in blocks: both sides' columns row by row, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lk_dataset_ros.message import Column, Columns, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.pairing import Pairs
    from lk_dataset_ros.dataset import Dataset

    Rows = NDArray[np.int64]

#: Serialized bytes of one key's messages that are decoded at once.
BLOCK_BYTES = 16 * 1024 * 1024
#: Batches that a comparison keeps, so that what is small is read only once.
KEPT_BATCHES = 8


class Budget:
    """Batches that may still be kept, over all keys of a comparison."""

    def __init__(self, batches: int = KEPT_BATCHES) -> None:
        self.batches = batches


class Side:
    """One key's messages of one dataset.

    Attributes:
        log_time_ns: int64, (n,): when each message was recorded.
        stamp_ns: int64, (n,): `header.stamp`, None for a type without header.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str] | None], Iterator[Columns]],
        kept: list[Columns] | None,
        times: tuple[NDArray[np.int64], NDArray[np.int64] | None],
    ) -> None:
        self._read = read
        self._kept = kept
        self.log_time_ns, self.stamp_ns = times

    @classmethod
    def of_key(cls, dataset: Dataset, key: str, budget: Budget) -> Side:
        """Read a key's times; keep its messages if they are few."""

        def read(fields: Sequence[str] | None) -> Iterator[Columns]:
            return dataset.column_batches(key, fields=fields, max_bytes=BLOCK_BYTES)

        batches = read(None)
        kept = list(islice(batches, budget.batches + 1))
        if len(kept) <= budget.batches:
            budget.batches -= len(kept)
            return cls(read, kept, _times(kept))
        has_stamp = kept[0].stamp_ns is not None
        del kept, batches
        heads = [_times([each]) for each in read(['header.stamp'] if has_stamp else [])]
        return cls(read, None, _joined(heads))

    @classmethod
    def of_columns(cls, columns: Columns) -> Side:
        """Take columns that are in memory."""

        def read(fields: Sequence[str] | None) -> Iterator[Columns]:
            del fields
            return iter([columns])

        return cls(read, [columns], (columns.log_time_ns, columns.stamp_ns))

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.log_time_ns)

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """The stamps, or the log times of a type without header."""
        return self.log_time_ns if self.stamp_ns is None else self.stamp_ns

    def batches(self, fields: Sequence[str] | None = None) -> Iterator[Columns]:
        """Yield all messages in order of log time, in parts."""
        return iter(self._kept) if self._kept is not None else self._read(fields)


def _times(batches: Sequence[Columns]) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    return _joined([(each.log_time_ns, each.stamp_ns) for each in batches])


def _joined(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64] | None]],
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    if not parts:
        return np.zeros(0, np.int64), None
    if len(parts) == 1:
        return parts[0]
    stamps = [stamp_ns for _, stamp_ns in parts if stamp_ns is not None]
    return (
        np.concatenate([log_time_ns for log_time_ns, _ in parts]),
        np.concatenate(stamps) if len(stamps) == len(parts) else None,
    )


@dataclass(frozen=True, slots=True)
class Block:
    """Some pairs whose messages lie in one part of either side.

    Attributes:
        positions: int64, (n,): their numbers among all pairs, ascending.
    """

    positions: Rows
    _columns: tuple[Columns, Columns]
    _rows: tuple[Rows | slice, Rows | slice]
    _numbers: Rows

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.positions)

    def paths(self) -> list[str]:
        """Return the field paths that any message of either side has here."""
        left, right = self._columns
        known = list(left) if list(left) == list(right) else list(dict.fromkeys([*left, *right]))
        return [path for path in known if self._has(0, path) or self._has(1, path)]

    def _has(self, side: int, path: str) -> bool:
        columns = self._columns[side]
        if path not in columns:
            return False
        # What only some messages have may be in none of these.
        is_in_all = len(columns[path].rows) == len(columns.log_time_ns)
        return is_in_all or self.column(side, path) is not None

    def column(self, side: int, path: str) -> Column | None:
        """Return a field's values; `rows` are pairs of the block.

        Args:
            side: 0 for the original, 1 for the compiled.
            path: Field path.
        """
        columns = self._columns[side]
        if path not in columns:
            return None
        column, chosen = columns[path], self._rows[side]
        total = len(columns.log_time_ns)
        if len(column.rows) == total:
            # It is there in every message: the row is the message's index.
            if isinstance(chosen, slice):
                return _sliced(column, chosen, self._numbers)
            return rows_of(column, chosen, self._numbers)
        index = np.arange(total)[chosen] if isinstance(chosen, slice) else chosen
        place = np.searchsorted(column.rows, index)
        there = place < len(column.rows)
        there[there] = column.rows[place[there]] == index[there]
        pairs = np.flatnonzero(there)
        return rows_of(column, place[pairs], pairs) if len(pairs) else None


def _sliced(column: Column, chosen: slice, rows: Rows) -> Column:
    if column.offsets is None:
        return Column(column.values[chosen], rows)
    offsets = column.offsets[chosen.start : chosen.stop + 1]
    return Column(column.values[offsets[0] : offsets[-1]], rows, offsets - offsets[0])


class _Held(NamedTuple):
    first: int
    end: int
    columns: Columns


class _Window:
    """The parts of one side that are needed now."""

    def __init__(self, batches: Iterator[Columns]) -> None:
        self._batches = batches
        self._held: list[_Held] = []
        self._end = 0

    def parts(self, rows: Rows, needed_from: int) -> Iterator[tuple[_Held, Any]]:
        """Yield the parts that hold some rows, and which of the rows those are.

        Args:
            rows: Messages of this side.
            needed_from: No message before this one will be asked for again.
        """
        low, high = int(rows.min()), int(rows.max())
        while self._end <= high:
            columns = next(self._batches)
            count = len(columns.log_time_ns)
            self._held.append(_Held(self._end, self._end + count, columns))
            self._end += count
            self._held = [each for each in self._held if each.end > needed_from]
        self._held = [each for each in self._held if each.end > needed_from]
        for each in self._held:
            if each.first <= low and high < each.end:
                yield each, slice(None)
            elif each.first <= high and low < each.end:
                chosen = np.flatnonzero((rows >= each.first) & (rows < each.end))
                if len(chosen):
                    yield each, chosen


def blocks_of(
    original: Side, compiled: Side, pairs: Pairs, fields: Sequence[str] | None = None
) -> Iterator[Block]:
    """Yield all pairs in blocks; every pair is in one of them.

    Memory holds one part of the original, and of the compiled those parts that lie between the
    earliest and the latest partner that are still to come.

    Args:
        original: One side.
        compiled: The other.
        pairs: Which messages belong together.
        fields: Field paths that are wanted; all when left out.
    """
    if not len(pairs.original):
        return
    window = _Window(compiled.batches(fields))
    first = 0
    needed = np.minimum.accumulate(pairs.compiled[::-1])[::-1]
    for columns in original.batches(fields):
        end = first + len(columns.log_time_ns)
        low, high = np.searchsorted(pairs.original, [first, end])
        if low < high:
            mine, theirs = pairs.original[low:high] - first, pairs.compiled[low:high]
            for held, chosen in window.parts(theirs, int(needed[low])):
                positions = np.arange(low, high)[chosen]
                yield Block(
                    positions,
                    (columns, held.columns),
                    (_compact(mine[chosen]), _compact(theirs[chosen] - held.first)),
                    np.arange(len(positions)),
                )
        first = end


def _compact(rows: Rows) -> Rows | slice:
    """Return a slice where rows follow on each other: what it takes is a view."""
    first, count = int(rows[0]), len(rows)
    if int(rows[-1]) - first + 1 == count and bool((rows[1:] > rows[:-1]).all()):
        return slice(first, first + count)
    return rows
