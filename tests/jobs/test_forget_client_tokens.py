"""Client tokens are kept for a day, and no longer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from s3gw.jobs import forget_client_tokens as forgetting
from s3gw.jobs.forget_client_tokens import forget_client_tokens
from s3gw.metadata import buckets, client_tokens, identities, schema
from s3gw.metadata.database import Connection, now
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio

HOUR = 3_600_000_000


def note(conn: Connection, hours: list[int]) -> None:
    """A token of each age, in a bucket of its own name."""
    owner = identities.create_user(conn, name="owner")
    bucket = buckets.create(conn, name="bucket", owner_id=owner.id, region="us-east-1", defaults="aws", now=now(conn))
    for age in hours:
        assert not client_tokens.was_done(conn, bucket, str(age), "digest")
        at = {"created_at": now(conn) - age * HOUR}
        conn.execute(update(schema.client_tokens).where(schema.client_tokens.c.token == str(age)).values(at))


def left(conn: Connection) -> list[str]:
    return sorted(conn.execute(select(schema.client_tokens.c.token)).scalars())


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock has been right for an hour; test_clock_jumps.py has others."""
    monkeypatch.setattr(forgetting, "_clock", SimpleNamespace(settle=lambda now: now))


async def test_they_are_forgotten_after_a_day(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_BATCH", 2)
    await process.database.write(note, [0, 23, 25, 48, 49, 100, 101])
    reports: list[object] = []
    await forget_client_tokens(process.services, None, reports.append)
    assert await process.database.read(left) == ["0", "23"]
    assert reports == [{"tokens": 2}, {"tokens": 4}, {"tokens": 5}]
