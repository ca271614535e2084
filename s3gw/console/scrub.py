"""Whether stored chunks are whole: GET /scrub, /scrub/damaged and /scrub/damaged/{location}."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.api_call import path_of
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import visitor_of
from s3gw.console.visit import ask

_STATES = ("damaged", "healed", "unneeded")


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    status = (await ask(request, visitor, "GET", path_of("scrub"))).json()
    found = await listed(request, visitor, path_of("scrub", "damaged"), ("state",))
    values = {"now": status, "found": found, "states": _STATES}
    return shown(request, template_for(request, "scrub"), visitor=visitor, **values)


async def details(request: Request) -> Response:
    visitor = await visitor_of(request)
    chunk = await ask(request, visitor, "GET", path_of("scrub", "damaged", request.path_params["location"]))
    return shown(request, "damaged_chunk.html", visitor=visitor, chunk=chunk.json())
