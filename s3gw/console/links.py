"""Share links of a bucket: GET and POST /buckets/{id}/links, DELETE /links/{id}; and URLs of S3: POST
/buckets/{id}/presign. An address is in the answer that made it, and in no other.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.addresses import s3_address
from s3gw.console import places
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import Fields, action_of, first, sent_by
from s3gw.console.forms import path as prefix_of
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.qr import qr_code_if_it_fits
from s3gw.console.session import Visitor, services_of, visitor_of
from s3gw.console.visit import ask
from s3gw.problems import Invalid

_PER_PAGE = 20  # each to a file is asked what the file is called
_AT_ONCE = 4
_HOUR, _DAY = 3600, 86_400
# Seconds, and what they are called; "" is for ever.
LIFETIMES = {
    str(_HOUR): _("an hour"),
    str(_DAY): _("a day"),
    str(7 * _DAY): _("a week"),
    str(30 * _DAY): _("30 days"),
    str(365 * _DAY): _("a year"),
    "": _("until it is ended"),
}
OF_SIGNED = {str(_HOUR): _("an hour"), str(12 * _HOUR): _("12 hours")}
_OF_FORM = ("max_downloads", "max_uploads", "max_bytes")
_MIB = 1 << 20


class About(NamedTuple):
    """What a link is made to: a file, or else what is below a prefix."""

    file: dict[str, Any] | None
    prefix: str


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    asked = request.query_params
    return await _page(request, visitor, asked.get("file", ""), asked.get("prefix", ""))


async def change(request: Request) -> Response:
    visitor, bucket_id = await visitor_of(request), request.path_params["bucket_id"]
    fields = await sent_by(request, visitor)
    if first(fields, "action") == "end":
        await ask(request, visitor, "DELETE", path_of("links", first(fields, "link")))
        return RedirectResponse(places.page_of_bucket(bucket_id, "links", done="ended"), 303)
    makes = action_of(fields, {"share": _share, "sign": _sign})
    made = await makes(request, visitor, fields)
    return await _page(request, visitor, first(fields, "file"), prefix_of(fields, "prefix"), made)


async def _share(request: Request, visitor: Visitor, fields: Fields) -> str:
    """The address."""
    body: dict[str, Any] = {"kind": first(fields, "kind")}
    body |= {"file_id": first(fields, "file")} if first(fields, "file") else {"prefix": prefix_of(fields, "prefix")}
    for name in _OF_FORM:
        if given := first(fields, name).strip():
            body[name] = _number(given) * (_MIB if name == "max_bytes" else 1)
    if first(fields, "password"):
        body["password"] = first(fields, "password")
    if seconds := _lifetime(fields, LIFETIMES):
        body["expires_at"] = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    path = path_of("buckets", request.path_params["bucket_id"], "links")
    return str((await ask(request, visitor, "POST", path, body=body)).json()["url"])


async def _sign(request: Request, visitor: Visitor, fields: Fields) -> str:
    bucket_id, settings = request.path_params["bucket_id"], services_of(request).settings
    file = (await ask(request, visitor, "GET", path_of("buckets", bucket_id, "files", first(fields, "file")))).json()
    base = settings.api_url or f"{request.state.scheme}://{request.state.host}"
    body = {"operation": "get", "path": file["file_path"], "expires_in": _lifetime(fields, OF_SIGNED)}
    body |= {"endpoint": s3_address(base, settings.s3_url, settings.listen)}
    made = (await ask(request, visitor, "POST", path_of("buckets", bucket_id, "presign"), body=body)).json()
    return str(made["request"]["url"])


def _lifetime(fields: Fields, known: dict[str, str]) -> int | None:
    given = first(fields, "lifetime")
    if given not in known:
        raise Invalid("there is no such life time")
    return int(given) if given else None


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise Invalid("a limit is a number")
    return int(given)


async def _page(request: Request, visitor: Visitor, file_id: str, prefix: str, made: str | None = None) -> Response:
    bucket_id, number = request.path_params["bucket_id"], request.query_params.get("page", "1")
    bucket = (await ask(request, visitor, "GET", path_of("buckets", bucket_id))).json()
    file = None
    if file_id:
        file = (await ask(request, visitor, "GET", path_of("buckets", bucket_id, "files", file_id))).json()
    query = {"per_page": str(_PER_PAGE), "page": number}
    found = (await ask(request, visitor, "GET", path_of("buckets", bucket_id, "links"), query=query)).json()
    turns = asyncio.Semaphore(_AT_ONCE)
    paths = await asyncio.gather(*(_path_of_file(request, visitor, link, turns) for link in found["items"]))
    more = found["page"] * _PER_PAGE < found["total"]
    return shown(
        request,
        "links.html",
        visitor=visitor,
        bucket=bucket,
        where=places.path_of_bucket(bucket_id),
        about=About(file, prefix),
        links=list(zip(found["items"], paths, strict=True)),
        now=datetime.now(UTC).isoformat(),
        lifetimes=LIFETIMES,
        signed_lifetimes=OF_SIGNED,
        made=made,
        qr=None if made is None else qr_code_if_it_fits(made),
        following=places.page_of_bucket(bucket_id, "links", page=str(found["page"] + 1)) if more else None,
        done=request.query_params.get("done", ""),
    )


async def _path_of_file(
    request: Request, visitor: Visitor, link: dict[str, Any], turns: asyncio.Semaphore
) -> str | None:
    """What the file of a link is called now; None: it is gone, or isn't the visitor's to see."""
    if link["kind"] != "file":
        return str(link["prefix"])
    async with turns:
        try:
            path = path_of("buckets", link["bucket_id"], "files", link["file_id"])
            return str((await ask(request, visitor, "GET", path)).json()["file_path"])
        except ApiRefusal as error:
            if error.status in (403, 404):
                return None
            raise
