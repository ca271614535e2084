"""The buckets and how full they are: GET and POST /buckets."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault

_PER_PAGE = 20


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    name, cursor = request.query_params.get("name", ""), request.query_params.get("cursor", "")
    query = {"per_page": str(_PER_PAGE), "name": name, "storage": "true"} | ({"cursor": cursor} if cursor else {})
    found = (await ask(request, visitor, "GET", path_of("buckets"), query=query)).json()
    template = "bucket_rows.html" if "hx-request" in request.headers else "buckets.html"
    values = {"rows": found["items"], "name": name, "cursor": found["next_cursor"]}
    values |= {"fault": fault, "done": None, "wanted": first(sent, "name")}
    return shown(request, template, status, visitor=visitor, **values)


async def create(request: Request) -> Response:
    return await act(request, {"": _create}, _page)  # a form that does one thing


async def _create(request: Request, visitor: Visitor, fields: Fields) -> str:
    body = {"name": first(fields, "name").strip()}
    made = (await ask(request, visitor, "POST", path_of("buckets"), body=body)).json()
    return f"/console/buckets?name={made['name']}"
