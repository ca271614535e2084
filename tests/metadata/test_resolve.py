"""The access key and the bucket of a request, found in one statement, each whether or not the other is."""

from __future__ import annotations

import pytest

from s3gw.metadata import buckets, identities
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.resolve import key_and_bucket

pytestmark = pytest.mark.anyio


async def test_what_is_there_is_found_and_what_is_not_is_none(database: Database) -> None:
    def make(conn: Connection) -> None:
        owner = identities.create_user(conn, name="owner").id
        identities.create_key(conn, user="owner", access_key_id="KEY", sealed_secret=b"s")
        buckets.create(conn, name="bucket", owner_id=owner, region="r", defaults="aws", now=1)

    await database.write(make)
    for access_key_id in ("KEY", "OTHER"):
        for name in ("bucket", "other", None):
            key, bucket, *_ = await database.read(key_and_bucket, access_key_id, name)
            assert (key is not None) == (access_key_id == "KEY")
            assert (bucket is not None) == (name == "bucket")
