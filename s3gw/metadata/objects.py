"""SQL of object versions: find, put, delete, and the rules of versioning.

The state of a bucket decides what a put or delete does (Amazon S3 User Guide, "Working with objects in a
versioning-enabled bucket", "… versioning-suspended bucket"). Preconditions are checked here, inside the write
transaction. Bytes are known only by the id of their content.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from s3gw.errors import InvalidArgument
from s3gw.metadata import buckets, contents, trash, uploads
from s3gw.metadata.change import Change
from s3gw.metadata.database import POSTGRESQL_CLOCK, Connection, Foreseen, now
from s3gw.metadata.outbox import ChangedObject, Kind
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import objects
from s3gw.metadata.trash import Trashed

NULL_VERSION = "null"


class ObjectVersion(NamedTuple):
    """A row of `objects`. A named tuple, because each request makes one and LIST a thousand."""

    bucket_id: int
    key: str
    sequence: int
    version_id: str
    is_current: int
    is_delete_marker: int
    size: int
    etag: str
    last_modified: int
    owner_id: str
    storage_class: str
    content_id: int | None
    parts_count: int | None
    checksum_algorithm: str | None
    checksum_type: str | None
    checksum: str | None
    headers: str | None
    user_metadata: str | None
    tags: str | None
    upload_id: str | None
    acl: str | None
    file_id: bytes | None = None


class NewObject(NamedTuple):
    """What a put writes beside its content; the columns of `objects` that the caller decides."""

    key: str
    size: int
    etag: str
    owner_id: str
    storage_class: str = "STANDARD"
    parts_count: int | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    checksum: str | None = None
    headers: str | None = None
    user_metadata: str | None = None
    tags: str | None = None
    upload_id: str | None = None
    acl: str | None = None
    file_id: bytes | None = None  # None: that of the version on top, or a new one


class Stored(NamedTuple):
    """The outcome of a put or delete. `version_id` is None where the answer names none (unversioned bucket).

    `last_modified` is that of the version it is about; 0 where there is none.
    """

    version_id: str | None
    last_modified: int = 0
    is_delete_marker: bool = False
    file_id: bytes | None = None


# Decides from the latest version (None: there is none) whether the write may happen; raises the AWS error if not.
Precondition = Callable[[ObjectVersion | None], None]
Clock = Callable[[Connection], int]

_this_key = (objects.c.bucket_id == bindparam("bucket_id"), objects.c.key == bindparam("key"))
_this_version = (*_this_key, objects.c.sequence == bindparam("sequence"))
_columns = tuple(objects.c)

_current = Prepared(select(*_columns).where(*_this_key, objects.c.is_current == 1))
_version = Prepared(select(*_columns).where(*_this_version))
_latest = Prepared(select(*_columns).where(*_this_key).order_by(objects.c.sequence).limit(1))
_noncurrent_null = Prepared(
    select(*_columns).where(*_this_key, objects.c.version_id == "null", objects.c.is_current == 0)
)
_insert = Prepared(insert(objects).values({column.name: bindparam(column.name) for column in _columns}))
_set_current = Prepared(update(objects).where(*_this_version).values(is_current=bindparam("current")))
_set_tags = Prepared(update(objects).where(*_this_version).values(tags=bindparam("new_tags")))
_set_acl = Prepared(update(objects).where(*_this_version).values(acl=bindparam("new_acl")))
_set_file_id = Prepared(update(objects).where(*_this_version).values(file_id=bindparam("new_file_id")))
_delete = Prepared(delete(objects).where(*_this_version))
_of_file = Prepared(select(*_columns).where(objects.c.file_id == bindparam("file_id"), objects.c.is_current == 1))


def find(conn: Connection, bucket_id: int, key: str, version_id: str | None = None) -> ObjectVersion | None:
    """The version of that id, or the current one, or (no id) the delete marker that hides the key."""
    if version_id is None:
        row = _current.one_or_none(conn, bucket_id=bucket_id, key=key)
        return latest(conn, bucket_id, key) if row is None else ObjectVersion._make(row)
    if version_id == NULL_VERSION:
        return _find_null(conn, bucket_id, key)
    row = _version.one_or_none(conn, bucket_id=bucket_id, key=key, sequence=_sequence_of(version_id))
    found = None if row is None else ObjectVersion._make(row)
    return found if found is not None and found.version_id == version_id else None


def find_file(conn: Connection, file_id: bytes | None) -> ObjectVersion | None:
    """Its current version, wherever it is."""
    row = None if file_id is None else _of_file.one_or_none(conn, file_id=file_id)
    return None if row is None else ObjectVersion._make(row)


def latest(conn: Connection, bucket_id: int, key: str) -> ObjectVersion | None:
    row = _latest.one_or_none(conn, bucket_id=bucket_id, key=key)
    return None if row is None else ObjectVersion._make(row)


def _find_null(conn: Connection, bucket_id: int, key: str) -> ObjectVersion | None:
    row = _current.one_or_none(conn, bucket_id=bucket_id, key=key)
    current = None if row is None else ObjectVersion._make(row)
    if current is not None and current.version_id == NULL_VERSION:
        return current
    row = _noncurrent_null.one_or_none(conn, bucket_id=bucket_id, key=key)
    return None if row is None else ObjectVersion._make(row)


def foresee_put(
    conn: Connection, bucket_id: int, key: str, *beside: tuple[Prepared, dict[str, Any]]
) -> tuple[Foreseen, ...]:
    """Ask without locks what `put` asks under them, together with what the caller asks next."""
    bucket, this_key = {"bucket_id": bucket_id}, {"bucket_id": bucket_id, "key": key}
    conn.ask_together(*beside, (buckets.STATE, bucket), (_latest, this_key), (POSTGRESQL_CLOCK, {}))
    return (
        Foreseen(buckets.LOCK_SHARED, bucket, buckets.STATE.all(conn, **bucket)),
        Foreseen(_latest, this_key, _latest.all(conn, **this_key)),
        Foreseen(POSTGRESQL_CLOCK, {}, POSTGRESQL_CLOCK.all(conn), must_hold=False),
    )


def put(
    change: Change,
    new: NewObject,
    place_content: Callable[[Connection], int],
    precondition: Precondition | None = None,
    clock: Clock = now,
) -> Stored:
    """Put a new version on top of a key. `place_content` counts the content for it and gives its id."""
    change.require_key(new.key)
    conn, bucket_id = change.conn, change.bucket_id
    this_key = {"bucket_id": bucket_id, "key": new.key}
    conn.ask_together(*change.asks, (_latest, this_key), (POSTGRESQL_CLOCK, {}))
    versioning, top = change.lock_bucket(), latest(conn, bucket_id, new.key)
    _check_top(change, top)
    if precondition is not None:
        precondition(top)
    content_id = place_content(conn)  # first: it may be the content of the very version that is replaced
    moment = _moment(conn, top, clock)
    sequence, version_id = _make_room(change, new.key, versioning, top, moment)
    if new.file_id is None:
        new = new._replace(file_id=new_file_id(moment) if top is None else top.file_id)
    _insert_version(
        conn, new, content_id, bucket_id=bucket_id, sequence=sequence, version_id=version_id, last_modified=moment
    )
    change.count(bytes=new.size, objects=1, versions=1)
    change.note(ChangedObject("created", new.key, version_id, new.file_id, new.size, new.etag))
    if new.acl is not None:
        change.record("object.acl.put", None, {"version_id": version_id, "acl": _read(new.acl)}, new.key)
    return Stored(version_id if versioning == "Enabled" else None, moment, file_id=new.file_id)


def _insert_version(conn: Connection, new: NewObject, content_id: int | None, **place: Any) -> None:
    """`place` is the rest of the row. A delete marker has no content, and is never current."""
    has_content = int(content_id is not None)
    flags = {"is_current": has_content, "is_delete_marker": 1 - has_content}
    _insert.run_later(conn, **new._asdict(), **flags, **place, content_id=content_id)


def delete_latest(
    change: Change,
    key: str,
    precondition: Precondition | None = None,
    clock: Clock = now,
    *,
    is_renamed: bool = False,
    is_permanent: bool = False,
) -> Stored:
    """DeleteObject without a version id: remove (unversioned) or hide behind a delete marker.

    `is_renamed`: it has gone to another key, so what is put here next is another file. Neither then nor if it
    `is_permanent` does it go to the trash.
    """
    change.require_key(key)
    conn, bucket_id, versioning = change.conn, change.bucket_id, change.lock_bucket()
    top = latest(conn, bucket_id, key)
    _check_top(change, top)
    if precondition is not None:
        precondition(top)
    if not versioning:
        if top is not None:
            uploads.note_removal(conn, bucket_id, key, top.sequence)
            if is_renamed or is_permanent:
                _remove(change, top)
            else:
                _remove_to_trash(change, top, is_overwritten=False)
            _note(change, "removed", top)
        return Stored(None)
    moment = _moment(conn, top, clock)
    sequence, version_id = _make_room(change, key, versioning, top, moment)
    file_id = new_file_id(moment) if top is None or is_renamed else top.file_id
    marker = NewObject(key, size=0, etag="", owner_id=change.owner_id, file_id=file_id)
    _insert_version(
        conn, marker, None, bucket_id=bucket_id, sequence=sequence, version_id=version_id, last_modified=moment
    )
    change.count(markers=1)
    change.note(ChangedObject("hidden", key, version_id, file_id))
    return Stored(version_id, moment, True)


def delete_version(change: Change, key: str, version_id: str, precondition: Precondition | None = None) -> Stored:
    """DeleteObject with a version id: gone for good; the next older version becomes the latest."""
    change.require_key(key)
    conn, bucket_id, versioning = change.conn, change.bucket_id, change.lock_bucket()
    found = find(conn, bucket_id, key, version_id)
    change.check("compared", found)
    if precondition is not None:
        precondition(found)
    if found is None:
        return Stored(version_id)
    uploads.note_removal(conn, bucket_id, key, found.sequence)
    _remove(change, found)
    if versioning or version_id != NULL_VERSION:
        _promote(change, key)
    _note(change, "removed", found)
    return Stored(version_id, found.last_modified, bool(found.is_delete_marker))


def set_tags(change: Change, key: str, version_id: str | None, tags: str | None) -> ObjectVersion | None:
    """Replace the tags of a version; None when it doesn't exist. Delete markers are returned untouched."""
    change.require_key(key)
    change.lock_bucket()
    found = find(change.conn, change.bucket_id, key, version_id)
    change.check("object", found)
    if found is not None and not found.is_delete_marker:
        _set_tags.run(change.conn, bucket_id=change.bucket_id, key=key, sequence=found.sequence, new_tags=tags)
        _note(change, "tagged", found)
    return found


