"""Fills a bucket with up to millions of keys in seconds, straight into the database, for measuring LIST.

Through the API it would take minutes. The rows are those that PutObject makes; all share one inline content, which is
counted as often as it is used. Knows s3gw's metadata room, so it's a program of its own: the bench can start without.

    python -m bench.prefill DATA BUCKET COUNT
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from bench.keys import spread
from s3gw.metadata import buckets, contents
from s3gw.metadata.database import Connection, now
from s3gw.metadata.engines import open_database
from s3gw.metadata.schema import contents as contents_table
from s3gw.metadata.schema import objects, users

_BATCH = 20_000
_BODY = b"x"


async def _fill(data: Path, bucket: str, count: int) -> None:
    database = open_database(None, data)
    try:
        common = await database.write(_make_bucket, bucket, count)
        ordered = sorted(spread(count))
        for first in range(0, count, _BATCH):
            await database.write(_insert, common, ordered[first : first + _BATCH])
    finally:
        await database.close()


def _make_bucket(conn: Connection, bucket: str, count: int) -> dict[str, Any]:
    """The columns that all rows have in common."""
    at = now(conn)
    owner = str(conn.execute(select(users.c.id).limit(1)).scalar_one())
    bucket_id = buckets.create(conn, name=bucket, owner_id=owner, region="us-east-1", defaults="aws", now=at)
    content_id = contents.insert(conn, contents.inline(_BODY))
    conn.execute(update(contents_table).where(contents_table.c.id == content_id).values(refs=count))
    return {
        "bucket_id": bucket_id,
        "sequence": -at,
        "version_id": "null",
        "is_current": 1,
        "is_delete_marker": 0,
        "size": len(_BODY),
        "etag": hashlib.md5(_BODY).hexdigest(),
        "last_modified": at,
        "owner_id": owner,
        "storage_class": "STANDARD",
        "content_id": content_id,
    }


def _insert(conn: Connection, common: dict[str, Any], keys: list[str]) -> None:
    conn.execute(insert(objects), [{**common, "key": key} for key in keys])


if __name__ == "__main__":
    asyncio.run(_fill(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
