"""Who stands on a row keeps it as it is until its transaction ends. SQLite's writers take turns anyway."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy import insert, text

from s3gw.errors import NoSuchUpload
from s3gw.metadata import buckets, configurations, contents, deleted_users, grants, identities, jobs, listing, uploads
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection
from s3gw.metadata.deleted_users import DataAfter
from s3gw.metadata.postgresql import PostgreSQLDatabase
from s3gw.metadata.schema import objects
from s3gw.metadata.uploads import NO_VERSION, Upload, UploadedPart
from s3gw.problems import NotFound
from tests.metadata.changes import of_bucket, of_key, of_part
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio

Step = Callable[[Connection, "Made"], Any]


class Made(NamedTuple):
    bucket_id: int
    upload_id: str
    owner: str


@pytest.fixture
def database(postgresql_url: str) -> Iterator[PostgreSQLDatabase]:
    opened = PostgreSQLDatabase(postgresql_url)
    keep_in_threads(opened)
    yield opened
    asyncio.run(opened.close())


def make(conn: Connection) -> Made:
    owner = identities.create_user(conn, name="owner").id
    bucket_id = buckets.create(conn, name="bucket", owner_id=owner, region="r", defaults="aws", now=1)
    upload_id = uploads.new_upload_id(1)
    nothing = (None,) * 5
    upload = Upload(upload_id, bucket_id, "key", 1, owner, owner, "STANDARD", *nothing, NO_VERSION)
    uploads.begin(of_key(conn, bucket_id, "key"), upload)
    return Made(bucket_id, upload_id, owner)


def write_into_bucket(conn: Connection, made: Made) -> None:
    buckets.lock_shared(conn, made.bucket_id)


def configure(conn: Connection, made: Made) -> None:
    configurations.put(of_bucket(conn, made.bucket_id), "Tagging", [])


def delete_bucket(conn: Connection, made: Made) -> None:
    uploads.delete_bucket(of_bucket(conn, made.bucket_id))


def put_part(conn: Connection, made: Made) -> None:
    content_id = contents.insert(conn, inline(b"part"))
    uploads.put_part(
        of_part(conn, made.upload_id, 1), UploadedPart(made.upload_id, 1, 4, "etag", 1, content_id, None, None)
    )


def look_before_complete(conn: Connection, made: Made) -> None:
    uploads.lock_exclusive(conn, made.bucket_id, "key", made.upload_id)


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        (write_into_bucket, write_into_bucket, False),
        (write_into_bucket, configure, True),
        (write_into_bucket, delete_bucket, True),
        (configure, write_into_bucket, True),
        (put_part, look_before_complete, True),
        (look_before_complete, put_part, True),
    ],
)
async def test_who_would_change_what_another_stands_on_waits(
    database: PostgreSQLDatabase, first: Step, second: Step, waits: bool
) -> None:
    made = await database.write(make)
    has_begun, may_end = threading.Event(), threading.Event()

    def hold(conn: Connection) -> None:
        first(conn, made)
        has_begun.set()
        assert may_end.wait(20)

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(has_begun.wait, 20)
    other = asyncio.create_task(database.write(second, made))
    if waits:
        await asyncio.wait({other}, timeout=0.3)
        assert not other.done()
    else:
        await asyncio.wait_for(other, 20)
    may_end.set()
    await asyncio.gather(holding, other)


async def test_a_part_of_an_upload_that_ends_meanwhile_is_told_that_there_is_none(database: PostgreSQLDatabase) -> None:
    made = await database.write(make)
    has_begun, may_end = threading.Event(), threading.Event()

    def hold(conn: Connection) -> None:
        uploads.abort(conn, made.upload_id)
        has_begun.set()
        assert may_end.wait(20)

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(has_begun.wait, 20)
    part = asyncio.create_task(database.write(put_part, made))
    await asyncio.wait({part}, timeout=0.3)
    may_end.set()
    with pytest.raises(NoSuchUpload):
        await part
    await holding


async def test_a_user_who_is_being_deleted_is_granted_nothing_that_outlives_it(database: PostgreSQLDatabase) -> None:
    made = await database.write(make)
    friend = await database.write(lambda conn: identities.create_user(conn, name="friend").id)
    has_begun, may_end = threading.Event(), threading.Event()

    def hold(conn: Connection) -> None:
        deleted_users.delete_softly(conn, COMMAND_LINE, friend, DataAfter("keep"))
        has_begun.set()
        assert may_end.wait(20)

    def share(conn: Connection) -> None:
        grantee = grants.find_grantee(conn, "user_id", friend)
        given: dict[str, Any] = {"resource_type": "bucket", "path": "", "permission": "read", "expires_at": None}
        grants.create(conn, made.bucket_id, grantee, granted_by=made.owner, **given)

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(has_begun.wait, 20)
    sharing = asyncio.create_task(database.write(share))
    await asyncio.wait({sharing}, timeout=0.3)
    may_end.set()
    with pytest.raises(NotFound):
        await sharing
    await holding


async def test_a_runner_passes_over_jobs_that_another_is_about_to_take(database: PostgreSQLDatabase) -> None:
    for number in range(2):
        await database.write(jobs.enqueue, "kind", number)
    has_begun, may_end = threading.Event(), threading.Event()

    def hold(conn: Connection) -> list[int]:
        taken = jobs.lease(conn, "one", 60.0, 1)
        has_begun.set()
        assert may_end.wait(20)
        return [job.id for job in taken]

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(has_begun.wait, 20)
    others = await asyncio.wait_for(database.write(jobs.lease, "other", 60.0, 2), 10)
    may_end.set()
    taken = await holding
    assert len(taken) == len(others) == 1
    assert taken != [job.id for job in others]


async def test_lists_are_in_order_however_the_database_reads_them(database: PostgreSQLDatabase) -> None:
    keys = ["b", "a", "c"]

    def put(conn: Connection, made: Made) -> None:
        fixed: dict[str, Any] = {"bucket_id": made.bucket_id, "is_current": 1, "is_delete_marker": 0, "size": 0}
        fixed |= {"etag": "e", "last_modified": 0, "owner_id": made.owner, "storage_class": "s"}
        for number, key in enumerate(keys):
            common = {"owner_id": made.owner, "region": "r", "defaults": "aws", "now": 1}
            buckets.create(conn, name=key, **common)
            conn.execute(insert(objects).values(key=key, sequence=-number, version_id=str(number), **fixed))
            upload = uploads.find(conn, made.bucket_id, "key", made.upload_id)
            uploads.begin(of_key(conn, made.bucket_id, key), upload._replace(key=key, upload_id=f"id-of-{key}"))

    def lists(conn: Connection, made: Made) -> list[list[str]]:
        for way in ("indexscan", "indexonlyscan", "bitmapscan"):
            conn.execute(text(f"SET LOCAL enable_{way} = off"))
        page: dict[str, Any] = {"prefix": "", "delimiter": "", "limit": 10}
        versions = listing.list_versions(conn, made.bucket_id, start=("", listing.BEFORE_VERSIONS), **page)
        in_progress = listing.list_uploads(conn, made.bucket_id, start=("", listing.BEFORE_UPLOADS), **page)
        current = listing.list_current(conn, made.bucket_id, after="", at_least="", **page)
        return [[row[0] for row in found.rows] for found in (current, versions, in_progress)] + [
            [bucket.name for bucket in buckets.list_all(conn)]
        ]

    made = await database.write(make)
    await database.write(put, made)
    assert await database.write(lists, made) == [
        ["a", "b", "c"],
        ["a", "b", "c"],
        ["a", "b", "c", "key"],
        ["a", "b", "bucket", "c"],
    ]
