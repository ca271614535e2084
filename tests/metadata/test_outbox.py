"""The outbox: a row for each change of an object, given to each reader once and in order, then removed."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from s3gw.metadata import configurations, contents, objects, outbox, schema, usage
from s3gw.metadata.change import Change, ChangeFacts, KeyLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject
from s3gw.metadata.outbox import ChangedObject, ChangeRow, Noted
from s3gw.metadata.usage import Usage
from tests.metadata.changes import ACTOR, of_bucket
from tests.metadata.test_listing import fill
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio
READERS = ("usage", "other")


async def do(database: Database, key: str, fn: Any, *args: Any, operation: str = "PutObject", **named: Any) -> Any:
    facts = ChangeFacts(1, ACTOR, "u", 5, operation=operation)
    return await change(database, facts, [KeyLock(1, key)], fn, *args, **named)


async def put(database: Database, key: str, body: bytes = b"abc") -> Any:
    new = NewObject(key, len(body), "etag", "u")
    return await do(database, key, objects.put, new, partial(contents.insert, new=inline(body)))


def take(conn: Connection, name: str, limit: int) -> list[ChangeRow]:
    span = outbox.advance(conn, name, limit)
    rows = [] if span is None else outbox.rows_of(conn, span)
    assert len(rows) == (0 if span is None else span.rows)
    return rows


async def read_all(database: Database) -> list[ChangeRow]:
    """What the reader `other` gets."""
    return await database.write(take, "other", 100)


@pytest.fixture
async def files(database: Database) -> Database:
    await database.write(fill, [])
    await database.write(outbox.register, READERS)
    return database


async def test_a_row_says_what_became_of_the_object_by_whom_and_how(files: Database) -> None:
    await put(files, "key")
    await do(files, "key", objects.set_tags, "key", None, "[]", operation="PutObjectTagging")
    await do(files, "key", objects.set_acl, "key", None, "{}", operation="PutObjectAcl")
    await do(files, "key", objects.delete_latest, "key", operation="DeleteObject")
    rows = await read_all(files)
    assert [(row.kind, row.operation) for row in rows] == [
        ("created", "PutObject"),
        ("tagged", "PutObjectTagging"),
        ("acl", "PutObjectAcl"),
        ("removed", "DeleteObject"),
    ]
    assert {(row.bucket_id, row.key, row.version_id, row.size, row.etag, row.at) for row in rows} == {
        (1, "key", "null", 3, "etag", 5)
    }
    assert {(row.actor_id, row.address, row.request_id) for row in rows} == {(ACTOR.id, "192.0.2.1", "request")}
    assert len({row.file_id for row in rows}) == 1


async def test_what_changes_nothing_is_no_row(files: Database) -> None:
    await do(files, "none", objects.delete_latest, "none")
    await do(files, "none", objects.set_tags, "none", None, "[]")
    with pytest.raises(ZeroDivisionError):
        await do(files, "key", put_and_fail)
    assert await read_all(files) == []


def put_and_fail(change: Change) -> None:
    objects.put(change, NewObject("key", 1, "", "u"), partial(contents.insert, new=inline(b"x")))
    raise ZeroDivisionError


async def test_versions_and_markers_are_told_apart(files: Database) -> None:
    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Enabled"))
    first = await put(files, "key")
    marker = await do(files, "key", objects.delete_latest, "key")
    await do(files, "key", objects.delete_version, "key", marker.version_id)
    rows = await read_all(files)
    assert [(row.kind, row.version_id) for row in rows] == [
        ("created", first.version_id),
        ("hidden", marker.version_id),
        ("removed", marker.version_id),
    ]
    assert len({row.file_id for row in rows}) == 1


async def test_each_reader_gets_each_row_once_in_batches_and_then_it_is_removed(files: Database) -> None:
    for number in range(5):
        await put(files, f"key{number}")
    got = [[row.key for row in await files.write(take, "other", 2)] for _ in range(4)]
    assert got == [["key0", "key1"], ["key2", "key3"], ["key4"], []]
    assert await files.write(outbox.trim, 100) == 0, "another has read nothing yet"
    assert await files.read(outbox.any_unread)
    assert len(await files.write(take, "usage", 3)) == 3
    assert await files.write(outbox.trim, 2) == 2
    assert await files.write(outbox.trim, 2) == 1
    await files.write(take, "usage", 3)
    assert await files.write(outbox.trim, 100) == 2
    assert not await files.read(outbox.any_unread)


async def test_a_batch_whose_transaction_fails_is_given_again(files: Database) -> None:
    await put(files, "key")

    def fail(conn: Connection) -> None:
        assert take(conn, "other", 10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await files.write(fail)
    assert [row.key for row in await read_all(files)] == ["key"]


async def test_a_reader_that_is_gone_holds_up_nobody_and_a_new_one_begins_with_what_is_there(files: Database) -> None:
    await put(files, "key")
    await files.write(take, "usage", 10)
    assert await files.write(outbox.register, ("usage", "new")) == ["new"]
    assert await files.write(take, "other", 10) == []
    assert await files.write(outbox.trim, 10) == 0
    assert len(await files.write(take, "new", 10)) == 1
    assert await files.write(outbox.trim, 10) == 1


async def test_of_a_transaction_that_is_at_work_nothing_behind_it_is_read(files: Database) -> None:
    """Whoever read on would never see it: on PostgreSQL it has an earlier place than what was committed meanwhile."""
    if files.dialect == "sqlite":
        pytest.skip("there no two transactions write at the same time")
    keep_in_threads(files)
    begun, go = threading.Event(), threading.Event()

    def slowly(change: Change) -> None:
        outbox.write(change.conn, 1, 5, "", ACTOR, [Noted(ChangedObject("acl", "early"))], False)
        begun.set()
        assert go.wait(20)
        objects.put(change, NewObject("late", 1, "", "u"), partial(contents.insert, new=inline(b"x")))

    late = asyncio.create_task(do(files, "late", slowly))
    assert await asyncio.to_thread(begun.wait, 20)
    await put(files, "other")
    assert await read_all(files) == []
    assert await files.write(take, "usage", 10) == []
    assert await files.read(usage.of_bucket, 1) == Usage(3, 0, 1, 1, 0)
    go.set()
    await late
    assert [row.key for row in await read_all(files)] == ["early", "late", "other"]
    assert await files.read(usage.of_bucket, 1) == Usage(4, 0, 2, 2, 0)


async def test_a_renamed_file_takes_its_id_along_and_what_comes_in_its_place_is_another(files: Database) -> None:
    def rename(change: Change) -> None:
        found = objects.find(change.conn, 1, "old")
        assert found is not None and found.content_id is not None
        contents.retain(change.conn, found.content_id)
        new = NewObject("new", found.size, "", "u", file_id=found.file_id)
        objects.put(change, new, lambda conn: found.content_id or 0)
        objects.delete_latest(change, "old", is_renamed=True)

    async def ids() -> dict[str, Any]:
        found = [await files.read(objects.find, 1, key) for key in ("old", "new")]
        return {each.key: each.file_id for each in found if each is not None and not each.is_delete_marker}

    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Enabled"))
    await put(files, "old")
    first = (await ids())["old"]
    locks = [KeyLock(1, "old"), KeyLock(1, "new")]
    await change(files, ChangeFacts(1, ACTOR, "u", 5), locks, rename)
    assert await ids() == {"new": first}
    found = await files.read(objects.find_file, first)
    assert found is not None and found.key == "new"
    marker = await files.read(objects.latest, 1, "old")
    assert marker is not None and marker.is_delete_marker
    await do(files, "old", objects.delete_version, "old", marker.version_id)  # what was renamed is there again
    both = await ids()
    assert both["new"] == first
    assert both["old"] not in (None, first)


async def test_a_file_keeps_its_id_when_it_is_overwritten_and_gets_another_after_it_was_deleted(
    files: Database,
) -> None:
    async def file_id() -> Any:
        found = await files.read(objects.find, 1, "key")
        assert found is not None
        return found.file_id

    await put(files, "key")
    first = await file_id()
    await put(files, "key", b"other")
    assert await file_id() == first
    await do(files, "key", objects.delete_latest, "key")
    await put(files, "key")
    assert await file_id() not in (first, None)
    kept = await file_id()
    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Enabled"))
    await do(files, "key", objects.delete_latest, "key")
    await put(files, "key")
    assert await file_id() == kept, "the marker is of the same file"
    rows = await files.read(lambda conn: conn.execute(select(schema.objects.c.file_id)).all())
    assert len(rows) == 3
