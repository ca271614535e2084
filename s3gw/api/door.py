"""What every request of the API passes: it gets an id and the client's address, its answer gets security headers, and
the log a line.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s3gw.accounts.origin import Origin
from s3gw.config import Settings
from s3gw.wire.request import forwarded_client, is_trusted

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_logger = logging.getLogger("s3gw.api")


class Door:
    """An ASGI application around the API's."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._trusted = tuple(settings.trusted_proxies)
        self._tells = settings.access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        client, request_id = self._client(scope, headers), secrets.token_hex(8).upper()
        origin = Origin("api", client, headers.get("user-agent", ""), request_id)
        state: dict[str, Any] = {"request_id": request_id, "origin": origin}
        state["was_forwarded"] = any(name in headers for name in _FORWARDED)
        scope["state"] = state
        started, status, is_whole = time.monotonic(), 0, False

        async def answer(message: Message) -> None:
            nonlocal status, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                extra = [(name, value) for name, value in _HEADERS if name not in given]
                extra.append((b"x-request-id", request_id.encode()))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            if not is_whole:  # errors.py has answered all others, which are raised all the same
                raise
        if self._tells:
            _logger.info(
                "client=%s method=%s path=%s status=%d ms=%.2f user=%s request_id=%s",
                origin.address,
                scope["method"],
                scope["path"].encode("unicode_escape").decode(),
                status,
                (time.monotonic() - started) * 1000,
                state.get("user", "-"),
                origin.request_id,
            )

    def _client(self, scope: Scope, headers: dict[str, str]) -> str:
        peer = scope.get("client")
        address = peer[0] if peer else ""
        if self._trusted and is_trusted(address, self._trusted):
            return forwarded_client(headers, address, self._trusted)
        return str(address)
