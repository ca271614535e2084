"""What the JSON API asks of files: each is asked for as the operation of S3's that does the same, and has its needs.

A file is an object that is known by an id, whatever its key. Where `FileId` is in the input (16 bytes), what has taken
the file's key meanwhile isn't taken for it: NoSuchKey.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from s3gw.errors import AccessDenied, NoSuchKey, PreconditionFailed
from s3gw.metadata import files, objects
from s3gw.metadata.objects import NewObject, ObjectVersion, Stored
from s3gw.operations.allowed_types import patterns_of, require_allowed
from s3gw.operations.call import Call, Output
from s3gw.operations.file_type import FIRST, UNKNOWN, type_of
from s3gw.operations.get_object import readable
from s3gw.operations.peeked_body import PeekedBody
from s3gw.operations.put_object import store_object
from s3gw.operations.table import OPERATIONS, Need, Row

_TURN = 0.005  # seconds


async def head_file(call: Call, input: Any) -> Output:
    found = await call.services.database.read(objects.find, call.the_bucket.id, input["Key"])
    call.check("object", found)
    return {"Version": readable(found, input)}


async def put_file(call: Call, input: Any) -> Output:
    """As PutObject."""
    await tell_type(call, input)
    new, stored = await store_object(call, input)
    return {"Version": version_of(call.the_bucket.id, new, stored)}


async def tell_type(call: Call, input: Any) -> None:
    """Without a ContentType, or with one that says nothing, the first bytes tell it. Raises UnsupportedMediaType where
    the bucket takes no such files.
    """
    patterns, said = await patterns_of(call), input.get("ContentType", UNKNOWN)
    if not patterns and said != UNKNOWN:
        return
    call.body = body = PeekedBody(call.the_body)
    first = await body.peek(FIRST)
    require_allowed(patterns, said, first)
    if said == UNKNOWN:
        input["ContentType"] = type_of(first)


def version_of(bucket_id: int, new: NewObject, stored: Stored) -> ObjectVersion:
    """As it was stored: somebody may have overwritten it since."""
    place: dict[str, Any] = {
        "bucket_id": bucket_id,
        "sequence": 0,  # isn't told
        "version_id": stored.version_id or objects.NULL_VERSION,
        "is_current": 1,
        "is_delete_marker": 0,
        "last_modified": stored.last_modified,
        "content_id": None,
        "file_id": stored.file_id,
    }
    return ObjectVersion(**new._asdict() | place)


async def describe_files(call: Call, input: Any) -> Output:
    """Of `Keys`: those versions, in their order, and the keys among them whose objects may be read."""
    found = await call.services.database.scan(files.of_keys, call.the_bucket.id, input["Keys"])
    versions = [found[key] for key in input["Keys"] if key in found]
    return {"Versions": versions, "Readable": {version.key for version in versions if _may(call, version)}}


def _may(call: Call, version: ObjectVersion, named: Mapping[str, str] = MappingProxyType({})) -> bool:
    assert call.may is not None, "the row has needs on keys"
    try:
        call.may(version.key, named)(version)
    except AccessDenied:
        return False
    return True


async def allow_files(call: Call, input: Any) -> Output:
    """As describe_files, of `Versions` that were read before."""
    return {"Readable": {version.key for version in input["Versions"] if _may(call, version)}}


async def allow_each(call: Call, input: Any) -> Output:
    """Of `Versions`, of one key or many, whether each may be read. What `IsNamed` is asked for by its version id.

    A policy can take milliseconds for each of a thousand: other requests get their turns between two.
    """
    allowed: list[bool] = []
    began_at = time.perf_counter()
    for version in input["Versions"]:
        allowed.append(_may(call, version, {"VersionId": version.version_id} if input["IsNamed"] else {}))
        if time.perf_counter() - began_at > _TURN:
            await asyncio.sleep(0)
            began_at = time.perf_counter()
    return {"Allowed": allowed}


async def delete_file(call: Call, input: Any) -> Output:
    key = input["Key"]
    holds = partial(_require_file, input)
    stored = await call.change([call.key_lock(key)], objects.delete_latest, key, holds)
    return {"VersionId": stored.version_id}


def _require_file(input: Any, top: ObjectVersion | None) -> None:
    """Where `Seen` is in the input, it is still that, with its tags and its ACL."""
    if top is None or top.is_delete_marker or top.file_id != input["FileId"]:
        raise NoSuchKey(Key=input["Key"])
    if input.get("Seen") not in (None, top):
        raise PreconditionFailed()


HEAD_FILE = Row(head_file, OPERATIONS["HeadObject"].needs)
PUT_FILE = replace(OPERATIONS["PutObject"], handler=put_file)
DESCRIBE_FILES = Row(describe_files, (Need("s3:GetObject", "keys"),))
TAGS_OF_FILES = Row(allow_files, (Need("s3:GetObjectTagging", "keys"),))
READ_EACH = Row(allow_each, (Need("s3:GetObject", "keys", "s3:GetObjectVersion"),))
TAGS_OF_EACH = Row(allow_each, (Need("s3:GetObjectTagging", "keys", "s3:GetObjectVersionTagging"),))
DELETE_FILE = Row(delete_file, OPERATIONS["DeleteObject"].needs)
MAY_DELETE_FILE = Row(head_file, DELETE_FILE.needs)
