"""Judge the pairs of one key, block by block: once for all fields, again for one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.judging.blocks import Block, Side, blocks_of
from lk_dataset_ros.comparison.judging.choosing import Choosing, Part
from lk_dataset_ros.comparison.judging.pieces import Absent, Piece, Whole, chosen, pieces_of
from lk_dataset_ros.comparison.judging.tally import MOST_SAMPLES, Run, Tally
from lk_dataset_ros.comparison.result import (
    Differences,
    FieldComparison,
    FieldValues,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.comparators.registered import Comparator
    from lk_dataset_ros.comparison.pairing import Pairs
    from lk_dataset_ros.comparison.tolerance import Limit, Tolerance
    from lk_dataset_ros.message import Column

#: Values of one field that are read again at once; of a larger one only the errors are.
_MOST_VALUES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Judging:
    """The pairs of one key and the rules for them.

    Attributes:
        key: Topic name.
        types: Type names by path of the part.
        sides: Original and compiled.
        pairs: Which messages belong together.
        stamps_ns: int64, (n,): stamp of each pair.
        tolerance: The rules.
        left_out: Field paths that are not compared, such as the stamp that pairs are made by.
    """

    key: str
    types: Mapping[str, str]
    sides: tuple[Side, Side]
    pairs: Pairs
    stamps_ns: NDArray[np.int64]
    tolerance: Tolerance
    left_out: tuple[str, ...] = ()

    def fields(self) -> tuple[FieldComparison, ...]:
        """Judge all fields, in order of definition."""
        count = len(self.stamps_ns)
        run = Run(self.stamps_ns, self.pairs.original, max(-(-count // MOST_SAMPLES), 1))
        choosing = self._choosing()
        fields: dict[str, _Field] = {}
        for block in self._blocks(None):
            for item in self._items(block, choosing):
                if item.path not in fields:
                    fields[item.path] = _Field(item, self, block, run)
                fields[item.path].add(block, item)
        return tuple(each.finish() for each in fields.values())

    def source(self, path: str, members: Sequence[str]) -> Source:
        """Return what reads one field again.

        Args:
            path: Its field path.
            members: Field paths that it is judged by.
        """
        # Inside a sequence there is no reading of one element alone.
        fields = list(dict.fromkeys(each.partition('[')[0] for each in members))
        return Source(
            lambda: self._values(path, fields),
            lambda: self._differences(path, fields),
            self._messages,
            self.errors,
        )

    def pieces(self, path: str, fields: Sequence[str]) -> Iterator[Piece]:
        """Judge one field again, reading nothing but some fields."""
        choosing = self._choosing()
        for block in self._blocks(fields):
            for item in self._items(block, choosing):
                if item.path == path:
                    yield from item.pieces(block, item.limit(self, block))

    def every_piece(self) -> Iterator[tuple[str, Limit, Piece]]:
        """Judge every field that is not ignored: its path, what is allowed, some pairs of it."""
        choosing = self._choosing()
        for block in self._blocks(None):
            for item in self._items(block, choosing):
                is_judged = item.part is None or item.part.comparator.is_judged
                if is_judged and self.tolerance.reason_to_ignore(self.key, item.path) is None:
                    limit = item.limit(self, block)
                    for piece in item.pieces(block, limit):
                        yield item.path, limit, piece

    def errors(
        self, paths: Sequence[str]
    ) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
        """Judge some fields again, in one pass: field path, positions and errors of some pairs."""
        choosing, wanted = self._choosing(), set(paths)
        for block in self._blocks(None):
            for item in self._items(block, choosing):
                if item.path in wanted:
                    for piece in item.pieces(block, item.limit(self, block)):
                        if piece.errors is not None:
                            yield item.path, piece.positions, piece.errors

    def _choosing(self) -> Choosing:
        return Choosing(self.key, self.types, self.tolerance)

    def _blocks(self, fields: Sequence[str] | None) -> Iterator[Block]:
        return blocks_of(*self.sides, self.pairs, fields)

    def _items(self, block: Block, choosing: Choosing) -> Iterator[_Item]:
        paths = [path for path in block.paths() if path not in self.left_out]
        choice = choosing.of(paths)
        parts: dict[str, list[Part]] = {}
        for part in choice.parts:
            parts.setdefault(part.members[part.covered[0]], []).append(part)
        single = set(choice.single)
        for path in paths:
            for part in parts.get(path, ()):
                yield _Item(part.path, part)
            if path in single:
                yield _Item(path, None)

    def _values(self, path: str, fields: Sequence[str]) -> FieldValues:
        count = len(self.stamps_ns)
        errors: NDArray[np.float64] | None = np.zeros(count)
        over = np.zeros(count, np.bool_)
        arrays: list[tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]] | None = []
        size = 0
        for piece in self.pieces(path, fields):
            if piece.errors is None:
                errors = None
            elif errors is not None:
                errors[piece.positions] = piece.errors
            if piece.over is not None:
                over[piece.positions] = piece.over
            if piece.arrays is None:
                arrays = None
            elif arrays is not None:
                size += piece.arrays[0].size
                arrays.append((piece.positions, *piece.arrays))
                arrays = arrays if size <= _MOST_VALUES else None
        if not arrays or sum(len(each[0]) for each in arrays) != count:
            return FieldValues(None, None, errors, over)
        original, compiled = (
            np.empty((count, *arrays[0][side].shape[1:]), arrays[0][side].dtype) for side in (1, 2)
        )
        for positions, left, right in arrays:
            original[positions], compiled[positions] = left, right
        return FieldValues(original, compiled, errors, over)

    def _differences(self, path: str, fields: Sequence[str]) -> Iterator[Differences]:
        for piece in self.pieces(path, fields):
            found = piece.differences()
            if len(found.positions):
                yield found

    def _messages(self, position: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all fields of one pair, original and compiled."""
        for block in self._blocks(None):
            at = int(np.searchsorted(block.positions, position))
            if at < len(block) and int(block.positions[at]) == position:
                sides: list[dict[str, Any]] = [{}, {}]
                for side in (0, 1):
                    for path in block.paths():
                        column = block.column(side, path)
                        if column is None:
                            continue
                        rows = np.flatnonzero(column.rows == at)
                        if len(rows):
                            sides[side][path] = column.row(int(rows[0]))
                return sides[0], sides[1]
        raise IndexError(f'there is no pair {position}')


