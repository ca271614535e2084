"""How far a job of the visitor's has come: GET /jobs/{id}. A part of a page, that asks again until it has ended."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.api_call import path_of
from s3gw.console.pages import shown
from s3gw.console.session import visitor_of
from s3gw.console.visit import ask


async def part(request: Request) -> Response:
    visitor = await visitor_of(request)
    job = (await ask(request, visitor, "GET", path_of("jobs", request.path_params["job_id"]))).json()
    return shown(request, "work.html", visitor=visitor, job=job)
