"""How much is in a bucket: counted in the transaction of each change, and the same as what a full count finds."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from s3gw.errors import S3Error
from s3gw.jobs.follow_changes import readers_of
from s3gw.metadata import buckets, configurations, contents, identities, objects, outbox, schema, trash, uploads, usage
from s3gw.metadata.change import ChangeFacts, KeyLock, PartLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject
from s3gw.metadata.uploads import Upload, UploadedPart
from s3gw.metadata.usage import Usage
from tests.metadata.changes import ACTOR, of_bucket
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio
KEYS = ("a", "b", "c")


class Bucket:
    """Number 1, in which things are done at random."""

    def __init__(self, database: Database, seed: str) -> None:
        self.database, self.chance = database, random.Random(seed)
        self._uploads: list[str] = []

    async def do(self, key: str, fn: Any, *args: Any) -> Any:
        locks = [KeyLock(1, key), *(PartLock(upload, number) for upload in self._uploads for number in range(1, 4))]
        return await change(self.database, ChangeFacts(1, ACTOR, "u", 5), locks, fn, *args)

    async def step(self) -> None:
        key = self.chance.choice(KEYS)
        act = self.chance.choice(
            (self.put, self.put, self.delete, self.delete_version, self.begin, self.part, self.end)
        )
        try:
            await act(key)
        except S3Error:
            pass  # an upload that has ended

    async def put(self, key: str) -> None:
        body = b"x" * self.chance.randrange(9)
        await self.do(key, objects.put, NewObject(key, len(body), "", "u"), partial(contents.insert, new=inline(body)))

    async def delete(self, key: str) -> None:
        await self.do(key, objects.delete_latest, key)

    async def delete_version(self, key: str) -> None:
        top = await self.database.read(objects.latest, 1, key)
        if top is not None:
            await self.do(key, objects.delete_version, key, top.version_id)

    async def begin(self, key: str) -> None:
        upload = Upload(uploads.new_upload_id(1), 1, key, 1, "u", "u", "STANDARD", None, None, None, None, None)
        await self.do(key, uploads.begin, upload)
        self._uploads.append(upload.upload_id)

    async def part(self, key: str) -> None:
        if self._uploads:
            await self.do(key, _put_part, self.chance.choice(self._uploads), self.chance.randrange(1, 4))

    async def end(self, key: str) -> None:
        if self._uploads:
            upload_id = self.chance.choice(self._uploads)
            if self.chance.random() < 0.5:
                await self.database.write(uploads.abort, upload_id)
            else:
                await self.do(key, _end, upload_id)

    async def restore(self, key: str) -> None:
        if found := await self.database.read(trash.list_after, 1, None, 1):
            await self.do(found[0].key, objects.restore, found[0])

    async def read_outbox(self) -> None:
        for name, reader in readers_of(self.database.dialect).items():
            await self.database.write(_read, name, reader, self.chance.randrange(1, 20))


def _put_part(change: Any, upload_id: str, number: int) -> None:
    content = contents.insert(change.conn, inline(b"p" * number))
    uploads.put_part(change, UploadedPart(upload_id, number, number, "", 1, content, None, None))


def _end(change: Any, upload_id: str) -> None:
    uploads.remove(change, uploads.lock_exclusive(change.conn, 1, "a", upload_id), frozenset())


def _read(conn: Connection, name: str, reader: Any, limit: int) -> None:
    span = outbox.advance(conn, name, limit)
    if span is not None:
        reader(conn, span)


_STATES = {120: "Enabled", 200: "Suspended", 250: "Enabled"}


async def test_after_any_changes_the_counts_are_what_a_full_count_finds(database: Database) -> None:
    def begin(conn: Connection) -> None:
        fill(conn, [])
        conn.execute(update(schema.buckets).values(trash_seconds=1))

    await database.write(begin)
    bucket = Bucket(database, "usage")
    seen = set[Usage]()
    for number in range(300):
        if number in _STATES:
            await database.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), _STATES[number]))  # noqa: B023
        if number % 50 == 25:
            await database.write(trash.drop_oldest, 1, 0)
            await database.write(trash.drop_expired, 2**62, 1)
        await bucket.step()
        if number % 7 == 0:
            await bucket.read_outbox()
        told = await database.read(usage.of_bucket, 1)
        assert told == await database.read(usage.count, 1), number
        assert await database.read(usage.of_buckets, [1, 2]) == {1: told, 2: usage.NOTHING}
        seen.add(told)
    assert all(len({each[column] for each in seen}) > 3 for column in range(len(Usage._fields)))


async def test_a_new_bucket_has_nothing_and_one_that_is_deleted_is_forgotten(database: Database) -> None:
    def steps(conn: Connection) -> None:
        owner_id = identities.create_user(conn, name="owner").id
        one, other = (
            buckets.create(conn, name=name, owner_id=owner_id, region="r", defaults="aws", now=1)
            for name in ("one", "other")
        )
        assert usage.of_bucket(conn, one) == usage.NOTHING
        usage.add(conn, one, Usage(5, 4, 3, 2, 1))
        assert usage.of_bucket(conn, one) == Usage(5, 4, 3, 2, 1)
        buckets.delete_bucket(conn, one)
        usage.add_all(conn, [(one, Usage(1)), (other, Usage(2)), (other, Usage(3, 0, 1))])
        assert usage.of_bucket(conn, one) == usage.NOTHING
        assert usage.of_bucket(conn, other) == Usage(5, 0, 1)

    await database.write(steps)
