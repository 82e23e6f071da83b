"""What values the fields of a topic take: a pass over its columns in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.message.fields import without_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.database import Database
    from lk_dataset_ros.dataset.records import Heads
    from lk_dataset_ros.message import Column, Columns

#: Serialized bytes decoded at once.
MAX_BYTES = 32 * 1024 * 1024
#: A field with more values per message than this is left out (pixels, maps, point clouds).
MAX_VALUES = 16_384
#: The same for bytes, which are seldom numbers.
MAX_BYTE_VALUES = 256
#: A message that spreads over more field paths than this is left out (long lists of points).
MAX_PATHS = 2_000
#: Kinds of NumPy types that are numbers.
NUMERIC = 'biuf'
#: Messages larger than this are not looked at, not even to learn how large their fields are.
MAX_PROBE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FieldRange:
    """What values a field takes over all messages.

    Attributes:
        path: Field path, with `[]` for any index of a sequence of messages.
        dtype: Type of the values.
        values: How many there are.
        minimum: Smallest finite value; None if there is none.
        maximum: Largest finite value; None if there is none.
        nan: How many are no numbers.
        infinite: How many are infinite.
        constant: All values are the same.
    """

    path: str
    dtype: str
    values: int
    minimum: float | None
    maximum: float | None
    nan: int
    infinite: int
    constant: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field that was not looked at.

    Attributes:
        path: Field path; empty stands for all fields.
        reason: Why.
    """

    path: str
    reason: str


@dataclass(slots=True)
class _Range:
    """Adds up the range of one field."""

    dtype: np.dtype[Any]
    values: int = 0
    nan: int = 0
    infinite: int = 0
    finite: list[Any] = field(default_factory=list)
    #: Smallest and largest value, infinite ones included.
    ends: list[Any] = field(default_factory=list)

    def add(self, values: NDArray[Any]) -> None:
        """Take values of any shape."""
        self.values += values.size
        if values.dtype.kind == 'f':
            is_finite = np.isfinite(values)
            if not is_finite.all():
                is_nan = np.isnan(values)
                self.nan += int(is_nan.sum())
                self.infinite += int(values.size - is_finite.sum() - is_nan.sum())
                self.ends = _widened(self.ends, values[~is_nan])
                values = values[is_finite]
        self.finite = _widened(self.finite, values)
        self.ends = _widened(self.ends, values)

    def result(self, path: str) -> FieldRange:
        """Return what was found."""
        low, high = self.finite or (None, None)
        same = not self.nan and bool(self.ends) and bool(self.ends[0] == self.ends[1])
        is_constant = self.values > 0 and (same or self.nan == self.values)
        return FieldRange(
            path, str(self.dtype), self.values, low, high, self.nan, self.infinite, is_constant
        )


def _widened(ends: list[Any], values: NDArray[Any]) -> list[Any]:
    if not values.size:
        return ends
    low, high = values.min().item(), values.max().item()
    return [min(ends[0], low), max(ends[1], high)] if ends else [low, high]


def ranges_of(
    source: Database,
    key: str,
    fields: list[str] | None,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[list[FieldRange], NDArray[np.int64]]:
    """Find the range of numeric fields of a key.

    Args:
        source: Where the key is.
        key: Topic name.
        fields: The fields to look at, None for all; see `fields_worth_it`.
        advance: Is told the number of messages looked at.

    Returns:
        The ranges, and the header stamps: int64, (n,), or (0,) for a type without header.

    Raises:
        LkError: If a message is damaged.
    """
    found: dict[str, _Range] = {}
    stamps: list[NDArray[np.int64]] = []
    times: list[NDArray[np.int64]] = []
    for columns in source.column_batches(key, fields=fields, max_bytes=MAX_BYTES):
        _add(found, columns)
        if columns.stamp_ns is not None:
            stamps.append(columns.stamp_ns)
            times.append(columns.log_time_ns)
        count = len(columns.log_time_ns)
        # The next ones are made when these are no longer in memory.
        del columns
        advance(count)
    ranges = [each.result(path) for path, each in found.items()]
    if not stamps:
        return ranges, np.empty(0, np.int64)
    # Batches come as they are stored, which need not be the order of log time.
    log_time_ns, stamp_ns = np.concatenate(times), np.concatenate(stamps)
    if bool((log_time_ns[1:] >= log_time_ns[:-1]).all()):
        return ranges, stamp_ns
    return ranges, stamp_ns[np.argsort(log_time_ns, kind='stable')]


def _add(found: dict[str, _Range], columns: Columns) -> None:
    for path, column in columns.items():
        if column.values.dtype.kind in NUMERIC:
            name = without_index(path)
            if name not in found:
                found[name] = _Range(column.values.dtype)
            found[name].add(column.values)


def fields_worth_it(
    source: Database, key: str, heads: Heads
) -> tuple[list[str] | None, list[LeftOut]]:
    """Return the fields to look at (None for all), and those that are too large.

    The first and the largest message tell: a field is wide there, or nowhere.

    Args:
        source: Where the key is.
        key: Topic name.
        heads: Of all its messages.

    Raises:
        LkError: If one of the two is damaged.
    """
    if not len(heads) or int(heads.size.max()) <= MAX_BYTE_VALUES:
        return None, []
    largest = int(heads.size.argmax())
    if int(heads.size[largest]) > MAX_PROBE_BYTES:
        return [], [LeftOut('', f'messages of up to {int(heads.size[largest])} bytes')]
    narrow: dict[str, None] = {}
    wide: dict[str, str] = {}
    for time_ns in dict.fromkeys((int(heads.log_time_ns[largest]), int(heads.log_time_ns[0]))):
        columns = source.columns(key, start_ns=time_ns, stop_ns=time_ns + 1)
        if len(columns) > MAX_PATHS:
            return [], [LeftOut('', f'{len(columns)} field paths in one message')]
        for path, column in columns.items():
            if column.values.dtype.kind not in NUMERIC:
                continue
            most = _most_values(column)
            if most > (MAX_BYTE_VALUES if column.values.dtype.itemsize == 1 else MAX_VALUES):
                wide[without_index(path)] = f'{most} values in one message'
            narrow[path] = None
    left_out = [LeftOut(path, reason) for path, reason in wide.items()]
    chosen = [path for path in narrow if without_index(path) not in wide]
    return list(dict.fromkeys(_asked_for(path, wide) for path in chosen)), left_out


def _most_values(column: Column) -> int:
    """Return how many values the field has in the message that has most of them."""
    if column.offsets is not None:
        return int(np.diff(column.offsets).max(initial=0))
    return int(column.values.size // max(len(column), 1))


def _asked_for(path: str, wide: Mapping[str, str]) -> str:
    """Return what to ask for to get a field: a whole sequence of messages, if all is narrow.

    Other messages may have longer sequences than those that were looked at.
    """
    root, is_inside, _ = path.partition('[')
    if is_inside and not any(each.startswith(f'{root}[') for each in wide):
        return root
    return path
