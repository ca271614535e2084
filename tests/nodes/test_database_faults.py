"""PostgreSQL away, failing over, silent or slow: 503 in bounded time, and then it works again, nothing doubled."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import bindparam, func, insert, select, text

from s3gw.metadata import postgresql as implementation
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.migrate import upgrade as migrate
from s3gw.metadata.postgresql import PostgreSQLDatabase
from s3gw.metadata.postgresql_server import LIMITS
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import settings
from tests.crash.sockets import eventually
from tests.nodes.conftest import Nodes
from tests.places import memory_folder
from tests.postgresql import (
    Server,
    await_server,
    find_binary,
    free_port,
    keep_in_threads,
    start_server,
    unprivileged_user,
)
from tests.raw_requests import send


@contextmanager
def shut(postgresql: Server, url: str, *, allow_new: bool = False) -> Iterator[None]:
    """All connections of the database are ended, and new ones refused."""
    name = url.rpartition("/")[2]
    if not allow_new:
        postgresql.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    end_connections(postgresql, name)
    try:
        yield
    finally:
        postgresql.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def end_connections(postgresql: Server, name: str) -> None:
    postgresql.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def test_a_database_that_is_away_is_503_with_retry_after_on_each_door_and_then_all_works_again(
    nodes: Nodes, postgresql: Server, bucket: str
) -> None:
    assert send(nodes.one, "PUT", f"/{bucket}/kept", b"before").status == 200
    with shut(postgresql, nodes.url):
        for method, body in (("GET", b""), ("PUT", b"during"), ("DELETE", b"")):
            began = time.monotonic()
            answer = send(nodes.one, method, f"/{bucket}/kept", body)
            assert answer.refusal == (503, "ServiceUnavailable")
            assert answer.headers["Retry-After"] == "2"
            assert time.monotonic() - began < 15
        login = {"username": "somebody", "password": "something long"}
        told = httpx.post(f"{nodes.one.admin}/api/v1/users/login", json=login, timeout=20)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "2")
        ready, _ = nodes.one.get(f"{nodes.one.admin}/readyz")
        assert ready == 503
        assert nodes.one.get(f"{nodes.one.admin}/healthz")[0] == 200, "there is nothing that a restart would mend"
    assert send(nodes.one, "GET", f"/{bucket}/kept").body == b"before"
    assert send(nodes.other, "PUT", f"/{bucket}/kept", b"after").status == 200
    assert send(nodes.one, "GET", f"/{bucket}/kept").body == b"after"
    assert eventually(lambda: nodes.one.get(f"{nodes.one.admin}/readyz")[0] == 200)


def test_a_database_that_takes_no_writes_is_read_and_each_write_is_503(
    nodes: Nodes, postgresql: Server, bucket: str
) -> None:
    """As on a primary that an operator, or its own monitor, has made read-only."""
    name = nodes.url.rpartition("/")[2]
    assert send(nodes.one, "PUT", f"/{bucket}/kept", b"before").status == 200
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        end_connections(postgresql, name)
        assert send(nodes.one, "GET", f"/{bucket}/kept").body == b"before"
        assert eventually(lambda: send(nodes.one, "PUT", f"/{bucket}/kept", b"x").status == 503)
        refused = send(nodes.one, "PUT", f"/{bucket}/kept", b"during")
        assert (refused.refusal, refused.headers["Retry-After"]) == ((503, "ServiceUnavailable"), "2")
        status, told = nodes.one.get(f"{nodes.one.admin}/readyz")
        assert status == 200 and b'"writing":"read-only"' in told.replace(b" ", b"")
    finally:
        postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    # The connections that were refused are given up, so nothing has to be ended for this. One that a heartbeat had
    # opened just before the end refuses once more.
    assert eventually(lambda: send(nodes.one, "PUT", f"/{bucket}/kept", b"after").status == 200)
    assert send(nodes.other, "GET", f"/{bucket}/kept").body == b"after"


_insert = Prepared(insert(settings).values(name=bindparam("name"), value="v"))
_pause = Prepared(select(func.pg_sleep(bindparam("seconds"))))


def _add(conn: Connection, name: str) -> None:
    _insert.run(conn, name=name)


def _sleep(conn: Connection, seconds: float) -> None:
    _pause.all(conn, seconds=seconds)


@pytest.mark.anyio
async def test_who_asks_a_silent_database_hears_so_in_time_and_what_was_begun_is_not_begun_again(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implementation, "PATIENCE", 0.2)
    monkeypatch.setattr(implementation, "PATIENCE_OF_SCANS", 0.3)
    database, go_on, runs = PostgreSQLDatabase(postgresql_url), threading.Event(), []

    def late(conn: Connection) -> None:
        runs.append(1)
        while not go_on.is_set():
            _sleep(conn, 0.02)
        _add(conn, "late")

    try:
        for ask in (database.read, database.scan):
            with pytest.raises(DatabaseUnavailable, match="didn't answer within"):
                await ask(_sleep, 0.6)
        with pytest.raises(DatabaseUnavailable, match="didn't answer within"):
            await database.write(late, keys=["k"])
        go_on.set()
        monkeypatch.setattr(implementation, "PATIENCE", 20.0)
        await database.write(_add, "next", keys=["k"])
    finally:
        await database.close()
    with psycopg.connect(postgresql_url) as connection:
        added = connection.execute("SELECT name FROM settings WHERE name IN ('late', 'next') ORDER BY name").fetchall()
    assert (added, runs) == ([("late",), ("next",)], [1]), "the outcome was unknown; here it was done, once"


@pytest.mark.anyio
async def test_statements_and_waits_for_locks_are_bounded_by_the_server_too(postgresql_url: str) -> None:
    database = PostgreSQLDatabase(postgresql_url)
    try:
        for run in (database.read, database.write):
            for setting, value in (
                ("statement_timeout", "5min"),
                ("lock_timeout", "30s"),
                ("idle_in_transaction_session_timeout", "1500ms"),
            ):
                assert await run(_show, setting) == value
        with pytest.raises(DatabaseUnavailable, match="statement timeout"):
            await database.write(_exceed_the_time)
    finally:
        await database.close()


@pytest.mark.anyio
async def test_a_node_that_falls_silent_in_a_transaction_keeps_its_locks_from_others_for_a_moment_only(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LIMITS["idle_in_transaction_session_timeout"] == "1500ms"
    monkeypatch.setitem(LIMITS, "idle_in_transaction_session_timeout", "200ms")
    node, other = PostgreSQLDatabase(postgresql_url), PostgreSQLDatabase(postgresql_url)
    keep_in_threads(node)
    is_silent, go_on, runs = threading.Event(), threading.Event(), []

    def fall_silent(conn: Connection) -> None:
        runs.append(1)
        _sleep(conn, 0)
        is_silent.set()
        assert go_on.wait(20)
        _add(conn, "silent")

    try:
        writing = asyncio.create_task(node.write(fall_silent, keys=["k"]))
        assert await asyncio.to_thread(is_silent.wait, 20)
        async with asyncio.timeout(10):
            await other.write(_add, "other", keys=["k"])
        assert runs == [1] and not writing.done()
        go_on.set()
        await writing
    finally:
        go_on.set()
        await node.close()
        await other.close()
    assert runs == [1, 1], "what was ended is begun again"


def _show(conn: Connection, setting: str) -> str:
    return str(conn.execute(text(f"SHOW {setting}")).scalar_one())


def _exceed_the_time(conn: Connection) -> None:
    conn.execute(text("SET LOCAL statement_timeout = '20ms'"))
    _sleep(conn, 5)


@pytest.mark.anyio
async def test_a_standby_is_not_read_and_its_promotion_is_found(tmp_path: Path) -> None:
    with primary_and_standby() as (primary, standby, promote, stop):
        migrate(primary.url(), tmp_path)
        with pytest.raises(DatabaseUnavailable, match="standby"):
            PostgreSQLDatabase(standby.url())
        both = f"postgresql://s3gw@/postgres?host=127.0.0.1:{primary.port}&host=127.0.0.1:{standby.port}"
        database = PostgreSQLDatabase(f"{both}&target_session_attrs=read-write")
        try:
            await database.write(_add, "before")
            stop()
            for ask in (database.read, database.write):
                with pytest.raises(DatabaseUnavailable):
                    await ask(_sleep, 0)
            promote()
            await database.write(_add, "after")
            names = await database.read(lambda conn: conn.execute(text("SELECT name FROM settings")).scalars().all())
            assert {"before", "after"} <= set(names)
        finally:
            await database.close()


@contextmanager
def primary_and_standby() -> Iterator[Any]:
    """Two servers, and what promotes the standby and ends the primary. Each commit is acknowledged by both."""
    folder = Path(tempfile.mkdtemp(prefix="s3gw-standby-", dir=memory_folder()))
    options = ("-c", "wal_level=replica", "-c", "max_wal_senders=4", "-c", "hot_standby=on")
    user = unprivileged_user()
    folder.chmod(0o755)  # its parts are the server's
    places = [folder / "primary", folder / "standby"]
    for place in places:
        place.mkdir()
    primary, standby = Server(free_port()), Server(free_port())
    running = [start_server(places[0], primary.port, *options)]
    try:
        await_server(running[0], places[0], primary)
        if user:
            os.chown(places[1], user["user"], user["group"])
        program = Path(find_binary("postgres")).with_name("pg_basebackup")
        copy = [str(program), "-D", str(places[1] / "data"), "-R", "-c", "fast", "--no-sync", "-d"]
        where = f"host=127.0.0.1 port={primary.port} user=s3gw application_name=standby"
        copied = subprocess.run([*copy, where], **user, cwd=places[1], capture_output=True)
        assert copied.returncode == 0, copied.stderr
        command = [find_binary("postgres"), "-D", str(places[1] / "data"), *options]
        command += ["-c", f"port={standby.port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with (places[1] / "log").open("wb") as log:
            running.append(subprocess.Popen(command, **user, cwd=places[1], stdout=log, stderr=log))
        await_server(running[1], places[1], standby)
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.execute("SELECT pg_reload_conf()")

        def stop() -> None:
            running[0].send_signal(signal.SIGQUIT)
            running[0].wait(30)

        yield primary, standby, lambda: standby.execute("SELECT pg_promote()"), stop
    finally:
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(30)
        shutil.rmtree(folder)


@pytest.mark.anyio
async def test_a_write_whose_connection_was_lost_before_its_commit_is_done_once_and_after_that_not_again(
    postgresql_url: str, postgresql: Server
) -> None:
    database, runs = PostgreSQLDatabase(postgresql_url), []

    def lose_one(conn: Connection, name: str) -> None:
        runs.append(name)
        _add(conn, name)
        if len(runs) == 1:
            end_connections(postgresql, postgresql_url.rpartition("/")[2])
            _sleep(conn, 0)

    def lose_at_the_commit(conn: Connection, name: str) -> None:
        runs.append(name)
        _add(conn, name)
        end_connections(postgresql, postgresql_url.rpartition("/")[2])

    try:
        await database.write(lose_one, "before")
        with pytest.raises(DatabaseUnavailable):
            await database.write(lose_at_the_commit, "at")
    finally:
        await database.close()
    assert runs == ["before", "before", "at"], "what may be committed isn't begun again"
