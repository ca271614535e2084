"""SQL of what is set for a bucket: its versioning state, its owner, and a document of each kind of configuration."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from s3gw.metadata import access_rules, buckets, identities, quotas, scan_jobs
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations as table
from s3gw.metadata.schema import buckets as buckets_table

# Where a word of a kind's name begins: OwnershipControls, CORSConfiguration.
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_find = Prepared(
    select(table.c.document).where(table.c.bucket_id == bindparam("bucket_id"), table.c.kind == bindparam("kind"))
)


def find(conn: Connection, bucket_id: int, kind: str) -> Any:
    """The document last put under `kind` (boto3's member names), or None."""
    document = _find.value(conn, bucket_id=bucket_id, kind=kind)
    return None if document is None else json.loads(document)


def put(change: Change, kind: str, document: Any) -> None:
    before = _take(change, kind)
    buckets.insert_configuration(change.conn, change.bucket_id, kind, document)
    change.record(f"{_action(kind)}.put", before, document)


def remove(change: Change, kind: str) -> None:
    before = _take(change, kind)
    if before is not None:
        change.record(f"{_action(kind)}.delete", before, None)


def _action(kind: str) -> str:
    return f"bucket.{_WORD.sub('_', kind).lower()}"


def _take(change: Change, kind: str) -> Any:
    """Lock the bucket, and take away what it has of this kind, to be given back."""
    change.lock_bucket_exclusively()
    before = find(change.conn, change.bucket_id, kind)
    change.conn.execute(delete(table).where(table.c.bucket_id == change.bucket_id, table.c.kind == kind))
    if kind in access_rules.KINDS:
        access_rules.renew(change.conn, buckets_table, buckets_table.c.id == change.bucket_id)
    buckets.touch(change.conn, change.bucket_id, change.now)
    return before


def set_versioning(change: Change, versioning: str) -> None:
    _update(change, versioning=versioning)


def set_trash_seconds(change: Change, seconds: int) -> None:
    """How long what is deleted or overwritten from now on is kept."""
    _update(change, trash_seconds=seconds)


def set_scan_policy(change: Change, policy: str | None) -> None:
    """None: the server's. What is in the bucket is looked at by a job."""
    _update(change, scan_policy=policy)
    scan_jobs.note_bucket(change.conn, change.bucket_id)


def set_quota(change: Change, max_bytes: int | None, max_objects: int | None) -> None:
    """None: no quota."""
    change.lock_bucket_exclusively()
    state = buckets.state_of(change.conn, change.bucket_id)
    before = None if state is None else {"max_bytes": state.max_bytes, "max_objects": state.max_objects}
    quotas.set_of_bucket(change.conn, change.bucket_id, max_bytes, max_objects)
    change.record("bucket.quota.put", before, {"max_bytes": max_bytes, "max_objects": max_objects})


def set_prefix_quota(change: Change, prefix: str, max_bytes: int | None, max_objects: int | None) -> None:
    """Two times None: none."""
    change.lock_bucket_exclusively()
    found = quotas.of_prefixes(change.conn, change.bucket_id)
    before: dict[str, Any] = {"prefix": prefix, "max_bytes": None, "max_objects": None}
    before = next((quota._asdict() for quota in found if quota.prefix == prefix), before)
    quotas.set_prefix(change.conn, change.bucket_id, prefix, max_bytes, max_objects)
    after = {"prefix": prefix, "max_bytes": max_bytes, "max_objects": max_objects}
    change.record("bucket.prefix_quota.put", before, after)


def set_owner(change: Change, owner_id: str) -> None:
    """What the bucket's ACL grants to its owner, who is named in it as anybody else, it grants to the new one."""
    change.lock_bucket_exclusively()
    grants = find(change.conn, change.bucket_id, "ACL")
    if grants is not None:
        of_bucket = select(buckets_table.c.owner_id).where(buckets_table.c.id == change.bucket_id)
        before = identities.canonical_id_of(change.conn, change.conn.execute(of_bucket).scalar_one())
        after = identities.canonical_id_of(change.conn, owner_id)
        put(change, "ACL", [[after if grantee == before else grantee, granted] for grantee, granted in grants])
    _update(change, owner_id=owner_id)


def _update(change: Change, **values: str | int | None) -> None:
    change.lock_bucket_exclusively()
    (column,) = values
    of_bucket = buckets_table.c.id == change.bucket_id
    before = change.conn.execute(select(buckets_table.c[column]).where(of_bucket)).scalar_one()
    change.record(f"bucket.{column.removesuffix('_id').removesuffix('_seconds')}.put", {column: before}, values)
    change.conn.execute(update(buckets_table).where(of_bucket).values(values))
    buckets.touch(change.conn, change.bucket_id, change.now)
