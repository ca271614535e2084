"""How often a request asks PostgreSQL, which is as often as it waits for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from s3gw.config import load_settings
from s3gw.metadata.postgresql import PostgreSQLConnection
from s3gw.metadata.postgresql_lines import Line, Statement
from s3gw.processes.first_start import prepare
from tests.crash.client import BUCKET, InProcess, open_gateway
from tests.servers import ROOT_KEY

pytestmark = pytest.mark.anyio
READS = {"GET": f"{BUCKET}/key", "HEAD": f"{BUCKET}/key"}


@asynccontextmanager
async def gateway_on(url: str, data: Path, **settings: Any) -> AsyncIterator[InProcess]:
    given = {"database_url": url, "root_access_key_id": ROOT_KEY[0], "root_secret_access_key": ROOT_KEY[1]}
    await prepare(load_settings(data=data, buckets=[BUCKET], **given, **settings))
    async with open_gateway(data, **given, **settings) as gateway:
        answer = await gateway.request("PUT", f"{BUCKET}/key", b"hello")
        assert answer.is_success, answer
        yield gateway


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were run, each with those that went with it. Threads and the event loop append to it."""
    statements: list[str] = []
    run, exchange = PostgreSQLConnection._run, Line.run

    def told(conn: PostgreSQLConnection, prepared: Any, parameters: Any) -> Any:
        statements.append(prepared.form("postgresql").sql)
        return run(conn, prepared, parameters)

    async def told_on_loop(line: Line, *together: Statement) -> Any:
        statements.append("; ".join(statement.sql for statement in together))
        return await exchange(line, *together)

    monkeypatch.setattr(PostgreSQLConnection, "_run", told)
    monkeypatch.setattr(Line, "run", told_on_loop)
    return statements


@pytest.mark.parametrize("settings", [{}, {"scan": "serve", "scan_command": "cat"}], ids=["plain", "scanned"])
async def test_to_read_an_object_takes_one(
    postgresql_url: str, tmp_path: Path, asked: list[str], settings: dict[str, Any]
) -> None:
    async with gateway_on(postgresql_url, tmp_path / "data", **settings) as gateway:
        for method, path in READS.items():
            asked.clear()
            answer = await gateway.request(method, path)
            assert (answer.status, answer.headers["content-length"]) == (200, "5")
            assert answer.body == (b"hello" if method == "GET" else b"")
            assert len(asked) == 1, asked


async def test_what_came_with_the_key_is_of_the_moment(postgresql_url: str, tmp_path: Path) -> None:
    async with gateway_on(postgresql_url, tmp_path / "data") as gateway:
        for body in (b"one", b"twoo"):
            await gateway.request("PUT", f"{BUCKET}/key", body)
            assert (await gateway.request("GET", f"{BUCKET}/key")).body == body
        await gateway.request("DELETE", f"{BUCKET}/key")
        for method, path in READS.items():
            assert (await gateway.request(method, path)).status == 404
        for path in (f"{BUCKET}/none", "no-such-bucket/key"):
            assert (await gateway.request("HEAD", path)).status == 404


async def test_who_may_not_read_is_told_nothing_of_what_came_with_the_key(postgresql_url: str, tmp_path: Path) -> None:
    async with gateway_on(postgresql_url, tmp_path / "data") as gateway:
        denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]}).encode()
        assert (await gateway.request("PUT", f"{BUCKET}?policy=", policy)).status == 204
        for method, path in READS.items():
            answer = await gateway.request(method, path)
            assert answer.status == 403 and b"hello" not in answer.body
        assert len(gateway.services.pins) == 0


async def test_to_store_a_small_object_takes_two(postgresql_url: str, tmp_path: Path, asked: list[str]) -> None:
    """The key and bucket, with what the write decides by; that again under its locks, and what it writes."""
    async with gateway_on(postgresql_url, tmp_path / "data") as gateway:
        for key, body in (("key", b"another"), ("new", b"one")):
            asked.clear()
            assert (await gateway.request("PUT", f"{BUCKET}/{key}", body)).status == 200
            assert len(asked) == 2, asked
            assert asked[1].startswith("BEGIN; ") and asked[1].endswith("; COMMIT")
            assert (await gateway.request("GET", f"{BUCKET}/{key}")).body == body
