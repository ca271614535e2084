"""SQL of multipart uploads: begin, put parts, list them, complete, abort, expire.

An upload lives until it is completed or aborted; its parts count their contents. Completing turns the chosen parts
into one part list and the upload into an object, in one transaction (metadata/objects.py puts the object).
"""

from __future__ import annotations

import json
import re
import secrets
from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, insert, literal, or_, select, text, update

from s3gw.errors import NoSuchUpload
from s3gw.metadata import audited_removals, buckets, contents, deleted_buckets, outbox, trash
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection, now
from s3gw.metadata.outbox import ChangedObject
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import jobs, links, parts, resumable_uploads, uploads
from s3gw.metadata.share_links import IDLE_FROM
from s3gw.metadata.usage import Usage

_UPLOAD_ID = re.compile("[0-9a-f]{64}")
# What `key_sequence` says beside the sequence of a version, which is negative.
NO_VERSION, VERSION_REMOVED = 0, 1
_STEP = 100  # uploads and parts that are deleted in one transaction; a single upload goes whole


class Upload(NamedTuple):
    """`key_sequence` is that of the key's latest version when the upload began, or NO_VERSION; VERSION_REMOVED when
    that version or a later one was removed since; None when an older release began the upload.
    """

    upload_id: str
    bucket_id: int
    key: str
    initiated_at: int
    owner_id: str
    initiator_id: str
    storage_class: str
    checksum_algorithm: str | None
    checksum_type: str | None
    headers: str | None
    user_metadata: str | None
    tags: str | None
    key_sequence: int | None = None
    acl: str | None = None
    is_resumable: int = 0


class UploadedPart(NamedTuple):
    upload_id: str
    part_number: int
    size: int
    etag: str
    last_modified: int
    content_id: int
    checksum_algorithm: str | None
    checksum: str | None


_this_upload = uploads.c.upload_id == bindparam("upload_id")
_find = Prepared(select(*uploads.c).where(_this_upload))
_lock_shared = Prepared(select(uploads.c.key).where(_this_upload).with_for_update(read=True))
_lock_exclusive = Prepared(select(uploads.c.upload_id).where(_this_upload).with_for_update())
_insert = Prepared(insert(uploads).values({column.name: bindparam(column.name) for column in uploads.c}))
_find_part = Prepared(
    select(*parts.c).where(parts.c.upload_id == bindparam("upload_id"), parts.c.part_number == bindparam("part_number"))
)
_delete_part = Prepared(
    delete(parts).where(parts.c.upload_id == bindparam("upload_id"), parts.c.part_number == bindparam("part_number"))
)
_insert_part = Prepared(insert(parts).values({column.name: bindparam(column.name) for column in parts.c}))
_list_parts = Prepared(
    select(*parts.c)
    .where(parts.c.upload_id == bindparam("upload_id"), parts.c.part_number > bindparam("after"))
    .order_by(parts.c.part_number)
    .limit(bindparam("batch"))
)
_last_part = Prepared(
    select(*parts.c).where(parts.c.upload_id == bindparam("upload_id")).order_by(parts.c.part_number.desc()).limit(1)
)
_delete_parts = Prepared(delete(parts).where(parts.c.upload_id == bindparam("upload_id")))
_delete_upload = Prepared(delete(uploads).where(_this_upload))
_delete_resumable = Prepared(
    delete(resumable_uploads).where(
        resumable_uploads.c.upload_id == bindparam("upload_id"), resumable_uploads.c.ended_at.is_(None)
    )
)
_note_removal = Prepared(
    update(uploads)
    .where(
        uploads.c.bucket_id == bindparam("of_bucket"),
        uploads.c.key == bindparam("of_key"),
        uploads.c.key_sequence >= bindparam("sequence"),
    )
    .values(key_sequence=VERSION_REMOVED)
)
_of_bucket = Prepared(
    select(uploads.c.upload_id).where(uploads.c.bucket_id == bindparam("bucket_id")).limit(bindparam("batch"))
)
_expired = Prepared(
    select(uploads.c.upload_id)
    .where(
        uploads.c.initiated_at < bindparam("before"),
        ~exists().where(parts.c.upload_id == uploads.c.upload_id, parts.c.last_modified >= bindparam("before")),
    )
    .order_by(uploads.c.initiated_at)
    .limit(bindparam("batch"))
)
_idle_of_link = Prepared(
    select(resumable_uploads.c.upload_id)
    .join_from(resumable_uploads, uploads, uploads.c.upload_id == resumable_uploads.c.upload_id)
    .where(
        resumable_uploads.c.link_id == bindparam("link_id"),
        resumable_uploads.c.link_id.is_not(None),
        resumable_uploads.c.ended_at.is_(None),
        resumable_uploads.c.changed_at < bindparam("before"),
    )
    .order_by(resumable_uploads.c.changed_at)
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)
_of_no_job = Prepared(
    select(resumable_uploads.c.upload_id)
    .where(
        resumable_uploads.c.kind == "archive",
        resumable_uploads.c.changed_at < bindparam("before"),
        ~exists().where(
            text("state IN ('queued', 'running') AND singleton IS NOT NULL"),
            jobs.c.singleton == literal("unpack/").concat(resumable_uploads.c.id),
        ),
    )
    .limit(bindparam("batch"))
)
_of_ended_links = Prepared(
    select(resumable_uploads.c.upload_id)
    .join_from(resumable_uploads, links, links.c.id == resumable_uploads.c.link_id)
    .where(
        resumable_uploads.c.link_id.is_not(None),
        resumable_uploads.c.ended_at.is_(None),
        or_(
            resumable_uploads.c.changed_at < bindparam("before"),
            links.c.revoked_at.is_not(None),
            links.c.expires_at < bindparam("at"),
        ),
    )
    .limit(bindparam("batch"))
)


