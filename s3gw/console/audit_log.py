"""The audit log: GET /audit with its filters, /audit/export, POST /audit/verification, and GET /jobs/{id} of that."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s3gw.console.actions import NOTHING_SENT, act
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first, text_of
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.transfer import saved
from s3gw.console.visit import ask
from s3gw.console.words import Fault

_FILTERS = ("actor", "action", "resource_type", "resource", "outcome", "since", "until")
_VERIFICATION = "/console/admin/audit/verification"
_OUTCOMES = ("done", "refused", "failed")


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("audit"), _FILTERS)
    export = urlencode({name: value for name, value in found.asked.items() if value})
    values: dict[str, Any] = {"found": found, "outcomes": _OUTCOMES, "export": f"/console/admin/audit/export?{export}"}
    return shown(request, template_for(request, "audit"), visitor=visitor, **values)


async def verification(request: Request) -> Response:
    """Nothing is verified before somebody asks, since all of the log is read. `job` is the one that does it."""
    return await _verification(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def verify(request: Request) -> Response:
    return await act(request, {"verify": _verify}, _verification)


async def _verification(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    job, job_id = None, request.query_params.get("job", "")
    if job_id:
        job = (await ask(request, visitor, "GET", path_of("jobs", job_id))).json()
    template = "audit_verified.html" if "hx-request" in request.headers else "audit_verification.html"
    return shown(request, template, status, visitor=visitor, job=job, fault=fault, done=None, head=first(sent, "head"))


async def _verify(request: Request, visitor: Visitor, fields: Fields) -> str:
    """`head` is what was told before, if anything was."""
    body = {"head": text_of(fields, "head")}
    job = await ask(request, visitor, "POST", path_of("audit", "verification"), body=body)
    return f"{_VERIFICATION}?{urlencode({'job': job.json()['id']})}"


class Export:
    """As it comes, with the filters that the page has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Request(scope).query_params
        query = urlencode({name: given[name] for name in _FILTERS if given.get(name)})
        await saved(scope, receive, send, path_of("audit", "export"), query, "audit.jsonl")
