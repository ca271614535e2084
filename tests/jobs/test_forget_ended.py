"""What has ended is kept for as long as the table says, and no longer."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from s3gw.jobs import forget_ended as forgetting
from s3gw.jobs.forget_ended import forget_ended
from s3gw.metadata import buckets, ended, identities, schema, sessions, share_links
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.share_links import NewLink
from tests.jobs.conftest import DAY, Process

pytestmark = pytest.mark.anyio

MINUTE = 60_000_000
# Of a table: the column that says its age, and the rest of a row; a name stands for what `_words` makes.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "client_tokens": ("created_at", {"bucket_id": "BUCKET", "token": "NEW", "request": "r"}),
    "idempotency_keys": ("created_at", {"user_id": "USER", "route": "r", "key": "NEW", "request": b"r"}),
    "sessions": ("expires_at", {"id": "NEW", "user_id": "USER", "address": "", "user_agent": "", "created_at": 1}
                 | {"last_used_at": 1}),
    "one_time_tokens": ("expires_at", {"digest": "BYTES", "purpose": "invite", "created_at": 1}),
    "failed_attempts": ("at", {"subject": "s"}),
    "known_addresses": ("last_login_at", {"user_id": "USER", "address": "NEW"}),
    "access_keys": ("expires_at", {"access_key_id": "NEW", "user_id": "USER", "sealed_secret": b"x", "description": ""}
                    | {"is_enabled": 1, "created_at": 1, "session_id": "s"}),
    "resumable_uploads": ("ended_at", {"id": "NEW", "upload_id": "NEW", "bucket_id": "BUCKET", "key": "k"}
                          | {"created_by": "USER", "created_at": 1, "changed_at": 1, "received": 0, "kind": "whole"}
                          | {"overwrites": 0, "described": ""}),
    "grants": ("expires_at", {"id": "NEW", "bucket_id": "BUCKET", "resource_type": "bucket", "path": ""}
               | {"user_id": "USER", "permission": "read", "granted_by": "USER", "created_at": 1}),
    "link_visits": ("counted_at", {"link_id": "LINK", "visitor": "BYTES"}),
    "links": ("expires_at", {"id": "NEW", "token_digest": "BYTES", "user_id": "USER", "bucket_id": "BUCKET"}
              | {"kind": "folder", "prefix": "", "salt": b"", "downloads": 0, "uploads": 0, "uploaded_bytes": 0}
              | {"created_at": 1, "updated_at": 1}),
    "job_pieces": ("created_at", {"job_id": "NEW", "number": 1, "document": "null"}),
    "jobs": ("updated_at", {"kind": "k", "payload": "null", "state": "done", "attempts": 1, "run_at": 1}
             | {"created_at": 1, "asked_by": "USER", "uuid": "NEW"}),
}  # fmt: skip
# Tables about people that the job leaves alone, and why.
LEFT = {
    "users": "the purge of deleted users",
    "recovery_codes": "those of a user are replaced",
    "oidc_identities": "with their user",
    "token_keys": "few, and rotated by command",
    "console_sessions": "with their session",
    "refresh_tokens": "with their session, and when it goes on",
    "refused_logins": "the sealer makes lines of them",
    "audit_checkpoints": "two rows",
    "audit_log": "by audit_seals.prune",
    "groups": "lasting", "group_members": "lasting", "identity_policies": "lasting",
}  # fmt: skip


def prepare(conn: Connection) -> dict[str, Any]:
    owner = identities.create_user(conn, name="owner")
    user = identities.create_user(conn, name="user")
    bucket = buckets.create(conn, name="bucket", owner_id=owner.id, region="us-east-1", defaults="aws", now=now(conn))
    new = NewLink(b"digest", user.id, bucket, "folder", None, "", None, b"", None, None, None)
    return {"USER": user.id, "BUCKET": bucket, "LINK": share_links.create(conn, new).id}


def note(conn: Connection, words: dict[str, Any], name: str, ages: list[int]) -> None:
    column, values = ROWS[name]
    for age in ages:
        new = {"NEW": str(age), "BYTES": str(age).encode()}
        row = {key: (words | new).get(value, value) for key, value in values.items()}
        conn.execute(insert(table_of(name)).values({**row, column: now(conn) - age}))


def table_of(name: str) -> Table:
    return schema.metadata.tables[name]


def left(conn: Connection, name: str) -> list[int]:
    """In minutes, the youngest first."""
    column = table_of(name).c[ROWS[name][0]]
    ages = [now(conn) - row[0] for row in conn.execute(select(column).where(column.is_not(None))).all()]
    return sorted(round(age / MINUTE) for age in ages)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock has been right for an hour; test_clock_jumps.py has others."""
    monkeypatch.setattr(forgetting, "_clock", SimpleNamespace(settle=lambda now: now))


@pytest.mark.parametrize("name", ended.TABLE)
async def test_what_has_ended_is_kept_as_long_as_the_table_says(
    process: Process, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_BATCH", 2)
    kept = ended.TABLE[name].kept
    words = await process.database.write(prepare)
    old = [kept + minutes * MINUTE for minutes in (10, 20, 30, 40, 50)]
    await process.database.write(note, words, name, [kept - 10 * MINUTE, kept - 20 * MINUTE, *old])
    reports: list[object] = []
    await forget_ended(process.services, None, reports.append)
    assert await process.database.read(left, name) == [kept // MINUTE - 20, kept // MINUTE - 10]
    assert reports == [{name: 2}, {name: 4}, {name: 5}]


def test_every_table_about_people_is_forgotten_or_said_to_last() -> None:
    of_people = {table.name for table in schema.metadata.sorted_tables if "user_id" in table.c} | LEFT.keys()
    assert of_people <= ended.TABLE.keys() | LEFT.keys(), "a new table: how long is what it has kept?"
    assert ROWS.keys() == ended.TABLE.keys()


async def test_what_lasts_for_ever_is_never_forgotten(process: Process) -> None:
    words = await process.database.write(prepare)
    lasting = {key: (words | {"NEW": "id"}).get(value, value) for key, value in ROWS["grants"][1].items()}
    await process.database.write(lambda conn: conn.execute(insert(schema.grants).values(lasting)))
    await forget_ended(process.services, None, pytest.fail)


async def test_a_session_that_lasts_keeps_the_refresh_tokens_of_a_month(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that goes on each day for years."""
    user = await database.write(lambda conn: identities.create_user(conn, name="user").id)
    start, lifetime, day = await database.read(now), 30 * DAY, 0
    monkeypatch.setattr(sessions, "now", lambda conn: start + day * DAY)
    begin = partial(sessions.begin, address="", user_agent="", lifetime=lifetime)
    await database.write(begin, "session", user, b"0")
    for day in range(1, 41):
        assert await database.write(sessions.go_on, b"%d" % (day - 1), b"%d" % day, lifetime)

    def tokens(conn: Connection) -> int:
        return len(conn.execute(select(schema.refresh_tokens.c.digest)).all())

    assert await database.read(tokens) == 32  # used in these thirty days, the one of the day before, and the good one
    assert await database.write(sessions.go_on, b"20", b"stolen", lifetime) is None  # an older one ends it still
    assert (await database.read(sessions.list_active, user)) == []
