"""Files of a bucket: told, changed, deleted and shared. What carries their bytes is in upload.py and download.py."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field, model_validator

from s3gw.accounts import grants
from s3gw.accounts.etags import etag_of
from s3gw.accounts.grants import Share
from s3gw.api.access import Access, Permission, access_model
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.file_calls import TheAsker, TheReader
from s3gw.api.file_models import File, Metadata, Tags, etag_of_file
from s3gw.api.models import Body, Id, IfMatch, Moment, stored_moment
from s3gw.api.route import Route
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.files import DELETE_FILE
from s3gw.operations.trash import DELETE_FOR_GOOD
from s3gw.operations.update_file import Changes, input_of, operation_of, require_etag, row_of

router = APIRouter(tags=["files"], route_class=Route)
KEY = r"^[^\x00]+$"  # PostgreSQL's text has no NUL


@router.get("/buckets/{bucket_id}/files/{file_id}")
async def get_file(bucket_id: Id, file_id: Id, asker: TheReader, response: Response) -> File:
    """Wherever it is now: its id lasts over overwrites and renames. What everybody may read needs no token."""
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, **await asker.find(bucket, file_id))
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell(bucket, bucket_id, [version]))[0]


@router.get("/buckets/{bucket_id}/file")
async def find_file(
    bucket_id: Id,
    asker: TheReader,
    response: Response,
    key: Annotated[str, Query(min_length=1, max_length=LONGEST_PATH, pattern=KEY, description="Its path.")],
) -> File:
    """As it is now called. What everybody may read needs no token."""
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, Key=key)
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell(bucket, bucket_id, [version]))[0]


class UpdateFile(Body):
    """What is left out stays. Tags and metadata are replaced as a whole."""

    filename: Annotated[str, Field(min_length=1, max_length=LONGEST_PATH, pattern=r"^[^/]+$")] | None = Field(
        None, description="In the folder where it is."
    )
    file_path: Annotated[str, Field(min_length=1, max_length=LONGEST_PATH)] | None = None
    mime_type: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[ -~]+$")] | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _names_it_once(self) -> UpdateFile:
        if self.filename is not None and self.file_path is not None:
            raise ValueError("filename and file_path exclude each other")
        return self

    def changes(self, key: str) -> Changes:
        folder, slash, _ = key.rpartition("/")
        renamed = self.file_path if self.filename is None else f"{folder}{slash}{self.filename}"
        return Changes(renamed, self.mime_type, self.metadata, self.tags)


class ShareFile(Body):
    user_id: UUID | None = None
    username: Annotated[str, Field(max_length=64, pattern=KEY)] | None = None
    group_id: UUID | None = None
    permission: Permission
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _names_one(self) -> ShareFile:
        if sum(value is not None for value in (self.user_id, self.username, self.group_id)) != 1:
            raise ValueError("one of user_id, username and group_id is needed")
        return self

    def wanted(self, key: str) -> Share:
        given = self.model_dump(include={"user_id", "username", "group_id"}, exclude_none=True)
        ((column, grantee),) = given.items()
        return Share(column, str(grantee), self.permission, "file", key, stored_moment(self.expires_at))


@router.put("/buckets/{bucket_id}/files/{file_id}")
async def update_file(
    bucket_id: Id, file_id: Id, body: UpdateFile, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> File:
    """Rename or move it, and describe it anew, without moving its bytes. 409 where there is a file of the new name."""
    bucket = await asker.bucket(bucket_id)
    found = await asker.find(bucket, file_id)
    changes = body.changes(found["Key"])
    renames = changes.key not in (None, found["Key"])
    holds = partial(require_etag, if_match, etag_of_file)
    call = asker.call(operation_of(changes, renames), bucket, **input_of(found, changes, holds, renames))
    version = (await asker.perform(call, row_of(changes, renames)))["Version"]
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell(bucket, bucket_id, [version]))[0]


@router.delete("/buckets/{bucket_id}/files/{file_id}", status_code=204)
async def delete_file(
    bucket_id: Id,
    file_id: Id,
    asker: TheAsker,
    permanent: Annotated[
        bool, Query(description="For good: all of its versions, and what is in the trash of it.")
    ] = False,
) -> Response:
    """As S3's DeleteObject: in a bucket with versions it is hidden by a delete marker, in one that keeps trash it can
    be restored. `permanent` is for who may delete versions, and also of a file that is in the trash.
    """
    bucket = await asker.bucket(bucket_id)
    if permanent:
        of_all = await asker.locate(bucket, file_id)
        await asker.perform(asker.call("DeleteObject", bucket, **of_all), DELETE_FOR_GOOD)
        return Response(status_code=204)
    await asker.perform(asker.call("DeleteObject", bucket, **await asker.find(bucket, file_id)), DELETE_FILE)
    return Response(status_code=204)


@router.post("/buckets/{bucket_id}/files/{file_id}/share", status_code=201)
async def share_file(
    bucket_id: Id,
    file_id: Id,
    body: ShareFile,
    asker: TheAsker,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
) -> Access:
    """Give a user or a group read, write or admin on what has the file's path."""
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, **await asker.find(bucket, file_id))
    granted = await grants.share(services, caller, origin, bucket_id, body.wanted(version.key))
    response.headers["ETag"] = etag_of(granted)
    return access_model(granted)
