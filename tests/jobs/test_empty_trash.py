"""What has been in the trash for as long as its bucket keeps it is dropped, and its content with it."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.errors import NoSuchBucket
from s3gw.jobs import empty_trash as emptying
from s3gw.jobs.empty_trash import empty_trash
from s3gw.metadata import contents, objects, schema, trash, uploads, usage
from s3gw.metadata.change import ChangeFacts, KeyLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.objects import NewObject
from tests.jobs.conftest import DAY, Process
from tests.metadata.changes import ACTOR
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio


@pytest.fixture
async def files(process: Process) -> Database:
    def begin(conn: Connection) -> None:
        fill(conn, [])
        conn.execute(update(schema.buckets).values(trash_seconds=3600))

    await process.database.write(begin)
    for key in ("old", "older", "young"):
        new, place = NewObject(key, 1, "", "u"), partial(contents.insert, new=inline(b"x"))
        for fn, *rest in ((objects.put, new, place), (objects.delete_latest, key)):
            await change(process.database, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key)], fn, *rest)
    return process.database


def keys(conn: Connection) -> list[str]:
    return [found.key for found in trash.list_after(conn, 1, None, 10)]


async def test_only_what_is_over_is_dropped_when_the_clock_has_settled(
    process: Process, files: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def age(conn: Connection) -> None:
        old = schema.trash.c.key != "young"
        conn.execute(update(schema.trash).where(old).values(expires_at=now(conn) - DAY))

    await files.write(age)
    told: list[Any] = []
    monkeypatch.setattr(emptying, "_clock", SimpleNamespace(settle=lambda now: None))
    await empty_trash(process.services, None, told.append)
    assert len(await files.read(keys)) == 3
    monkeypatch.setattr(emptying, "_clock", SimpleNamespace(settle=lambda now: now))
    await empty_trash(process.services, None, told.append)
    assert await files.read(keys) == ["young"]
    assert told == [{"files": 2}]
    assert await process.leftovers() == (1, 0, 0)
    assert (await files.read(usage.of_bucket, 1)).trashed == 1


async def delete_bucket(database: Database, *, for_good: bool) -> int:
    """How many steps it took."""
    steps = 1
    while not await change(database, ChangeFacts(1, ACTOR, "u", 5), [], uploads.delete_bucket, for_good):
        steps += 1
    return steps


async def test_a_bucket_is_deleted_for_good_with_its_trash(process: Process, files: Database) -> None:
    assert await delete_bucket(files, for_good=True) == 2
    assert await process.leftovers() == (0, 0, 0)
    assert await files.read(keys) == []


async def test_a_deleted_bucket_is_there_for_as_long_as_it_keeps_trash(
    process: Process, files: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "_clock", SimpleNamespace(settle=lambda now: now))
    assert await delete_bucket(files, for_good=False) == 1
    await empty_trash(process.services, None, lambda told: None)
    assert len(await files.read(keys)) == 3
    with pytest.raises(NoSuchBucket):
        await delete_bucket(files, for_good=False)

    def age(conn: Connection) -> None:
        conn.execute(update(schema.buckets).values(restorable_until=now(conn) - DAY))

    await files.write(age)
    await empty_trash(process.services, None, lambda told: None)
    assert await process.leftovers() == (0, 0, 0)
    assert await files.read(keys) == []
    assert await files.read(lambda conn: conn.execute(select(schema.buckets.c.id)).scalars().all()) == []
