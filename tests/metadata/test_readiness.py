"""What a command hears of a database that can't be used, isn't prepared yet, or lies on a full disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from s3gw.metadata.database import Database, DatabaseUnavailable, UnsuitableDatabase
from s3gw.metadata.migrate import upgrade
from s3gw.metadata.readiness import met_full_disk, ping, require_schema, unreachable_is_unavailable
from s3gw.metadata.sqlite import SQLiteDatabase

pytestmark = pytest.mark.anyio


async def test_a_database_that_was_prepared_is_ready(database: Database) -> None:
    assert await database.read(ping) is True
    await database.read(require_schema)


async def test_one_that_was_never_prepared_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    database = SQLiteDatabase(tmp_path / "empty.db")
    with pytest.raises(UnsuitableDatabase, match="start the server once"):
        await database.read(require_schema)
    await database.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "refused"),
        ("postgresql://a@b:c/d", "can't be used"),
        ("sqlite:///text", "not a database"),
        ("sqlite:///folder", "unable to open"),
        ("mysql://x/y", "sqlite:///PATH"),
    ],
)
def test_whatever_keeps_a_migration_from_its_database_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    (tmp_path / "text").write_text("no database\n" * 1000)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseUnavailable, match="the database can't be used: ") as told, unreachable_is_unavailable():
        upgrade(url, tmp_path)
    assert reason in str(told.value)
    assert "sqlalche.me" not in str(told.value)


def test_a_mistake_of_ours_is_not_the_databases() -> None:
    with pytest.raises(KeyError), unreachable_is_unavailable():
        raise KeyError("ours")


def test_only_an_error_of_sqlite_that_says_so_is_of_a_full_disk(tmp_path: Path) -> None:
    def caused_by(cause: BaseException | None, code: int | None = None) -> DatabaseUnavailable:
        if code is not None:
            cause.sqlite_errorcode = code  # type: ignore[union-attr]
        error = DatabaseUnavailable("lost")
        error.__cause__ = cause
        return error

    assert met_full_disk(caused_by(sqlite3.OperationalError("full"), sqlite3.SQLITE_FULL), tmp_path)
    assert not met_full_disk(caused_by(sqlite3.OperationalError("busy"), sqlite3.SQLITE_BUSY), tmp_path)
    assert not met_full_disk(caused_by(OSError(28, "another's")), tmp_path)
    assert not met_full_disk(caused_by(None), tmp_path)
