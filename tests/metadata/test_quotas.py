"""Quotas: exact on both databases, for buckets, prefixes and users, whatever writes and however many at once."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from s3gw.errors import NoSuchBucket, QuotaExceeded
from s3gw.jobs.follow_changes import readers_of
from s3gw.metadata import buckets, configurations, contents, objects, outbox, quotas, schema, uploads, usage
from s3gw.metadata.change import Change, ChangeFacts, KeyLock, PartLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject
from s3gw.metadata.quotas import PrefixQuota
from s3gw.metadata.uploads import Upload, UploadedPart
from tests.metadata.changes import ACTOR, of_bucket
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio
STRANGER = ACTOR._replace(id="somebody")


async def put(database: Database, key: str, size: int, actor: Any = ACTOR) -> None:
    new, place = NewObject(key, size, "", "u"), partial(contents.insert, new=inline(b"x" * size))
    await change(database, ChangeFacts(1, actor, "u", 5), [KeyLock(1, key)], objects.put, new, place)


async def delete(database: Database, key: str) -> None:
    await change(database, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key)], objects.delete_latest, key)


async def follow(database: Database) -> None:
    def read(conn: Connection) -> None:
        for name, reader in readers_of(conn.dialect).items():
            span = outbox.advance(conn, name, 100)
            if span is not None:
                reader(conn, span)

    await database.write(read)


@pytest.fixture
async def files(database: Database) -> Database:
    await database.write(fill, [])
    return database


async def limit(database: Database, kind: str, max_bytes: int | None, max_objects: int | None = None) -> None:
    def steps(conn: Connection) -> None:
        if kind == "bucket":
            quotas.set_of_bucket(conn, 1, max_bytes, max_objects)
        elif kind == "user":
            conn.execute(update(schema.users).values(storage_quota=max_bytes, object_quota=max_objects))
        else:
            quotas.set_prefix(conn, 1, "", max_bytes, max_objects)

    await database.write(steps)


KINDS = ("bucket", "prefix", "user")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_fits_is_stored_to_the_last_byte_and_nothing_more(files: Database, kind: str) -> None:
    await limit(files, kind, 10)
    await put(files, "a", 4)
    await put(files, "b", 6)
    for key, size in (("c", 1), ("b", 7)):
        with pytest.raises(QuotaExceeded, match=r"leaves 0 bytes"):
            await put(files, key, size)
    assert (await files.read(usage.of_bucket, 1)).all_bytes == 10
    assert await files.read(objects.find, 1, "c") is None
    await put(files, "empty", 0)
    await put(files, "b", 5)  # in the place of a larger one
    await put(files, "c", 1)
    await delete(files, "a")
    with pytest.raises(QuotaExceeded, match=r"leaves 4 bytes"):
        await put(files, "a", 5)
    await limit(files, kind, None)
    await put(files, "a", 50)


@pytest.mark.parametrize("kind", KINDS)
async def test_objects_are_limited_by_their_number(files: Database, kind: str) -> None:
    await limit(files, kind, None, 2)
    await put(files, "a", 4)
    await put(files, "b", 6)
    with pytest.raises(QuotaExceeded, match="leaves 0 objects"):
        await put(files, "c", 0)
    await put(files, "b", 7)
    await delete(files, "a")
    await put(files, "c", 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_above_a_new_limit_may_delete_and_write_less_but_not_more(files: Database, kind: str) -> None:
    await put(files, "a", 8)
    await put(files, "b", 8)
    await limit(files, kind, 10, 1)
    with pytest.raises(QuotaExceeded, match="leaves 0"):
        await put(files, "a", 9)
    await put(files, "a", 7)
    await delete(files, "a")
    await put(files, "b", 10)


async def test_all_versions_count_and_markers_dont(files: Database) -> None:
    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Enabled"))
    await limit(files, "bucket", 10, 2)
    await put(files, "a", 5)
    await delete(files, "a")
    await put(files, "a", 5)
    with pytest.raises(QuotaExceeded):
        await put(files, "a", 0)


async def test_parts_count_as_they_come_and_are_counted_once(files: Database) -> None:
    upload = Upload("1" * 64, 1, "a", 1, "u", "u", "STANDARD", None, None, None, None, None)
    facts = ChangeFacts(1, ACTOR, "u", 5)

    def part(change: Change, number: int, size: int) -> None:
        content = contents.insert(change.conn, inline(b"p" * size))
        uploads.put_part(change, UploadedPart(upload.upload_id, number, size, "", 1, content, None, None))

    async def put_part(number: int, size: int) -> None:
        await change(files, facts, [PartLock(upload.upload_id, number)], part, number, size)

    for kind in KINDS:
        await limit(files, kind, 10)
    await change(files, facts, [KeyLock(1, "a")], uploads.begin, upload)
    await put_part(1, 6)
    with pytest.raises(QuotaExceeded, match="leaves 4 bytes"):
        await put_part(2, 5)
    await put_part(1, 5)
    await put_part(2, 5)
    with pytest.raises(QuotaExceeded):
        await put(files, "b", 1)

    def complete(change: Change) -> None:
        uploads.remove(change, upload, frozenset({1, 2}))
        objects.put(change, NewObject("a", 10, "", "u"), partial(contents.insert, new=inline(b"x" * 10)))

    await change(files, facts, [KeyLock(1, "a")], complete)
    assert await files.read(usage.of_bucket, 1) == usage.Usage(10, 0, 1, 1, 0)


async def test_a_prefix_has_its_own_count_from_when_it_is_limited(files: Database) -> None:
    await put(files, "docs/a", 3)
    await put(files, "do", 50)
    await files.write(quotas.set_prefix, 1, "docs/", 10, 3)
    await files.write(quotas.set_prefix, 1, "docs/deep/", 5, None)
    await follow(files)
    await put(files, "docs/deep/a", 4)
    with pytest.raises(QuotaExceeded, match=r"'docs/deep/' in the bucket doesn't allow it. It leaves 1 bytes"):
        await put(files, "docs/deep/b", 2)
    with pytest.raises(QuotaExceeded, match=r"'docs/' in the bucket doesn't allow it. It leaves 3 bytes"):
        await put(files, "docs/b", 4)
    await put(files, "other", 100)
    for _ in range(2):
        assert await files.read(quotas.of_prefixes, 1) == [
            PrefixQuota("docs/", 10, 3, 7, 2),
            PrefixQuota("docs/deep/", 5, None, 4, 1),
        ]
        await follow(files)
    await files.write(quotas.set_prefix, 1, "docs/deep/", None, None)
    await files.write(quotas.set_prefix, 1, "docs/", 100, None)
    await put(files, "docs/deep/b", 20)
    assert await files.read(quotas.of_prefixes, 1) == [PrefixQuota("docs/", 100, None, 27, 3)]
    await files.write(quotas.set_prefix, 1, "docs/", None, None)
    assert not (await files.write(buckets.lock_shared, 1)).has_quotas


async def test_what_is_moved_into_a_prefix_needs_room_there(files: Database) -> None:
    await files.write(quotas.set_prefix, 1, "docs/", 10, None)
    await put(files, "docs/a", 4)
    await put(files, "small", 6)
    await put(files, "large", 7)

    def rename(done: Change, key: str) -> None:
        found = objects.find(done.conn, 1, key)
        assert found is not None
        objects.put(done, NewObject(f"docs/{key}", found.size, "", "u"), partial(contents.insert, new=inline(b"")))
        objects.delete_latest(done, key, is_renamed=True)

    async def move(key: str) -> None:
        await change(files, ChangeFacts(1, ACTOR, "u", 5), [KeyLock(1, key), KeyLock(1, f"docs/{key}")], rename, key)

    with pytest.raises(QuotaExceeded, match=r"'docs/' in the bucket doesn't allow it. It leaves 6 bytes"):
        await move("large")
    await move("small")
    assert await files.read(quotas.of_prefixes, 1) == [PrefixQuota("docs/", 10, None, 10, 2)]


async def test_a_users_quota_is_of_all_its_buckets_and_told_to_nobody_else(files: Database) -> None:
    await limit(files, "user", 10)
    await files.write(_other_bucket)
    with pytest.raises(QuotaExceeded, match=r"^The quota of the bucket's owner doesn't allow it\.$"):
        await put(files, "a", 4, STRANGER)
    await put(files, "a", 3)


def _other_bucket(conn: Connection) -> None:
    bucket = {"id": 2, "name": "other", "owner_id": "u", "region": "r", "versioning": "", "created_at": 1}
    conn.execute(schema.buckets.insert().values(bucket))
    usage.begin(conn, 2)
    usage.add(conn, 2, usage.Usage(7))


async def test_a_quota_of_a_bucket_that_is_gone_is_none(files: Database) -> None:
    with pytest.raises(NoSuchBucket):
        await files.write(quotas.set_of_bucket, 77, 1, 1)
    with pytest.raises(NoSuchBucket):
        await files.write(quotas.set_prefix, 77, "a", 1, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("most", "first", "size", "writers"), [(140, 0, 7, 40), pytest.param(2000, 1780, 1, 260, marks=pytest.mark.soak)]
)
async def test_of_many_writers_at_once_as_many_get_in_as_fit(
    files: Database, kind: str, most: int, first: int, size: int, writers: int
) -> None:
    """Small ones don't wait for one another on PostgreSQL until nine tenths are used."""
    await limit(files, kind, most)
    await put(files, "first", first)

    async def attempt(number: int) -> bool:
        await asyncio.sleep(random.random() / 100)
        try:
            await put(files, f"key{number}", size)
        except QuotaExceeded:
            return False
        return True

    outcomes = await asyncio.gather(*(attempt(number) for number in range(writers)), *(follow(files) for _ in range(3)))
    assert outcomes.count(True) == (most - first) // size
    assert (await files.read(usage.of_bucket, 1)) == await files.read(usage.count, 1)


class _Following:
    """A connection, beside which the outbox is read after each statement."""

    def __init__(self, conn: Connection, follow: Any) -> None:
        self._conn, self._follow = conn, follow

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    def execute(self, statement: Any) -> Any:
        rows = self._conn.execute(statement)
        self._follow()
        return rows


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_is_read_of_the_outbox_meanwhile_is_counted_once_below_a_prefix(files: Database) -> None:
    await files.write(quotas.set_prefix, 1, "docs/", 10, 3)
    await put(files, "docs/a", 4)
    loop = asyncio.get_running_loop()

    def read(conn: Connection) -> list[PrefixQuota]:
        beside = _Following(conn, lambda: asyncio.run_coroutine_threadsafe(follow(files), loop).result(60))
        return quotas.of_prefixes(beside, 1)  # type: ignore[arg-type]

    assert await files.read(read) == await files.read(read) == [PrefixQuota("docs/", 10, 3, 4, 1)]
