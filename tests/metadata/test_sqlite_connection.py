"""What errors of SQLite mean: a mistake of ours, something that passes, or a disk that is full."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from s3gw.metadata.database import Connection, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.sqlite_connection import TriedScanConnection, found_full, make_engine, unavailable
from tests.disks.small_disks import SmallDisk, small_disk

IOERR_READ, IOERR_WRITE, IOERR_SHMSIZE = 266, 778, 4874


def error(code: int) -> sqlite3.Error:
    """As the driver raises it; of most no test can be the cause."""
    made = sqlite3.OperationalError("message")
    made.sqlite_errorcode = code
    return made


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, DatabaseUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, DatabaseUnavailable),
        (sqlite3.SQLITE_CANTOPEN, DatabaseUnavailable),
        (IOERR_READ, DatabaseUnavailable),
        (sqlite3.SQLITE_FULL, DatabaseFull),
        (sqlite3.SQLITE_READONLY, DatabaseReadOnly),
        (sqlite3.SQLITE_READONLY_DBMOVED, DatabaseReadOnly),
    ],
)
def test_what_may_pass_is_unavailable(code: int, kind: type[BaseException]) -> None:
    judged = unavailable(error(code))
    assert (type(judged), str(judged)) == (kind, "message")


def test_a_mistake_is_raised_as_it_is() -> None:
    for mistake in (error(sqlite3.SQLITE_ERROR), error(sqlite3.SQLITE_MISUSE), sqlite3.ProgrammingError("no code")):
        assert unavailable(mistake) is mistake
    assert type(unavailable(None)) is DatabaseUnavailable  # the driver gave no reason


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("full") / "disk", "1m") as disk:
        disk.fill()
        yield disk


@pytest.mark.parametrize(
    ("code", "on_a_full_disk", "on_another"),
    [
        (sqlite3.SQLITE_FULL, True, True),
        (sqlite3.SQLITE_CANTOPEN, True, False),
        (IOERR_WRITE, True, False),
        (IOERR_SHMSIZE, True, False),
        (IOERR_READ, False, False),
        (sqlite3.SQLITE_BUSY, False, False),
    ],
)
def test_where_sqlite_does_not_say_that_the_disk_is_full_the_disk_is_asked(
    full_disk: SmallDisk, tmp_path: Path, code: int, on_a_full_disk: bool, on_another: bool
) -> None:
    assert found_full(error(code), full_disk.folder) == on_a_full_disk
    assert found_full(error(code), tmp_path) == on_another


def test_other_errors_than_sqlites_are_not_of_a_full_disk(full_disk: SmallDisk) -> None:
    assert not found_full(None, full_disk.folder)
    assert not found_full(OSError(5, "broken"), full_disk.folder)


def test_a_scan_that_is_late_at_its_end_leaves_no_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite asks whether it is late once in so many runs of a short statement: of ROLLBACK too."""
    sqlite3.connect(tmp_path / "x.db").close()
    monkeypatch.setattr(TriedScanConnection, "_instructions", 100)
    connection, interrupted = TriedScanConnection(make_engine(tmp_path / "x.db", writes=False)), 0
    one = Prepared(text("SELECT 1"))

    def lasting(conn: Connection) -> int:
        connection._began = 0.0
        found: int = one.value(conn)
        return found

    for _ in range(300):
        try:
            assert connection.scan(lasting) == 1
        except DatabaseUnavailable:
            interrupted += 1
        assert not connection.driver.in_transaction
    assert 0 < interrupted < 300
    connection.close()