def set_acl(change: Change, key: str, version_id: str | None, acl: str | None) -> ObjectVersion | None:
    """As `set_tags`. Raises what the check of the version does: it may be another than was read before."""
    change.require_key(key)
    change.lock_bucket()
    found = find(change.conn, change.bucket_id, key, version_id)
    change.check("object", found)
    if found is not None and not found.is_delete_marker:
        _set_acl.run(change.conn, bucket_id=change.bucket_id, key=key, sequence=found.sequence, new_acl=acl)
        before, after = ({"version_id": found.version_id, "acl": _read(text)} for text in (found.acl, acl))
        change.record("object.acl.put", before, after, key)
        _note(change, "acl", found)
    return found


def _check_top(change: Change, top: ObjectVersion | None) -> None:
    """Whether its entity tag may be compared. A delete marker has none: it is as if there were nothing."""
    change.check("compared", None if top is None or top.is_delete_marker else top)


def _read(acl: str | None) -> Any:
    return None if acl is None else json.loads(acl)


def _moment(conn: Connection, top: ObjectVersion | None, clock: Clock) -> int:
    """When a version that goes on top of another was made: read here, where writers of the key take turns.

    The time of its request, or a clock that is behind, could make it older than what it replaces, and a client that
    has that one would be told forever that nothing was modified since.
    """
    moment = clock(conn)
    return moment if top is None else max(moment, top.last_modified)


