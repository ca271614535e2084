"""The trash as the JSON API asks of it: what is in it, bringing a file back, and dropping files for good.

S3 has no operation for it. Who may list the bucket is told what is in its trash; a file is brought back by who may put
it there, with its tags and its ACL; it is dropped by who may delete versions of its key for good.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.parse import urlencode

from s3gw.errors import AccessDenied, NoSuchKey
from s3gw.metadata import files, objects, trash
from s3gw.metadata.change import Change, Check
from s3gw.metadata.objects import NULL_VERSION, ObjectVersion
from s3gw.metadata.outbox import Noted
from s3gw.metadata.trash import Trashed
from s3gw.operations.call import Call, Input, Output
from s3gw.operations.table import OPERATIONS, Need, Row
from s3gw.problems import FileAlreadyExists

_LOOKED_AT = 10_000  # in the trash, for one page
_STEP = 100  # that are dropped in one transaction; other writers get their turn between two


def version_of(found: Trashed) -> ObjectVersion:
    """As the object that it was, which rules are asked about."""
    of_object = {name: getattr(found, name) for name in ObjectVersion._fields if name in Trashed._fields}
    no_place = {"sequence": 0, "version_id": NULL_VERSION, "is_current": 0, "is_delete_marker": 0, "upload_id": None}
    return ObjectVersion(**of_object | no_place)


async def list_trash(call: Call, input: Any) -> Output:
    asked = input["Before"], input["MaxKeys"], input["Prefix"], input["Offset"]
    found, last = await call.services.database.scan(trash.look, call.the_bucket.id, *asked, _LOOKED_AT)
    if len(found) == input["MaxKeys"]:
        last = found[-1].id
    return {"Trashed": found, "Next": last}


def restore_input(found: Trashed) -> Input:
    """What a PutObject of it would say of tags and ACL."""
    input: Input = {"Key": found.key}
    if found.tags is not None:
        input["Tagging"] = urlencode(dict(json.loads(found.tags)))
    if found.acl is not None:
        input["OwnAcl"] = found.acl
    return input


async def restore_file(call: Call, input: Any) -> Output:
    lock = call.key_lock(input["Key"])
    return {"Version": await call.change([lock], _restore, input["Trashed"], input["Overwrite"])}


def _restore(change: Change, found: Trashed, overwrite: bool) -> ObjectVersion:
    change.check("object", version_of(found))  # it has an ACL, which says who may give one
    holds = None if overwrite else partial(_require_free, change, found)
    if objects.restore(change, found, holds) is None:
        raise NoSuchKey(Key=found.key)
    restored = objects.find(change.conn, change.bucket_id, found.key)
    assert restored is not None, "it was just put there"
    return restored


def _require_free(change: Change, found: Trashed, top: ObjectVersion | None) -> None:
    """What the file itself has now may give way, where the bucket keeps it. Raises FileAlreadyExists."""
    if top is None or top.is_delete_marker:
        return
    keeps = change.state.versioning == "Enabled" or change.state.trash_seconds > 0
    if top.file_id != found.file_id or not keeps:
        raise FileAlreadyExists("there is a file of its name: restore it with overwrite")


async def delete_for_good(call: Call, input: Any) -> Output:
    """All versions of the file under its key and what is in the trash of it, the oldest first."""
    assert call.may is not None, "the row has needs on keys"
    key, file_id, may_drop = input["Key"], input["FileId"], partial(_may_drop, call)
    call.may(key, {})
    is_first, any_left = True, True
    while any_left:
        dropped = await call.change([call.key_lock(key)], _delete_step, key, file_id, may_drop)
        if is_first and not dropped:
            raise NoSuchKey(Key=key)
        is_first, any_left = False, dropped == _STEP
    return {}


def _may_drop(call: Call, version: ObjectVersion) -> None:
    """As DeleteObject of that version. Raises AccessDenied."""
    assert call.may is not None, "the row has needs on keys"
    call.may(version.key, {"VersionId": version.version_id})(version)


def _delete_step(change: Change, key: str, file_id: bytes, may_drop: Check) -> int:
    change.lock_bucket()
    trashed = trash.of_key(change.conn, change.bucket_id, file_id, key, _STEP)
    for found in trashed:
        may_drop(version_of(found))
    gone = note_dropped(change, trash.drop(change.conn, trashed))
    versions = files.oldest_versions(change.conn, change.bucket_id, key, file_id, _STEP - gone)
    for version in versions:
        may_drop(version)
        objects.delete_version(change, key, version.version_id)
    return gone + len(versions)


def note_dropped(change: Change, dropped: list[Noted]) -> int:
    for changed, more in dropped:
        change.count(trash_bytes=more.trash_bytes, trashed=more.trashed)
        change.note(changed)
    return len(dropped)


async def empty_trash(call: Call, input: Any) -> Output:
    """Below `Prefix`, `MaxKeys` files at most, but for those that a rule keeps the caller from deleting."""
    scan, bucket_id = call.services.database.scan, call.the_bucket.id
    before, looked_at, files_, bytes_, refused = None, 0, 0, 0, 0
    while True:
        limit = min(_STEP, input["MaxKeys"] - files_)
        found, last = await scan(trash.look, bucket_id, before, limit, input["Prefix"], 0, _LOOKED_AT)
        allowed = [each for each in found if _is_droppable(call, each)]
        dropped = await call.change([], _drop, allowed) if allowed else []
        files_, refused = files_ + len(dropped), refused + len(found) - len(allowed)
        bytes_ -= sum(noted.more.trash_bytes for noted in dropped)
        before = found[-1].id if len(found) == limit else last
        looked_at += limit if len(found) == limit else _LOOKED_AT
        if before is None or files_ >= input["MaxKeys"] or looked_at >= _LOOKED_AT:
            break
    if refused and not files_:
        raise AccessDenied()
    return {"Files": files_, "Bytes": bytes_, "IsTruncated": before is not None}


def _is_droppable(call: Call, found: Trashed) -> bool:
    try:
        _may_drop(call, version_of(found))
    except AccessDenied:
        return False
    return True


def _drop(change: Change, found: list[Trashed]) -> list[Noted]:
    change.lock_bucket()
    dropped = trash.drop(change.conn, found)
    note_dropped(change, dropped)
    return dropped


LIST_TRASH = Row(list_trash, OPERATIONS["ListObjectsV2"].needs)
RESTORE_FILE = Row(
    restore_file,
    (
        Need("s3:PutObject", "object"),
        Need("s3:PutObjectTagging", "new", members=frozenset(("Tagging",))),
        Need("s3:PutObjectAcl", "object", members=frozenset(("OwnAcl",))),
    ),
    room="some",
    creates_object=True,
)
_DELETES = (Need("s3:DeleteObject", "keys", "s3:DeleteObjectVersion"),)
DELETE_FOR_GOOD, EMPTY_TRASH = Row(delete_for_good, _DELETES), Row(empty_trash, _DELETES)
