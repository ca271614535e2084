"""Downloading a file: the GetObject of S3, as a browser may be given it.

A file was put there by anybody, and this address has an API that browsers are logged in at: so only types that can't
act are shown in the page, none is guessed (nosniff), and what is shown runs in a sandbox.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from s3gw.api.file_answer import Asked, file_answer
from s3gw.api.file_calls import Asker, TheReader
from s3gw.api.models import Id
from s3gw.api.route import Route
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.objects import is_version_id
from s3gw.operations.call import Input, Output

router = APIRouter(tags=["files"], route_class=Route)
VersionOfFile = Annotated[str | None, Query(max_length=64, description="One of its versions, and not what it is now.")]
_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
)
ALWAYS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "private, no-cache",  # kept, and asked about again: rights may have ended
    "Vary": "Authorization",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
_ANSWERS: dict[int | str, Any] = {
    200: {"content": {"*/*": _BINARY}},
    206: {"description": "The range that was asked for.", "content": {"*/*": _BINARY}},
    304: {"description": "It is as `If-None-Match` or `If-Modified-Since` says."},
    416: {"description": "It has no such range."},
}


@router.get("/buckets/{bucket_id}/files/{file_id}/download", response_class=Response, responses=_ANSWERS)
async def download_file(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    request: Request,
    attachment: Annotated[
        bool, Query(description="Saved, and not shown, though it is an image, a sound, a video or text.")
    ] = False,
    version_id: VersionOfFile = None,
    if_none_match: Annotated[str | None, Header(max_length=1024, description="Of an ETag: 304.")] = None,
    range_: Annotated[str | None, Header(alias="Range", max_length=1024, description="`bytes=0-99`.")] = None,
) -> Response:
    """With ranges and conditions as HTTP has them. What everybody may read needs no token."""
    return await _answer(asker, request, bucket_id, file_id, version_id, attachment=attachment)


@router.head("/buckets/{bucket_id}/files/{file_id}/download", include_in_schema=False)
async def head_download(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    request: Request,
    attachment: bool = False,
    version_id: VersionOfFile = None,
) -> Response:
    return await _answer(asker, request, bucket_id, file_id, version_id, attachment=attachment)


async def _answer(
    asker: Asker, request: Request, bucket_id: str, file_id: str, version_id: str | None, *, attachment: bool
) -> Response:
    bucket = await asker.bucket(bucket_id)
    found = await find_version(asker, bucket, file_id, version_id)

    async def ask(operation: str, input: Input) -> Output:
        return await asker.perform(asker.call(operation, bucket, **{**input, **found}))

    return await file_answer(request, Asked(bucket.name, found["Key"], ask), ALWAYS, attachment=attachment)


async def find_version(asker: Asker, bucket: Bucket, file_id: str, version_id: str | None) -> dict[str, Any]:
    if version_id is None:
        return await asker.find(bucket, file_id)
    if not is_version_id(version_id):
        raise asker.nothing("there is no such version")
    return {**await asker.locate(bucket, file_id), "VersionId": version_id}
