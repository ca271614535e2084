"""Jobs, of users and the server's own: GET /jobs, GET /jobs/{id}, POST /jobs/{id}/cancel and /retry."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.metadata.job_kinds import PRIORITIES

_STATES = ("queued", "running", "done", "failed", "cancelled")


async def page(request: Request) -> Response:
    """`live=off` is for who doesn't want it to change while it is read."""
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("jobs"), ("kind", "state"), always={"everyone": "true"})
    is_live = found.is_first and request.query_params.get("live") != "off"
    values: dict[str, Any] = {"found": found, "kinds": sorted(PRIORITIES), "states": _STATES, "is_live": is_live}
    return shown(request, template_for(request, "jobs"), visitor=visitor, **values)


async def details(request: Request) -> Response:
    visitor = await visitor_of(request)
    job = (await ask(request, visitor, "GET", path_of("jobs", request.path_params["job_id"]))).json()
    template = "job_live.html" if "hx-request" in request.headers else "job.html"
    return shown(request, template, visitor=visitor, job=job)


async def change(request: Request) -> Response:
    return await act(request, {"cancel": _cancel, "retry": _retry})


async def _cancel(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _done(request, visitor, "cancel")


async def _retry(request: Request, visitor: Visitor, fields: Fields) -> str:
    return await _done(request, visitor, "retry")


async def _done(request: Request, visitor: Visitor, what: str) -> str:
    job = await ask(request, visitor, "POST", path_of("jobs", request.path_params["job_id"], what))
    return f"/console/admin/jobs/{job.json()['id']}"
