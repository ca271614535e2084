"""The admin's first screen: GET /dashboard, /health and /nodes."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask

# With what one point of each range is about.
_RANGES = {
    "hour": (_("Last hour"), _("minute")),
    "day": (_("Last 24 hours"), _("20 minutes")),
    "month": (_("Last 30 days"), _("12 hours")),
    "year": (_("Last year"), _("week")),
}
_NODES = "100"  # of a page
_CHECKS = ("database", "reading", "writing", "scanning", "clock")


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    wanted = request.query_params.get("range", "hour")
    told, nodes, health = await asyncio.gather(
        ask(request, visitor, "GET", path_of("dashboard"), query={"range": wanted}),
        ask(request, visitor, "GET", path_of("nodes"), query={"per_page": _NODES}),
        _health(request, visitor),
    )
    template = "dashboard_live.html" if "hx-request" in request.headers else "dashboard.html"
    values = {"told": told.json(), "nodes": nodes.json(), "health": health}
    values |= {"checks": _CHECKS, "ranges": _RANGES}
    # Of a thousand numbers, which take 30 ms to be written: requests of this worker don't wait for them.
    return await asyncio.to_thread(shown, request, template, visitor=visitor, **values)


async def _health(request: Request, visitor: Visitor) -> dict[str, Any]:
    """Where the server can't serve, the API's answer says so by its status too."""
    try:
        found: dict[str, Any] = (await ask(request, visitor, "GET", path_of("health"))).json()
    except ApiRefusal as error:
        if "database" not in error.told:
            raise
        found = error.told
    return found
