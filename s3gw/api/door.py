"""What every request of the API passes: it gets an id and the client's address, its answer gets security headers, and
the log a line as S3's door writes it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s3gw import log
from s3gw.accounts.origin import Origin
from s3gw.addresses import was_forwarded
from s3gw.auth.payload import RECEIVE_INTO, ClientDisconnected, ReceiveInto
from s3gw.config import Settings
from s3gw.wire.request import forwarded_client, forwarded_scheme, is_trusted, join_headers

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),  # answers have tokens, secrets and people in them
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),  # docs.py's pages have their own
    (b"cross-origin-resource-policy", b"same-origin"),  # CORS, where it is allowed, doesn't ask for it
]
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_OVER_TLS = (b"strict-transport-security", b"max-age=31536000")


INSIDE = "s3gw.inside"  # of a scope, which no client writes


class Inside(NamedTuple):
    """Of a call that the console makes for a request of a browser's. The page tells this id, and `is_first` is
    the one of its calls that counts as asked (rate_limit.py).
    """

    request_id: str
    is_first: bool


class Asker(NamedTuple):
    """What an access line tells of who asked. Of a query it tells nothing: links and logins have secrets there."""

    headers: Mapping[str, str]
    client: str
    arguments: Mapping[str, str] = {}


class Asked(NamedTuple):
    name: str
    role: str


class Exchange:
    """A request and what becomes of its answer, for the log (log.Answered)."""

    def __init__(self, door: str, scope: Scope, receive: Receive, send: Send, request: Asker, request_id: str) -> None:
        self.door = door
        self.scope: Mapping[str, Any] = scope
        self.request = request
        self.request_id = request_id
        self.started_at = time.perf_counter()
        self.turned_at = 0.0
        self.operation = self.error_code = "-"
        self.status = 0
        self.bytes_received = self.bytes_sent = 0
        self.was_aborted = False
        self.is_whole = False
        self.extra_headers: list[tuple[bytes, bytes]] = []
        self._receive, self._send = receive, send
        if RECEIVE_INTO in scope.get("extensions", {}):
            self._receive_into: ReceiveInto = scope["extensions"][RECEIVE_INTO]["call"]
            scope["extensions"] = {**scope["extensions"], RECEIVE_INTO: {"call": self.receive_into}}

    def log(self) -> None:
        """With what the routes and errors.py have left in the scope."""
        self.operation = getattr(self.scope.get("route"), "name", None) or "-"
        self.error_code = self.scope["state"].get("error_code", "-")
        log.access(self)

    @property
    def principal(self) -> Asked:
        state = self.scope["state"]
        return Asked(state.get("user", "anonymous"), state.get("role", "anonymous"))

    async def receive(self) -> Message:
        message = await self._receive()
        self.bytes_received += len(message.get("body", b""))
        return message

    async def receive_into(self, room: memoryview, patience: float) -> tuple[int, bool]:
        filled, has_more = await self._receive_into(room, patience)
        self.bytes_received += filled
        return filled, has_more

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.turned_at = message["status"], time.perf_counter()
            given = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in self.extra_headers if name not in given]
            if self.status >= 400 and _may_leave_a_body(self.request.headers):
                extra.append((b"connection", b"close"))  # or the client would send its next request to a closed one
            message = {**message, "headers": [*message["headers"], *extra]}
        await self._send(message)
        self.bytes_sent += len(message.get("body", b""))
        self.is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)


def _traceparent_of(headers: Mapping[str, str]) -> str | None:
    given = headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else None


def _may_leave_a_body(headers: Mapping[str, str]) -> bool:
    """Whether a refusal may come before all of the body, of which the server reads no more than a little then."""
    length = headers.get("content-length", "")
    return "transfer-encoding" in headers or "expect" in headers or (length.isdigit() and int(length) > 1 << 20)


class Door:
    """An ASGI application around the API's."""

    def __init__(self, app: ASGIApp, settings: Settings, name: str = "api") -> None:
        self._app, self._name = app, name
        self._trusted = tuple(settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = join_headers(pair for pair in scope["headers"] if pair[0] != b"host")  # who is asked changes nothing
        client, scheme = self._seen_from(scope, headers)
        inside: Inside | None = scope.get(INSIDE)
        request_id = secrets.token_hex(8).upper() if inside is None else inside.request_id
        exchange = Exchange(self._name, scope, receive, send, Asker(headers, client), request_id)
        exchange.extra_headers = [*_HEADERS, (b"x-request-id", request_id.encode())]
        if scheme == "https":
            exchange.extra_headers.append(_OVER_TLS)
        origin = Origin(
            "api",
            client,
            headers.get("user-agent", ""),
            request_id,
            scheme == "https",
            headers.get("referer"),
            _traceparent_of(headers),
        )
        state: dict[str, Any] = {"request_id": request_id, "origin": origin}
        state["scheme"], state["host"] = scheme, self._host_of(scope, headers)
        state["was_forwarded"] = was_forwarded(headers)
        scope["state"] = state
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except (ClientDisconnected, ClientDisconnect):
            exchange.status = 499  # nobody is there to answer; the log says so
        except Exception:
            if not exchange.is_whole:  # errors.py has answered all others, which are raised all the same
                exchange.was_aborted = True
                raise
        finally:
            exchange.log()

    def _host_of(self, scope: Scope, headers: dict[str, str]) -> str:
        """As whoever asked calls this server, for URLs in answers."""
        peer = scope.get("client")
        if "x-forwarded-host" in headers and self._trusted and is_trusted(str(peer[0]) if peer else "", self._trusted):
            return headers["x-forwarded-host"].partition(",")[0].strip()
        return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")

    def _seen_from(self, scope: Scope, headers: dict[str, str]) -> tuple[str, str]:
        """The client's address and scheme, which proxies that are trusted tell."""
        peer = scope.get("client")
        address, scheme = str(peer[0]) if peer else "", str(scope.get("scheme", "http"))
        if self._trusted and is_trusted(address, self._trusted):
            return forwarded_client(headers, address, self._trusted), forwarded_scheme(headers) or scheme
        return address, scheme
