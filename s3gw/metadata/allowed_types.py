"""SQL of which types of files a bucket takes, asked for with each file that the JSON API brings."""

from __future__ import annotations

import json

from sqlalchemy import bindparam, select

from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations as table

KIND = "AllowedTypes"
_find = Prepared(select(table.c.document).where(table.c.bucket_id == bindparam("bucket_id"), table.c.kind == KIND))


def find(conn: Connection, bucket_id: int) -> list[str]:
    """Patterns as `image/png` or `image/*`; none where all types are."""
    text: str | None = _find.value(conn, bucket_id=bucket_id)
    return [] if text is None else list(json.loads(text))
