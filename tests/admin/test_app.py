"""/healthz and /readyz: what a load balancer asks."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from s3gw import lease
from s3gw.admin.app import build_admin_app
from s3gw.auth.payload import ClientDisconnected
from s3gw.content.filesystem import FilesystemStore
from s3gw.disks.room import Room
from s3gw.lease import Lease
from s3gw.metadata import scans
from s3gw.metadata.database import Database, DatabaseUnavailable
from s3gw.metadata.engines import open_database
from s3gw.process_identity import ProcessIdentity

pytestmark = pytest.mark.anyio


async def get(app: Any, path: str) -> tuple[int, Any]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "state": {}}
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


async def nothing_is_counted(request: Request) -> Response:
    return PlainTextResponse("")


async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)


async def test_who_asks_and_gives_up_is_no_error_of_ours(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(message: dict[str, Any]) -> None:
        raise ClientDisconnected()

    scope = {"type": "http", "method": "GET", "path": "/readyz", "query_string": b"", "headers": [], "state": {}}
    with pytest.raises(ClientDisconnected):  # whom the server itself tells
        await app_of(database, tmp_path)(scope, None, gone)
    assert caplog.text == ""


class Unreachable:
    """A database that can't be had; a real one can't be made to fail just here."""

    is_read_only = False

    async def read(self, *_: object) -> bool:
        raise DatabaseUnavailable("gone")

    def write_fault(self) -> DatabaseUnavailable:
        return DatabaseUnavailable("gone")


ALIVE = ProcessIdentity("alive")


def app_of(database: Database, folder: Path, floor: int = 0, identity: ProcessIdentity = ALIVE) -> Any:
    (folder / ".complete").touch()  # without its 256 folders
    room = Room(folder, None, floor)
    store = FilesystemStore(folder)
    return build_admin_app(database, store, folder, room, identity, nothing_is_counted, nothing_else, nothing_else)


async def test_a_process_that_answers_is_healthy(database: Database, tmp_path: Path) -> None:
    app = app_of(database, tmp_path)
    assert await get(app, "/healthz") == (200, {"status": "ok"})


async def test_it_is_ready_when_database_and_blobs_are(database: Database, tmp_path: Path) -> None:
    app = app_of(database, tmp_path)
    assert await get(app, "/readyz") == (200, {"database": "ok", "reading": "ok", "writing": "ok"})
    assert await get(app, "/readyz/writing") == (200, {"writing": "ok"})
    assert (await get(app, "/readyz/"))[0] == 404
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".probe")]


async def test_what_nobody_asks_is_not_found(database: Database, tmp_path: Path) -> None:
    app = app_of(database, tmp_path)
    assert await get(app, "/") == (404, {"detail": "Not Found"})


async def test_it_is_not_ready_without_its_blobs(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "unmounted"
    folder.mkdir()
    app = app_of(database, folder)
    shutil.rmtree(folder)
    assert await get(app, "/readyz") == (503, {"database": "ok", "reading": "failed", "writing": "failed"})


async def test_it_is_not_ready_without_its_database(tmp_path: Path) -> None:
    app = app_of(Unreachable(), tmp_path)  # type: ignore[arg-type]
    assert await get(app, "/readyz") == (503, {"database": "failed", "reading": "ok", "writing": "failed"})


async def test_it_is_ready_for_readers_alone_when_nothing_can_be_written(database: Database, tmp_path: Path) -> None:
    """A load balancer that left it would keep everybody from the deletes that a full disk needs."""
    app = app_of(database, tmp_path, 1 << 60)
    assert await get(app, "/readyz") == (200, {"database": "ok", "reading": "ok", "writing": "full"})
    assert await get(app, "/readyz/writing") == (503, {"writing": "full"})


async def test_it_tells_that_the_virus_scanner_is_down_and_is_ready_all_the_same(
    database: Database, tmp_path: Path
) -> None:
    app = app_of(database, tmp_path)
    await database.write(scans.remember, "failing", "it can't be reached")
    status, told = await get(app, "/readyz")
    assert (status, told["scanning"]) == (200, "failed")
    await database.write(scans.remember, "failing", None)
    assert "scanning" not in (await get(app, "/readyz"))[1]


async def test_it_tells_that_the_last_transaction_was_lost(sqlite_url: str, tmp_path: Path) -> None:
    database = open_database(sqlite_url, tmp_path)
    try:
        app = app_of(database, tmp_path)
        with pytest.raises(DatabaseUnavailable):
            await database.write(_end_the_transaction)
        assert (await get(app, "/readyz"))[1]["writing"] == "failed"
        await database.write(lambda conn: None)
        assert (await get(app, "/readyz"))[1]["writing"] == "ok"
    finally:
        await database.close()


def _end_the_transaction(conn: Any) -> None:
    conn.driver.execute("ROLLBACK")


async def test_who_was_declared_dead_is_not_ready(database: Database, tmp_path: Path) -> None:
    dead = ProcessIdentity("dead")
    dead.numbers.end()
    app = app_of(database, tmp_path, identity=dead)
    status, told = await get(app, "/readyz")
    assert (status, told["node"], told["writing"]) == (503, "dead", "failed")


async def test_who_was_not_heard_of_lately_is_ready_for_readers_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LENGTH", 0.0)
    silent = ProcessIdentity("silent", Lease())
    app = app_of(database, tmp_path, identity=silent)
    assert await get(app, "/readyz") == (200, {"database": "ok", "reading": "ok", "writing": "failed"})
