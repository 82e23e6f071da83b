"""Columns as a Parquet file, batch by batch, for what exceeds the memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import BagExistsError, ExportError, LkError
from lk_dataset_ros.message.columnar.columns import Columns
from lk_dataset_ros.message.columnar.tables import arrow_of
from lk_dataset_ros.message.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike

#: Bytes of a table, about, that are written as one row group.
ROW_GROUP_BYTES = 64 * 1024 * 1024
#: Bytes of a column, about, that are compressed at once.
PAGE_BYTES = 1024 * 1024


def write_parquet(
    columns: Columns | Iterable[Columns],
    path: str | PathLike[str],
    *,
    log_time: bool = True,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write columns as a Parquet file; it is there when it is whole.

    What varies from batch to batch is brought together: a sequence that is as long in every
    message of one batch and is not in the next becomes a list, a field that a batch lacks is null
    there. Parts that were written before that was known are copied once more, at the end.

    Args:
        columns: Columns, or batches of them (`Dataset.column_batches`).
        path: Where; there must be nothing.
        log_time: Begin with `log_time_ns` and, for a type with a header, `stamp_ns`.
        metadata: Is kept in the file's schema, such as the type's name.

    Returns:
        The number of rows.

    Raises:
        BagExistsError: If there is something at the path.
        ExportError: If it cannot be written, or a field's type changes from batch to batch.
        ExtraMissingError: If pyarrow is not here.
    """
    require('pyarrow.parquet', 'arrow', 'a Parquet file')
    target = Path(path)
    if os.path.lexists(target):
        raise BagExistsError(f'{target} exists; it is not overwritten')
    batches = [columns] if isinstance(columns, Columns) else columns
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{target.name}.', dir=target.parent) as folder:
            parts = TableParts(Path(folder))
            try:
                for batch in batches:
                    parts.write(arrow_of(batch, log_time, metadata=metadata))
                    # The next one is made when this one is no longer in memory.
                    del batch
                file = parts.finish(arrow_of(_nothing(), log_time, metadata=metadata))
            finally:
                parts.close()
            file.replace(target)
    except LkError:
        raise
    except OSError as error:
        raise ExportError(f'{target} cannot be written: {error.strerror or error}') from error
    return parts.rows


class TableParts:
    """Writes tables whose types need not be the same: a file per schema, joined at the end.

    Args:
        folder: For the files; it is the caller's to remove.
    """

    def __init__(self, folder: Path) -> None:
        self._pa = require('pyarrow', 'arrow', 'a Parquet file')
        self._pq = require('pyarrow.parquet', 'arrow', 'a Parquet file')
        self._folder = folder
        self._files: list[Path] = []
        self._schema: Any = None
        self._writer: Any = None
        #: Rows after which the size of a page is looked at; a page of images is large by then.
        self._page_rows = 1024
        self.rows = 0

    def write(self, table: Any) -> None:
        """Add a table's rows."""
        if table.num_rows:
            rows = table.num_rows * PAGE_BYTES // max(table.nbytes, 1)
            self._page_rows = max(1, min(rows, self._page_rows))
        schema = self._schema
        common = table.schema if schema is None else common_schema(schema, table.schema)
        if self._writer is None or common != schema:
            self.close()
            self._open(common)
        table = conformed(table, common)
        rows = max(1, table.num_rows * ROW_GROUP_BYTES // max(table.nbytes, 1))
        self._writer.write_table(table, row_group_size=rows)
        self.rows += table.num_rows

    def finish(self, empty: Any) -> Path:
        """Return the one file that holds everything; `empty` is written if there was nothing."""
        if not self._files:
            self.write(empty)
        self.close()
        if len(self._files) > 1:
            parts, self._files = self._files, []
            self._open(self._schema)
            for part in parts:
                for table in self._groups(part):
                    self._writer.write_table(conformed(table, self._schema))
                part.unlink()
            self.close()
        (file,) = self._files
        with file.open('rb') as written:
            os.fsync(written.fileno())
        return file

    def close(self) -> None:
        """Close the file that is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, schema: Any) -> None:
        self._schema = schema
        file = self._folder / f'{len(list(self._folder.iterdir()))}.parquet'
        self._files.append(file)
        self._writer = self._pq.ParquetWriter(
            file,
            schema,
            compression='zstd',
            use_dictionary=texts_of(schema),
            write_batch_size=self._page_rows,
        )

    def _groups(self, file: Path) -> Iterator[Any]:
        with self._pq.ParquetFile(file) as source:
            for index in range(source.num_row_groups):
                yield source.read_row_group(index)


def texts_of(schema: Any) -> list[str] | bool:
    """Return the Parquet columns that are worth a dictionary: text, which tends to repeat."""
    texts = [field.name for field in schema if str(field.type) == 'string']
    texts += [
        f'{field.name}.list.element'
        for field in schema
        if str(getattr(field.type, 'value_type', '')) == 'string'
    ]
    return texts or False


def common_schema(first: Any, second: Any) -> Any:
    """Return a schema that the rows of both fit in, in an order that respects both.

    Raises:
        ExportError: If a column's types do not go together.
    """
    pa = require('pyarrow', 'arrow', 'a table')
    types = {field.name: field.type for field in first}
    names = list(types)
    place = 0
    for field in second:
        if field.name in types:
            types[field.name] = _common_type(pa, types[field.name], field.type, field.name)
            place = names.index(field.name) + 1
        else:
            types[field.name] = field.type
            names.insert(place, field.name)
            place += 1
    return pa.schema([(name, types[name]) for name in names], metadata=first.metadata)


def conformed(table: Any, schema: Any) -> Any:
    """Return a table in the types of a schema, with nulls for columns that it lacks."""
    if table.schema == schema:
        return table
    pa = require('pyarrow', 'arrow', 'a table')
    have = set(table.column_names)
    return pa.table(
        [
            table[field.name].cast(field.type)
            if field.name in have
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def _common_type(pa: Any, first: Any, second: Any, name: str) -> Any:
    if first == second:
        return first
    kinds = pa.types
    both = (first, second)
    if all(_is_binary(kinds, kind) for kind in both):
        return pa.large_binary() if any(map(kinds.is_large_binary, both)) else pa.binary()
    if all(_is_list(kinds, kind) for kind in both):
        inner = _common_type(pa, first.value_type, second.value_type, name)
        return pa.large_list(inner) if any(map(kinds.is_large_list, both)) else pa.list_(inner)
    raise ExportError(f'{name} is {first} in one part of the data and {second} in another')


def _is_binary(kinds: Any, kind: Any) -> bool:
    return bool(
        kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind)
    )


def _is_list(kinds: Any, kind: Any) -> bool:
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))


def _nothing() -> Columns:
    return Columns.from_messages([])
