"""Calls of the JSON API, in this process, as whoever has the console's session.

Each is an ordinary request to the API's application, with an access token that is made for it and never leaves this
process. So rules, errors, rate limits, the log and the audit log are those of any other client. All calls of a request
have its id in the log, and count as one at the rate limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s3gw.addresses import was_forwarded
from s3gw.api.door import INSIDE, Inside
from s3gw.auth.access_tokens import Claims
from s3gw.services import Services

_ROOT = "/api/v1"
# Of the browser's request: what says who is there. What a proxy has added is passed on too, for the door to judge.
_ABOUT_THE_CLIENT = (b"host", b"user-agent", b"traceparent")
# The browser's own credentials, and what would make an answer one for web pages of other origins.
_NOT_PASSED_ON = (b"authorization", b"cookie", b"origin", b"access-control-request-method", b"x-csrf-token")
Headers = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


class ApiRefusal(Exception):
    """What the API has answered instead; `told` is its document."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.status = answer.status
        self.told: dict[str, Any] = answer.json()
        self.retry_after = answer.headers.get("retry-after")

    @property
    def error_code(self) -> str:
        return str(self.told.get("error_code", ""))


def path_of(*parts: str) -> str:
    """Below the API's root, whatever is in the parts: "buckets", id, "files", …"""
    return "/".join((_ROOT, *(quote(part, safe="") for part in parts)))


class Api:
    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services

    async def ask(
        self,
        request: Request,
        claims: Claims | None,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The whole answer. Raises ApiRefusal. `path` is path_of's; `claims` None: nobody who is known; `more`: headers
        that only this call has.
        """
        content = b"" if body is None else json.dumps(body).encode()
        given = [(name, value) for name, value in request.scope["headers"] if _is_about_the_client(name)]
        given += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        if not any(name == b"content-type" for name, _ in given):
            given.append((b"content-type", b"application/json"))
        given.append((b"content-length", b"%d" % len(content)))
        status, told, pieces = 0, {}, bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, told
            if message["type"] == "http.response.start":
                status = message["status"]
                told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
            else:
                pieces.extend(message.get("body", b""))

        scope = await self._scope(request.scope, claims, method, path, urlencode(query or {}, doseq=True), given)
        await self._app(scope, receive, send)
        answer = Answer(status, told, bytes(pieces))
        if status >= 400:
            raise ApiRefusal(answer)
        return answer

    async def pass_on(self, scope: Scope, receive: Receive, send: Send, claims: Claims, path: str, query: str) -> None:
        """A request of the browser's and its answer, as they come: for bytes of files."""
        headers = [(name, value) for name, value in scope["headers"] if name not in _NOT_PASSED_ON]
        made = await self._scope(scope, claims, scope["method"], path, query, headers)
        made["extensions"] = dict(scope.get("extensions", {}))
        await self._app(made, receive, send)

    async def _scope(
        self, outer: Scope, claims: Claims | None, method: str, path: str, query: str, headers: Headers
    ) -> Scope:
        state = outer["state"]
        inside = Inside(state["request_id"], is_first=not state.get("has_asked", False))
        state["has_asked"] = True  # on the event loop, before another call of the request is begun
        if claims is not None:
            tokens = state.setdefault("access_tokens", {})  # of this request, which may log in
            if claims not in tokens:
                tokens[claims] = await self._services.token_keys.issue(claims)
            headers = [*headers, (b"authorization", f"Bearer {tokens[claims]}".encode())]
        asked = {name: outer.get(name) for name in ("http_version", "scheme", "client", "server", "asgi")}
        where = {"path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": ""}
        return {**asked, **where, "type": "http", "method": method, "headers": headers, INSIDE: inside}


def _is_about_the_client(name: bytes) -> bool:
    return name in _ABOUT_THE_CLIENT or was_forwarded((name.decode("latin-1"),))
