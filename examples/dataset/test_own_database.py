"""The promises of the `Database` contract, kept by a database of one's own.

pytest test_own_database.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from own_database import TableDatabase

from lk_dataset_ros.testing import DatabaseConformance

if TYPE_CHECKING:
    from pathlib import Path

    from lk_dataset_ros import Database


class TestTableDatabase(DatabaseConformance):
    """Runs every test of the suite."""

    def make(self, folder: Path) -> Database:
        """Make an empty one."""
        return TableDatabase(folder / 'messages.table', 'w')

    def reopen(self, database: Database) -> Database:
        """Read what a closed one has stored."""
        assert isinstance(database, TableDatabase)
        return TableDatabase(database.path, 'r')
