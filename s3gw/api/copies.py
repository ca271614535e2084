"""A file is copied, into its bucket or another one: the CopyObject of S3, whatever its size. No bytes move."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from s3gw.accounts.grants import find_bucket
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import File, etag_of_file
from s3gw.api.files import KEY
from s3gw.api.models import Body, Id
from s3gw.api.route import Route
from s3gw.errors import PreconditionFailed
from s3gw.metadata import objects
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.call import Input
from s3gw.operations.copy_file import COPY_FILE
from s3gw.problems import FileAlreadyExists

router = APIRouter(tags=["files"], route_class=Route)


class CopyFile(Body):
    """Type, tags and metadata go with it; the copy is a file of its own, with another id."""

    file_path: Annotated[str, Field(min_length=1, max_length=LONGEST_PATH, pattern=KEY, description="Of the copy.")]
    bucket_id: UUID | None = Field(None, description="Another bucket; else it is the file's.")
    overwrite: bool = Field(False, description="Whether a file of that path gives way; else 409.")


@router.post("/buckets/{bucket_id}/files/{file_id}/copy", status_code=201)
async def copy_file(
    bucket_id: Id,
    file_id: Id,
    body: CopyFile,
    asker: TheAsker,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
) -> File:
    """Without moving its bytes, for who may read the file and write where the copy goes."""
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, **await asker.find(bucket, file_id))
    to, to_id = bucket, bucket_id
    if body.bucket_id is not None:
        to_id = str(body.bucket_id)
        to, _ = await find_bucket(services, caller, origin, to_id)
    given = {"Key": body.file_path, "CopySource": f"{bucket.name}/{quote(version.key, safe='')}"}
    await _copy(asker, to, {**given, "CopySourceIfMatch": f'"{version.etag}"'}, overwrite=body.overwrite)
    made = await asker.head(to, Key=body.file_path)
    response.headers["ETag"] = etag_of_file(made)
    return (await asker.tell(to, to_id, [made]))[0]


async def _copy(asker: Asker, to: Bucket, given: Input, *, overwrite: bool) -> None:
    """Raises FileAlreadyExists, and PreconditionFailed where the source was overwritten just now."""
    call = asker.call("CopyObject", to, **given, **({} if overwrite else {"IfNoneMatch": "*"}))
    try:
        await asker.perform(call, COPY_FILE)
    except PreconditionFailed:
        there = await asker.services.database.read(objects.find, to.id, given["Key"])
        if overwrite or there is None or there.is_delete_marker:
            raise
        raise FileAlreadyExists("there is a file of this name") from None
