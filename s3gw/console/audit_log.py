"""The audit log: GET /audit with its filters, /audit/export and /audit/verification."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s3gw.console.api_call import path_of
from s3gw.console.lists import listed, template_for
from s3gw.console.pages import shown
from s3gw.console.session import visitor_of
from s3gw.console.transfer import saved
from s3gw.console.visit import ask

_FILTERS = ("actor", "action", "resource_type", "resource", "outcome", "since", "until")
_OUTCOMES = ("done", "refused", "failed")


async def page(request: Request) -> Response:
    visitor = await visitor_of(request)
    found = await listed(request, visitor, path_of("audit"), _FILTERS)
    export = urlencode({name: value for name, value in found.asked.items() if value})
    values: dict[str, Any] = {"found": found, "outcomes": _OUTCOMES, "export": f"/console/admin/audit/export?{export}"}
    return shown(request, template_for(request, "audit"), visitor=visitor, **values)


async def verification(request: Request) -> Response:
    """`head` is what was told before; nothing is verified before somebody asks, since all of the log is read."""
    visitor, told, head = await visitor_of(request), None, request.query_params.get("head")
    if head is not None:
        query = {"head": head.strip()} if head.strip() else {}
        told = (await ask(request, visitor, "GET", path_of("audit", "verification"), query=query)).json()
    return shown(request, "audit_verification.html", visitor=visitor, told=told, head=head or "")


class Export:
    """As it comes, with the filters that the page has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Request(scope).query_params
        query = urlencode({name: given[name] for name in _FILTERS if given.get(name)})
        await saved(scope, receive, send, path_of("audit", "export"), query, "audit.jsonl")
