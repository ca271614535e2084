"""/healthz and /readyz: what a load balancer asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3gw.admin.app import build_admin_app
from s3gw.metadata.database import Database, DatabaseUnavailable

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


class Unreachable:
    """A database that can't be had; a real one can't be made to fail just here."""

    async def read(self, *_: object) -> bool:
        raise DatabaseUnavailable("gone")


async def test_a_process_that_answers_is_healthy(database: Database, tmp_path: Path) -> None:
    assert await get(build_admin_app(database, tmp_path), "/healthz") == (200, {"status": "ok"})


async def test_it_is_ready_when_database_and_blobs_are(database: Database, tmp_path: Path) -> None:
    app = build_admin_app(database, tmp_path)
    assert await get(app, "/readyz") == (200, {"database": "ok", "blobs": "ok"})
    assert (await get(app, "/readyz/"))[0] == 404


async def test_it_is_not_ready_without_its_blobs(database: Database, tmp_path: Path) -> None:
    app = build_admin_app(database, tmp_path / "unmounted")
    assert await get(app, "/readyz") == (503, {"database": "ok", "blobs": "failed"})


async def test_it_is_not_ready_without_its_database(tmp_path: Path) -> None:
    app = build_admin_app(Unreachable(), tmp_path)  # type: ignore[arg-type]
    assert await get(app, "/readyz") == (503, {"database": "failed", "blobs": "ok"})
