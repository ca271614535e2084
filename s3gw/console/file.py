"""A file: what it looks like, what is known of it, and its versions. GET /buckets/{id}/files/{id}, …/versions
and …/acl.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console import places
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.bucket_settings import GROUPS
from s3gw.console.file_acl import CANNED, PERMISSIONS, acl_of
from s3gw.console.may import may
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask

_VERSIONS = "20"  # of a page
_BUCKETS = "100"  # that a copy may be put into by choosing them
_MOST_TAGS = 10
_FORMS = ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl")  # what forms need
_SPARE = 2  # empty rows for more tags and metadata


class Pair(NamedTuple):
    name: str
    value: str


async def page(request: Request) -> Response:
    """`version` is shown instead of what the file is now; `done` says what was done just now."""
    visitor, given = await visitor_of(request), request.path_params
    bucket_id, file_id = given["bucket_id"], given["file_id"]
    where = path_of("buckets", bucket_id, "files", file_id)
    asked = request.query_params
    bucket, answer, view, versions, buckets, acl = await asyncio.gather(
        ask(request, visitor, "GET", path_of("buckets", bucket_id)),
        ask(request, visitor, "GET", where),
        _view(request, visitor, where, asked.get("version", "")),
        _versions(request, visitor, where),
        ask(request, visitor, "GET", path_of("buckets"), query={"per_page": _BUCKETS}),
        acl_of(request, visitor),
    )
    file = answer.json()
    folder = places.folder_of(file["file_path"])
    mays = await may(request, visitor, bucket_id, file["file_path"], *_FORMS)
    return shown(
        request,
        "file.html",
        visitor=visitor,
        bucket=bucket.json(),
        file=file,
        etag=answer.headers.get("etag", ""),
        where=places.path_of_bucket(bucket_id),
        folder=places.place_of(bucket_id, prefix=folder),
        crumbs=places.crumbs(bucket_id, folder),
        version=asked.get("version", ""),
        view=view,
        versions=versions,
        buckets=_this_one_first(bucket.json(), buckets.json()["items"]),
        tags=_rows(file["tags"], _MOST_TAGS),
        metadata=_rows(file["metadata"]),
        acl=acl,
        groups=GROUPS,
        permissions=PERMISSIONS,
        canned=CANNED,
        mays=mays,
        done=asked.get("done", ""),
    )


async def _view(request: Request, visitor: Visitor, where: str, version: str) -> str | None:
    """The address of what is shown in a frame; None for who may not read it, or may not yet."""
    body = {"version_id": version} if version else {}
    try:
        return str((await ask(request, visitor, "POST", f"{where}/view-url", body=body)).json()["url"])
    except ApiRefusal as error:
        if error.status in (403, 404):
            return None
        raise


async def _versions(request: Request, visitor: Visitor, where: str) -> dict[str, Any] | None:
    """None for who may not list them."""
    cursor = request.query_params.get("cursor", "")
    query = {"per_page": _VERSIONS} | ({"cursor": cursor} if cursor else {})
    try:
        found: dict[str, Any] = (await ask(request, visitor, "GET", f"{where}/versions", query=query)).json()
    except ApiRefusal as error:
        if error.status in (403, 404):
            return None
        raise
    return found


def _this_one_first(bucket: dict[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [bucket, *(other for other in found if other["id"] != bucket["id"])]


def _rows(found: dict[str, str] | None, most: int | None = None) -> list[Pair] | None:
    """To be filled in; None: they may not be seen, so they can't be changed either."""
    if found is None:
        return None
    rows = [Pair(name, value) for name, value in sorted(found.items())] + [Pair("", "")] * _SPARE
    return rows[: max(most, len(found))] if most is not None else rows
