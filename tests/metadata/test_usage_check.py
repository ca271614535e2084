"""The proof of counts: on both databases, also of what the outbox hasn't added yet, and beside writers."""

from __future__ import annotations

import asyncio

import pytest

from s3gw.metadata import quotas, usage, usage_check
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.usage import Usage
from s3gw.metadata.usage_check import Difference
from tests.metadata.test_listing import fill
from tests.metadata.test_quotas import follow, put

pytestmark = pytest.mark.anyio


@pytest.fixture
async def files(database: Database) -> Database:
    await database.write(fill, [])
    await database.write(quotas.set_prefix, 1, "a/", 1000, None)
    await put(database, "a/1", 4)
    await put(database, "b", 6)
    return database


def spoil(conn: Connection) -> None:
    usage.add(conn, 1, Usage(bytes=3, part_bytes=-2))
    usage.add_below(conn, 1, "a/x", Usage(bytes=1, versions=1))


SPOILT = [
    Difference(None, "bytes", 13, 10),
    Difference(None, "part_bytes", -2, 0),
    Difference("a/", "bytes", 5, 4),
    Difference("a/", "versions", 2, 1),
]


@pytest.mark.parametrize("is_read", [False, True], ids=["before the outbox is read", "after"])
async def test_a_difference_is_found_and_set_right(files: Database, is_read: bool) -> None:
    if is_read:
        await follow(files)
    assert await files.read(usage_check.differences, 1) == []
    await files.write(spoil)
    assert await files.read(usage_check.differences, 1) == SPOILT
    assert await files.write(usage_check.check, 1, False) == SPOILT
    assert await files.write(usage_check.check, 1, True) == SPOILT
    assert await files.write(usage_check.check, 1, True) == []
    await follow(files)
    assert await files.read(usage_check.differences, 1) == []
    assert await files.read(usage.of_bucket, 1) == Usage(10, 0, 2, 2, 0)


async def test_what_is_written_meanwhile_is_no_difference(files: Database) -> None:
    async def write() -> None:
        for number in range(20):
            await put(files, f"a/{number}", number)

    writing = asyncio.gather(*(write() for _ in range(3)), follow(files))
    while not writing.done():
        assert await files.write(usage_check.check, 1, True) == []
    await writing
    await follow(files)
    assert await files.read(usage_check.differences, 1) == []
