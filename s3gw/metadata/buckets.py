"""SQL of buckets; configurations.py is that of what is set for them.

A write that stands on a bucket locks its row `FOR SHARE`; configuration and deletion lock it `FOR UPDATE`, so nothing
is put into a bucket that is just being deleted.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from s3gw.errors import BucketAlreadyExists, BucketAlreadyOwnedByYou, BucketNotEmpty, NoSuchBucket
from s3gw.metadata import access_rules, usage
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import bucket_configurations, buckets, client_tokens, grants, objects, storage_reports, users


class Bucket(NamedTuple):
    """A bucket with what is needed of its owner. A named tuple, because each request makes one."""

    id: int
    name: str
    region: str
    versioning: str
    created_at: int
    owner_id: str
    owner_canonical_id: str
    owner_account_id: str
    owner_name: str
    rules_revision: str
    account_public_access_block: int  # of the owner's account: a set of bits (access/public_access_block.py)
    has_quotas: int  # or its owner
    scan_policy: str | None = None  # off | serve | hold; None: the server's


class State(NamedTuple):
    """What whoever writes into a bucket has to know of it: versioning, and quotas, None where there is none."""

    versioning: str
    owner_id: str
    max_bytes: int | None = None
    max_objects: int | None = None
    has_prefix_quotas: int = 0
    owner_max_bytes: int | None = None
    owner_max_objects: int | None = None
    trash_seconds: int = 0  # how long trash is kept; 0: there is none

    @property
    def has_quotas(self) -> bool:
        return self[2:7] != _NO_QUOTAS

    @property
    def is_limited(self) -> bool:
        return self.max_bytes is not None or self.max_objects is not None

    @property
    def is_owner_limited(self) -> bool:
        return self.owner_max_bytes is not None or self.owner_max_objects is not None


_NO_QUOTAS = (None, None, 0, None, None)
owners = users.alias("owners")
_is_limited = or_(
    buckets.c.max_bytes.is_not(None),
    buckets.c.max_objects.is_not(None),
    buckets.c.has_prefix_quotas != 0,
    owners.c.storage_quota.is_not(None),
    owners.c.object_quota.is_not(None),
)
bucket_columns = (
    buckets.c.id,
    buckets.c.name,
    buckets.c.region,
    buckets.c.versioning,
    buckets.c.created_at,
    owners.c.id.label("owner_id"),
    owners.c.canonical_id,
    owners.c.account_id,
    owners.c.display_name,
    buckets.c.rules_revision,
    owners.c.public_access_block,
    case((_is_limited, 1), else_=0).label("has_quotas"),
    buckets.c.scan_policy,
)
_select_bucket = select(*bucket_columns).join_from(buckets, owners, buckets.c.owner_id == owners.c.id)
_is_there = buckets.c.deleted_at.is_(None)  # of what is found by its id: no name finds one that was deleted
_find = Prepared(_select_bucket.where(buckets.c.name == bindparam("name")))
_find_by_uuid = Prepared(_select_bucket.where(buckets.c.uuid == bindparam("uuid"), _is_there))
_state = (
    select(
        buckets.c.versioning,
        buckets.c.owner_id,
        buckets.c.max_bytes,
        buckets.c.max_objects,
        buckets.c.has_prefix_quotas,
        users.c.storage_quota,
        users.c.object_quota,
        buckets.c.trash_seconds,
    )
    .join_from(buckets, users, users.c.id == buckets.c.owner_id)
    .where(buckets.c.id == bindparam("bucket_id"), _is_there)
)
LOCK_SHARED = Prepared(_state.with_for_update(read=True, of=buckets))
STATE = Prepared(_state)
_lock_exclusive = Prepared(
    select(buckets.c.versioning).where(buckets.c.id == bindparam("bucket_id"), _is_there).with_for_update()
)
_owner_by_controls = Prepared(
    select(users.c.canonical_id, users.c.display_name, bucket_configurations.c.document)
    .join_from(buckets, users, buckets.c.owner_id == users.c.id)
    .join(bucket_configurations, bucket_configurations.c.bucket_id == buckets.c.id)
    .where(buckets.c.id == bindparam("bucket_id"), bucket_configurations.c.kind == "OwnershipControls")
)
_any_object = Prepared(select(objects.c.key).where(objects.c.bucket_id == bindparam("bucket_id")).limit(1))


def find(conn: Connection, name: str) -> Bucket | None:
    row = _find.one_or_none(conn, name=name)
    return None if row is None else Bucket._make(row)


def name_of(conn: Connection, bucket_id: int) -> str:
    """ "" of one that is gone."""
    return str(conn.execute(select(buckets.c.name).where(buckets.c.id == bucket_id)).scalar_one_or_none() or "")


def told(conn: Connection, name: str) -> dict[str, Any]:
    """Of a bucket that is there: what the audit log tells when it is made or deleted."""
    this = (
        select(
            buckets.c.id,
            buckets.c.uuid,
            buckets.c.owner_id,
            users.c.name.label("owner"),
            buckets.c.versioning,
            buckets.c.trash_seconds,
        )
        .join_from(buckets, users, buckets.c.owner_id == users.c.id)
        .where(buckets.c.name == name)
    )
    row = conn.execute(this).one()
    documents = select(bucket_configurations.c.kind, bucket_configurations.c.document).where(
        bucket_configurations.c.bucket_id == row.id
    )
    configurations = {found.kind: json.loads(found.document) for found in conn.execute(documents).all()}
    fields = {"uuid": row.uuid, "owner_id": row.owner_id, "owner": row.owner, "versioning": row.versioning}
    return {**fields, "trash_seconds": row.trash_seconds, "configurations": configurations}


def lock_shared(conn: Connection, bucket_id: int) -> State:
    """Keep the bucket from being deleted or configured until the end of the transaction; give its state."""
    row = LOCK_SHARED.one_or_none(conn, bucket_id=bucket_id)
    if row is None:
        raise NoSuchBucket()
    return State._make(row)


def state_of(conn: Connection, bucket_id: int) -> State | None:
    row = STATE.one_or_none(conn, bucket_id=bucket_id)
    return None if row is None else State._make(row)


def owner_of_objects(conn: Connection, bucket_id: int) -> tuple[str, str] | None:
    """Canonical id and display name of the bucket's owner if it owns every object, None if each writer owns its own.

    "Bucket owner enforced: … the bucket owner automatically owns and has full control over every object" (Amazon S3
    User Guide, "Controlling ownership of objects"). Whoever wrote an object stays in its row all the same.
    """
    row = _owner_by_controls.one_or_none(conn, bucket_id=bucket_id)
    if row is None:
        return None
    canonical_id, display_name, controls = row
    (rule,) = json.loads(controls)["Rules"]
    return (canonical_id, display_name) if rule["ObjectOwnership"] == "BucketOwnerEnforced" else None


def lock_exclusive(conn: Connection, bucket_id: int) -> None:
    if _lock_exclusive.one_or_none(conn, bucket_id=bucket_id) is None:
        raise NoSuchBucket()


def find_by_uuid(conn: Connection, bucket_uuid: str) -> Bucket | None:
    row = _find_by_uuid.one_or_none(conn, uuid=bucket_uuid)
    return None if row is None else Bucket._make(row)


def scan_policies(conn: Connection, ids: Collection[int]) -> dict[int, str | None]:
    """Of those of them that are there: off | serve | hold; None: the server's."""
    rows = conn.execute(select(buckets.c.id, buckets.c.scan_policy).where(buckets.c.id.in_(ids), _is_there)).all()
    return {row.id: row.scan_policy for row in rows}


