"""One field of one block of pairs, judged: what is counted, kept and told of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.comparison.judging.tally import SHOWN
from lk_dataset_ros.comparison.judging.values import (
    CHUNK,
    judge_exactly,
    judge_numbers,
    judge_rows,
)
from lk_dataset_ros.comparison.result import Differences
from lk_dataset_ros.message import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lk_dataset_ros.comparison.judging.judged import Judged
    from lk_dataset_ros.comparison.judging.tally import Tally
    from lk_dataset_ros.comparison.tolerance import Limit
    from lk_dataset_ros.message import Column

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]


class Piece(ABC):
    """Some pairs of one field.

    Attributes:
        positions: int64, (n,): numbers of the pairs, ascending.
        errors: float64, (n,): largest absolute error of each; None for what is no number.
        over: bool, (n,): which are beyond the limit; None if none is.
        arrays: Both sides' values if they are numbers of one shape, first axis = pair.
    """

    positions: Positions
    errors: Floats | None
    over: NDArray[np.bool_] | None
    arrays: tuple[NDArray[Any], NDArray[Any]] | None = None

    @abstractmethod
    def add_to(self, tally: Tally) -> None:
        """Count, and keep what is remarkable."""

    @abstractmethod
    def differences(self) -> Differences:
        """Return every value beyond the limit."""

    def _note_pairs(self, tally: Tally) -> None:
        if self.errors is not None and len(self.errors):
            tally.profile(self.positions, self.errors)
        if self.over is not None:
            tally.mark(self.positions[self.over])


class Dense(Piece):
    """Values of one shape."""

    def __init__(
        self, positions: Positions, left: NDArray[Any], right: NDArray[Any], limit: Limit
    ) -> None:
        self.positions = positions
        self._left, self._right, self._limit = left, right, limit
        numeric = left.dtype.kind in 'fiub' and right.dtype.kind in 'fiub'
        self.arrays = (left, right) if numeric else None
        self._values = judge_numbers(left, right, limit) if numeric else judge_exactly(left, right)
        count, values = len(positions), self._values
        self.errors, self.over = values.errors, values.over
        if left.ndim > 1:
            if values.errors is not None:
                self.errors = values.errors.reshape(count, -1).max(axis=1, initial=0.0)
            if values.over is not None:
                self.over = np.asarray(values.over.reshape(count, -1).any(axis=1))

    def add_to(self, tally: Tally) -> None:
        """Count, and keep what is remarkable."""
        values = self._values
        if values.errors is not None:
            tally.count_errors(values.errors, values.signed, self._left, values.largest)
            if values.errors.size and values.largest > 0.0:
                where = np.unravel_index(int(values.errors.argmax()), values.errors.shape)
                position = int(self.positions[where[0]])
                if tally.is_worst(position, values.largest):
                    tally.note_worst(position, **self._at(where))
        if values.largest > 0.0 or self.over is not None:
            self._note_pairs(tally)
        if values.over is not None:
            where = np.unravel_index(int(values.over.argmax()), values.over.shape)
            position = int(self.positions[where[0]])
            if tally.is_first(position):
                tally.note_first(position, **self._at(where))

    def _at(self, where: Sequence[Any]) -> dict[str, Any]:
        place = tuple(int(each) for each in where)
        errors = self._values.errors
        return {
            'original': self._left[place],
            'compiled': self._right[place],
            'element': place[1:],
            'error': math.nan if errors is None else float(errors[place]),
        }

    def differences(self) -> Differences:
        """Return every value beyond the limit."""
        values = self._values
        if values.over is None:
            return _NONE
        where = np.nonzero(values.over)
        left, right = self._left[where], self._right[where]
        elements = None
        if self._left.ndim > 1:
            elements = list(zip(*(axis.tolist() for axis in where[1:]), strict=True))
        errors = np.full(len(left), np.nan) if values.errors is None else values.errors[where]
        return Differences(
            self.positions[where[0]],
            elements,
            left.tolist(),
            right.tolist(),
            errors,
            _allowed(left, self._limit),
        )


class Ragged(Piece):
    """Values that vary in length."""

    def __init__(self, positions: Positions, left: Column, right: Column, limit: Limit) -> None:
        self.positions = positions
        self._left, self._right, self._limit = left, right, limit
        self._rows = judge_rows(left, right, limit)
        self.errors = self._rows.errors
        self.over = self._rows.over if self._rows.over.any() else None

    def add_to(self, tally: Tally) -> None:
        """Count, and keep what is remarkable."""
        values, rows = self._rows.values, self._rows
        if values.errors is not None:
            tally.count_errors(values.errors, values.signed, rows.original, values.largest)
        if self.errors is not None and len(self.errors):
            lost = len(self.positions) - len(rows.pairs)
            if lost:
                tally.count_errors(np.full(lost, np.inf), None, None, math.inf)
            tally.sample_errors(self.positions, self.errors)
            worst = int(self.errors.argmax())
            if tally.is_worst(int(self.positions[worst]), float(self.errors[worst])):
                tally.note_worst(int(self.positions[worst]), **self._at(worst, worst=True))
        self._note_pairs(tally)
        if self.over is not None:
            first = int(self.over.argmax())
            if tally.is_first(int(self.positions[first])):
                tally.note_first(int(self.positions[first]), **self._at(first, worst=False))

    def _at(self, pair: int, *, worst: bool) -> dict[str, Any]:
        """Tell of a pair the element that differs, or both values where the lengths do."""
        rows = self._rows
        place = int(np.searchsorted(rows.pairs, pair))
        error = math.nan if self.errors is None else float(self.errors[pair])
        if place == len(rows.pairs) or int(rows.pairs[place]) != pair:
            sides = [_short(each.row(pair)) for each in (self._left, self._right)]
            return {'original': sides[0], 'compiled': sides[1], 'error': error}
        span = slice(int(rows.offsets[place]), int(rows.offsets[place + 1]))
        found = rows.values.errors if worst else rows.values.over
        assert found is not None
        element = int(found[span].argmax())
        return {
            'original': rows.original[span.start + element],
            'compiled': rows.compiled[span.start + element],
            'element': (element,),
            'error': error,
        }

    def differences(self) -> Differences:
        """Return every value beyond the limit; whole values where the lengths differ."""
        if self.over is None:
            return _NONE
        rows, values = self._rows, self._rows.values
        flat = np.zeros(0, np.int64) if values.over is None else np.flatnonzero(values.over)
        place = np.searchsorted(rows.offsets, flat, 'right') - 1
        other = np.setdiff1d(np.arange(len(self.positions)), rows.pairs)
        pairs = np.concatenate([rows.pairs[place], other])
        within = [(each,) for each in (flat - rows.offsets[place]).tolist()]
        originals = rows.original[flat].tolist()
        compiled = rows.compiled[flat].tolist()
        for pair in other.tolist():
            within.append(())  # type: ignore[arg-type]
            originals.append(_short(self._left.row(pair)))
            compiled.append(_short(self._right.row(pair)))
        kind = np.nan if values.errors is None else np.inf
        errors = np.full(len(pairs), kind)
        if values.errors is not None:
            errors[: len(flat)] = values.errors[flat]
        allowed = np.zeros(len(pairs))
        allowed[: len(flat)] = _allowed(rows.original[flat], self._limit)
        order = np.argsort(pairs, kind='stable')
        return Differences(
            self.positions[pairs[order]],
            [within[each] for each in order],
            [originals[each] for each in order],
            [compiled[each] for each in order],
            errors[order],
            allowed[order],
        )


class Absent(Piece):
    """A field that one side's messages lack."""

    def __init__(
        self, positions: Positions, rows: Sequence[int], sides: Sequence[Column | None]
    ) -> None:
        self.positions = positions
        self.errors = self._infinite = np.full(len(positions), np.inf)
        self.over = np.ones(len(positions), np.bool_)
        self._rows, self._sides = rows, sides

    def add_to(self, tally: Tally) -> None:
        """Count, and keep what is remarkable."""
        self._note_pairs(tally)
        tally.count_errors(self._infinite, None, None, math.inf)
        position = int(self.positions[0])
        if tally.is_first(position) or tally.is_worst(position, math.inf):
            original, compiled = self._values(0)
            for note in (tally.note_first, tally.note_worst):
                note(position, original, compiled, error=math.inf)

    def _values(self, place: int) -> list[Any]:
        found = []
        for column in self._sides:
            value = None
            if column is not None:
                at = np.flatnonzero(column.rows == self._rows[place])
                value = _short(column.row(int(at[0]))) if len(at) else None
            found.append(value)
        return found

    def differences(self) -> Differences:
        """Return every pair, None for the side that lacks the field."""
        values = [self._values(place) for place in range(len(self.positions))]
        return Differences(
            self.positions,
            None,
            [each[0] for each in values],
            [each[1] for each in values],
            self._infinite,
            np.zeros(len(values)),
        )


