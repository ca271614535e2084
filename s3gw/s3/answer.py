"""The answer to one request: its identity, how it is sent, and what the access log says of it.

Sends what the gateway decided; knows how AWS frames answers (request ids, bodiless statuses, errors as XML).
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.content.open_content import OpenContent
from s3gw.errors import S3Error
from s3gw.wire.encode import Encoded
from s3gw.wire.request import Request
from s3gw.wire.xml import error_document

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# Bytes of a refused body that are read and thrown away, so that its connection can be used again.
MOST_DISCARDED = 1 << 20
_BODILESS = frozenset((204, 304))


class Answer:
    """Made for each request, before anything is known of it."""

    __slots__ = (
        "_send",
        "bytes_received",
        "bytes_sent",
        "cors_headers",
        "door",
        "error_code",
        "is_started",
        "operation",
        "principal",
        "request",
        "request_id",
        "scope",
        "started_at",
        "status",
        "turned_at",
        "was_aborted",
    )

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        self.scope = scope
        self.door = "s3"
        self.started_at = time.perf_counter()
        self.request_id = f"{random.getrandbits(64):016X}"
        self.request: Request | None = None
        self.bytes_received = 0
        self.operation = "-"
        self.error_code = "-"
        self.cors_headers: Headers = []  # for the web page that asked
        self.turned_at = 0.0  # when the answer began
        self.principal: Principal = ANONYMOUS
        self.status = 0
        self.bytes_sent = 0
        self.is_started = False
        self.was_aborted = False
        self._send = send

    async def send(self, encoded: Encoded, content: OpenContent | None) -> None:
        """An answer of an operation. `content` is its body, if it streams one; the caller closes it."""
        if content is None:
            await self.send_whole(encoded.status, encoded.headers, encoded.body)
        elif content.whole is not None:
            await self.send_whole(encoded.status, encoded.headers, content.whole)
        else:
            await self._send_pieces(encoded.status, encoded.headers, content)

    async def _send_pieces(self, status: int, headers: Headers, pieces: OpenContent) -> None:
        piece = await anext(pieces, b"")  # a body that can't even begin is an error, not a broken answer
        await self._start(status, headers)
        while piece:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            self.bytes_sent += len(piece)
            piece = await anext(pieces, b"")
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, error: S3Error) -> None:
        self.error_code = error.code
        headers: Headers = [
            (name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items()
        ]
        if _may_leave_a_body(dict(self.scope["headers"])):
            headers.append((b"connection", b"close"))
        if error.status in _BODILESS or self.scope["method"] == "HEAD":
            await self.send_whole(error.status, headers, None)
            return
        document = error_document(error.code, error.message, self.request_id, self._host_id(), error.details)
        headers.append((b"content-type", b"application/xml"))
        await self.send_whole(error.status, headers, document)

    async def send_whole(self, status: int, headers: Headers, body: bytes | memoryview | None) -> None:
        """`headers` is added to."""
        content = body or b""
        if status not in _BODILESS:
            _add_length(headers, len(content))
        await self._start(status, headers)
        await self._send({"type": "http.response.body", "body": content, "more_body": False})
        self.bytes_sent += len(content)

    async def _start(self, status: int, headers: Headers) -> None:
        headers += self.cors_headers
        headers.append((b"x-amz-request-id", self.request_id.encode()))
        headers.append((b"x-amz-id-2", self._host_id().encode()))
        self.status = status
        self.is_started = True
        self.turned_at = time.perf_counter()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _host_id(self) -> str:
        return "s3gw"


def _add_length(headers: Headers, length: int) -> None:
    """Unless it is there: that of HEAD is the object's."""
    for name, _ in headers:
        if name == b"content-length":
            return
    headers.append((b"content-length", str(length).encode()))


def _may_leave_a_body(headers: Mapping[bytes, bytes]) -> bool:
    """Whether it may be long until the next request begins, or nobody can tell where: the client may still be waiting
    to send its body, or be sending it.
    """
    length = headers.get(b"content-length", b"")
    is_long = b"transfer-encoding" in headers or (length.isdigit() and int(length) > MOST_DISCARDED)
    return is_long or b"100-continue" in headers.get(b"expect", b"").lower()
