"""Rows of share links: how many there may be, and when a visitor is counted again."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from s3gw.metadata import buckets, identities, schema, share_links
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.share_links import NewLink
from s3gw.problems import Conflict, RateLimited

pytestmark = pytest.mark.anyio


def begin(conn: Connection) -> NewLink:
    owner = identities.create_user(conn, name="owner").id
    bucket = buckets.create(conn, name="bucket", owner_id=owner, region="us-east-1", defaults="aws", now=1)
    return NewLink(b"0", owner, bucket, "folder", None, "", None, b"", 2, None, None)


async def test_a_user_has_1000_links_at_most(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_links.MOST_OF_USER == 1000
    monkeypatch.setattr(share_links, "MOST_OF_USER", 2)
    new = await database.write(begin)
    made = [await database.write(share_links.create, new._replace(token_digest=digest)) for digest in (b"1", b"2")]
    with pytest.raises(Conflict):
        await database.write(share_links.create, new._replace(token_digest=b"3"))
    await database.write(share_links.change, made[0], {"revoked_at": 1})
    await database.write(share_links.create, new._replace(token_digest=b"3"))


async def test_a_drop_box_has_500_unfinished_uploads_at_most(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert share_links.MOST_UNFINISHED == 500
    monkeypatch.setattr(share_links, "MOST_UNFINISHED", 2)

    upload = {
        "id": "1",
        "upload_id": "1",
        "key": "a",
        "created_by": "",
        "created_at": 1,
        "changed_at": 1,
        "received": 0,
    }
    upload |= {"kind": "whole", "overwrites": 0, "described": ""}

    def begin_one(conn: Connection, number: str) -> None:
        row = upload | {"id": number, "upload_id": number, "bucket_id": link.bucket_id, "link_id": link.id}
        conn.execute(insert(schema.resumable_uploads).values(row))
        share_links.begin_upload(conn, link.id)

    new = await database.write(begin)
    link = await database.write(share_links.create, new._replace(kind="drop"))
    for number in ("1", "2"):
        await database.write(begin_one, number)
    with pytest.raises(RateLimited):
        await database.write(begin_one, "3")


async def test_a_visitor_is_counted_again_after_an_hour(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    link = await database.write(lambda conn: share_links.create(conn, begin(conn)))

    async def count(visitor: bytes) -> tuple[bool, int]:
        given = COMMAND_LINE, link.id, visitor, "key"
        may = await database.write(share_links.count_download, *given, keys=(share_links.turn_of(link.id),))
        return may, (await database.read(share_links.find, link.id)).downloads

    assert [await count(b"a"), await count(b"a")] == [(True, 1)] * 2
    monkeypatch.setattr(share_links, "_HOUR", 0)
    assert [await count(b"a"), await count(b"a"), await count(b"b")] == [(True, 2), (False, 2), (False, 2)]
