"""Programs of two releases on one database: which may serve on which schema, and when something is taken away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, select, text, update

from s3gw.metadata import migrate, processes, revision
from s3gw.metadata.database import Database
from s3gw.metadata.engines import open_database
from s3gw.metadata.migrate import OlderNodes, upgrade
from s3gw.metadata.readiness import require_schema
from s3gw.metadata.revision import FIRST, NEWEST, TooOld
from s3gw.metadata.schema import processes as table
from tests.crash.sockets import eventually
from tests.releases import CONTRACT, EXPAND, add_revisions, number

pytestmark = pytest.mark.anyio

NextRelease = Callable[..., None]


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NextRelease:
    """Makes this program one that has revisions more; called without any, the present one again."""

    def become(*added: tuple[str, str | None]) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(migrate, "_WAIT_FOR_LOCKS", "100ms")
        if added:
            add_revisions(tmp_path / "migrations", *added)
            monkeypatch.setattr(migrate, "scripts", lambda: tmp_path / "migrations")
            monkeypatch.setattr(revision, "NEWEST", number(len(added)))

    return become


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def revision_of(connection: Connection) -> str:
    connection.rollback()
    found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    connection.rollback()
    return found


async def register(url: str, folder: Path, name: str = "old") -> None:
    await use(url, folder, lambda conn: processes.register(conn, name, "worker", "machine-a", 1))


async def use(url: str, folder: Path, fn: Callable[..., object]) -> None:
    database: Database = open_database(url, folder)
    try:
        await database.write(fn)
    finally:
        await database.close()


async def test_after_an_expansion_the_release_before_goes_on_and_may_be_started_again(
    database_url: str, connection: Connection, tmp_path: Path, next_release: NextRelease
) -> None:
    await register(database_url, tmp_path)
    next_release((EXPAND, None))
    assert upgrade(database_url, tmp_path) is None
    assert revision_of(connection) == number(1)
    next_release()
    assert upgrade(database_url, tmp_path) is None
    assert revision_of(connection) == number(1)
    await use(database_url, tmp_path, require_schema)
    await register(database_url, tmp_path, "restarted")


async def test_a_contraction_waits_until_no_older_process_lives_and_then_older_ones_are_refused(
    postgresql_url: str, tmp_path: Path, next_release: NextRelease
) -> None:
    release = (EXPAND, None), (CONTRACT, number(1))
    engine = create_engine(postgresql_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        await register(postgresql_url, tmp_path)
        next_release(*release)
        said = upgrade(postgresql_url, tmp_path)
        assert said is not None
        assert "machine-a" in said
        assert revision_of(connection) == number(1)
        await register(postgresql_url, tmp_path, "new")
        await use(postgresql_url, tmp_path, lambda conn: processes.mark_dead(conn, "old"))
        assert upgrade(postgresql_url, tmp_path) is None
        assert revision_of(connection) == number(2)
        next_release()
        with pytest.raises(TooOld, match=f"up to revision {NEWEST}.*needs a program of {number(1)}"):
            upgrade(postgresql_url, tmp_path)
        for refused in (require_schema, lambda conn: processes.register(conn, "late", "worker", "machine-a", 1)):
            with pytest.raises(Exception, match="it is too old"):
                await use(postgresql_url, tmp_path, refused)
        names = connection.execute(select(table.c.name).where(table.c.is_dead == 0)).scalars().all()
        assert names == ["new"]
    engine.dispose()


async def test_by_force_older_processes_are_declared_dead_in_the_transaction_that_contracts(
    postgresql_url: str, tmp_path: Path, next_release: NextRelease
) -> None:
    await register(postgresql_url, tmp_path)
    next_release((EXPAND, None), (CONTRACT, number(1)))
    assert upgrade(postgresql_url, tmp_path, by_force=True) is None
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT is_dead FROM processes").fetchall() == [(1,)]


async def test_a_program_whose_version_nobody_knows_counts_as_older(
    postgresql_url: str, tmp_path: Path, next_release: NextRelease
) -> None:
    await register(postgresql_url, tmp_path)
    await use(postgresql_url, tmp_path, lambda conn: conn.execute(update(table).values(schema_revision=None)))
    next_release((CONTRACT, NEWEST))
    assert upgrade(postgresql_url, tmp_path) is not None


async def test_what_this_program_needs_is_not_put_off_behind_what_waits(
    postgresql_url: str, tmp_path: Path, next_release: NextRelease
) -> None:
    await register(postgresql_url, tmp_path)
    next_release((CONTRACT, number(1)), (EXPAND, None))
    with pytest.raises(OlderNodes, match="end those nodes first"):
        upgrade(postgresql_url, tmp_path)


def test_an_older_process_that_registers_meanwhile_is_seen(
    postgresql_url: str, tmp_path: Path, next_release: NextRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the row that the contraction writes, and so comes first."""
    next_release((CONTRACT, number(1)))
    monkeypatch.setattr(migrate, "_WAIT_FOR_LOCKS", "20s")
    values = "('meanwhile', 'worker', 'machine-b', 1, 1, 1, 0, 0)"
    columns = "(incarnation, role, host, pid, started_at, heartbeat_at, oldest_open, is_dead)"
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(postgresql_url, autocommit=True) as observer:
        observer.execute("INSERT INTO settings (name, value) VALUES ('oldest_reader', %s)", (FIRST,))
        with psycopg.connect(postgresql_url) as other:
            other.execute("SELECT value FROM settings WHERE name = 'oldest_reader' FOR SHARE")
            other.execute(f"INSERT INTO processes {columns} VALUES {values}".encode())
            migrating = thread.submit(upgrade, postgresql_url, tmp_path)
            assert eventually(lambda: observer.execute(waiting).fetchone() != (0,))
        with pytest.raises(OlderNodes, match="machine-b"):
            migrating.result(60)


def test_an_expansion_lets_others_by_while_a_table_is_read_for_long(
    postgresql_url: str, tmp_path: Path, next_release: NextRelease
) -> None:
    next_release((EXPAND, None))
    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(postgresql_url) as reader, psycopg.connect(postgresql_url, autocommit=True) as other:
            reader.execute("SELECT count(*) FROM users")
            migrating = thread.submit(upgrade, postgresql_url, tmp_path)
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass"
            assert eventually(lambda: other.execute(waits).fetchone() == (1,))
            other.execute("SET lock_timeout = '5s'")
            assert other.execute("SELECT count(*) FROM users").fetchone() == (0,)
            assert not migrating.done()
        assert migrating.result(60) is None


def test_on_sqlite_nobody_else_serves_while_a_starter_migrates(
    sqlite_url: str, tmp_path: Path, next_release: NextRelease
) -> None:
    next_release((EXPAND, None), (CONTRACT, number(1)))
    assert upgrade(sqlite_url, tmp_path) is None
    next_release()
    with pytest.raises(TooOld):
        upgrade(sqlite_url, tmp_path)


def test_each_revision_says_who_can_serve_after_it_and_their_names_have_their_order() -> None:
    names = []
    for script in ScriptDirectory.from_config(migrate.configuration()).walk_revisions():
        names.append(script.revision)
        if script.revision >= revision.FIRST:
            assert hasattr(script.module, "oldest_reader"), f"{script.revision}: see script.py.mako"
    assert names == sorted(names, reverse=True)
    assert revision.FIRST in names
    assert all(re.fullmatch(r"\d{4}", name) for name in names)
