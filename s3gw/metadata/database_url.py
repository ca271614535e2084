"""What --database-url means: PostgreSQL, or a file of SQLite's. Imports nothing, so that the supervisor stays small."""

from __future__ import annotations

from pathlib import Path


def is_postgresql(url: str | None) -> bool:
    return url is not None and url.partition("://")[0] in ("postgresql", "postgres", "postgresql+psycopg")


def database_folder(url: str | None, data: Path) -> Path | None:
    """The folder of SQLite's file, whose disk must have room; None for PostgreSQL, which looks after its own disk."""
    return None if is_postgresql(url) else sqlite_path(url, data).absolute().parent


def sqlite_path(url: str | None, data: Path) -> Path:
    if url is None:
        return data / "s3gw.db"
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path or path.startswith(":"):
        raise ValueError("must be sqlite:///PATH or postgresql://…")
    return Path(path)
