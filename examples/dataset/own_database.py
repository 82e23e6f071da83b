"""A database of one's own: a dataset in one SQLite file.

It implements what `Database` asks for, and nothing else; reading columns, batches, training and
comparison follow. `test_own_database.py` proves it with the conformance suite.

    python own_database.py drive.table
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lk_dataset_ros import Database, Dataset, Schema, new_message
from lk_dataset_ros.dataset import SerializedMessage, Topic
from lk_dataset_ros.errors import (
    BagExistsError,
    BagNotFoundError,
    BagTimeError,
    DatasetFormatError,
    KeyNotFoundError,
    MessageTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TABLES = """
    CREATE TABLE topics (
        key TEXT PRIMARY KEY, type TEXT, text TEXT, encoding TEXT, hash TEXT, qos TEXT);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY, key TEXT, log_ns INTEGER, sent_ns INTEGER, number INTEGER, cdr BLOB);
    CREATE INDEX by_time ON messages (log_ns, id);
"""


class TableDatabase(Database):
    """A `.table` file.

    Args:
        path: The file.
        mode: `r` reads it, `w` makes a new one.

    Raises:
        BagNotFoundError: If there is nothing to read.
        BagExistsError: If there is something where a new file should be.
        DatasetFormatError: If it is not such a file.
    """

    kind = 'table'
    is_persistent = True
    can_seek_time = True

    @classmethod
    def recognises(cls, location: str) -> bool:
        """Tell whether a path is a file of this kind."""
        return location.endswith('.table') and Path(location).is_file()

    @classmethod
    def open(cls, location: str, mode: Literal['r', 'w'], **options: Any) -> TableDatabase:
        """Open a file."""
        return cls(location, mode, **options)

    def __init__(self, path: str | Path, mode: Literal['r', 'w']) -> None:
        self.path = Path(path)
        self.can_write = mode == 'w'
        if mode == 'r' and not self.path.is_file():
            raise BagNotFoundError(f'there is no file {path}')
        if mode == 'w' and self.path.exists():
            raise BagExistsError(f'{path} exists; it is not overwritten')
        self._file = sqlite3.connect(self.path)
        try:
            if mode == 'w':
                self._file.executescript(_TABLES)
            self._schemas = {
                key: (Schema(*definition), qos)
                for key, *definition, qos in self._file.execute('SELECT * FROM topics')
            }
        except (sqlite3.Error, TypeError) as error:
            self._file.close()
            raise DatasetFormatError(f'{path} is no table of messages: {error}') from error

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def topics(self) -> dict[str, Topic]:
        """Return the topics by name, with the number of messages stored."""
        counts = dict(self._file.execute('SELECT key, count(*) FROM messages GROUP BY key'))
        return {
            key: Topic(key, schema, qos, counts.get(key, 0))
            for key, (schema, qos) in self._schemas.items()
        }

    def declare(self, key: str, schema: Schema, qos: str = '') -> None:
        """Announce a key and its type."""
        self.check_writable()
        known = self._schemas.setdefault(key, (schema, qos))[0]
        if known.name != schema.name:
            raise MessageTypeError(f'{key} is {known.name}, it cannot take {schema.name}')
        row = (key, schema.name, schema.text, schema.encoding, schema.type_hash, qos)
        self._file.execute('INSERT OR IGNORE INTO topics VALUES (?, ?, ?, ?, ?, ?)', row)

    def write_serialized(
        self,
        key: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """Store a serialized message of a declared key."""
        self.check_writable()
        if key not in self._schemas:
            raise KeyNotFoundError(f'{key} was not declared')
        sent_ns = log_time_ns if publish_time_ns is None else publish_time_ns
        row = (key, log_time_ns, sent_ns, sequence, bytes(cdr))
        try:
            self._file.execute('INSERT INTO messages VALUES (NULL, ?, ?, ?, ?, ?)', row)
        except OverflowError as error:
            raise BagTimeError(f'{key}: {log_time_ns}, {sent_ns} is no time of 64 bits') from error

    def iterate_serialized(
        self,
        keys: Sequence[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[SerializedMessage]:
        """Yield messages in order of log time, those of one time in order of writing."""
        chosen = self.keys() if keys is None else [self.topic(key).name for key in keys]
        query = (
            'SELECT key, cdr, log_ns, sent_ns, number FROM messages '
            f'WHERE key IN ({", ".join("?" * len(chosen))}) AND log_ns BETWEEN ? AND ? '
            'ORDER BY log_ns, id'
        )
        first_ns = -(2**63) if start_ns is None else start_ns
        last_ns = 2**63 - 1 if stop_ns is None else stop_ns - 1
        for row in self._file.execute(query, (*chosen, first_ns, last_ns)):
            yield SerializedMessage(*row)

    def flush(self) -> None:
        """Let everything written so far survive the process."""
        if self.can_write:
            self._file.commit()

    def close(self) -> None:
        """Finish; closing twice is no error."""
        self.flush()
        self.can_write = False
        self._file.close()


def main(path: str) -> None:
    """Write a few messages to a file, and read them back as columns."""
    with Dataset(TableDatabase(path, 'w')) as dataset:
        for index in range(5):
            number = new_message('std_msgs/msg/Float64')
            number.data = index / 4
            dataset.write('/share', number, timestamp=float(index))
    with Dataset(TableDatabase(path, 'r')) as dataset:
        print(dataset)
        print(dataset.columns('/share')['data'].values)


if __name__ == '__main__':
    main(sys.argv[1] if len(sys.argv) > 1 else 'drive.table')