class Whole(Piece):
    """Parts of messages that a comparator judges."""

    def __init__(
        self,
        positions: Positions,
        judged: Judged,
        shown: Sequence[Mapping[str, Column]],
        limit: Limit,
    ) -> None:
        self.positions = positions
        self.errors = judged.errors
        self.over = judged.over if judged.over.any() else None
        self._judged, self._shown, self._limit = judged, shown, limit

    def add_to(self, tally: Tally) -> None:
        """Count, and keep what is remarkable."""
        errors = self._judged.errors
        largest = float(errors.max())
        tally.count_errors(errors, self._judged.signed, None, largest)
        tally.measure(self._judged.measures)
        signed = self._judged.differences
        if signed is None and self._judged.signed is not None:
            signed = self._judged.signed[:, np.newaxis]
        tally.sample_errors(self.positions, errors, signed)
        worst = int(errors.argmax())
        if tally.is_worst(int(self.positions[worst]), largest):
            tally.note_worst(int(self.positions[worst]), **self._at(worst))
        if largest > 0.0 or self.over is not None:
            self._note_pairs(tally)
        if self.over is not None:
            first = int(self.over.argmax())
            if tally.is_first(int(self.positions[first])):
                tally.note_first(int(self.positions[first]), **self._at(first))

    def _at(self, row: int) -> dict[str, Any]:
        error = float(self._judged.errors[row])
        original, compiled = (
            {name: _short(column.row(row)) for name, column in each.items()}
            for each in self._shown
        )
        if len(original) == len(compiled) == 1:
            original, compiled = (next(iter(each.values())) for each in (original, compiled))
            element = _worst_element(original, compiled)
            if element is not None:
                pair = original[element], compiled[element]
                return {
                    'original': pair[0],
                    'compiled': pair[1],
                    'element': (element,),
                    'error': error,
                }
        return {'original': original, 'compiled': compiled, 'error': error}

    def differences(self) -> Differences:
        """Return every pair beyond the limit."""
        if self.over is None:
            return _NONE
        rows = np.flatnonzero(self.over)
        found = [self._at(int(row)) for row in rows]
        return Differences(
            self.positions[rows],
            None,
            [each['original'] for each in found],
            [each['compiled'] for each in found],
            self._judged.errors[rows],
            np.full(len(rows), self._limit.atol + self._limit.rtol),
        )


