"""What the virus scanner found: GET /scans/status and /scans, POST /scans/{digest}/release, DELETE /scans/{digest}."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask

_HERE = "/console/admin/scans"
_STATES = ("infected", "pending", "unscannable", "released", "clean")


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    status = (await ask(request, visitor, "GET", path_of("scans", "status"))).json()
    found = await listed(request, visitor, path_of("scans"), ("state",))
    values = {"now": status, "found": found, "states": _STATES}
    return shown(request, template_for(request, "scans"), visitor=visitor, **values)


async def change(request: Request) -> Response:
    return await act(request, {"release": _release, "delete": _delete})


async def _release(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "POST", path_of("scans", first(fields, "digest"), "release"))
    return f"{_HERE}?state=released"


async def _delete(request: Request, visitor: Visitor, fields: Fields) -> str:
    """A hundred versions at once: where there are more, the list still has it."""
    await ask(request, visitor, "DELETE", path_of("scans", first(fields, "digest")))
    return f"{_HERE}?state=infected"
