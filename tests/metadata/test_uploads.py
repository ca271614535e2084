"""Uploads go with their bucket, in steps between which other writers go."""

from __future__ import annotations

import pytest

from s3gw.errors import NoSuchBucket
from s3gw.metadata import buckets, identities, uploads
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.uploads import Upload
from tests.metadata.changes import of_bucket, of_key

pytestmark = pytest.mark.anyio


def make(conn: Connection, number: int) -> int:
    """A bucket with so many uploads."""
    owner = identities.create_user(conn, name="owner").id
    bucket_id = buckets.create(conn, name="bucket", owner_id=owner, region="us-east-1", defaults="aws", now=1)
    for _ in range(number):
        identity = (uploads.new_upload_id(1), bucket_id, "key", 1, owner, owner, "STANDARD")
        uploads.begin(of_key(conn, bucket_id), Upload(*identity, None, None, None, None, None))
    return bucket_id


def delete_bucket(conn: Connection, bucket_id: int) -> bool:
    return uploads.delete_bucket(of_bucket(conn, bucket_id))


def count(conn: Connection) -> int:
    return len(uploads.expired(conn, 2, 1000))


async def test_a_bucket_is_deleted_in_steps_of_100_uploads(database: Database) -> None:
    bucket_id = await database.write(make, 250)
    left = []
    while not await database.write(delete_bucket, bucket_id):
        left.append(await database.read(count))
    assert left == [150, 50]
    assert await database.read(count) == 0
    with pytest.raises(NoSuchBucket):
        await database.write(delete_bucket, bucket_id)
