"""Datasets as plain tables: a CSV or Parquet file for each key, as recorded, nothing resampled."""

from __future__ import annotations

import csv
import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import numpy as np

from lk_dataset_ros.dataset.exports.target import new_folder
from lk_dataset_ros.errors import ExportError
from lk_dataset_ros.message.columnar.parquet import write_parquet
from lk_dataset_ros.message.columnar.tables import LOG_TIME, STAMP, element_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike
    from pathlib import Path

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.message import Column, Columns

#: Elements up to which an array is spread over columns of a CSV file.
MAX_SPREAD = 64
#: Serialized bytes decoded at once.
MAX_BYTES = 32 * 1024 * 1024


def write_tables(
    dataset: Dataset,
    path: str | PathLike[str],
    *,
    kind: Literal['csv', 'parquet'],
    keys: Sequence[str] | None = None,
    fields: Sequence[str] | None = None,
    advance: Callable[[int], object] | None = None,
) -> dict[str, int]:
    """Write a folder with a table for each key: `/robot/odom` becomes `robot__odom.parquet`.

    CSV: an array that is as long in every message and not longer than 64 becomes a column for
    each element, another one JSON in one cell, bytes become hexadecimal digits; floats are written
    so that they read back exactly.

    Args:
        dataset: What is exported.
        path: The folder to be made; there must be nothing.
        kind: `csv` or `parquet`.
        keys: Topics; all when left out.
        fields: Field paths; all when left out. `odom.pose`: all below; a key need not have all.
        advance: Is told the number of messages written.

    Returns:
        The number of rows of each key.

    Raises:
        BagExistsError: If there is something at the path.
        ExportError: If no key has one of the fields, or it cannot be written.
        KeyNotFoundError: If a key is not there.
    """
    if kind not in ('csv', 'parquet'):
        raise ExportError(f'there is no kind of table {kind!r}; there is csv, parquet')
    for what, given in (('keys', keys), ('fields', fields)):
        if isinstance(given, str):
            raise ExportError(f'{what} is {given!r}; give a list of {what}: [{given!r}]')
    wanted = list(keys) if keys else list(dataset.keys())
    names: dict[str, str] = {}
    for key in wanted:
        dataset.topic(key)
        name = _file_name(key)
        if name in names:
            raise ExportError(f'{names[name]} and {key} would both be written to {name}.{kind}')
        names[name] = key
    seen: set[str] = set()
    rows: dict[str, int] = {}
    with new_folder(path) as folder:
        for name, key in names.items():
            batches = _batches(dataset, key, fields, seen, advance)
            if kind == 'csv':
                shapes = _shapes(_batches(dataset, key, fields, seen, None))
                rows[key] = _write_csv(folder / f'{name}.csv', shapes, batches)
            else:
                about = {'ros2.topic': key, 'ros2.type': dataset.topic(key).schema.name}
                rows[key] = write_parquet(batches, folder / f'{name}.parquet', metadata=about)
        for field in fields or ():
            if field not in seen:
                known = [path for key in wanted for path in next(dataset.column_batches(key), ())]
                near = get_close_matches(field, known, 3, 0.4) or known[:5]
                raise ExportError(
                    f'no message of {", ".join(wanted)} has a field {field}; '
                    f'there is {", ".join(near) or "no message"}'
                )
    return rows


def _file_name(key: str) -> str:
    """Return a file name for a key; nothing in it leads to another folder."""
    name = quote(key.strip('/').replace('/', '__'), safe='~ ')
    return name.replace('.', '%2E') if name.startswith('.') or not name else name


def _batches(
    dataset: Dataset,
    key: str,
    fields: Sequence[str] | None,
    seen: set[str],
    advance: Callable[[int], object] | None,
) -> Iterator[Columns]:
    for columns in dataset.column_batches(key, max_bytes=MAX_BYTES):
        chosen = columns if fields is None else _chosen(columns, fields, seen)
        yield chosen
        count = len(columns.log_time_ns)
        # The next ones are made when these are no longer in memory.
        del columns, chosen
        if advance is not None:
            advance(count)


def _chosen(columns: Columns, fields: Sequence[str], seen: set[str]) -> Columns:
    chosen = {}
    for path in columns:
        for field in fields:
            if path == field or path.startswith((f'{field}.', f'{field}[')):
                seen.add(field)
                chosen[path] = columns[path]
    return type(columns)(chosen, columns.log_time_ns, columns.stamp_ns)


def _shapes(batches: Iterator[Columns]) -> dict[str, tuple[int, ...] | None]:
    """Return the shape of each field, None where it varies: the header has to come first."""
    shapes: dict[str, tuple[int, ...] | None] = {}
    for columns in batches:
        if columns.stamp_ns is not None:
            shapes.setdefault(STAMP, ())
        for path in columns:
            column = columns[path]
            shape = None if column.offsets is not None else column.values.shape[1:]
            shapes[path] = shape if shapes.get(path, shape) == shape else None
    return shapes


def _write_csv(
    path: Path, shapes: dict[str, tuple[int, ...] | None], batches: Iterator[Columns]
) -> int:
    count = 0
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        spread = {path: _is_spread(shape) for path, shape in shapes.items()}
        header = [LOG_TIME]
        for name, shape in shapes.items():
            header += element_names(name, shape) if spread[name] and shape else [name]
        writer.writerow(header)
        for columns in batches:
            size = len(columns.log_time_ns)
            cells: list[list[Any]] = [columns.log_time_ns.tolist()]
            for name, shape in shapes.items():
                if name == STAMP and name not in columns:
                    stamps = columns.stamp_ns
                    cells.append([''] * size if stamps is None else stamps.tolist())
                    continue
                column = columns.get(name)
                cells += _cells(column, shape if spread[name] else None, size)
            writer.writerows(zip(*cells, strict=True))
            count += size
    return count


def _is_spread(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and 0 < int(np.prod(shape)) <= MAX_SPREAD


def _cells(column: Column | None, shape: tuple[int, ...] | None, count: int) -> list[list[Any]]:
    """Return the CSV columns of a field; a message that lacks it has empty cells."""
    if column is None:
        return [[''] * count for _ in range(int(np.prod(shape or ())))]
    if shape is not None:
        flat = column.values.reshape(len(column), -1)
        found = [flat[:, index].tolist() for index in range(flat.shape[1])]
    else:
        found = [[_text(column.row(index)) for index in range(len(column))]]
    if len(column) == count:
        return found
    spaced = []
    for values in found:
        cells: list[Any] = [''] * count
        for row, value in zip(column.rows.tolist(), values, strict=True):
            cells[row] = value
        spaced.append(cells)
    return spaced


def _text(value: Any) -> str:
    if value.dtype == np.uint8:
        return str(value.tobytes().hex())
    return json.dumps(value.tolist(), ensure_ascii=False)
