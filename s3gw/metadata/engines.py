"""Which database a URL means, and how it is opened. Each process loads the one driver that it uses."""

from __future__ import annotations

from pathlib import Path

from s3gw.metadata.database import Database


def open_database(url: str | None, data: Path) -> Database:
    """Open `sqlite:///path` (default: s3gw.db in the data folder) or `postgresql://…`. Its schema must be migrated."""
    if is_postgresql(url):
        from s3gw.metadata.postgresql import PostgreSQLDatabase

        return PostgreSQLDatabase(str(url))
    from s3gw.metadata.sqlite import SQLiteDatabase

    return SQLiteDatabase(sqlite_path(url, data))


def is_postgresql(url: str | None) -> bool:
    return url is not None and url.partition("://")[0] in ("postgresql", "postgres", "postgresql+psycopg")


def database_folder(url: str | None, data: Path) -> Path | None:
    """Whose disk the database needs room on; None of a server's, which looks after its own."""
    return None if is_postgresql(url) else sqlite_path(url, data).absolute().parent


def sqlite_path(url: str | None, data: Path) -> Path:
    if url is None:
        return data / "s3gw.db"
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path or path.startswith(":"):
        raise ValueError("--database-url (S3GW_DATABASE_URL) must be sqlite:///PATH or postgresql://…")
    return Path(path)
