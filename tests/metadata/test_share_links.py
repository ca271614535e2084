"""Rows of share links: how many there may be, and when a visitor is counted again."""

from __future__ import annotations

import pytest

from s3gw.metadata import buckets, identities, share_links
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.share_links import NewLink
from s3gw.problems import Conflict

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


async def test_a_visitor_is_counted_again_after_an_hour(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    link = await database.write(lambda conn: share_links.create(conn, begin(conn)))

    async def count(visitor: bytes) -> tuple[bool, int]:
        given = COMMAND_LINE, link.id, visitor, "key"
        may = await database.write(share_links.count_download, *given, keys=(share_links.turn_of(link.id),))
        return may, (await database.read(share_links.find, link.id)).downloads

    assert [await count(b"a"), await count(b"a")] == [(True, 1)] * 2
    monkeypatch.setattr(share_links, "_HOUR", 0)
    assert [await count(b"a"), await count(b"a"), await count(b"b")] == [(True, 2), (False, 2), (False, 2)]
