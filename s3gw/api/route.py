"""The route of this API: what each has, without saying so. Bodies that are longer than a route takes are counted by
the library (`max_body_size`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from s3gw.api.caller import TheServices
from s3gw.api.idempotency import documented, done_once
from s3gw.problems import Invalid

LARGEST_BODY = 1 << 20  # bytes of JSON
NO_LIMIT = 1 << 62  # of a body that streams: S3's own limits bound it
DEEPEST = 64  # arrays and objects in each other; a parser's own end is deeper, and differs
# A string that doesn't end goes on to the body's end, so that nothing is looked at twice.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)


async def require_room(services: TheServices) -> None:
    """As S3's creates do: below the floor of free space there is room for deletes only."""
    services.room.require()


class Route(APIRoute):
    """Bodies are bounded in depth; what makes something (201) needs room on the disk, and is done once under an
    Idempotency-Key.
    """

    is_repeatable = True

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if options.get("status_code") == 201 and self.is_repeatable:
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(documented), Depends(require_room)]
        super().__init__(path, endpoint, **options)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is announced to be too long is refused here: the library's own answer to it isn't JSON."""
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > (self.max_body_size or LARGEST_BODY):
            raise HTTPException(413, "Content Too Large")
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if self.status_code == 201 and self.is_repeatable:
            handler = done_once(handler, self.path, self.dependant, self.response_model)  # type: ignore[assignment]
        if self.body_field is None:
            return handler

        async def handle(request: Request) -> Response:
            refuse_deep(await request.body())
            return await handler(request)

        return handle


class StreamingRoute(Route):
    """Its body isn't JSON and may be long, so it isn't kept to be compared: what takes an Idempotency-Key all the same
    does so itself (upload_once.py).
    """

    is_repeatable = False


def refuse_deep(body: bytes) -> None:
    """Raises Invalid where arrays and objects are too deep in each other. Of what isn't JSON it says nothing."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(body):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found.group()[:1], 0)
        if depth > DEEPEST:
            raise Invalid(f"the body has more than {DEEPEST} arrays and objects in each other")