def _make_room(change: Change, key: str, versioning: str, top: ObjectVersion | None, moment: int) -> tuple[int, str]:
    """Take the key's present top out of the way; give the sequence and id of the version to be put there."""
    sequence = -moment if top is None else min(-moment, top.sequence - 1)
    if versioning == "Enabled":
        if top is not None and top.is_current:
            _make_current(change, top, 0)
        return sequence, new_version_id(sequence)
    if top is not None:
        replaced = top if top.version_id == NULL_VERSION else _find_null(change.conn, change.bucket_id, key)
        if replaced is not None:
            _remove_to_trash(change, replaced, is_overwritten=True)
        if top.is_current and top is not replaced:
            _make_current(change, top, 0)
    return sequence, NULL_VERSION


def _make_current(change: Change, version: ObjectVersion, is_current: int) -> None:
    _set_current.run(
        change.conn,
        bucket_id=version.bucket_id,
        key=version.key,
        sequence=version.sequence,
        current=is_current,
    )
    change.count(objects=1 if is_current else -1)


def _remove(change: Change, version: ObjectVersion) -> None:
    _take_out(change, version)
    if version.content_id is not None:
        contents.release(change.conn, version.content_id)


def _remove_to_trash(change: Change, version: ObjectVersion, *, is_overwritten: bool) -> None:
    """Where the bucket keeps trash, or what overwrites it may turn out to have a virus; a delete marker is none."""
    seconds = change.state.trash_seconds
    if is_overwritten and change.keeps_overwritten:
        seconds = max(seconds, trash.KEPT_UNTIL_CLEAN)
    if not seconds or version.is_delete_marker:
        _remove(change, version)
        return
    _take_out(change, version)
    trash.put(
        change.conn,
        version._asdict(),
        deleted_at=now(change.conn),
        deleted_by=change.actor.id,
        seconds=seconds,
        is_overwritten=is_overwritten,
    )
    change.count(trash_bytes=version.size, trashed=1)


