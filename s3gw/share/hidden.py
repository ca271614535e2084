"""Takes the token out of the path before anything else sees it: neither the log nor an error or a trace can tell it.

Inside, every link is at the same place; what finds the link writes its id into the path that is logged.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

PLACE = "/link"
_TOKEN = "s3gw.share_token"
_OF_LINK = re.compile(r"/([A-Za-z0-9_-]{43})(/[a-z]{1,16}(?:/[0-9a-f-]{36})?)?")
_SHOWN = ("/shown", "/shown/content", "/shown/page")  # whose token is in the query, which no log tells
_PLAIN = frozenset(("/", "/style.css", "/drop.js", "/robots.txt", "/favicon.ico", *_SHOWN))


class HiddenToken:
    """An ASGI application around all others of this listener."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _OF_LINK.fullmatch(scope["raw_path"].decode("latin-1"))
        if found is not None:
            path = f"{PLACE}{found[2] or ''}"
            told = path.encode()
        else:  # one that was mistyped is as secret
            path = scope["path"] if scope["path"] in _PLAIN else "/unknown"
            told = path.encode()
        hidden = {**scope, "path": path, "raw_path": told, "query_string": scope["query_string"]}
        hidden[_TOKEN] = "" if found is None else found[1]
        await self._app(hidden, receive, send)


def token_of(request: Request) -> str:
    token: str = request.scope[_TOKEN]
    return token


def tell_id(request: Request, link_id: str) -> None:
    """What the log calls the link."""
    request.scope["raw_path"] = request.scope["path"].replace(PLACE, f"/{link_id}", 1).encode()
