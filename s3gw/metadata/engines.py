"""The database that a URL means, opened. Each process loads the one driver that it uses."""

from __future__ import annotations

from pathlib import Path

from s3gw.metadata.database import Database
from s3gw.metadata.database_url import is_postgresql, sqlite_path


def open_database(url: str | None, data: Path, *, for_command: bool = False) -> Database:
    """Open `sqlite:///path` (default: s3gw.db in the data folder) or `postgresql://…`. Its schema must be migrated.

    A command's scans may take longer than a server's.
    """
    if is_postgresql(url):
        from s3gw.metadata.postgresql import PostgreSQLDatabase

        return PostgreSQLDatabase(str(url))
    from s3gw.metadata.sqlite import SQLiteDatabase
    from s3gw.metadata.sqlite_connection import MAX_COMMAND_SCAN_SECONDS, MAX_SCAN_SECONDS

    seconds = MAX_COMMAND_SCAN_SECONDS if for_command else MAX_SCAN_SECONDS
    return SQLiteDatabase(sqlite_path(url, data), seconds)
