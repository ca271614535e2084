"""How far a job of the visitor's has come: GET /jobs/{id}. A part of a page, that asks again until it has ended; and a
page of its own where no script has asked for it.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.api_call import path_of
from s3gw.console.pages import shown
from s3gw.console.places import place_of
from s3gw.console.session import visitor_of
from s3gw.console.visit import ask


async def part(request: Request) -> Response:
    """`bucket` and `prefix`: the folder whose page has named the job."""
    visitor, asked = await visitor_of(request), request.query_params
    job = (await ask(request, visitor, "GET", path_of("jobs", request.path_params["job_id"]))).json()
    bucket_id = asked.get("bucket", "")
    back = place_of(bucket_id, prefix=asked.get("prefix", "")) if bucket_id else None
    template = "work.html" if "hx-request" in request.headers else "work_page.html"
    return shown(request, template, visitor=visitor, job=job, back=back, again=str(request.url.query))
