"""An older version of a file becomes its content again: CopyObject of the version onto its own key, with its needs.

No bytes move. What the file is now stays as a version, where the bucket keeps versions.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from s3gw.errors import NoSuchKey, NoSuchVersion
from s3gw.metadata import contents, objects
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, ObjectVersion
from s3gw.operations.call import Call, Input, Output
from s3gw.operations.new_acl import NewAcl, acl_of_new
from s3gw.operations.table import OPERATIONS, Row
from s3gw.problems import Conflict


def input_of_version(bucket_name: str, key: str, file_id: bytes, version_id: str) -> Input:
    """`version_id` is one that we may have given."""
    return {"Key": key, "FileId": file_id, "CopySource": f"{bucket_name}/{quote(key, safe='')}?versionId={version_id}"}


async def restore_version(call: Call, input: Any) -> Output:
    new_acl = await acl_of_new(call, input)
    lock, of_file = call.key_lock(input["Key"]), (input["Key"], input["FileId"])
    return {"Version": await call.change([lock], _restore, *of_file, call.the_source.version_id, new_acl)}


def _restore(change: Change, key: str, file_id: bytes, version_id: str | None, new_acl: NewAcl) -> ObjectVersion:
    change.lock_bucket()
    top = objects.latest(change.conn, change.bucket_id, key)
    if top is None or top.file_id != file_id:
        raise NoSuchKey(Key=key)
    original = objects.find(change.conn, change.bucket_id, key, version_id)
    change.check("source", original)
    if original is None or original.file_id != file_id:
        raise NoSuchVersion(Key=key, VersionId=version_id)
    if original.is_delete_marker or original.is_current:
        raise Conflict("it is what the file is now" if original.is_current else "a delete marker has no content")
    values = original._asdict() | {"owner_id": new_acl.owner_id, "acl": new_acl.acl, "upload_id": None}
    again = NewObject._make(values[name] for name in NewObject._fields)
    objects.put(change, again, partial(_retain, content_id=original.content_id))
    found = objects.find(change.conn, change.bucket_id, key)
    assert found is not None, "it was just put there"
    return found


def _retain(conn: Connection, content_id: int | None) -> int:
    assert content_id is not None, "a version that isn't a delete marker has a content"
    contents.retain(conn, content_id)
    return content_id


RESTORE_VERSION = Row(restore_version, OPERATIONS["CopyObject"].needs, room="some", creates_object=True)
