"""The job process reads the outbox as it is written, goes on when it can't, and removes what was read."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import pytest

from s3gw.jobs import follow_changes as following
from s3gw.jobs.follow_changes import keep_following
from s3gw.metadata import contents, objects, outbox, usage
from s3gw.metadata.change import ChangeFacts, KeyLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable
from s3gw.metadata.objects import NewObject
from tests.jobs.conftest import Process
from tests.metadata.changes import ACTOR
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio


async def put(database: Database, *keys: str) -> None:
    for key in keys:
        new, place = NewObject(key, 1, "", "u"), partial(contents.insert, new=inline(b"x"))
        await change(database, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key)], objects.put, new, place)


async def until_read(database: Database) -> None:
    async with asyncio.timeout(20):
        while await database.read(outbox.any_unread):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_changes_are_followed_in_batches_as_they_come(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BATCH", 2)
    monkeypatch.setattr(following, "PAUSE", 0.01)
    database = process.database
    await database.write(fill, [])
    keeping = asyncio.create_task(keep_following(process.services))
    try:
        for keys in (["1", "2", "3", "4", "5"], ["6"]):
            await put(database, *keys)
            await until_read(database)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert await database.read(usage.of_bucket, 1) == usage.Usage(6, 0, 6, 6, 0)


async def test_it_goes_on_when_the_database_is_there_again(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "PAUSE", 0.01)
    any_unread, failures = outbox.any_unread, [DatabaseUnavailable("gone")] * 4

    def failing(conn: Connection) -> bool:
        if failures:
            raise failures.pop()
        return any_unread(conn)

    await process.database.write(fill, [])
    await put(process.database, "key")
    monkeypatch.setattr(outbox, "any_unread", failing)
    caplog.set_level(logging.WARNING, "s3gw.jobs")
    keeping = asyncio.create_task(keep_following(process.services))
    try:
        async with asyncio.timeout(20):
            while await process.database.read(any_unread):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    told: list[Any] = [record.message for record in caplog.records if "follows from changes" in record.message]
    assert len(told) == 1, "the same reason is told once"
