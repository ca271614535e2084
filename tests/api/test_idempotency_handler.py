"""The handler around a create's own: what it leaves behind when that fails, ends in the middle, or can't be noted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from starlette.requests import Request
from starlette.responses import JSONResponse

from s3gw.accounts.origin import Origin
from s3gw.api.idempotency import Handler, done_once
from s3gw.auth.request_digests import RequestDigests
from s3gw.metadata import idempotency_keys
from s3gw.metadata.database import Database, DatabaseUnavailable, now
from s3gw.problems import Conflict

pytestmark = pytest.mark.anyio


async def create(request: Request) -> JSONResponse:
    return JSONResponse({"id": 1}, 201)


async def fail(request: Request) -> JSONResponse:
    raise RuntimeError("a mistake")


async def never(request: Request) -> JSONResponse:
    await asyncio.Event().wait()
    raise AssertionError


class Unwritable:
    """A database that goes away once the create is done; a real one can't be made to fail just there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, fn: Any, *args: Any, **options: Any) -> Any:
        if fn is idempotency_keys.end:
            raise DatabaseUnavailable("gone")
        return await self._database.write(fn, *args, **options)


async def ask(database: Any, handler: Handler) -> tuple[int, bool]:
    services = SimpleNamespace(database=database, request_digests=RequestDigests(bytes(32)))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "scheme": "http", "server": ("s", 1)}
    scope |= {"headers": [(b"idempotency-key", b"key")], "state": {"origin": Origin("api", "192.0.2.1")}}
    scope["app"] = SimpleNamespace(state=SimpleNamespace(services=services))
    answer = await done_once(handler, "/x", Dependant(), None)(Request(scope, receive))
    return answer.status_code, "Idempotent-Replayed" in answer.headers


async def test_a_create_that_fails_leaves_its_key_free(database: Database) -> None:
    with pytest.raises(RuntimeError):
        await ask(database, fail)
    assert await ask(database, create) == (201, False)
    assert await ask(database, create) == (201, True)


async def test_a_create_that_never_ends_holds_its_key_for_two_minutes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a process that is killed: nobody knows what it had done."""
    dying = asyncio.create_task(ask(database, never))
    await asyncio.sleep(0.2)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    with pytest.raises(Conflict):
        await ask(database, create)
    monkeypatch.setattr(idempotency_keys, "now", lambda conn: now(conn) + 121_000_000)
    assert await ask(database, create) == (201, False)


async def test_what_was_made_is_told_though_it_can_not_be_noted(database: Database) -> None:
    assert await ask(Unwritable(database), create) == (201, False)
    with pytest.raises(Conflict):
        await ask(database, create)
