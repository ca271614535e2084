"""Looking at files: URLs of the share listener, which is of another origin, so nothing that is shown can act as who
looks; and the pages of PDFs and heads of tables that are shown there, for programs too.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from s3gw.addresses import share_address
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.download import VersionOfFile, find_version
from s3gw.api.file_calls import TheAsker, TheReader
from s3gw.api.models import Body, Id, time_of
from s3gw.api.previews import ANSWERS, IfNoneMatch, PreviewUrl, preview_answer
from s3gw.api.route import Route
from s3gw.auth.preview_tokens import VIEW_LIFETIME, ViewClaims
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.previews import HEAD_VERSION
from s3gw.previews.limits import MOST_COLUMNS, MOST_ROWS
from s3gw.previews.recipes import MOST_PAGES, TABLE, page_recipe
from s3gw.problems import Invalid

router = APIRouter(tags=["previews"], route_class=Route)
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")  # nothing that would end a directive of the policy


class WantedView(Body):
    version_id: Annotated[str, Field(max_length=64)] | None = None


class Column(BaseModel):
    name: str
    type: str


class TableHead(BaseModel):
    columns: list[Column] = Field(description=f"The first {MOST_COLUMNS}.")
    rows: list[list[str | None]] = Field(description=f"The first {MOST_ROWS}, each cell as text, shortened.")
    column_count: int
    row_count: int


_TABLE_ANSWERS: dict[int | str, Any] = ANSWERS | {200: {"model": TableHead, "headers": ANSWERS[200]["headers"]}}


@router.post("/buckets/{bucket_id}/files/{file_id}/view-url")
async def create_view_url(
    bucket_id: Id,
    file_id: Id,
    body: WantedView,
    asker: TheAsker,
    caller: TheCaller,
    services: TheServices,
    request: Request,
) -> PreviewUrl:
    """A page of the share listener that shows this version alone, for half an hour, in a frame of a page of the origin
    by which this was asked. It ends with the session, and when the caller may not read the file.
    """
    bucket = await asker.bucket(bucket_id)
    found = await find_version(asker, bucket, file_id, body.version_id)
    version: ObjectVersion = (await asker.perform(asker.call("GetObject", bucket, **found), HEAD_VERSION))["Version"]
    if not _HOST.fullmatch(request.state.host):
        raise Invalid("the Host header names no host")
    framed_by = f"{request.state.scheme}://{request.state.host}"
    if services.settings.public_url is not None:  # where a proxy doesn't say by which host it was asked
        scheme, host, *_ = urlsplit(services.settings.public_url)
        framed_by += f" {scheme}://{host}" if _HOST.fullmatch(host) else ""
    of_version = (version.sequence, body.version_id)
    claims = ViewClaims(caller.principal.user_id, caller.session_id, bucket_id, file_id, *of_version, framed_by)
    until = int(time.time()) + VIEW_LIFETIME
    token, settings = await services.token_keys.issue_preview(claims), services.settings
    url = f"{share_address(settings.share_url, settings.share_listen)}/shown?token={token}"
    return PreviewUrl(url=url, expires_at=time_of(until * 1_000_000))


@router.get("/buckets/{bucket_id}/files/{file_id}/page", response_class=Response, responses=ANSWERS)
async def get_page(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    number: Annotated[int, Query(ge=1, le=MOST_PAGES, description="From 1.")] = 1,
    version_id: VersionOfFile = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A page of a PDF as a picture, WebP; 202 while it is being made."""
    return await preview_answer(asker, bucket_id, file_id, version_id, page_recipe(number), if_none_match)


@router.get("/buckets/{bucket_id}/files/{file_id}/table", response_class=Response, responses=_TABLE_ANSWERS)
async def get_table(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    version_id: VersionOfFile = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The first rows of a Parquet file; 202 while they are being looked up."""
    return await preview_answer(asker, bucket_id, file_id, version_id, TABLE, if_none_match)
