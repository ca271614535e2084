"""The trash of a bucket: files in it are listed and restored, and all of it is dropped for good."""

from __future__ import annotations

from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import File, etag_of_file
from s3gw.api.models import Id, time_of
from s3gw.api.pages import Place, not_a_cursor, too_far
from s3gw.api.route import Route
from s3gw.metadata import files, trash, usage
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.trash import Trashed
from s3gw.operations.restore_version import RESTORE_VERSION, input_of_version
from s3gw.operations.sharing import rights_on
from s3gw.operations.trash import EMPTY_TRASH, LIST_TRASH, RESTORE_FILE, restore_input, version_of
from s3gw.problems import Conflict, PermissionDenied

router = APIRouter(tags=["files"], route_class=Route)
_TEXT = r"^[^\x00]*$"  # PostgreSQL's has no NUL
_MOST_AT_ONCE = 10_000


class Emptied(BaseModel):
    files: int = Field(description="How many were dropped.")
    bytes: int
    is_empty: bool = Field(description="Whether all that was asked for was looked at; if not, ask again.")


@router.post("/buckets/{bucket_id}/files/{file_id}/restore")
async def restore_file(
    bucket_id: Id,
    file_id: Id,
    asker: TheAsker,
    response: Response,
    overwrite: Annotated[
        bool, Query(description="Whether another file that has its name now gives way; else 409.")
    ] = False,
    trash_id: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Which of several of its contents; else the last.")
    ] = None,
) -> File:
    """A file that was deleted, under the name that it had, with all that it had; or what it was before it was
    overwritten, for which what it is now goes to the trash. Where another file has its name now, or the bucket keeps no
    trash any more, it is 409 unless it is said to `overwrite`. In a bucket with versions it is the last version before
    the delete marker.
    """
    bucket = await asker.bucket(bucket_id)
    found = await asker.services.database.scan(trash.find, bucket.id, UUID(file_id).bytes, trash_id)
    if found is not None:
        call = asker.call("PutObject", bucket, **restore_input(found), Trashed=found, Overwrite=overwrite)
        version = (await asker.perform(call, RESTORE_FILE))["Version"]
    elif trash_id is not None:
        raise asker.nothing("there is no such file in the trash")
    else:
        version = await _unhide(asker, bucket, file_id)
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell_each(bucket, bucket_id, [version]))[0]


async def _unhide(asker: Asker, bucket: Bucket, file_id: str) -> ObjectVersion:
    wanted = UUID(file_id).bytes
    newest = await asker.services.database.scan(files.newest_hidden, bucket.id, wanted)
    if newest is None:
        await asker.head(bucket, **await asker.find(bucket, file_id))  # who may not see it, isn't told that it is there
        raise Conflict("the file isn't deleted")
    input = input_of_version(bucket.name, newest.key, wanted, newest.version_id)
    version: ObjectVersion = (await asker.perform(asker.call("CopyObject", bucket, **input), RESTORE_VERSION))[
        "Version"
    ]
    return version


@router.delete("/buckets/{bucket_id}/trash")
async def empty_trash(
    bucket_id: Id,
    asker: TheAsker,
    prefix: Annotated[str, Query(max_length=LONGEST_PATH, pattern=_TEXT, description="Only what begins with it.")] = "",
    limit: Annotated[int, Query(ge=1, le=_MOST_AT_ONCE, description="So many files at most.")] = _MOST_AT_ONCE,
) -> Emptied:
    """At once and for good. For the bucket's owner, admins, and who was granted admin on all of it."""
    bucket = await asker.bucket(bucket_id)
    call = asker.call("DeleteObject", bucket, Prefix=prefix, MaxKeys=limit)
    rights = await rights_on(asker.services, asker.principal, bucket, asker.context, call.now)
    if not rights.may_share("bucket", ""):
        if not rights.is_seen:
            raise asker.nothing("there is no such bucket")
        raise PermissionDenied("only who may delete all of the bucket empties its trash")
    output = await asker.perform(call, EMPTY_TRASH)
    return Emptied(files=output["Files"], bytes=output["Bytes"], is_empty=not output["IsTruncated"])


class TrashPage(NamedTuple):
    items: list[File]
    total: int
    is_lower_bound: bool
    next_cursor: str | None


async def trash_page(asker: Asker, bucket: Bucket, bucket_id: str, place: Place, prefix: str) -> TrashPage:
    """What was deleted or overwritten, the newest first, for who may list the bucket below the prefix."""
    before = _before(place.after)
    offset = place.offset if before is None else 0
    if offset + place.per_page > files.MOST_COUNTED:
        raise too_far(files.MOST_COUNTED)
    asked = {"Prefix": prefix, "MaxKeys": place.limit, "Before": before, "Offset": offset}
    output = await asker.perform(asker.call("ListObjectsV2", bucket, **asked), LIST_TRASH)
    found: list[Trashed] = output["Trashed"][: place.per_page]
    is_full = len(output["Trashed"]) > place.per_page
    last: int | None = found[-1].id if is_full else output["Next"]
    told = await asker.tell_each(bucket, bucket_id, [version_of(each) for each in found])
    scan = asker.services.database.scan
    in_trash = (await scan(usage.of_bucket, bucket.id)).trashed
    total = await scan(trash.count, bucket.id, prefix, files.MOST_COUNTED) if prefix else in_trash
    return TrashPage(
        [_trashed(each, file) for each, file in zip(found, told, strict=True)],
        total,
        bool(prefix) and in_trash > files.MOST_COUNTED,
        None if last is None else place.cursor(str(last)),
    )


def _before(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise not_a_cursor()
    return int(after)


def _trashed(found: Trashed, file: File) -> File:
    more = {"deleted_at": time_of(found.deleted_at), "expires_at": time_of(found.expires_at), "trash_id": found.id}
    return file.model_copy(update={"is_deleted": True, **more})
