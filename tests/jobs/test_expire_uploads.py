"""Uploads that were begun too long ago are aborted, with their parts."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from s3gw.jobs import expire_uploads as expiring
from s3gw.jobs.expire_uploads import expire_uploads
from s3gw.metadata import buckets, contents, identities, schema, share_links, uploads
from s3gw.metadata.database import Connection, now
from s3gw.metadata.resumable_uploads import Resumable
from s3gw.metadata.share_links import NewLink
from s3gw.metadata.uploads import Upload, UploadedPart
from tests.jobs.conftest import HOUR, Process
from tests.metadata.changes import of_key, of_part

pytestmark = pytest.mark.anyio

DAY = 86_400_000_000


def begin(conn: Connection, key: str, days_ago: float) -> str:
    owner = next(iter(identities.list_users(conn)), None) or identities.create_user(conn, name="owner")
    bucket = buckets.find(conn, "bucket")
    bucket_id = bucket.id if bucket else None
    if bucket_id is None:
        bucket_id = buckets.create(
            conn, name="bucket", owner_id=owner.id, region="us-east-1", defaults="aws", now=now(conn)
        )
    at = now(conn) - int(days_ago * DAY)
    upload_id = uploads.new_upload_id(at)
    people = (owner.id, owner.id)
    upload = Upload(upload_id, bucket_id, key, at, *people, "STANDARD", None, None, None, None, None)
    uploads.begin(of_key(conn, bucket_id, key), upload)
    return upload_id


def left(conn: Connection) -> list[str]:
    return [row.key for row in conn.execute(select(schema.uploads.c.key).order_by(schema.uploads.c.key))]


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock has been right for an hour; test_clock_jumps.py has others."""
    monkeypatch.setattr(expiring, "_clock", SimpleNamespace(settle=lambda now: now))


async def test_only_uploads_older_than_the_setting_are_aborted(process: Process) -> None:
    for key, days in (("old", 7.01), ("older", 30.0), ("young", 6.99)):
        await process.database.write(begin, key, days)
    told: list[Any] = []
    await expire_uploads(process.services, None, told.append)
    assert await process.database.read(left) == ["young"]
    assert told[-1] == {"uploads": 2}


async def test_the_parts_of_an_aborted_upload_are_left_to_the_reaper(process: Process) -> None:
    upload_id = await process.database.write(begin, "key", 8)
    content = await process.put()
    part = UploadedPart(upload_id, 1, content.size, "etag", 0, content.id, None, None)
    await process.database.write(lambda conn: uploads.put_part(of_part(conn, upload_id, 1), part))
    await expire_uploads(process.services, None, lambda _: None)
    assert await process.database.read(contents.unmarked, 10) == [content.id]
    await process.reap(3)
    assert await process.leftovers() == (0, 0, 0)
    assert process.files() == []


async def test_an_upload_lives_as_long_as_parts_come(process: Process) -> None:
    """However long ago it was begun, or seems to have been: the clock may have been set back then."""
    content = await process.put()
    for key, days in (("alive", 6.9), ("left", 7.1)):
        upload_id = await process.database.write(begin, key, 30)

        def put(conn: Connection, upload_id: str = upload_id, days: float = days) -> None:
            came = now(conn) - int(days * DAY)
            part = UploadedPart(upload_id, 1, content.size, "etag", came, content.id, None, None)
            uploads.put_part(of_part(conn, upload_id, 1), part)

        await process.database.write(put)
    await expire_uploads(process.services, None, lambda _: None)
    assert await process.database.read(left) == ["alive"]


def at_drop_box(conn: Connection, key: str, hours_ago: float, is_revoked: bool) -> None:
    """An upload to which nothing came for so long."""
    upload_id = begin(conn, key, 3)
    found = uploads.Upload._make(conn.execute(select(schema.uploads).where(schema.uploads.c.key == key)).one())
    digest = hashlib.sha256(key.encode()).digest()
    new = NewLink(digest, found.owner_id, found.bucket_id, "drop", None, "", None, b"", None, None, None)
    link = share_links.create(conn, new)
    if is_revoked:
        conn.execute(update(schema.links).where(schema.links.c.id == link.id).values(revoked_at=1))
    at = now(conn) - int(hours_ago * HOUR)
    row = Resumable(key, upload_id, found.bucket_id, key, "", at, at, 9, 0, "whole", 0, "", link_id=link.id)
    conn.execute(insert(schema.resumable_uploads).values(row._asdict()))


async def test_those_of_drop_boxes_have_a_day_and_end_with_their_link(process: Process) -> None:
    for key, hours, is_revoked in (("old", 24.1, False), ("young", 23.9, False), ("revoked", 0.1, True)):
        await process.database.write(at_drop_box, key, hours, is_revoked)
    told: list[Any] = []
    await expire_uploads(process.services, None, told.append)
    assert await process.database.read(left) == ["young"]
    assert told[-1] == {"uploads": 2}


async def test_more_than_a_batch_is_aborted(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring, "_BATCH", 2)
    for number in range(5):
        await process.database.write(begin, f"key{number}", 8)
    await expire_uploads(process.services, None, lambda _: None)
    assert await process.database.read(left) == []
