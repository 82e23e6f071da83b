"""Columns as Arrow tables, pandas data frames and Parquet files.

What a field becomes:

| field | Arrow, Parquet | pandas |
| --- | --- | --- |
| number, bool | the same type | the same dtype; nullable `Int64` and the like with gaps |
| text | `string` | text |
| array of numbers, as long in every message | fixed-size list | arrays (or a column each) |
| array of numbers that varies in length | list | arrays |
| array of `uint8` (`byte`, `char`) | binary | `bytes` |
| array of text | list of `string` | arrays |

A message that lacks a field (`transforms[1].x` of a message with one transform) has a null there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lk_dataset_ros.errors import ExportError
from lk_dataset_ros.message.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lk_dataset_ros.message.columnar.building import Column
    from lk_dataset_ros.message.columnar.columns import Columns

LOG_TIME = 'log_time_ns'
STAMP = 'stamp_ns'
#: Elements up to which an array is spread over columns of a data frame.
MAX_SPREAD = 4096
_MAX_OFFSET = 2**31 - 1


def arrow_of(
    columns: Columns, log_time: bool = True, *, metadata: Mapping[str, str] | None = None
) -> Any:
    """Make a `pyarrow.Table`, one column per field path.

    Numbers are not copied where they lie in memory one after the other.

    Args:
        columns: What becomes a table.
        log_time: Begin with `log_time_ns` (int64) and, for a type with a header, `stamp_ns`.
        metadata: Is kept in the table's schema, and in a file made from it.

    Raises:
        ExportError: If a field has the name of one of these two.
        ExtraMissingError: If pyarrow is not here.
    """
    pa = require('pyarrow', 'arrow', 'an Arrow table')
    count = len(columns.log_time_ns)
    found: dict[str, Any] = {}
    if log_time:
        found = {name: pa.array(times) for name, times in _times(columns).items()}
    for path, column in columns.items():
        found[path] = _arrow_column(pa, column, count)
    table = pa.table(found)
    return table.replace_schema_metadata(dict(metadata)) if metadata else table


def pandas_of(columns: Columns, *, arrays: Literal['object', 'spread'] = 'object') -> Any:
    """Make a `pandas.DataFrame`, one column per field path, indexed by log time.

    The index `log_time` is in UTC and exact to the nanosecond.

    Args:
        columns: What becomes a data frame.
        arrays: `object`: an array field is one column of NumPy arrays. `spread`: an array that is
            as long in every message becomes a column for each element (`position[0]`).

    Raises:
        ExportError: If an array is too long to be spread, or `arrays` is something else.
        ExtraMissingError: If pandas is not here.
    """
    if arrays not in ('object', 'spread'):
        raise ExportError(f"arrays is {arrays!r}; 'object' and 'spread' are possible")
    pd = require('pandas', 'pandas', 'a data frame')
    count = len(columns.log_time_ns)
    found: dict[str, Any] = {}
    for path, column in columns.items():
        if arrays == 'spread' and column.offsets is None and column.values.ndim > 1:
            flat = column.values.reshape(len(column), -1)
            if flat.shape[1] > MAX_SPREAD:
                raise ExportError(
                    f'{path} has {flat.shape[1]} elements, too many for a column each (at most '
                    f"{MAX_SPREAD}): leave it out by fields=, or use arrays='object'"
                )
            for index, name in enumerate(element_names(path, column.values.shape[1:])):
                found[name] = _pandas_column(pd, flat[:, index], column.rows, count)
        elif column.offsets is None and column.values.ndim == 1:
            found[path] = _pandas_column(pd, column.values, column.rows, count)
        else:
            found[path] = _objects(pd, column, count)
    index = pd.DatetimeIndex(columns.log_time_ns.view('M8[ns]'), tz='UTC', name='log_time')
    frame = pd.DataFrame({name: pd.Series(data, index=index) for name, data in found.items()})
    return frame if found else pd.DataFrame(index=index)


def element_names(path: str, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield the name of each element of an array: `a[0]`, `a[1]`."""
    for place in np.ndindex(shape):
        yield path + ''.join(f'[{index}]' for index in place)


def _times(columns: Columns) -> dict[str, NDArray[np.int64]]:
    times = {LOG_TIME: columns.log_time_ns}
    if columns.stamp_ns is not None:
        times[STAMP] = columns.stamp_ns
    for name in times:
        if name in columns:
            raise ExportError(
                f'a field of the message is called {name}, as the column of its times would be: '
                'make the table with log_time=False'
            )
    return times


def _arrow_column(pa: Any, column: Column, count: int) -> Any:
    array = _without_gaps(pa, column)
    if len(column) == count:
        return array
    place = np.zeros(count, np.int64)
    missing = np.ones(count, bool)
    place[column.rows] = np.arange(len(column))
    missing[column.rows] = False
    return array.take(pa.array(place, mask=missing))


def _without_gaps(pa: Any, column: Column) -> Any:
    values = _native(column.values)
    if column.offsets is not None:
        return _lists(pa, values, column.offsets)
    if values.ndim == 1:
        return _flat(pa, values)
    shape = values.shape
    if values.size == 0:
        return _lists(pa, values.reshape(-1), np.zeros(len(column) + 1, np.int64))
    if values.dtype == np.uint8:
        # Of known width: Arrow's buffers are the bytes themselves.
        width = int(np.prod(shape[1:]))
        data = pa.py_buffer(np.ascontiguousarray(values))
        return pa.Array.from_buffers(pa.binary(width), len(column), [None, data])
    array = _flat(pa, values.reshape(-1))
    for size in reversed(shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def _lists(pa: Any, values: NDArray[Any], offsets: NDArray[np.int64]) -> Any:
    # Not every buffer is small enough for Arrow's usual 32-bit offsets.
    large = int(offsets[-1]) > _MAX_OFFSET
    places = offsets if large else offsets.astype(np.int32)
    if values.dtype == np.uint8:
        kind = pa.large_binary() if large else pa.binary()
        buffers = [None, pa.py_buffer(places), pa.py_buffer(np.ascontiguousarray(values))]
        return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)
    kind = pa.LargeListArray if large else pa.ListArray
    return kind.from_arrays(pa.array(places), _flat(pa, values))


def _flat(pa: Any, values: NDArray[Any]) -> Any:
    if values.dtype.kind != 'O':
        return pa.array(values)
    if len(values) and isinstance(values[0], bytes):
        return pa.array(values, pa.binary())
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise ExportError(f'{error.object!r} cannot be written as UTF-8') from error


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder('='))


def _pandas_column(pd: Any, values: NDArray[Any], rows: NDArray[np.int64], count: int) -> Any:
    values = _native(values)
    if len(rows) == count:
        return values
    missing = np.ones(count, bool)
    missing[rows] = False
    if values.dtype.kind in 'Of':
        filled = np.full(count, None if values.dtype.kind == 'O' else np.nan, values.dtype)
        filled[rows] = values
        return filled
    filled = np.zeros(count, values.dtype)
    filled[rows] = values
    kind = pd.arrays.BooleanArray if values.dtype.kind == 'b' else pd.arrays.IntegerArray
    return kind(filled, missing)


def _objects(pd: Any, column: Column, count: int) -> Any:
    found = np.empty(count, object)
    values = _native(column.values)
    as_bytes = values.dtype == np.uint8
    limits = column.offsets
    for index, row in enumerate(column.rows.tolist()):
        each = values[index] if limits is None else values[limits[index] : limits[index + 1]]
        found[row] = each.tobytes() if as_bytes else each
    return pd.Series(found, dtype=object).array
