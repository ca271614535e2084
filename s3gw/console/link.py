"""One share link: what is set for it, and another expiry, password or limit. GET and PUT /links/{id}."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console import places
from s3gw.console.actions import NOTHING_SENT, act, done_of, sent_again
from s3gw.console.api_call import path_of
from s3gw.console.bucket_place import bucket_of
from s3gw.console.forms import Fields, first, until
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault
from s3gw.problems import Invalid

DONE = {"saved": _("The link is changed. It counts from the next visit on.")}
_MIB = 1 << 20
# Fields, and the size of what they count.
_LIMITS = {"max_downloads": 1, "max_uploads": 1, "max_bytes": _MIB}


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    return await act(request, {"save": _save}, _page)


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    bucket = await bucket_of(request, visitor)
    answer = await ask(request, visitor, "GET", _in_api(request))
    link = answer.json()
    return shown(
        request,
        "link.html",
        status,
        visitor=visitor,
        bucket=bucket.told,
        where=places.path_of_bucket(bucket.told["id"]),
        link=link,
        etag=answer.headers["etag"],
        day=_day(link),
        limits=_limits_of(link),
        fault=fault,
        done=done_of(request, DONE),
        sent=sent_again(sent),
    )


def _in_api(request: Request) -> str:
    return path_of("links", request.path_params["link_id"])


def _day(link: dict[str, Any]) -> str:
    return str(link["expires_at"] or "")[:10]


def _limits_of(link: dict[str, Any]) -> dict[str, str]:
    """As the fields have them: of bytes MiB, also a part of one."""
    return {name: "" if link[name] is None else f"{link[name] / size:.15g}" for name, size in _LIMITS.items()}


async def _save(request: Request, visitor: Visitor, fields: Fields) -> str:
    """What is as the page has shown it isn't sent, so an expiry keeps its hour and a limit its bytes."""
    link = (await ask(request, visitor, "GET", _in_api(request))).json()
    body: dict[str, Any] = {}
    if first(fields, "until").strip() != _day(link):
        body["expires_at"] = until(fields, "until")
    for name, shown_as in _limits_of(link).items():
        given = first(fields, name).strip()
        if name in fields and given != shown_as:
            body[name] = _number(given) * _LIMITS[name] if given else None
    if first(fields, "password"):
        body["password"] = first(fields, "password")
    elif "open" in fields:
        body["password"] = None
    await ask(request, visitor, "PUT", _in_api(request), body=body, headers={"If-Match": first(fields, "etag")})
    return f"{places.path_of_bucket(request.path_params['bucket_id'], 'links', link['id'])}?done=saved"


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise Invalid(_("A number isn't one."))
    return int(given)
