"""What routes ask the API, as the visitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from s3gw.console.api_call import Answer, Api
from s3gw.console.session import Visitor


def api_of(request: Request) -> Api:
    found: Api = request.app.state.api
    return found


async def ask(
    request: Request,
    visitor: Visitor | None,
    method: str,
    path: str,
    *,
    query: Mapping[str, str | Sequence[str]] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Of `path_of`, with `more` headers. Raises ApiRefusal."""
    claims = None if visitor is None else visitor.claims
    return await api_of(request).ask(request, claims, method, path, query=query, body=body, headers=headers)