class Listed(NamedTuple):
    uuid: str
    bucket: Bucket


def of_ids(conn: Connection, ids: Collection[int]) -> dict[int, Listed]:
    """Those of them that are there."""
    rows = conn.execute(_select_bucket.add_columns(buckets.c.uuid).where(buckets.c.id.in_(ids), _is_there)).all()
    return {row[0]: Listed(row[-1], Bucket._make(row[:-1])) for row in rows}


def touch(conn: Connection, bucket_id: int, now: int) -> None:
    """After each change of what is set for a bucket. The time never stays, so that whoever compares sees a change."""
    before = buckets.c.updated_at
    at = case((before >= now, before + 1), else_=now)
    conn.execute(update(buckets).where(buckets.c.id == bucket_id).values(updated_at=at))


def uuid_of(conn: Connection, bucket_id: int) -> str:
    return str(conn.execute(select(buckets.c.uuid).where(buckets.c.id == bucket_id)).scalar_one())


def list_all(
    conn: Connection,
    owner_id: str | None = None,
    *,
    beside: Collection[int] = (),
    prefix: str = "",
    after: str = "",
    limit: int = 10_000,
) -> list[Bucket]:
    """Buckets in the order of their names, `after` exclusive; of one owner and those `beside`, by id, or of all."""
    statement = _select_bucket.where(buckets.c.name > after, buckets.c.name >= prefix, _is_there)
    if prefix:
        statement = statement.where(buckets.c.name < prefix + "\x7f")  # names are ASCII
    if owner_id is not None:
        statement = statement.where(or_(buckets.c.owner_id == owner_id, buckets.c.id.in_(sorted(beside))))
    rows = conn.execute(statement.order_by(buckets.c.name).limit(limit)).all()
    return [Bucket._make(row) for row in rows]


