"""Read the fields of keys as features: blocks of numbers, one row per message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import DatasetError, FlatVectorError, KeyNotFoundError
from lk_dataset_ros.message.flat.leaves import describe, leaves_of, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.message import Columns, Schema

#: Keys, `key.field` paths, or field paths by key (None for all of a key that is flattenable).
Selection = str | Sequence[str] | Mapping[str, str | Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive features that come from one column.

    Attributes:
        values: (n, k), first axis = message; a view of the column where that is possible.
        names: Name of each feature: `/odom.pose.covariance[3]`.
    """

    values: NDArray[Any]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """A key's features.

    Attributes:
        key: Topic name.
        blocks: All of them with as many rows as there are messages.
        log_ns: int64, (n,): when each message was recorded.
        stamp_ns: int64, (n,): header stamps; None for a type without header.
    """

    key: str
    blocks: tuple[Block, ...]
    log_ns: NDArray[np.int64]
    stamp_ns: NDArray[np.int64] | None

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.log_ns)


def selected_fields(
    selection: Selection, keys: Sequence[str], *, what: str
) -> dict[str, list[str] | None]:
    """Return the wanted fields by key; None stands for all of a key.

    Args:
        selection: What was asked for.
        keys: What is there.
        what: What to call it in an error (`inputs`).

    Raises:
        KeyNotFoundError: If a key is not there.
        DatasetError: If nothing is selected.
    """
    chosen: dict[str, list[str] | None] = {}
    if isinstance(selection, Mapping):
        for key, fields in selection.items():
            if key not in keys:
                raise _not_there(key, keys, what)
            named = [fields] if isinstance(fields, str) else fields
            chosen[key] = None if named is None else list(named)
            if named is not None and not named:
                raise DatasetError(f'{what}: no field of {key} is named; None takes all of them')
    else:
        for path in _paths(selection, what):
            key = path
            while key not in keys and '.' in key:
                key = key.rpartition('.')[0]
            if key not in keys:
                raise _not_there(path, keys, what)
            fields = chosen.get(key, [])
            if path == key or fields is None:
                chosen[key] = None
            else:
                chosen[key] = [*fields, path[len(key) + 1 :]]
    if not chosen:
        raise DatasetError(f'{what} names no key; there is {", ".join(keys) or "nothing"}')
    return chosen


def _paths(selection: str | Sequence[str], what: str) -> Sequence[str]:
    if not isinstance(selection, Iterable):
        raise DatasetError(f'{what} is {selection!r}; give keys or key.field paths')
    return [selection] if isinstance(selection, str) else selection


def _not_there(key: str, keys: Sequence[str], what: str) -> KeyNotFoundError:
    return KeyNotFoundError(f'{what}: there is no {key}; there is {", ".join(keys) or "nothing"}')


def read_features(
    dataset: Dataset,
    key: str,
    fields: Sequence[str] | None,
    *,
    start_ns: int | None = None,
    stop_ns: int | None = None,
) -> Features:
    """Read features of a key's messages; no other field is copied.

    Args:
        dataset: What to read from.
        key: Topic name.
        fields: Field paths; a path of a nested message stands for all its numbers.
        start_ns: First log time.
        stop_ns: First log time that is left out.

    Raises:
        FlatVectorError: If a field is no number, or its length varies from message to message.
    """
    wanted = _wanted(dataset.topic(key).schema, key, fields)
    paths = list(dict.fromkeys(path for path, _ in wanted))
    columns = dataset.columns(key, fields=paths, start_ns=start_ns, stop_ns=stop_ns)
    count = len(columns.log_time_ns)
    if not count:
        raise DatasetError(f'there are no messages of {key} to learn from')
    blocks = tuple(_block(columns, key, path, element, count) for path, element in wanted)
    return Features(key, blocks, columns.log_time_ns, columns.stamp_ns)


def _wanted(
    schema: Schema, key: str, fields: Sequence[str] | None
) -> list[tuple[str, int | None]]:
    """Return column paths, each with the element that is wanted or None for all."""
    leaves = leaves_of(schema)
    try:
        if fields is not None:
            found = [pair for path in fields for pair in select(leaves, path)]
            return [(leaf.path, element) for leaf, element in found]
        for leaf in leaves:
            if not leaf.is_label and (leaf.dtype is None or leaf.varies):
                raise FlatVectorError(
                    f'{leaf.path} is {describe(leaf)}; name the fields that are wanted'
                )
    except FlatVectorError as error:
        raise FlatVectorError(f'{key} ({schema.name}): {error}') from error
    return [(leaf.path, None) for leaf in leaves if not leaf.is_label]


def _block(columns: Columns, key: str, path: str, element: int | None, count: int) -> Block:
    """Return a column as a block; NaN where a message lacks the value."""
    name = f'{key}.{path}'
    column = columns.get(path)
    if column is None:
        return Block(
            np.full((count, 1), np.nan), (name if element is None else f'{name}[{element}]',)
        )
    values = column.values
    if values.dtype.kind not in 'biuf':
        raise FlatVectorError(f'{name} is {values.dtype}, which is no number')
    rows = column.rows
    if column.offsets is not None:
        lengths = np.diff(column.offsets)
        if element is None:
            raise FlatVectorError(
                f'{name} has {lengths.min()} to {lengths.max()} values: its length varies; '
                f'name elements ({key}.{path}[0]), which are NaN where there are fewer'
            )
        there = lengths > element
        rows, values = rows[there], values[column.offsets[:-1][there] + element, None]
        names: tuple[str, ...] = (f'{name}[{element}]',)
    elif values.ndim == 1:
        values, names = values[:, None], (name,)
    else:
        values = values.reshape(len(values), -1)
        names = tuple(f'{name}[{index}]' for index in range(values.shape[1]))
        if element is not None:
            # An element that no message has is NaN in all of them.
            values, names = values[:, element : element + 1], (f'{name}[{element}]',)
            if not values.shape[1]:
                values, rows = np.empty((0, 1)), rows[:0]
        elif not names:
            raise FlatVectorError(f'{name} is empty in all messages')
    if len(rows) == count:
        return Block(values, names)
    filled = np.full((count, values.shape[1]), np.nan)
    filled[rows] = values
    return Block(filled, names)
