"""A node whose clock is wrong by a day says so, and refuses signatures; the others and what is stored don't care."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from s3gw import process_identity
from s3gw.content.read_pins import ReadPins
from s3gw.health import DIFFERS, OK, WRONG, health_of
from s3gw.metadata import processes
from s3gw.metadata.database import Connection
from s3gw.metadata.postgresql import PostgreSQLDatabase
from s3gw.process_identity import Heart, ProcessIdentity
from tests.crash.sockets import eventually
from tests.gateways import client_of
from tests.places import folder_on_disk
from tests.postgresql import Server
from tests.raw_requests import send
from tests.servers import running_server

pytestmark = pytest.mark.anyio
_DAY = 86_400


async def test_a_clock_is_wrong_only_where_another_machine_agrees_with_the_database(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process_identity, "_REST", 0.0)
    right, database = processes._clock, PostgreSQLDatabase(postgresql_url)

    async def told() -> str:
        identity = ProcessIdentity("here", clock=heart.clock)
        unused: Any = None
        monkeypatch.setattr("s3gw.health._reading", _ok)
        monkeypatch.setattr("s3gw.health.writing_of", _ok)
        health = await health_of(database, unused, tmp_path, unused, identity)
        assert health.serves == (health.clock != WRONG)
        return health.clock

    try:
        await database.write(processes.register, "here", "worker", "machine-a", 1)
        heart = Heart(database, "here", ReadPins())
        assert await heart.beat()
        assert await told() == OK
        monkeypatch.setattr(processes, "_clock", lambda: right() + _DAY * 1_000_000)
        assert await heart.beat()
        assert await told() == DIFFERS, "the database's may be wrong"

        def register_right(conn: Connection) -> None:
            with monkeypatch.context() as patched:
                patched.setattr(processes, "_clock", right)
                processes.register(conn, "there", "worker", "machine-b", 1)

        await database.write(register_right)
        assert await heart.beat()
        assert await told() == WRONG
        (seen, other) = await database.read(processes.seen)
        assert abs(seen["clock_ahead_seconds"] - _DAY) < 30
        assert abs(other["clock_ahead_seconds"]) < 30
        monkeypatch.setattr(processes, "_clock", right)
        assert await heart.beat()
        assert await told() == OK
    finally:
        await database.close()


async def _ok(*_: object) -> str:
    return OK


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs libfaketime")
def test_a_node_that_is_a_day_ahead_refuses_signatures_and_says_so_and_others_go_on(postgresql: Server) -> None:
    url = postgresql.url(postgresql.create_database())
    settings = {"S3GW_DATABASE_URL": url, "S3GW_MASTER_KEY": "6b" * 32, "S3GW_BUCKET_DEFAULTS": "classic"}
    # As another machine: with another name, and a clock that is a day ahead.
    under = ("unshare", "--uts", "--map-root-user", "sh", "-c", 'hostname elsewhere; exec faketime -f +1d "$@"', "sh")
    with folder_on_disk() as folder, ExitStack() as stack:
        one = stack.enter_context(running_server(folder / "first", "--workers", "1", **settings))
        second = folder / "second"
        second.mkdir()
        (second / "blobs").symlink_to(folder / "first" / "blobs")
        other = stack.enter_context(
            running_server(second, "--workers", "1", under=under, FAKETIME_DONT_FAKE_MONOTONIC="1", **settings)
        )
        client_of(one).create_bucket(Bucket="clocks")
        assert send(one, "PUT", "/clocks/key", b"value" * 9000).status == 200
        assert send(other, "GET", "/clocks/key").refusal == (403, "RequestTimeTooSkewed")

        def told() -> tuple[int, Any]:
            status, body = other.get(f"{other.admin}/readyz")
            return status, json.loads(body).get("clock")

        assert eventually(lambda: told() == (503, "wrong"), 40)
        assert one.get(f"{one.admin}/readyz")[0] == 200
        ahead = {each["host"]: each["clock_ahead_seconds"] for each in one.command("nodes")["processes"]}
        assert abs(ahead["elsewhere"] - _DAY) < 60
        assert send(one, "GET", "/clocks/key").body == b"value" * 9000
