"""The tables: every fact s3gw keeps about users, buckets, objects and bytes.

One MetaData for SQLite and PostgreSQL; migrations/ creates exactly this. Column types are those whose raw driver
values need no conversion (integers, text, bytes), because prepared statements bypass SQLAlchemy's result
processing: timestamps are microseconds since the epoch (UTC), documents are JSON text, flags are 0 or 1.
No statement lives here.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from s3gw.metadata.columns import BytewiseText, Identifier, metadata, partial_index
from s3gw.metadata.schema_changes import (
    change_readers,
    changes,
    prefix_quotas,
    quota_warnings,
    search_files,
    storage_reports,
    usage,
)
from s3gw.metadata.schema_console import console_sessions
from s3gw.metadata.schema_damage import damaged_blobs
from s3gw.metadata.schema_events import event_deliveries, event_targets
from s3gw.metadata.schema_people import (
    access_keys,
    failed_attempts,
    group_members,
    groups,
    idempotency_keys,
    identity_policies,
    known_addresses,
    link_visits,
    links,
    oidc_identities,
    one_time_tokens,
    recovery_codes,
    refresh_tokens,
    refused_logins,
    sessions,
    token_keys,
    users,
)
from s3gw.metadata.schema_previews import preview_sources, previews
from s3gw.metadata.schema_reports import job_pieces, reports
from s3gw.metadata.schema_samples import samples
from s3gw.metadata.schema_scans import scanned_objects, scans
from s3gw.metadata.schema_schedules import schedules

__all__ = [
    "access_keys",
    "audit_checkpoints",
    "audit_log",
    "blob_pins",
    "blobs",
    "bucket_configurations",
    "buckets",
    "change_readers",
    "changes",
    "client_tokens",
    "console_sessions",
    "content_pins",
    "contents",
    "damaged_blobs",
    "event_deliveries",
    "event_targets",
    "failed_attempts",
    "grants",
    "group_members",
    "groups",
    "idempotency_keys",
    "identity_policies",
    "job_pieces",
    "jobs",
    "known_addresses",
    "link_visits",
    "links",
    "metadata",
    "objects",
    "oidc_identities",
    "one_time_tokens",
    "parts",
    "prefix_quotas",
    "preview_sources",
    "previews",
    "processes",
    "quota_warnings",
    "recovery_codes",
    "refresh_tokens",
    "refused_logins",
    "reports",
    "resumable_uploads",
    "samples",
    "scanned_objects",
    "scans",
    "schedules",
    "search_files",
    "sessions",
    "settings",
    "storage_reports",
    "token_keys",
    "trash",
    "uploads",
    "usage",
    "users",
]

# `rules_revision` changes with each rule about the row (policies of a bucket, of a user and its groups, of a key), so
# that processes know from the row whether what they have in memory still holds; '' where there is no rule.
buckets = Table(
    "buckets",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("name", BytewiseText, nullable=False, unique=True),
    Column("owner_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("region", Text, nullable=False),
    Column("versioning", Text, nullable=False),  # '' | Enabled | Suspended
    Column("created_at", BigInteger, nullable=False),
    Column("rules_revision", Text, nullable=False, server_default=text("''")),
    # What the JSON API calls it; never NULL, which SQLite couldn't say of a column that came later.
    Column("uuid", Text),
    Column("max_bytes", BigInteger),  # NULL: no quota
    Column("max_objects", BigInteger),
    Column("has_prefix_quotas", SmallInteger, nullable=False, server_default="0"),
    Column("trash_seconds", BigInteger, nullable=False, server_default="0"),  # how long trash is kept; 0: there is none
    Column("updated_at", BigInteger, nullable=False, server_default="0"),  # what is set for it, not what is in it
    Column("deleted_at", BigInteger),  # it can be restored: metadata/deleted_buckets.py
    Column("deleted_name", Text),
    Column("restorable_until", BigInteger),
    Column("scan_policy", Text),  # off | serve | hold; NULL: as S3GW_SCAN says
    Index("ux_buckets_uuid", "uuid", unique=True),
    sqlite_autoincrement=True,
)
partial_index("ix_buckets_restorable", buckets.c.restorable_until, where="restorable_until IS NOT NULL")

# Who was given something of a bucket: a user or a group, read, write or admin, on all of it, a prefix or a file.
grants = Table(
    "grants",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("resource_type", Text, nullable=False),  # bucket | prefix | file
    Column("path", BytewiseText, nullable=False),  # the prefix or the key; '' of a bucket
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), index=True),
    Column("group_id", Text, ForeignKey("groups.id", ondelete="RESTRICT"), index=True),
    Column("permission", Text, nullable=False),  # read | write | admin
    Column("granted_by", Text, nullable=False),  # users.id
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

bucket_configurations = Table(
    "bucket_configurations",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("kind", Text, primary_key=True),  # the AWS member name: Tagging, OwnershipControls, …
    Column("document", Text, nullable=False),  # JSON with boto3's member names
)

# One row per object version or delete marker. `sequence` is negative and falls with time, so the clustered key holds
# a key's versions newest first, in the order of ListObjectVersions; `version_id` carries its sequence inside, so no
# index on it is needed. A row is *current* when a plain GET returns it: the latest version, and no delete marker. The
# partial index on current rows is what GET and LIST walk, whatever the number of versions and markers behind them.
objects = Table(
    "objects",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("key", BytewiseText, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("version_id", Text, nullable=False),  # 'null' for the null version
    Column("is_current", SmallInteger, nullable=False),
    Column("is_delete_marker", SmallInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),  # without quotes
    Column("last_modified", BigInteger, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("content_id", BigInteger),  # counted in contents.refs; NULL for a delete marker
    Column("parts_count", Integer),  # NULL unless it was completed from parts
    Column("checksum_algorithm", Text),
    Column("checksum_type", Text),  # FULL_OBJECT | COMPOSITE
    Column("checksum", Text),  # base64, with -N when COMPOSITE
    Column("headers", Text),  # JSON: ContentType, CacheControl, …, WebsiteRedirectLocation
    Column("user_metadata", Text),  # JSON: name -> value
    Column("tags", Text),  # JSON: [[key, value], …]
    Column("upload_id", Text),  # of the upload that it was completed from, so that completing again finds it
    Column("acl", Text),  # JSON (access/acl.py); NULL: its owner's alone
    # UUID: of a key's versions and markers the same, and of what it is renamed to. Never NULL, as buckets.uuid.
    Column("file_id", LargeBinary, index=True),
    sqlite_with_rowid=False,
)
partial_index("ux_objects_current", objects.c.bucket_id, objects.c.key, where="is_current = 1", unique=True)
partial_index(
    "ux_objects_null_version",
    objects.c.bucket_id,
    objects.c.key,
    where="version_id = 'null' AND is_current = 0",
    unique=True,
)

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", BytewiseText, primary_key=True),  # ascends with time: lists are in order of initiation
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), nullable=False),
    Column("key", BytewiseText, nullable=False),
    Column("initiated_at", BigInteger, nullable=False, index=True),
    Column("owner_id", Text, nullable=False),
    Column("initiator_id", Text, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum_type", Text),
    Column("headers", Text),
    Column("user_metadata", Text),
    Column("tags", Text),
    Column("key_sequence", BigInteger),  # of the key's latest version when it began; other values: uploads.Upload
    Column("acl", Text),
    Column("is_resumable", SmallInteger, nullable=False, server_default="0"),  # its parts are resumable_uploads' alone
    Index("ix_uploads_bucket_key", "bucket_id", "key", "upload_id"),
)

parts = Table(
    "parts",
    metadata,
    Column("upload_id", BytewiseText, ForeignKey("uploads.upload_id", ondelete="RESTRICT"), primary_key=True),
    Column("part_number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("last_modified", BigInteger, nullable=False),
    Column("content_id", BigInteger, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum", Text),
    sqlite_with_rowid=False,
)

# Uploads that are gone on with from where they broke off (TUS). Their bytes are parts of an upload; the row stays for a
# while when that has become an object, for clients that never got the answer.
resumable_uploads = Table(
    "resumable_uploads",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("upload_id", BytewiseText, nullable=False, unique=True),
    Column("bucket_id", BigInteger, nullable=False),
    Column("key", BytewiseText, nullable=False),
    Column("created_by", Text, nullable=False),  # users.id
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("size", BigInteger),  # NULL: not said yet
    Column("received", BigInteger, nullable=False),  # bytes that are stored
    Column("kind", Text, nullable=False),  # whole | partial | final | archive (of a job)
    Column("overwrites", SmallInteger, nullable=False),
    Column("described", Text, nullable=False),  # as it was sent, to be told again
    Column("ended_at", BigInteger, index=True),  # it is an object since
    Column("file_id", LargeBinary),
    Column("final_id", Text),  # of a partial one: what it was made part of
    Column("joined_of", Text),  # of what was joined: the ids of its parts, in their order
    Column("link_id", Text),  # of the drop box that it was begun at, and is gone on with at
)
partial_index(
    "ix_resumable_uploads_unfinished_of_link",
    resumable_uploads.c.link_id,
    where="link_id IS NOT NULL AND ended_at IS NULL",
)

# Requests that succeeded under a ClientToken of the client's, so that one that is repeated succeeds and does nothing.
client_tokens = Table(
    "client_tokens",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("token", BytewiseText, primary_key=True),
    Column("request", Text, nullable=False),  # the digest of its parameters
    Column("created_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

# What was deleted or overwritten where no version was kept of it, for the time that its bucket keeps trash: a row of
# `objects` as it was. Its content is still counted.
trash = Table(
    "trash",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    Column("deleted_by", Text, nullable=False),  # users.id; "" of nobody
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("is_overwritten", SmallInteger, nullable=False),
    Column("key", BytewiseText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("last_modified", BigInteger, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("content_id", BigInteger),
    Column("parts_count", Integer),
    Column("checksum_algorithm", Text),
    Column("checksum_type", Text),
    Column("checksum", Text),
    Column("headers", Text),
    Column("user_metadata", Text),
    Column("tags", Text),
    Column("acl", Text),
    Column("file_id", LargeBinary, index=True),
    Index("ix_trash_bucket_id_id", "bucket_id", "id"),
    Index("ix_trash_bucket_id_key", "bucket_id", "key"),
    sqlite_autoincrement=True,
)

# What an object or part contains: immutable and counted. `refs` counts the objects, parts and part lists that point
# here. At zero an inline row is deleted at once; the others are left to the reaper, which notes in `released_at` the
# epoch (metadata/processes.py) in which it saw them.
contents = Table(
    "contents",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("refs", BigInteger, nullable=False),
    Column("form", SmallInteger, nullable=False),  # 0 inline, 1 manifest, 2 part list
    Column("size", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # BLAKE3 over form, size and layout
    Column("layout", LargeBinary, nullable=False),  # the bytes, the extents or the parts
    Column("released_at", BigInteger),
    sqlite_autoincrement=True,
)
partial_index("ix_contents_released", contents.c.released_at, where="refs = 0")

# A row exists => its bytes are durable at `location`. `refs` counts the contents whose manifest names the digest.
blobs = Table(
    "blobs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("location", Text, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("refs", BigInteger, nullable=False),
    Column("released_at", BigInteger),
    sqlite_with_rowid=False,
)
partial_index("ix_blobs_released", blobs.c.released_at, where="refs = 0")

# Every process that writes blobs or reads them; the column `incarnation` holds its name. `oldest_open` is the epoch in
# which its oldest read or upload that is still open began; nothing marked in that epoch or later is deleted.
processes = Table(
    "processes",
    metadata,
    Column("incarnation", Text, key="name", primary_key=True),
    Column("role", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
    Column("oldest_open", BigInteger, nullable=False),
    Column("is_dead", SmallInteger, nullable=False),
    # Told with the heartbeat; unknown of a program that is older than these columns.
    Column("version", Text),
    Column("schema_revision", Text),
    Column("requests_open", BigInteger),
    Column("requests_ended", BigInteger),  # within the microseconds of measured_over
    Column("measured_over", BigInteger),
    Column("clock_ahead", BigInteger),  # microseconds that its clock is ahead of the database's
)

# What lasting reads and uploads of a process need: the reaper passes over it (metadata/pins.py).
content_pins = Table(
    "content_pins",
    metadata,
    Column("content_id", BigInteger, primary_key=True),
    Column("incarnation", Text, key="process", primary_key=True),
    sqlite_with_rowid=False,
)

blob_pins = Table(
    "blob_pins",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("incarnation", Text, key="process", primary_key=True),
    sqlite_with_rowid=False,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON
    Column("state", Text, nullable=False),  # queued | running | done | dead | cancelled
    Column("attempts", Integer, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Column("leased_by", Text),
    Column("lease_until", BigInteger),
    Column("progress", Text),  # JSON
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("singleton", Text),  # at most one queued or running job bears the same name here
    Column("uuid", Text),  # this and the next three are of jobs that a user asked for, and NULL of others
    Column("asked_by", Text),  # users.id
    Column("result", Text),  # JSON
    Column("refusal", Text),  # JSON: what the user is told of why it failed
    Column("is_cancelled", SmallInteger, nullable=False, server_default="0"),
    Column("begun_at", BigInteger),  # of the last attempt
    Column("rate", Double),  # of progress, in a second of the last attempt
    Column("lines", Text),  # JSON: the last lines of its log
    Index("ux_jobs_uuid", "uuid", unique=True),
    sqlite_autoincrement=True,
)
partial_index("ix_jobs_asked_by", jobs.c.asked_by, jobs.c.id, where="asked_by IS NOT NULL")
partial_index("ix_jobs_due", jobs.c.kind, jobs.c.run_at, jobs.c.id, where="state IN ('queued', 'running')")
partial_index("ix_jobs_running", jobs.c.kind, where="state = 'running'")
partial_index("ix_jobs_ended", jobs.c.updated_at, where="state IN ('done', 'cancelled') AND asked_by IS NULL")
partial_index(
    "ux_jobs_singleton", jobs.c.singleton, where="state IN ('queued', 'running') AND singleton IS NOT NULL", unique=True
)

# What was changed, and who was refused a login. The sealer gives a line its place in the chain and its `mac` afterwards
# (metadata/audit_seals.py), so that no write waits for another one's.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor_id", Text, nullable=False),  # users.id; '' for nobody who is known
    Column("actor", Text, nullable=False),  # the name at that time
    Column("door", Text, nullable=False),  # s3 | api | share | console | cli | job
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),  # e.g. user.update, bucket.policy.put, login
    Column("outcome", Text, nullable=False),  # done | refused | failed
    Column("resource_type", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("before", Text),  # JSON, without secrets
    Column("after", Text),
    Column("count", Integer, nullable=False),  # of alike ones that this line stands for
    Column("position", BigInteger),  # in the chain, from 1 without gaps; NULL until it is sealed
    Column("mac", LargeBinary),
    Index("ux_audit_log_position", "position", unique=True),
    sqlite_autoincrement=True,
)
partial_index("ix_audit_log_unsealed", audit_log.c.id, where="mac IS NULL")

# Two places in the chain of the audit log: `start`, up to where lines were removed, and `head`, up to where it is
# sealed. `mac` is that of the line at that position.
audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("name", Text, primary_key=True),  # start | head
    Column("position", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),  # over this row, under the key of the chain
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),  # e.g. created_by_version, epoch
    Column("value", Text, nullable=False),
)
