"""Which processes serve, and what they were told: GET /nodes and /settings."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.api_call import path_of
from s3gw.console.pages import shown
from s3gw.console.session import visitor_of
from s3gw.console.visit import ask

_NODES = "500"  # of a page


async def nodes(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = (await ask(request, visitor, "GET", path_of("nodes"), query={"per_page": _NODES})).json()
    return shown(request, "nodes.html", visitor=visitor, nodes=found)


async def settings(request: Request) -> Response:
    """`only=set`: those that aren't at their default."""
    visitor, only = await visitor_of(request), request.query_params.get("only", "")
    found = (await ask(request, visitor, "GET", path_of("settings"))).json()["items"]
    rows = [one for one in found if only != "set" or one["source"] != "default"]
    return shown(request, "settings.html", visitor=visitor, rows=rows, only=only)
