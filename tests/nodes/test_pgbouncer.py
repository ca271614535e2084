"""PgBouncer between s3gw and PostgreSQL, in transaction mode: nothing of a session is relied on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.engines import open_database
from s3gw.metadata.migrate import upgrade as migrate
from s3gw.metadata.postgresql_server import LIMITS
from tests.crash.sockets import eventually
from tests.gateways import client_of
from tests.places import folder_on_disk
from tests.postgresql import Server, free_port, unprivileged_user
from tests.raw_requests import send
from tests.servers import running_server

pytestmark = pytest.mark.soak

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user=s3gw pool_size=4
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
"""


@pytest.fixture(scope="module")
def pgbouncer(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    port, settings = free_port(), tmp_path_factory.mktemp("pgbouncer") / "pgbouncer.ini"
    settings.write_text(_SETTINGS.format(server=postgresql.port, port=port))
    for folder in (settings.parent, settings.parent.parent, settings.parent.parent.parent):
        folder.chmod(0o755)
    with (settings.parent / "log").open("wb") as log:
        process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, **unprivileged_user())
    try:
        assert eventually(lambda: _answers(f"postgresql://s3gw@127.0.0.1:{port}/postgres"))
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def limits_of_the_database(postgresql: Server, name: str) -> Iterator[None]:
    for setting, value in LIMITS.items():
        postgresql.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    yield


def test_two_nodes_serve_through_it_and_nothing_of_one_session_is_left_to_the_next(
    postgresql: Server, pgbouncer: int
) -> None:
    name = postgresql.create_database("template0")
    url = f"postgresql://s3gw@127.0.0.1:{pgbouncer}/{name}"
    settings = {"S3GW_DATABASE_URL": url, "S3GW_MASTER_KEY": "6b" * 32, "S3GW_BUCKET_DEFAULTS": "classic"}
    with limits_of_the_database(postgresql, name), folder_on_disk() as folder:
        second = folder / "second"
        second.mkdir()
        (second / "blobs").symlink_to(folder / "first" / "blobs")
        with (
            running_server(folder / "first", "--workers", "1", **settings) as one,
            running_server(second, "--workers", "1", **settings) as other,
            ThreadPoolExecutor(8) as threads,
        ):
            client_of(one).create_bucket(Bucket="pooled")

            def work(number: int) -> None:
                path, body = f"/pooled/{number % 20}", f"{number}".encode() * (1 if number % 3 else 9000)
                assert send((one, other)[number % 2], "PUT", path, body).status == 200
                assert send((other, one)[number % 2], "GET", path).status == 200
                if number % 7 == 0:
                    assert send(one, "GET", "/pooled?list-type=2").status == 200
                    assert send(other, "DELETE", path).status == 204

            for _ in threads.map(work, range(300)):
                pass
            assert client_of(one).list_objects_v2(Bucket="pooled") is not None
            assert {each["role"] for each in other.command("nodes")["processes"]} >= {"worker", "jobs"}
            with psycopg.connect(url, autocommit=True) as pooled:
                for _ in range(8):
                    row = pooled.execute("SELECT current_setting('default_transaction_read_only')").fetchone()
                    assert row == ("off",)
        for node in (one, other):
            assert "prepared statement" not in node.log.read_text()


def test_without_limits_it_is_refused_with_the_statements_that_set_them(
    postgresql: Server, pgbouncer: int, tmp_path: Path
) -> None:
    name = postgresql.create_database()
    for refused in (open_database, migrate):
        with pytest.raises(UnsuitableDatabase, match='ALTER ROLE "s3gw" SET lock_timeout'):
            refused(f"postgresql://s3gw@127.0.0.1:{pgbouncer}/{name}", tmp_path)
