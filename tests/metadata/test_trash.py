"""The trash: what is deleted or overwritten is brought back where no version is kept, and makes room for the new."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.errors import PreconditionFailed, QuotaExceeded
from s3gw.metadata import configurations, contents, objects, quotas, read_objects, schema, trash, usage
from s3gw.metadata.change import Change, ChangeFacts, KeyLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject, ObjectVersion
from s3gw.metadata.trash import Trashed
from s3gw.metadata.usage import Usage
from tests.metadata.changes import ACTOR, of_bucket
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio
DAY = 86_400


@pytest.fixture
async def files(database: Database) -> Database:
    def begin(conn: Connection) -> None:
        conn.execute(schema.trash.delete())
        fill(conn, [])
        keep_trash(conn, DAY)

    await database.write(begin)
    return database


def keep_trash(conn: Connection, seconds: int) -> None:
    conn.execute(update(schema.buckets).values(trash_seconds=seconds))


async def do(database: Database, key: str, fn: Any, *args: Any, **named: Any) -> Any:
    return await change(database, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key)], fn, *args, **named)


async def put(database: Database, key: str, body: bytes, **fields: Any) -> None:
    new = NewObject(key, len(body), "etag", "u", **fields)
    await do(database, key, objects.put, new, partial(contents.insert, new=inline(body)))


async def body_of(database: Database, key: str) -> bytes | None:
    _, content = await database.read(read_objects.find_with_content, 1, key)
    return None if content is None else content.layout


async def the_file(database: Database, key: str) -> ObjectVersion:
    found = await database.read(objects.find, 1, key)
    assert found is not None
    return found


async def the_trash(database: Database) -> list[Trashed]:
    return await database.read(trash.list_after, 1, None, 100)


async def in_order(database: Database) -> bool:
    """Whether counts and contents are as they should be."""
    rows = await database.read(lambda conn: conn.execute(select(schema.contents.c.refs)).scalars().all())
    objects_and_trash = await database.read(
        lambda conn: [
            row[0]
            for table in (schema.objects, schema.trash)
            for row in conn.execute(select(table.c.content_id)).all()
            if row[0] is not None
        ]
    )
    counted = await database.read(usage.of_bucket, 1)
    return sum(rows) == len(objects_and_trash) and counted == await database.read(usage.count, 1)


async def test_a_deleted_file_is_brought_back_as_it_was(files: Database) -> None:
    await put(files, "key", b"body", tags='[["a","b"]]', user_metadata='{"c":"d"}', headers='{"ContentType":"x/y"}')
    before = await the_file(files, "key")
    await do(files, "key", objects.delete_latest, "key")
    assert await body_of(files, "key") is None
    (found,) = await the_trash(files)
    assert (found.deleted_by, found.is_overwritten, found.key) == ("u", 0, "key")
    assert found.expires_at - found.deleted_at == DAY * 1_000_000
    assert await files.read(usage.of_bucket, 1) == Usage(trash_bytes=4, trashed=1)
    assert before.file_id is not None
    assert await files.read(trash.find, 1, before.file_id) == found
    assert await do(files, "key", objects.restore, found)
    after = await the_file(files, "key")
    same = ("key", "size", "etag", "owner_id", "tags", "user_metadata", "headers", "file_id", "content_id")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert await body_of(files, "key") == b"body"
    assert await the_trash(files) == []
    assert await in_order(files)


async def test_what_was_overwritten_is_brought_back_over_what_is_there_now(files: Database) -> None:
    await put(files, "key", b"old")
    await put(files, "key", b"newer")
    (found,) = await the_trash(files)
    assert found.is_overwritten == 1
    assert await do(files, "key", objects.restore, found)
    assert await body_of(files, "key") == b"old"
    (other,) = await the_trash(files)
    assert (other.size, other.file_id) == (5, found.file_id)
    assert (await the_file(files, "key")).file_id == found.file_id
    assert await in_order(files)


async def test_it_is_brought_back_once_and_only_if_that_is_wanted(files: Database) -> None:
    def refuse(top: ObjectVersion | None) -> None:
        if top is not None:
            raise PreconditionFailed

    await put(files, "key", b"old")
    await do(files, "key", objects.delete_latest, "key")
    await put(files, "key", b"new")
    (found,) = await the_trash(files)
    with pytest.raises(PreconditionFailed):
        await do(files, "key", objects.restore, found, refuse)
    assert await the_trash(files) == [found]
    assert await do(files, "key", objects.restore, found)
    assert await do(files, "key", objects.restore, found) is None
    assert await in_order(files)


async def test_where_there_are_versions_or_no_trash_nothing_goes_there(files: Database) -> None:
    await put(files, "key", b"x")
    await do(files, "key", objects.delete_latest, "key", is_permanent=True)
    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Enabled"))
    await put(files, "key", b"x")
    version = await the_file(files, "key")
    await do(files, "key", objects.delete_latest, "key")
    await do(files, "key", objects.delete_version, "key", version.version_id)
    assert await the_trash(files) == []
    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Suspended"))
    await put(files, "key", b"null")
    await do(files, "key", objects.delete_latest, "key")
    assert [found.size for found in await the_trash(files)] == [4], "no version is kept of it"
    await files.write(keep_trash, 0)
    await put(files, "other", b"x")
    await put(files, "other", b"x")
    await do(files, "other", objects.delete_latest, "other")
    assert len(await the_trash(files)) == 1
    assert await in_order(files)


async def test_a_renamed_file_is_not_trash(files: Database) -> None:
    def rename(change: Change) -> None:
        found = objects.find(change.conn, 1, "old")
        assert found is not None and found.content_id is not None
        contents.retain(change.conn, found.content_id)
        new = NewObject("new", found.size, "", "u", file_id=found.file_id)
        objects.put(change, new, lambda conn: found.content_id or 0)
        objects.delete_latest(change, "old", is_renamed=True)

    await put(files, "old", b"x")
    await change(files, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, "old"), KeyLock(1, "new")], rename)
    assert await the_trash(files) == []
    assert await in_order(files)


async def test_trash_counts_against_a_quota_and_makes_room_the_oldest_first(files: Database) -> None:
    await files.write(quotas.set_of_bucket, 1, 10, 4)
    for key, size in (("a", 4), ("b", 3), ("c", 3)):
        await put(files, key, b"x" * size)
        await do(files, key, objects.delete_latest, key)
    assert (await files.read(usage.of_bucket, 1)).all_bytes == 10
    await put(files, "d", b"xx")
    assert [found.key for found in await the_trash(files)] != ["c", "b", "a"]
    assert (await files.read(usage.of_bucket, 1)).all_bytes <= 10
    await put(files, "e", b"x" * 8)
    assert await the_trash(files) == []
    with pytest.raises(QuotaExceeded):
        await put(files, "f", b"x")
    await put(files, "e", b"y" * 8)  # what it takes the place of has no room in the trash
    assert await body_of(files, "e") == b"y" * 8
    await do(files, "e", objects.delete_latest, "e")
    await files.read(quotas.require_room_for, 1, "f", Usage(8, versions=1), "u")
    with pytest.raises(QuotaExceeded):
        await files.read(quotas.require_room_for, 1, "f", Usage(9, versions=1), "u")
    assert await in_order(files)


async def test_one_write_drops_10_000_files_at_most(files: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "_MOST_DROPPED", 3)
    monkeypatch.setattr(quotas, "_DROPPED", 1)
    for number in range(5):
        await put(files, f"key{number}", b"x")
        await do(files, f"key{number}", objects.delete_latest, f"key{number}")
    await files.write(quotas.set_of_bucket, 1, 5, None)
    with pytest.raises(QuotaExceeded):
        await put(files, "new", b"xxxx")
    assert len(await the_trash(files)) == 5
    await put(files, "new", b"xxx")
    assert len(await the_trash(files)) == 2
    assert await in_order(files)


@pytest.mark.parametrize("kind", ["bucket", "prefix", "user"])
async def test_where_the_trash_cannot_make_room_none_of_it_is_dropped(
    files: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each refused write would be a transaction as long as there is trash, which others wait for."""
    for key in ("trash", "in/trash"):
        await put(files, key, b"x")
        await do(files, key, objects.delete_latest, key)
    await put(files, "in/there", b"xxx")
    await files.write(_trash_of_deleted_bucket)
    limits = {"bucket": (5, None, 1000), "prefix": (None, 4, 1000), "user": (None, None, 6)}
    await files.write(_limit, *limits[kind])
    fits = {"bucket": 2, "prefix": 1, "user": 3}[kind]
    dropped: list[str] = []
    original = trash.drop

    def drop(conn: Connection, found: Any) -> Any:
        dropped.extend(each.key for each in found)
        return original(conn, found)

    monkeypatch.setattr(trash, "drop", drop)
    with pytest.raises(QuotaExceeded):
        await put(files, "in/new", b"x" * (fits + 1))
    assert not dropped
    await put(files, "in/new", b"x" * fits)
    assert set(dropped) == {"trash", "in/trash"} | ({"deleted"} if kind == "user" else set())