def create(
    conn: Connection,
    *,
    name: str,
    owner_id: str,
    region: str,
    defaults: str,
    now: int,
    given: Mapping[str, Any] = MappingProxyType({}),
    trash_seconds: int = 0,
) -> int:
    """Create a bucket with what S3GW_BUCKET_DEFAULTS (`aws` or `classic`) gives a new one, and with the configurations
    that are given beside or instead, by their kinds; return its id.
    """
    existing = find(conn, name)
    if existing is not None:
        raise _taken(existing.owner_id, owner_id, name)
    values = {"name": name, "owner_id": owner_id, "region": region, "versioning": "", "created_at": now}
    values |= {"updated_at": now, "rules_revision": access_rules.new_revision(), "uuid": str(uuid.uuid4())}
    values["trash_seconds"] = trash_seconds
    try:
        bucket_id = conn.execute(insert(buckets).values(values).returning(buckets.c.id)).scalar_one()
    except IntegrityError:  # created by someone else since we looked
        raise BucketAlreadyExists(BucketName=name) from None
    usage.begin(conn, bucket_id)
    for kind, document in {**DEFAULTS[defaults], **given}.items():
        insert_configuration(conn, bucket_id, kind, document)
    return int(bucket_id)


def _taken(existing_owner: str, owner_id: str, name: str) -> Exception:
    return (BucketAlreadyOwnedByYou if existing_owner == owner_id else BucketAlreadyExists)(BucketName=name)


def ownership_controls(ownership: str) -> dict[str, Any]:
    return {"Rules": [{"ObjectOwnership": ownership}]}


# AWS since April 2023: "S3 Block Public Access and ACLs disabled for all new buckets".
_BLOCKED = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
DEFAULTS: dict[str, dict[str, Any]] = {
    "aws": {"OwnershipControls": ownership_controls("BucketOwnerEnforced"), "PublicAccessBlock": _BLOCKED},
    "classic": {},  # as before: each object is its writer's
}


def refuse_objects(conn: Connection, bucket_id: int) -> None:
    """Raises BucketNotEmpty when there is a version or a delete marker."""
    if _any_object.one_or_none(conn, bucket_id=bucket_id):
        raise BucketNotEmpty()


def delete_bucket(conn: Connection, bucket_id: int) -> None:
    """Delete a locked bucket without versions, delete markers and uploads, which uploads.py looks after."""
    conn.execute(delete(bucket_configurations).where(bucket_configurations.c.bucket_id == bucket_id))
    usage.forget(conn, bucket_id)
    for table in (client_tokens, grants, storage_reports):
        conn.execute(delete(table).where(table.c.bucket_id == bucket_id))
    conn.execute(delete(buckets).where(buckets.c.id == bucket_id))


def insert_configuration(conn: Connection, bucket_id: int, kind: str, document: Any) -> None:
    values = {"bucket_id": bucket_id, "kind": kind, "document": json.dumps(document)}
    conn.execute(insert(bucket_configurations).values(values))
