"""Quotas of buckets: GET /buckets, PUT /buckets/{id}. A user's is on the user's page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, amount_of, as_seen, first
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask

_PER_PAGE = 20


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    always = {"storage": "true"}
    found = await listed(request, visitor, path_of("buckets"), ("name",), always=always, per_page=_PER_PAGE)
    return shown(request, template_for(request, "quotas"), visitor=visitor, found=found, rows=found.items)


async def change(request: Request) -> Response:
    return await act(request, {"set": _set})


async def _set(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {name: amount_of(fields, name) for name in ("storage_quota", "object_quota")}
    path = path_of("buckets", first(fields, "bucket"))
    changed = await ask(request, visitor, "PUT", path, body=body, headers=as_seen(fields))
    return f"/console/admin/quotas?name={changed.json()['name']}"
