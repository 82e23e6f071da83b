"""Open a sqlite3 bag so that nothing is written, and read its tables of topics and types."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.dataset.databases.mcap_files.records import McapChannel, McapSchema
from lk_dataset_ros.errors import BagFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from lk_dataset_ros.dataset.databases.rosbag2.packed import Scratch

#: How SQLite says that a file is damaged; its own words may be damaged, too.
DAMAGE = (sqlite3.Error, UnicodeDecodeError, MemoryError)
SQLITE_MAGIC = b'SQLite format 3\0'
#: What a recorder that was killed leaves beside its file: messages that are not in it yet.
_SIDECARS = ('-wal', '-journal')
#: More topics, or longer definitions, than this are no bag.
_MAX_TOPICS = 100_000
_MAX_TEXT = 16 * 1024 * 1024
_OLD_DISTRO = 'humble'


def open_read_only(path: Path, scratch: Scratch) -> tuple[sqlite3.Connection, bool]:
    """Open a database whose file and folder stay as they are.

    Args:
        path: The file.
        scratch: Where the file is copied to if a log or a journal stands beside it: these can
            only be taken into account by something that writes.

    Returns:
        The database, and whether the file is shorter than it says.

    Raises:
        BagFormatError: If it is not a database.
    """
    sidecars = [
        each
        for suffix in _SIDECARS
        if (each := path.with_name(path.name + suffix)).is_file() and each.stat().st_size
    ]
    source, options = path, '?mode=ro&immutable=1'
    # SQLite fills the rest of a page that is cut with zeros, and takes them for messages.
    whole = _whole_pages(path)
    is_cut = whole < path.stat().st_size
    if sidecars or is_cut:
        source = scratch.place(path.name)
        scratch.fill(path, source, packed=False)
        os.truncate(source, whole)
    if sidecars:
        options = '?mode=rw'
        for each in sidecars:
            scratch.fill(each, source.with_name(each.name), packed=False)
    try:
        return _connect(source, options, is_cut=is_cut), is_cut
    except DAMAGE:
        pass
    try:
        return _connect(source, options, is_cut=True), True
    except DAMAGE as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> BagFormatError:
    """Make the error of a file that SQLite cannot read, of one line."""
    reason = ' '.join(str(error).split())
    return BagFormatError(f'{path} cannot be read as a sqlite3 bag: {reason}')


def _whole_pages(path: Path) -> int:
    """Return the bytes of a database that are whole pages."""
    with path.open('rb') as file:
        head = file.read(18)
    size = path.stat().st_size
    page = int.from_bytes(head[16:18], 'big')
    page = 65536 if page == 1 else page
    return size - size % page if page else size


def _connect(source: Path, options: str, *, is_cut: bool) -> sqlite3.Connection:
    database = sqlite3.connect(
        source.absolute().as_uri() + options, uri=True, check_same_thread=False
    )
    try:
        for pragma in ('trusted_schema=OFF', 'cell_size_check=ON', 'mmap_size=0'):
            database.execute(f'PRAGMA {pragma}')
        if is_cut:
            # SQLite opens a file that is shorter than its header says only like this.
            database.execute('PRAGMA writable_schema=ON')
        database.execute('SELECT count(*) FROM sqlite_master').fetchone()
    except BaseException:
        database.close()
        raise
    return database


class Tables:
    """The topics and message definitions of a sqlite3 bag.

    Args:
        database: The database.
        path: What error messages call it.

    Raises:
        BagFormatError: If it has not the tables of a bag.

    Attributes:
        channels: Topics by number.
        schemas: Definitions; one without text where the file has none, as before ROS 2 Iron.
        distro: The ROS distribution that wrote it, as far as it tells.
    """

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path
        self._columns = {name: self._columns_of(name) for name in self._tables()}
        for table, needed in (
            ('topics', {'id', 'name', 'type', 'serialization_format'}),
            ('messages', {'topic_id', 'timestamp', 'data'}),
        ):
            if missing := needed - self._columns.get(table, set()):
                raise BagFormatError(
                    f'{path} is a sqlite3 file, but no bag: it has no {table}.{min(missing)}'
                )
        self.distro = self._distro()
        self.channels: dict[int, McapChannel] = {}
        self.schemas: dict[int, McapSchema] = {}
        self._read_topics(self._definitions())

    def _tables(self) -> list[str]:
        # A view or a virtual table would run something of the file's own.
        found = self._database.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%' "
            "AND name IN ('schema', 'metadata', 'topics', 'message_definitions', 'messages')"
        )
        return [name for (name,) in found]

    def _columns_of(self, table: str) -> set[str]:
        return {row[1] for row in self._database.execute(f'PRAGMA table_info({table})')}

    def _distro(self) -> str:
        if 'ros_distro' in self._columns.get('schema', set()):
            row = self._database.execute('SELECT ros_distro FROM schema LIMIT 1').fetchone()
            return row[0] if row and isinstance(row[0], str) else ''
        return _OLD_DISTRO

    def _definitions(self) -> dict[tuple[str, str], McapSchema]:
        """Return the definitions by type and hash, and by type alone."""
        columns = self._columns.get('message_definitions', set())
        if not {'topic_type', 'encoding', 'encoded_message_definition'} <= columns:
            return {}
        known = 'type_description_hash' if 'type_description_hash' in columns else "''"
        definitions: dict[tuple[str, str], McapSchema] = {}
        for name, encoding, text, type_hash in self._texts(
            f'topic_type, encoding, encoded_message_definition, {known}', 'message_definitions'
        ):
            schema = McapSchema(name, encoding, text.encode())
            definitions[name, type_hash] = schema
            definitions.setdefault((name, ''), schema)
        return definitions

    def _read_topics(self, definitions: dict[tuple[str, str], McapSchema]) -> None:
        columns = self._columns['topics']
        qos = 'offered_qos_profiles' if 'offered_qos_profiles' in columns else "''"
        known = 'type_description_hash' if 'type_description_hash' in columns else "''"
        rows = self._texts(f'id, name, type, serialization_format, {qos}, {known}', 'topics', 1)
        for number, (key, name, type_name, encoding, profiles, type_hash) in enumerate(rows, 1):
            service = type_name.removesuffix('_Event')
            # The events of a service are recorded with the definition of the service.
            schema = next(
                (
                    found
                    for each in ((type_name, type_hash), (type_name, ''), (service, ''))
                    if (found := definitions.get(each)) is not None
                ),
                McapSchema(type_name, '', b''),
            )
            self.schemas[number] = schema._replace(name=type_name)
            metadata = {'offered_qos_profiles': profiles, 'topic_type_hash': type_hash}
            self.channels[key] = McapChannel(name, number, encoding, metadata)

    def _texts(self, columns: str, table: str, numbers: int = 0) -> list[tuple[Any, ...]]:
        """Return the rows of a table, whose columns are texts but for the first few."""
        rows = self._database.execute(
            f'SELECT {columns} FROM {table} ORDER BY rowid LIMIT {_MAX_TOPICS}'  # noqa: S608
        ).fetchall()
        for row in rows:
            right = all(isinstance(value, int) for value in row[:numbers])
            if not right or not all(
                isinstance(value, str) and len(value) < _MAX_TEXT for value in row[numbers:]
            ):
                raise BagFormatError(
                    f'{self._path}: the table {table} holds a value of a wrong type'
                )
        return rows
