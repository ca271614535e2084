"""SQL of a bucket's CORS rules, as they are asked for with each request of a web page: by the bucket's name, as text.

Text, because whoever asks parses the same rules once (s3/cors_rules.py). configurations.py is what sets them.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select

from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations, buckets

KIND = "CORSConfiguration"

_find = Prepared(
    select(bucket_configurations.c.document)
    .join_from(buckets, bucket_configurations, bucket_configurations.c.bucket_id == buckets.c.id)
    .where(buckets.c.name == bindparam("name"), bucket_configurations.c.kind == KIND)
)


def find_text(conn: Connection, bucket_name: str) -> str | None:
    """The document last put, as JSON; None where the bucket has none, or doesn't exist."""
    text: str | None = _find.value(conn, name=bucket_name)
    return text