def new_upload_id(now: int) -> str:
    """Ascends with time, so that ListMultipartUploads gives a key's uploads in the order of their initiation."""
    return f"{now:016x}{secrets.token_hex(24)}"


def begin(change: Change, upload: Upload) -> None:
    change.require_key(upload.key)
    change.lock_bucket()
    _insert.run(change.conn, **upload._asdict())
    if upload.acl is not None:  # who completes it may be another
        after = {"upload_id": upload.upload_id, "acl": json.loads(upload.acl)}
        change.record("upload.acl.put", None, after, upload.key)


def note_removal(conn: Connection, bucket_id: int, key: str, sequence: int) -> None:
    """Note in the key's uploads that a version is removed: unlike a new one, it leaves no sequence that shows it."""
    _note_removal.run(conn, of_bucket=bucket_id, of_key=key, sequence=sequence)


def find(conn: Connection, bucket_id: int, key: str, upload_id: str, *, of_any_kind: bool = False) -> Upload:
    """The upload of that id, if it is this bucket's and key's. One that is resumable has bytes in a row, among which
    nobody shall put parts: it is found only by who asks for uploads `of_any_kind`.
    """
    row = _find.one_or_none(conn, upload_id=upload_id)
    upload = None if row is None else Upload._make(row)
    if upload is None or upload.bucket_id != bucket_id or upload.key != key:
        raise NoSuchUpload(UploadId=upload_id)
    if upload.is_resumable and not of_any_kind:
        raise NoSuchUpload(UploadId=upload_id)
    return upload


def is_marker(conn: Connection, bucket_id: int, key: str, upload_id: str) -> bool:
    """Whether a page of uploads can go on behind it: that of an upload of this key, which may be gone since."""
    row = _find.one_or_none(conn, upload_id=upload_id)
    if row is None:
        return _UPLOAD_ID.fullmatch(upload_id) is not None
    upload = Upload._make(row)
    return upload.bucket_id == bucket_id and upload.key == key


def put_part(change: Change, part: UploadedPart) -> None:
    """Put a part, whose content is counted for it already, in the place of an earlier one of its number."""
    change.require_part(part.upload_id, part.part_number)
    change.lock_bucket()
    key = _lock_shared.value(change.conn, upload_id=part.upload_id)
    if key is None:
        raise NoSuchUpload(UploadId=part.upload_id)
    put_locked_part(change, str(key), part)


def put_locked_part(change: Change, key: str, part: UploadedPart) -> None:
    """As `put_part`, where nobody else can put parts: the upload is locked exclusively."""
    conn = change.conn
    before = _find_part.one_or_none(conn, upload_id=part.upload_id, part_number=part.part_number)
    if before is not None:
        replaced = UploadedPart._make(before)
        _delete_part.run(conn, upload_id=part.upload_id, part_number=part.part_number)
        contents.release(conn, replaced.content_id)
        change.count(part_bytes=-replaced.size)
    change.count(part_bytes=part.size)
    _insert_part.run(conn, **part._asdict())
    change.note(ChangedObject("counted", key))


def last_part(conn: Connection, upload_id: str) -> UploadedPart | None:
    row = _last_part.one_or_none(conn, upload_id=upload_id)
    return None if row is None else UploadedPart._make(row)


def find_part(conn: Connection, upload_id: str, part_number: int) -> UploadedPart | None:
    row = _find_part.one_or_none(conn, upload_id=upload_id, part_number=part_number)
    return None if row is None else UploadedPart._make(row)


def size_of_part(conn: Connection, upload_id: str, part_number: int) -> int:
    """0 where there is none."""
    found = find_part(conn, upload_id, part_number)
    return 0 if found is None else found.size


