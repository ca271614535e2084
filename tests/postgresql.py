"""A real PostgreSQL for the tests: one server per test process, one fresh, migrated database per test that asks.

A machine without PostgreSQL fails these tests; skipping would let SQLite's behaviour pass for both. As root the
server runs as `postgres` or `nobody`, because it refuses to run as root.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from glob import glob
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from s3gw.metadata.database import Database
from s3gw.metadata.engines import open_database
from s3gw.metadata.migrate import upgrade as migrate
from s3gw.metadata.postgresql import PostgreSQLDatabase
from tests.places import memory_folder

_SECONDS_TO_START = 60


@dataclass
class Server:
    """A running server. `create_database` gives a URL; the first one made from a template takes the longest."""

    port: int
    template: str = "template0"
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://s3gw@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def create_database(self, template: str | None = None) -> str:
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template or self.template}")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")


def find_binary(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        versions = glob(f"/usr/lib/postgresql/*/bin/{name}")
        found = max(versions, key=lambda path: int(path.split("/")[4].split(".")[0]), default=None)
    if found is None:
        pytest.fail(f"these tests need PostgreSQL: no {name} on PATH or in /usr/lib/postgresql", pytrace=False)
    # The programs look for each other, and for their files, beside the real one.
    return os.path.realpath(found)


def unprivileged_user() -> dict[str, Any]:
    """Whom to run the server as, in subprocess's words; nothing: as ourselves."""
    if os.geteuid() != 0:
        return {}
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = entries.get("postgres") or entries["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def start_server(folder: Path, port: int, *options: str) -> subprocess.Popen[bytes]:
    """Make a cluster in `folder` and start a server on it. Its log is there too."""
    user = unprivileged_user()
    if user:
        os.chown(folder, user["user"], user["group"])
    data = folder / "data"
    initdb = find_binary("initdb")
    command = [initdb, "-D", str(data), "-U", "s3gw", "-A", "trust", "-E", "UTF8", "--no-sync", *_locale(initdb)]
    made = subprocess.run(command, **user, cwd=folder, capture_output=True)
    if made.returncode:
        pytest.fail(f"initdb failed: {made.stderr.decode()}", pytrace=False)
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "shared_buffers": "32MB"}
    settings |= {"max_wal_size": "128MB", "min_wal_size": "32MB"}
    command = [find_binary("postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    command += options  # the last that is said counts
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, **user, cwd=folder, stdout=log, stderr=log)


def _locale(initdb: str) -> list[str]:
    """An order of words, not of bytes, where it can be had: only COLLATE "C" keeps keys in S3's order then."""
    known = subprocess.run([initdb, "--help"], capture_output=True, text=True).stdout
    word_order = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"]
    return word_order if "--icu-locale" in known else ["--locale=C"]


def await_server(process: subprocess.Popen[bytes], folder: Path, server: Server) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            psycopg.connect(server.url(), connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (folder / "log").read_text(errors="replace")
                pytest.fail(f"PostgreSQL didn't start: {error}\n{log}", pytrace=False)
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_server(*options: str) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="s3gw-postgresql-", dir=memory_folder()))
    server = Server(free_port())
    process = None
    try:
        process = start_server(folder, server.port, *options)
        await_server(process, folder, server)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # fast shutdown: ends sessions
            process.wait(30)
        shutil.rmtree(folder)


# What the newest schema is first given: tests of databases write there what they like, and count it.
_NO_SETTINGS = "DELETE FROM settings"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server of this test process, with a migrated template."""
    for server in run_server():
        template = server.create_database()
        migrate(server.url(template), Path())
        with psycopg.connect(server.url(template), autocommit=True) as connection:
            connection.execute(_NO_SETTINGS)
        server.template = template
        yield server


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
    """A fresh and migrated database."""
    name = postgresql.create_database()
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    migrate(None, folder)
    with closing(sqlite3.connect(folder / "s3gw.db")) as connection, connection:
        connection.execute(_NO_SETTINGS)
    return folder / "s3gw.db"


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "s3gw.db")
    return f"sqlite:///{tmp_path}/s3gw.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh and migrated database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    opened = open_database(database_url, tmp_path)
    yield opened
    asyncio.run(opened.close())


def keep_in_threads(database: Database) -> None:
    """For functions that wait for what the test does meanwhile: on the event loop they would keep it from doing it."""
    if isinstance(database, PostgreSQLDatabase):
        database._in_threads.has = lambda *functions: True  # type: ignore[method-assign]