def _trash_of_deleted_bucket(conn: Connection) -> None:
    bucket = {"id": 2, "name": "deleted/2", "owner_id": "u", "region": "r", "versioning": "", "created_at": 1}
    conn.execute(schema.buckets.insert().values(bucket | {"deleted_at": 1, "deleted_name": "other"}))
    usage.begin(conn, 2)
    usage.add(conn, 2, Usage(trash_bytes=1, trashed=1))
    row = conn.execute(select(schema.trash).limit(1)).one()._asdict()
    conn.execute(schema.trash.insert().values(row | {"id": row["id"] + 100, "bucket_id": 2, "key": "deleted"}))
    this = schema.contents.c.id == row["content_id"]
    conn.execute(update(schema.contents).where(this).values(refs=schema.contents.c.refs + 1))


def _limit(conn: Connection, of_bucket: int | None, of_prefix: int | None, of_user: int) -> None:
    quotas.set_of_bucket(conn, 1, of_bucket, None)
    quotas.set_prefix(conn, 1, "in/", of_prefix, None)
    conn.execute(update(schema.users).values(storage_quota=of_user))


async def test_pages_go_on_behind_an_id_and_what_is_over_is_dropped(files: Database) -> None:
    for number in range(5):
        await put(files, f"key{number}", b"x")
        await do(files, f"key{number}", objects.delete_latest, f"key{number}")
    first = await files.read(trash.list_after, 1, None, 3)
    rest = await files.read(trash.list_after, 1, first[-1].id, 3)
    assert [found.key for found in (*first, *rest)] == [f"key{number}" for number in (4, 3, 2, 1, 0)]
    middle = first[-1].expires_at
    assert await files.write(trash.drop_expired, middle, 1) == 1
    assert await files.write(trash.drop_expired, middle, 10) == 1
    assert [found.key for found in await the_trash(files)] == ["key4", "key3", "key2"]
    assert await in_order(files)
