"""SQL that proves how much is counted in buckets against their objects and parts, and sets it right.

Counting takes as long as the bucket is large, and nothing is locked for it: what others write meanwhile may be in one
of the two numbers only. So a difference counts when it is there again with the bucket locked, while its writers wait.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import update

from s3gw.metadata import buckets, outbox, quotas, usage
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import prefix_quotas
from s3gw.metadata.schema import usage as usage_table
from s3gw.metadata.usage import Usage


class Difference(NamedTuple):
    """`what` is a field of Usage, of the bucket (`prefix` None) or of a prefix that has a quota."""

    prefix: str | None
    what: str
    kept: int
    counted: int


def differences(conn: Connection, bucket_id: int) -> list[Difference]:
    """Only reads."""
    kept, counted = usage.of_bucket(conn, bucket_id), usage.count(conn, bucket_id)
    found = _unequal(None, kept._asdict(), counted._asdict())
    for quota in quotas.of_prefixes(conn, bucket_id):
        below = usage.count(conn, bucket_id, quota.prefix)
        used = {"bytes": quota.used_bytes, "versions": quota.used_objects}
        found += _unequal(quota.prefix, used, {"bytes": below.all_bytes, "versions": below.versions})
    return found


def _unequal(prefix: str | None, kept: dict[str, int], counted: dict[str, int]) -> list[Difference]:
    return [Difference(prefix, what, kept[what], counted[what]) for what in kept if kept[what] != counted[what]]


def check(conn: Connection, bucket_id: int, repairs: bool) -> list[Difference]:
    """With the bucket locked; what was different, whether it `repairs` that or not. Raises NoSuchBucket."""
    buckets.lock_exclusive(conn, bucket_id)
    if conn.dialect == "postgresql":
        outbox.lock_reader(conn, usage.READER)
    found = differences(conn, bucket_id)
    for prefix in dict.fromkeys(difference.prefix for difference in found if repairs):
        counted = usage.count(conn, bucket_id, prefix or "")
        if conn.dialect == "postgresql":  # what the outbox will add is in the tables already
            counted = usage.difference(counted, usage.unread_below(conn, bucket_id, prefix or ""))
        _set(conn, bucket_id, prefix, counted)
    return found


def _set(conn: Connection, bucket_id: int, prefix: str | None, counted: Usage) -> None:
    if prefix is None:
        of_bucket = update(usage_table).where(usage_table.c.bucket_id == bucket_id)
        conn.execute(of_bucket.values(counted._asdict()))
        return
    this = prefix_quotas.c.bucket_id == bucket_id, prefix_quotas.c.prefix == prefix
    values = {"used_bytes": counted.all_bytes, "used_objects": counted.versions}
    conn.execute(update(prefix_quotas).where(*this).values(values))
