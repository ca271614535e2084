"""Pages of the API's lists, as screens show them: filtered by what the address says, and a link to the next page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request

from s3gw.console.api_call import ApiRefusal
from s3gw.console.session import Visitor
from s3gw.console.visit import ask

PER_PAGE = 50
_AT_ONCE = 4  # calls of one page


class Listed(NamedTuple):
    """`asked` are the filters as they were given; `following` is the address of the next page."""

    items: list[dict[str, Any]]
    total: int
    asked: dict[str, str]
    following: str | None
    is_first: bool


async def listed(
    request: Request,
    visitor: Visitor,
    path: str,
    filters: tuple[str, ...] = (),
    *,
    always: dict[str, str] | None = None,
    per_page: int = PER_PAGE,
) -> Listed:
    """Of the list at `path`. `always` is asked for whatever the address says."""
    given = request.query_params
    asked = {name: given.get(name, "").strip() for name in filters}
    cursor = {"cursor": given["cursor"]} if given.get("cursor") else {}
    wanted = {name: value for name, value in asked.items() if value}
    query = {"per_page": str(per_page)} | wanted | (always or {}) | cursor
    found = (await ask(request, visitor, "GET", path, query=query)).json()
    following = None
    if found["next_cursor"] is not None:
        following = f"{request.url.path}?{urlencode(wanted | {'cursor': found['next_cursor']})}"
    return Listed(found["items"], found["total"], asked, following, not cursor)


async def with_etags(
    request: Request, visitor: Visitor, items: Sequence[dict[str, Any]], path_for: Callable[[dict[str, Any]], str]
) -> list[dict[str, Any]]:
    """Each with what the API tells of it by itself, and with its ETag as `etag`, for a form that changes it
    (forms.as_seen); without
    those that have gone since they were listed.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def seen(item: dict[str, Any]) -> dict[str, Any] | None:
        async with turns:
            try:
                answer = await ask(request, visitor, "GET", path_for(item))
            except ApiRefusal as error:
                if error.status == 404:
                    return None
                raise
        return {**answer.json(), "etag": answer.headers["etag"]}

    found = await asyncio.gather(*(seen(item) for item in items))
    return [item for item in found if item is not None]


def template_for(request: Request, name: str) -> str:
    """The rows alone where htmx asks for them."""
    return f"{name}_rows.html" if "hx-request" in request.headers else f"{name}.html"