@dataclass(frozen=True, slots=True)
class _Item:
    """A field path, or a part that a comparator judges."""

    path: str
    part: Part | None

    def limit(self, judging: Judging, block: Block) -> Limit:
        """Return what is allowed."""
        path = self.path if self.part is None else self.part.members[self.part.covered[0]]
        column = block.column(0, path) or block.column(1, path)
        assert column is not None
        comparator = None if self.part is None else self.part.comparator
        if comparator is not None and comparator.limit is not None:
            named = judging.tolerance.named(judging.key, path)
            return comparator.limit if named is None else named[0]
        dtype = column.values.dtype
        if self.part is not None and comparator is not None and comparator.dtype is not None:
            sides = (
                (name, block.column(0, member) or block.column(1, member))
                for name, member in self.part.members.items()
            )
            dtype = comparator.dtype({name: each for name, each in sides if each is not None})
        return judging.tolerance.limit_for(judging.key, path, dtype)

    def pieces(self, block: Block, limit: Limit) -> Iterator[Piece]:
        """Judge the field in one block."""
        if self.part is None:
            left, right = block.column(0, self.path), block.column(1, self.path)
            if left is not None or right is not None:
                yield from pieces_of(block.positions, left, right, limit)
            return
        yield from _judged(block, self.part, limit)


def _judged(block: Block, part: Part, limit: Limit) -> Iterator[Piece]:
    """Judge the pairs that have the part on both sides; those that have it on one differ."""
    sides: list[dict[str, Column]] = []
    has: list[NDArray[np.bool_]] = []
    for side in (0, 1):
        columns: dict[str, Column] = {}
        there = np.ones(len(block), np.bool_)
        for name, path in part.members.items():
            column = block.column(side, path)
            if column is not None:
                columns[name] = column
            if name in part.covered:
                there &= _presence(column, len(block))
        sides.append(columns)
        has.append(there)
    single = np.flatnonzero(has[0] != has[1])
    if len(single):
        shown = [columns.get(part.covered[0]) for columns in sides]
        yield Absent(block.positions[single], single.tolist(), shown)
    both = has[0] & has[1]
    if not both.any():
        return
    if not both.all():
        sides = [
            {name: _restricted(column, both) for name, column in columns.items()}
            for columns in sides
        ]
    judged = part.comparator.judge(sides[0], sides[1], limit)
    shown_sides = [{name: columns[name] for name in part.covered} for columns in sides]
    yield Whole(block.positions[both], judged, shown_sides, limit)


def _presence(column: Column | None, count: int) -> NDArray[np.bool_]:
    if column is not None and len(column.rows) == count:
        return np.ones(count, np.bool_)
    there = np.zeros(count, np.bool_)
    if column is not None:
        there[column.rows] = True
    return there


def _restricted(column: Column, wanted: NDArray[np.bool_]) -> Column:
    """Return the rows of a column that are wanted, numbered among those."""
    places = np.flatnonzero(wanted[column.rows])
    number = np.cumsum(wanted) - 1
    return replace(chosen(column, places), rows=number[column.rows[places]])


class _Field:
    """One field over all blocks."""

    def __init__(self, item: _Item, judging: Judging, block: Block, run: Run) -> None:
        self._judging = judging
        self._comparator: Comparator | None = None if item.part is None else item.part.comparator
        self._members = [item.path] if item.part is None else list(item.part.members.values())
        self.reason = judging.tolerance.reason_to_ignore(judging.key, item.path)
        path = item.path if item.part is None else item.part.members[item.part.covered[0]]
        column = block.column(0, path) or block.column(1, path)
        assert column is not None
        dtype = 'string' if column.values.dtype.kind == 'O' else column.values.dtype.name
        self._limit = item.limit(judging, block)
        self._tally = Tally(item.path, dtype, self._limit, run)

    def add(self, block: Block, item: _Item) -> None:
        """Judge a block."""
        if self.reason is not None:
            return
        # The same as before but for images and clouds, whose encoding may change.
        for piece in item.pieces(block, item.limit(self._judging, block)):
            piece.add_to(self._tally)
        if item.part is None:
            sides = block.column(0, item.path), block.column(1, item.path)
            self._tally.sample(block.positions, *sides)

    def finish(self) -> FieldComparison:
        """Return what was collected."""
        tally = self._tally
        if self.reason is not None:
            return FieldComparison(
                tally.path, tally.dtype, self._limit, ignored_because=self.reason
            )
        comparator = self._comparator
        return tally.finish(
            comparator='' if comparator is None else comparator.name,
            unit='' if comparator is None else comparator.unit,
            is_judged=comparator is None or comparator.is_judged,
            source=self._judging.source(tally.path, self._members),
        )
