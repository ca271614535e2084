"""A file is changed: its name, its type, metadata and tags, all of it in one transaction or nothing.

Each part has the needs of the operation of S3's that does the same: RenameObject, CopyObject onto itself,
PutObjectTagging. No bytes move, whatever the size.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from s3gw.errors import NoSuchKey
from s3gw.metadata import contents, objects
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, ObjectVersion, Stored
from s3gw.operations.allowed_types import patterns_of, require_allowed
from s3gw.operations.call import Call, Input, Output
from s3gw.operations.object_fields import user_metadata_of
from s3gw.operations.table import OPERATIONS, Need, Row
from s3gw.operations.tagging import checked_tags
from s3gw.problems import FileAlreadyExists, PreconditionFailed

_DESCRIBES = (Need("s3:PutObject", "object"), Need("s3:GetObject", "object"))
_TAGS = OPERATIONS["PutObjectTagging"].needs
_RENAMES = OPERATIONS["RenameObject"].needs


class Changes(NamedTuple):
    """None: as it is. `if_match`: the entity tag of the file, as `etag` reckons it."""

    key: str | None = None
    mime_type: str | None = None
    metadata: dict[str, str] | None = None
    tags: dict[str, str] | None = None

    @property
    def describes(self) -> bool:
        return self.mime_type is not None or self.metadata is not None


def operation_of(changes: Changes, renames: bool) -> str:
    """S3's name of what is done; of several the one that does the most."""
    if renames:
        return "RenameObject"
    return "CopyObject" if changes.describes else "PutObjectTagging"


def row_of(changes: Changes, renames: bool) -> Row:
    needs = (*(_DESCRIBES if changes.describes else ()), *(_TAGS if changes.tags is not None else ()))
    if renames:
        needs = (*_RENAMES, *(need._replace(on="renamed") for need in needs))
    return Row(update_file, needs or (Need("s3:GetObject", "object"),), room="some", creates_object=changes.describes)


def input_of(found: Input, changes: Changes, holds: Any, renames: bool) -> Input:
    """`found` is where the file is, and its id; `holds` raises where it isn't as the caller saw it."""
    input: Input = {**found, "From": found["Key"], "Changes": changes, "Holds": holds}
    if renames:
        input |= {"Key": changes.key, "RenameSource": quote(found["Key"])}
    if changes.tags is not None:
        input["Tagging"] = {"TagSet": [{"Key": name, "Value": value} for name, value in changes.tags.items()]}
    return input


async def update_file(call: Call, input: Any) -> Output:
    changes, source, key = input["Changes"], input["From"], input["Key"]
    fields: dict[str, Any] = {}
    if changes.mime_type is not None:
        require_allowed(await patterns_of(call), changes.mime_type, None)
    if changes.metadata is not None:
        fields["user_metadata"] = user_metadata_of(changes.metadata, call.services.settings.max_metadata)
    if changes.tags is not None:
        tags = checked_tags(input["Tagging"]["TagSet"])
        fields["tags"] = (
            json.dumps([[tag["Key"], tag["Value"]] for tag in tags], separators=(",", ":")) if tags else None
        )
    locks = [call.key_lock(key), call.key_lock(source)]
    return {"Version": await call.change(locks, _update, input, fields)}


def _update(change: Change, input: Any, fields: dict[str, Any]) -> ObjectVersion:
    source, key, changes = input["From"], input["Key"], input["Changes"]
    change.lock_bucket()
    original = objects.find(change.conn, change.bucket_id, source)
    if original is None or original.is_delete_marker or original.file_id != input["FileId"]:
        raise NoSuchKey(Key=source)
    change.check("object" if key == source else "renamed", original)
    input["Holds"](original)
    if key != source:
        _require_free(change, key)
    elif not changes.describes:
        if changes.tags is not None:
            objects.set_tags(change, key, None, fields["tags"])
        return original._replace(**fields)
    stored = _put_again(change, original, key, changes.mime_type, fields)
    if key != source:
        objects.delete_latest(change, source, is_renamed=True)
    found = objects.find(change.conn, change.bucket_id, key)
    assert found is not None and stored.file_id == found.file_id, "it was just put there"
    return found


def _require_free(change: Change, key: str) -> None:
    there = objects.find(change.conn, change.bucket_id, key)
    there = None if there is None or there.is_delete_marker else there
    change.check("replaced", there)
    if there is not None:
        raise FileAlreadyExists("there is a file of this name")


def _put_again(
    change: Change, original: ObjectVersion, key: str, mime_type: str | None, fields: dict[str, Any]
) -> Stored:
    values = original._asdict() | {"key": key} | fields
    if mime_type is not None:
        headers = json.loads(original.headers) if original.headers else {}
        values["headers"] = json.dumps(headers | {"ContentType": mime_type}, separators=(",", ":"))
    again = NewObject._make(values[name] for name in NewObject._fields)
    return objects.put(change, again, partial(_retain, content_id=original.content_id))


def _retain(conn: Connection, content_id: int | None) -> int:
    assert content_id is not None, "a version that isn't a delete marker has a content"
    contents.retain(conn, content_id)
    return content_id


def require_etag(if_match: str | None, etag_of: Any, version: ObjectVersion) -> None:
    """`*` is whatever there is. Raises PreconditionFailed."""
    given = [tag.strip() for tag in (if_match or "*").split(",")]
    if given != ["*"] and etag_of(version) not in given:
        raise PreconditionFailed("it was changed meanwhile: get it again")
