"""Versions of a file: listed, restored and deleted. They are downloaded as the file is, by `version_id`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import Field

from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import File, etag_of_file
from s3gw.api.models import Id, Page
from s3gw.api.pages import ThePlace, not_a_cursor, too_far
from s3gw.api.route import Route
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.files import MOST_COUNTED
from s3gw.metadata.objects import ObjectVersion, is_version_id
from s3gw.operations.restore_version import RESTORE_VERSION, input_of_version
from s3gw.operations.versions import DELETE_VERSION, LIST_VERSIONS

router = APIRouter(tags=["files"], route_class=Route)
VersionId = Annotated[str, Path(max_length=64, description="`null`: of what was put while the bucket kept none.")]


class FileVersion(File):
    """`is_deleted`: a delete marker, which hid the file."""

    is_current: bool = Field(description="Whether it is what the file is now.")


class FileVersions(Page[FileVersion]):
    total_is_lower_bound: bool = Field(description=f"There are more than {MOST_COUNTED}.")


@router.get("/buckets/{bucket_id}/files/{file_id}/versions")
async def list_versions(bucket_id: Id, file_id: Id, place: ThePlace, asker: TheAsker) -> FileVersions:
    """The newest first, for who may list versions; those of its present path, and also of a file that is hidden by a
    delete marker. What it was before a rename stays a version of the path that it had.
    """
    bucket = await asker.bucket(bucket_id)
    after = _after(place.after)
    offset = place.offset if after is None else 0
    if offset + place.per_page > MOST_COUNTED:
        raise too_far(MOST_COUNTED)
    of_file = await asker.locate(bucket, file_id)
    asked = {"Prefix": of_file["Key"], "MaxKeys": place.limit, "After": after, "Offset": offset}
    output = await asker.perform(asker.call("ListObjectVersions", bucket, **of_file, **asked), LIST_VERSIONS)
    found: list[ObjectVersion] = output["Versions"][: place.per_page]
    told = await asker.tell_each(bucket, bucket_id, found, is_named=True)
    is_full = len(output["Versions"]) > place.per_page
    return FileVersions(
        items=[_model(version, file) for version, file in zip(found, told, strict=True)],
        total=min(output["Total"], MOST_COUNTED),
        total_is_lower_bound=output["Total"] > MOST_COUNTED,
        page=place.page,
        per_page=place.per_page,
        next_cursor=place.cursor(str(-found[-1].sequence)) if is_full else None,
    )


def _after(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise not_a_cursor()
    return -int(after)


def _model(version: ObjectVersion, file: File) -> FileVersion:
    is_marker, fields = bool(version.is_delete_marker), file.model_dump()
    fields |= {"version_id": version.version_id, "is_current": bool(version.is_current), "is_deleted": is_marker}
    fields["deleted_at"] = file.updated_at if is_marker else None
    fields["url"] += f"?version_id={version.version_id}"
    return FileVersion(**fields)


@router.post("/buckets/{bucket_id}/files/{file_id}/versions/{version_id}/restore")
async def restore_version(
    bucket_id: Id, file_id: Id, version_id: VersionId, asker: TheAsker, response: Response
) -> File:
    """What it was in that version, it is again, without moving bytes: as S3's CopyObject of a version onto its key.
    Also of a file that is hidden by a delete marker.
    """
    bucket = await asker.bucket(bucket_id)
    of_version = await _locate(asker, bucket, file_id, version_id)
    input = input_of_version(bucket.name, of_version["Key"], of_version["FileId"], version_id)
    version = (await asker.perform(asker.call("CopyObject", bucket, **input), RESTORE_VERSION))["Version"]
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell_each(bucket, bucket_id, [version]))[0]


@router.delete("/buckets/{bucket_id}/files/{file_id}/versions/{version_id}", status_code=204)
async def delete_version(bucket_id: Id, file_id: Id, version_id: VersionId, asker: TheAsker) -> Response:
    """For good, as S3's DeleteObject of a version: what was the version before it, is the file then."""
    bucket = await asker.bucket(bucket_id)
    of_version = await _locate(asker, bucket, file_id, version_id)
    await asker.perform(asker.call("DeleteObject", bucket, **of_version, VersionId=version_id), DELETE_VERSION)
    return Response(status_code=204)


async def _locate(asker: Asker, bucket: Bucket, file_id: str, version_id: str) -> dict[str, Any]:
    if not is_version_id(version_id):
        raise asker.nothing("there is no such version")
    return await asker.locate(bucket, file_id)
