"""How programs connect to this server with one's own keys: GET and POST /keys, and the address of S3."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from s3gw.addresses import s3_address
from s3gw.console.api_call import path_of
from s3gw.console.forms import first, sent_by
from s3gw.console.pages import shown
from s3gw.console.programs import programs
from s3gw.console.session import Visitor, services_of, visitor_of
from s3gw.console.visit import ask

_UNKNOWN = "http://HOST:PORT"
_KEYS = "100"  # of a page


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    return await _page(request, visitor, request.query_params.get("key", ""), None)


async def make_key(request: Request) -> Response:
    """Its secret is in this answer and in no other."""
    visitor = await visitor_of(request)
    fields = await sent_by(request, visitor)
    body = {"description": first(fields, "description")}
    made = (await ask(request, visitor, "POST", path_of("keys"), body=body)).json()
    return await _page(request, visitor, made["access_key_id"], made["secret_access_key"])


async def _page(request: Request, visitor: Visitor, wanted: str, secret: str | None) -> Response:
    found: dict[str, Any] = (await ask(request, visitor, "GET", path_of("keys"), query={"per_page": _KEYS})).json()
    keys = [key for key in found["items"] if key["is_active"]]
    known = [key["access_key_id"] for key in keys]
    key_id = wanted if wanted in known else next(iter(reversed(known)), "")
    settings = services_of(request).settings
    base = settings.api_url or f"{request.state.scheme}://{request.state.host}"
    endpoint = s3_address(base, settings.s3_url, settings.listen) or _UNKNOWN
    shown_secret = secret or "SECRET_ACCESS_KEY"
    texts = programs(endpoint, urlsplit(endpoint).netloc, settings.region, key_id or "ACCESS_KEY_ID", shown_secret)
    return shown(
        request,
        "connect.html",
        visitor=visitor,
        programs=texts,
        key_id=key_id,
        secret=secret,
        endpoint=endpoint,
        region=settings.region,
    )