def _take_out(change: Change, version: ObjectVersion) -> None:
    _delete.run_later(change.conn, bucket_id=version.bucket_id, key=version.key, sequence=version.sequence)
    if version.is_delete_marker:
        change.count(markers=-1)
    else:
        change.count(bytes=-version.size, objects=-version.is_current, versions=-1)


def restore(change: Change, found: Trashed, precondition: Precondition | None = None) -> Stored | None:
    """Bring back from the trash what was deleted or overwritten, on top of its key; None: it isn't there any more.

    What is there now is overwritten, if the precondition lets it. It is the same file, unless that is somewhere else.
    """
    if not trash.take(change.conn, found):
        return None
    change.count(trash_bytes=-found.size, trashed=-1)
    values = {name: getattr(found, name) for name in NewObject._fields if name not in ("upload_id", "file_id")}
    is_elsewhere = find_file(change.conn, found.file_id) is not None
    new = NewObject(**values, file_id=None if is_elsewhere else found.file_id)
    assert found.content_id is not None, "no delete marker is in the trash"
    content_id = found.content_id
    return put(change, new, lambda conn: content_id, precondition)


def _promote(change: Change, key: str) -> None:
    top = latest(change.conn, change.bucket_id, key)
    if top is None or top.is_delete_marker or top.is_current:
        return
    if find_file(change.conn, top.file_id) is not None:  # renamed since, so this is another file now
        this = {"bucket_id": top.bucket_id, "key": key, "sequence": top.sequence}
        _set_file_id.run(change.conn, **this, new_file_id=new_file_id(change.now))
    _make_current(change, top, 1)


def _note(change: Change, kind: Kind, version: ObjectVersion) -> None:
    change.note(ChangedObject(kind, version.key, version.version_id, version.file_id, version.size, version.etag))


def new_file_id(moment: int) -> bytes:
    """UUIDv7 (RFC 9562 section 5.7): ascends with time, so that new ones are neighbours in their index."""
    random = os.urandom(10)
    return b"%s%c%c%c%s" % (
        (moment // 1000).to_bytes(6, "big"),
        0x70 | random[0] & 0x0F,
        random[1],
        0x80 | random[2] & 0x3F,
        random[3:],
    )


def new_version_id(sequence: int) -> str:
    """32 characters: the sequence, so that a version is found by its id alone, and 16 random bytes."""
    return base64.urlsafe_b64encode(struct.pack(">q", sequence) + os.urandom(16)).decode()


# A sequence is the negative time in microseconds, or a little below that of the version before: none gets this low.
_LEAST_SEQUENCE = -(1 << 56)


def is_version_id(text: str) -> bool:
    """Whether it can be one of ours; the rest was made up, or is another store's."""
    return text == NULL_VERSION or _LEAST_SEQUENCE < _sequence_in(text) < 0


def _sequence_in(version_id: str) -> int:
    """0 for what isn't a version id of ours."""
    try:
        raw = base64.b64decode(version_id.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, UnicodeEncodeError):
        raw = b""
    return int(struct.unpack_from(">q", raw)[0]) if len(raw) == 24 else 0


def _sequence_of(version_id: str, argument: str = "versionId") -> int:
    if not is_version_id(version_id):
        raise InvalidArgument("Invalid version id specified", ArgumentName=argument, ArgumentValue=version_id)
    return _sequence_in(version_id)


def sequence_of_marker(conn: Connection, bucket_id: int, key: str, version_id: str) -> int | None:
    """Where ListObjectVersions goes on: the sequence of its version-id-marker.

    None when that is a null version which has been deleted since: nobody can tell any more where it stood.
    """
    if version_id != NULL_VERSION:
        return _sequence_of(version_id, "version-id-marker")
    found = _find_null(conn, bucket_id, key)
    return None if found is None else found.sequence
