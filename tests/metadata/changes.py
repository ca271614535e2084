"""Changes for tests of what write functions do: of a bucket, of a key, or of a part."""

from __future__ import annotations

from s3gw.metadata.audit import Actor
from s3gw.metadata.change import Change, ChangeFacts, KeyLock, PartLock
from s3gw.metadata.database import Connection

ACTOR = Actor("u", "user", "s3", "192.0.2.1", "request")


def of_bucket(conn: Connection, bucket_id: int) -> Change:
    return Change(conn, ChangeFacts(bucket_id, ACTOR, "u", 1), [])


def of_key(conn: Connection, bucket_id: int, key: str = "key") -> Change:
    return Change(conn, ChangeFacts(bucket_id, ACTOR, "u", 1), [KeyLock(bucket_id, key)])


def of_part(conn: Connection, upload_id: str, number: int) -> Change:
    return Change(conn, ChangeFacts(1, ACTOR, "u", 1), [PartLock(upload_id, number)])
