"""Schedules: GET /schedules, PUT /schedules/{kind}, POST /schedules/{kind}/run."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, as_seen, first
from s3gw.console.lists import listed, with_etags
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("schedules"), per_page=100)
    rows = await with_etags(request, visitor, found.items, lambda one: path_of("schedules", one["kind"]))
    return shown(request, "schedules.html", visitor=visitor, rows=rows)


async def change(request: Request) -> Response:
    return await act(request, {"put": _put, "run": _run})


async def _put(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {
        "cron": first(fields, "cron").strip(),
        "time_zone": first(fields, "time_zone").strip() or "UTC",
        "is_enabled": first(fields, "is_enabled") == "on",
    }
    path = path_of("schedules", first(fields, "kind"))
    await ask(request, visitor, "PUT", path, body=body, headers=as_seen(fields))
    return "/console/admin/schedules"


async def _run(request: Request, visitor: Visitor, fields: Fields) -> str:
    job = await ask(request, visitor, "POST", path_of("schedules", first(fields, "kind"), "run"))
    return f"/console/admin/jobs/{job.json()['id']}"
