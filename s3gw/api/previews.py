"""Previews of files: thumbnails, optimized pictures, and URLs by which a web page shows one without a token of its own.

They are made here and by recipes that make pictures alone, so they can't act. Still they are sent as files are.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from s3gw.accounts import login
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.download import ALWAYS, VersionOfFile, find_version
from s3gw.api.file_answer import Content
from s3gw.api.file_calls import Asker, TheAsker, TheReader, asker_as
from s3gw.api.models import Body, Id, time_of
from s3gw.api.route import Route
from s3gw.auth.preview_tokens import LIFETIME, PreviewClaims
from s3gw.content.open_content import OpenContent
from s3gw.errors import NotModified
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.previews import GET_PREVIEW, HEAD_VERSION
from s3gw.previews.recipes import OPTIMIZE
from s3gw.problems import PreviewPending
from s3gw.wire.codec import codec

router = APIRouter(tags=["previews"], route_class=Route)
_GET = codec("GetObject")
_PASSED_ON = frozenset((b"content-length", b"content-type", b"etag", b"last-modified"))
Size = Literal["64", "128", "256", "512", "1024"]
Recipe = Literal["64", "128", "256", "512", "1024", "optimize"]
IfNoneMatch = Annotated[str | None, Header(max_length=1024, description="Of an ETag: 304.")]
_PICTURE = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
ANSWERS: dict[int | str, Any] = {
    200: {"content": {"image/*": _PICTURE}, "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}},
    202: {
        "description": "It is being made: ask again after as many seconds as `Retry-After` says.",
        "headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}},
    },
    304: {"description": "It is as `If-None-Match` says."},
}


@router.get("/buckets/{bucket_id}/files/{file_id}/thumbnail", response_class=Response, responses=ANSWERS)
async def get_thumbnail(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    size: Annotated[Size, Query(description="Pixels of its longer side, at most.")] = "256",
    version_id: VersionOfFile = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A small WebP of a picture, of a PDF's first page or of a frame of a video; 202 while it is being made."""
    return await preview_answer(asker, bucket_id, file_id, version_id, size, if_none_match)


@router.get("/buckets/{bucket_id}/files/{file_id}/optimized", response_class=Response, responses=ANSWERS)
async def get_optimized(
    bucket_id: Id, file_id: Id, asker: TheReader, version_id: VersionOfFile = None, if_none_match: IfNoneMatch = None
) -> Response:
    """A picture in its own format, recompressed and without metadata; 202 while it is being made."""
    return await preview_answer(asker, bucket_id, file_id, version_id, OPTIMIZE, if_none_match)


class WantedPreview(Body):
    recipe: Recipe = Field("256", description="Pixels of a thumbnail's longer side, or `optimize`.")
    version_id: Annotated[str, Field(max_length=64)] | None = None


class PreviewUrl(BaseModel):
    url: str
    expires_at: datetime


@router.post("/buckets/{bucket_id}/files/{file_id}/preview-url")
async def create_preview_url(
    bucket_id: Id, file_id: Id, body: WantedPreview, asker: TheAsker, caller: TheCaller, services: TheServices
) -> PreviewUrl:
    """For five minutes, of this version alone. It ends with the session, and when the caller may not read the file."""
    bucket = await asker.bucket(bucket_id)
    found = await find_version(asker, bucket, file_id, body.version_id)
    version: ObjectVersion = (await asker.perform(asker.call("GetObject", bucket, **found), HEAD_VERSION))["Version"]
    of_version = (version.sequence, body.version_id)
    claims = PreviewClaims(
        caller.principal.user_id, caller.session_id, bucket_id, file_id, *of_version, recipe=body.recipe
    )
    until = int(time.time()) + LIFETIME
    token = await services.token_keys.issue_preview(claims)
    return PreviewUrl(url=f"{asker.base_url}/api/v1/preview?token={token}", expires_at=time_of(until * 1_000_000))


@router.get("/preview", response_class=Response, responses=ANSWERS)
async def show_preview(
    token: Annotated[str, Query(max_length=2048, description="Of the URL that was given out.")],
    request: Request,
    services: TheServices,
    origin: TheOrigin,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """By a URL that was given out; its token says who asks."""
    claims = await services.token_keys.verify_preview(token)
    caller = await login.caller_in(services, claims.session_id, claims.user_id, origin)
    request.state.user, request.state.role = caller.principal.name, caller.principal.role
    asker = asker_as(request, caller.principal)
    given = claims.bucket_id, claims.file_id, claims.version_id, claims.recipe, if_none_match
    return await preview_answer(asker, *given, sequence=claims.sequence)


async def preview_answer(
    asker: Asker,
    bucket_id: str,
    file_id: str,
    version_id: str | None,
    recipe: str,
    if_none_match: str | None,
    *,
    sequence: int | None = None,
) -> Response:
    bucket = await asker.bucket(bucket_id)
    input = {**await find_version(asker, bucket, file_id, version_id), "Recipe": recipe}
    if if_none_match is not None:
        input["IfNoneMatch"] = if_none_match
    if sequence is not None:
        input["Sequence"] = sequence
    try:
        output = await asker.perform(asker.call("GetObject", bucket, **input), GET_PREVIEW)
    except NotModified as error:
        return Content(304, {"etag": error.headers["etag"], **ALWAYS}, None)
    except PreviewPending as error:
        return Response(status_code=202, headers={"Retry-After": str(error.after)})
    content: OpenContent = output.pop("Body")
    encoded = _GET.encode(output)
    headers = {name.decode(): value.decode("latin-1") for name, value in encoded.headers if name.lower() in _PASSED_ON}
    return Content(encoded.status, {**headers, **ALWAYS, "Content-Disposition": "inline"}, content)