def list_parts(conn: Connection, upload_id: str, *, after: int = 0, limit: int = 10_000) -> list[UploadedPart]:
    rows = _list_parts.all(conn, upload_id=upload_id, after=after, batch=limit)
    return [UploadedPart._make(row) for row in rows]


def lock_exclusive(conn: Connection, bucket_id: int, key: str, upload_id: str, *, of_any_kind: bool = False) -> Upload:
    """Keep parts from being put until the end of the transaction."""
    if _lock_exclusive.one_or_none(conn, upload_id=upload_id) is None:
        raise NoSuchUpload(UploadId=upload_id)
    return find(conn, bucket_id, key, upload_id, of_any_kind=of_any_kind)


class Removed(NamedTuple):
    parts: int
    bytes: int


def remove(change: Change, upload: Upload, kept: frozenset[int]) -> None:
    """Delete a locked upload of the change's bucket.

    The counts of the `kept` part numbers pass on to the object's part list.
    """
    change.count(part_bytes=-_remove(change.conn, upload.upload_id, kept).bytes)
    change.note(ChangedObject("counted", upload.key))


def _remove(conn: Connection, upload_id: str, kept: frozenset[int]) -> Removed:
    removed = list_parts(conn, upload_id)
    for part in removed:
        if part.part_number not in kept:
            contents.release(conn, part.content_id)
    _delete_parts.run(conn, upload_id=upload_id)
    _delete_resumable.run(conn, upload_id=upload_id)
    _delete_upload.run(conn, upload_id=upload_id)
    return Removed(len(removed), sum(part.size for part in removed))


def expired(conn: Connection, before: int, limit: int) -> list[str]:
    """Begun before that time, and without a part that came since."""
    return _expired.values(conn, before=before, batch=limit)


def expired_of_links(conn: Connection, before: int, at: int, limit: int) -> list[str]:
    """At drop boxes: those to which nothing came since a time, and those of links that have ended by `at`."""
    return _of_ended_links.values(conn, before=before, at=at, batch=limit)


def drop_idle(conn: Connection, link_id: str, limit: int) -> int:
    """Of a drop box, at most so many uploads to which nothing came for an hour, the oldest first; how many. One that
    somebody goes on with right now is passed over.
    """
    idle = now(conn) - IDLE_FROM
    found = _idle_of_link.values(conn, link_id=link_id, before=idle, batch=limit)
    for upload_id in found:
        abort(conn, upload_id)
    return len(found)


def archives_of_no_job(conn: Connection, before: int, limit: int) -> list[str]:
    """Sent to be unpacked by a job that nobody asked for in the end; nothing came to them since that time."""
    return _of_no_job.values(conn, before=before, batch=limit)


def name_of_unpacking(id: str) -> str:
    """The singleton name of the job that unpacks the upload."""
    return f"unpack/{id}"


def abort(conn: Connection, upload_id: str) -> int:
    """Delete an upload with all its parts and say how many; nothing happens when it is gone already."""
    if _lock_exclusive.one_or_none(conn, upload_id=upload_id) is None:
        return 0
    upload = Upload._make(_find.one_or_none(conn, upload_id=upload_id) or ())
    removed = _remove(conn, upload_id, frozenset())
    outbox.count(conn, upload.bucket_id, upload.key, Usage(part_bytes=-removed.bytes))
    return removed.parts


def delete_bucket(change: Change, for_good: bool = False) -> bool:
    """One step of deleting a bucket, to be repeated in transactions of their own until it is true: then it is gone. For
    as long as it keeps trash it can be restored, unless it is deleted `for_good`.

    A bucket with unfinished uploads counts as empty, as on AWS, and so does one with trash: each step removes some, and
    other writers go between two. Raises BucketNotEmpty before anything is aborted, and NoSuchBucket.
    """
    conn, bucket_id = change.conn, change.bucket_id
    change.lock_bucket_exclusively()
    buckets.refuse_objects(conn, bucket_id)
    removed = 0
    for upload_id in _of_bucket.values(conn, bucket_id=bucket_id, batch=_STEP):
        removed += 1 + abort(conn, upload_id)
        if removed >= _STEP:
            return False
    state = buckets.state_of(conn, bucket_id)
    seconds = 0 if for_good or state is None else state.trash_seconds
    if not seconds and trash.drop_oldest(conn, bucket_id, _STEP):
        return False
    audited_removals.end_grants_in(conn, change.actor, bucket_id)
    audited_removals.end_links_in(conn, change.actor, bucket_id)
    change.record("bucket.delete", buckets.told(conn, buckets.name_of(conn, bucket_id)), None)
    if seconds:
        deleted_buckets.hide(change, seconds)
    else:
        buckets.delete_bucket(conn, bucket_id)
    return True