def pieces_of(
    positions: Positions, left: Column | None, right: Column | None, limit: Limit
) -> Iterator[Piece]:
    """Yield the pairs of one field path, judged; pairs where neither side has it are left out.

    Args:
        positions: int64, (n,): numbers of the block's pairs.
        left: The original's values, one row per pair that has the field.
        right: The compiled's.
        limit: What is allowed.
    """
    count = len(positions)
    some = left if left is not None else right
    assert some is not None
    rows = [np.zeros(0, np.int64) if side is None else side.rows for side in (left, right)]
    if len(rows[0]) != count or len(rows[1]) != count:
        common, at_left, at_right = np.intersect1d(
            rows[0], rows[1], assume_unique=True, return_indices=True
        )
        single = np.setxor1d(rows[0], rows[1], assume_unique=True)
        if len(single):
            yield Absent(positions[single], single.tolist(), (left, right))
        if not len(common):
            return
        assert left is not None
        assert right is not None
        left, right = chosen(left, at_left), chosen(right, at_right)
        positions = positions[common]
    assert left is not None
    assert right is not None
    shape = left.values.shape[1:]
    if left.offsets is not None or right.offsets is not None or shape != right.values.shape[1:]:
        yield Ragged(positions, left, right, limit)
        return
    step = max(CHUNK // max(math.prod(shape), 1), 1)
    for first in range(0, len(positions), step):
        part = slice(first, first + step)
        yield Dense(positions[part], left.values[part], right.values[part], limit)


def chosen(column: Column, places: NDArray[np.int64]) -> Column:
    """Return some rows of a column, numbered from 0."""
    if len(places) == len(column.rows) and bool((np.diff(places) == 1).all()):
        return column
    return rows_of(column, places, np.arange(len(places)))


def _allowed(original: NDArray[Any], limit: Limit) -> Floats:
    if original.dtype.kind not in 'fiub':
        return np.zeros(len(original))
    with np.errstate(all='ignore'):
        return np.asarray(limit.atol + limit.rtol * np.abs(original.astype(np.float64)))


def _short(value: Any) -> Any:
    """Return a value as plain Python, of a long one how long it is."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= SHOWN else f'{value.dtype.name}[{value.size}]'
    return value.item() if isinstance(value, np.generic) else value


def _worst_element(original: Any, compiled: Any) -> int | None:
    """Return which of a few numbers differs most, None where that means nothing."""
    if not isinstance(original, list) or not isinstance(compiled, list):
        return None
    left, right = (np.asarray(each) for each in (original, compiled))
    if left.shape != right.shape or {left.dtype.kind, right.dtype.kind} - set('fiu'):
        return None
    with np.errstate(all='ignore'):
        errors = np.abs(left.astype(np.float64) - right)
        errors[(left == right) | ((left != left) & (right != right))] = 0.0  # noqa: PLR0124
    return int(np.nan_to_num(errors, nan=np.inf).argmax()) if errors.size else None


_NONE = Differences(np.zeros(0, np.int64), None, [], [], np.zeros(0), np.zeros(0))
