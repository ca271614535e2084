"""One request and its answer on a connection: uvicorn's cycle, with fewer steps for the bytes.

uvicorn writes the head by itself and looks at each header with two regular expressions, which was a tenth of what a
small GET costs. Here the head goes out with the beginning of the body, in one write, and one look at the whole head
keeps foreign lines out of it. And what has been received is handed on as it came, where uvicorn copies it twice.

ASGI's names of headers are in lower case, AWS's are not, and there are clients that compare them as they are (libs3,
and with it htslib, finds no ETag then): so they are written as AWS writes them.
"""

from __future__ import annotations

import asyncio
import http
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from s3gw.auth.payload import ClientDisconnected

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPDisconnectEvent, HTTPRequestEvent

    from s3gw.http.body_protocol import BodyProtocol

_MESSAGE = 64 << 10  # bytes of a message of a body that is read past the parser
_COPIED = 64 << 10  # bytes: to put a smaller body behind its head costs less than a write of several pieces
STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in http.HTTPStatus}
STATUS_LINES[460] = b"HTTP/1.1 460 Checksum Mismatch\r\n"  # of TUS, which is in no registry
# x-amz-… isn't among them: AWS writes those in lower case.
_NAMES = """
Accept-Ranges Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods
Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age Age Allow Cache-Control Connection
Content-Disposition Content-Encoding Content-Language Content-Length Content-Location Content-Range
Content-Security-Policy Content-Type Cross-Origin-Embedder-Policy Cross-Origin-Opener-Policy
Cross-Origin-Resource-Policy Date ETag Expires Keep-Alive Last-Modified Link Location Permissions-Policy Pragma
Referrer-Policy Retry-After Server Set-Cookie Strict-Transport-Security Trailer Transfer-Encoding Upgrade Vary Via
WWW-Authenticate X-Content-Type-Options X-Frame-Options
"""
_SPELLED = {name.lower().encode(): name.encode() for name in _NAMES.split()}


@lru_cache(maxsize=1)
def _standing_lines(second: int) -> bytes:
    return b"Date: %s\r\nServer: s3gw\r\n" % formatdate(second, usegmt=True).encode()


def standing_lines() -> bytes:
    """Date and Server of an answer that begins now.

    "An origin server with a clock MUST NOT generate a Last-Modified date that is later than the server's time of
    message origination (Date)" (RFC 9110, 8.8.2.1): so the time isn't that of the request's head, nor of a timer.
    """
    return _standing_lines(int(time.time()))


class HttpExchange(RequestResponseCycle):
    """ASGI's `receive` and `send`; all else is uvicorn's. An application that breaks ASGI's rules gets a RuntimeError.

    "If send() is called on a closed connection the server should raise a server-specific subclass of OSError" (ASGI's
    HTTP specification, 2.4): an application that isn't told reads a long object to its end for nobody.
    """

    close: Callable[[], None]  # the connection's way to end itself after this answer
    read_directly: Callable[[HttpExchange], BodyProtocol | None]  # see the connection; set where the body is long
    _received: bytes | bytearray = b""  # of the request's body, until the application asks
    _body: BodyProtocol | None = None  # that reads the rest of the request's body past the parser
    _head = b""  # until it is written
    _left: int | None = None  # bytes that the content-length still promises; None: the body is sent in chunks

    async def run_asgi(self, app: ASGI3Application) -> None:
        with suppress(ClientDisconnected):  # raised when uvicorn sends its 500 after an application that failed
            await super().run_asgi(app)

    def take(self, piece: bytes) -> None:
        """A piece of the request's body."""
        if not self._received:
            self._received = piece
        elif isinstance(self._received, bytes):
            self._received = bytearray(self._received + piece)
        else:
            self._received += piece  # not quadratic, whatever the number of pieces
        if len(self._received) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    async def receive(self) -> HTTPRequestEvent | HTTPDisconnectEvent:
        self._send_continue()
        if self._body is not None and self.more_body and not self._received and not self._is_over:
            piece = memoryview(bytearray(_MESSAGE))
            self._received = bytes(piece[: await self._body.fill(piece, 0, 1, None)])
        elif not self._is_over:
            self.flow.resume_reading()
            if not self._received:
                await self.message_event.wait()
            self.message_event.clear()
        if self._is_over and not (self._received and not self.response_complete):
            return {"type": "http.disconnect"}
        received, self._received = self._received, b""
        return {"type": "http.request", "body": bytes(received), "more_body": self.more_body}

    async def receive_into(self, room: memoryview, patience: float) -> tuple[int, bool]:
        """Fill `room` with what comes next of the body: all of it, unless the body ends before or `patience` seconds
        have passed. Gives the number of bytes, and whether more may come. Raises ClientDisconnected."""
        self._send_continue()
        deadline = time.monotonic() + patience
        filled = self._take_into(room)
        while filled < len(room) and self.more_body and not self._is_over and time.monotonic() < deadline:
            self._body = self._body or self.read_directly(self)
            if self._body is not None:
                filled = await self._body.fill(room, filled, len(room), patience)
                break
            self.flow.resume_reading()
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self.message_event.wait()
            self.message_event.clear()
            filled += self._take_into(room[filled:])
        if self._is_over and not (filled and self.disconnected):  # what came before it went is told first
            raise ClientDisconnected()
        return filled, self.more_body or bool(self._received)

    def _take_into(self, room: memoryview) -> int:
        size = min(len(room), len(self._received))
        room[:size] = self._received[:size]
        self._received = self._received[size:]
        return size

    def end_body(self) -> None:
        """The last byte has come."""
        self.more_body = False
        self.message_event.set()

    @property
    def _is_over(self) -> bool:
        return self.disconnected or self.response_complete

    def _send_continue(self) -> None:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            raise ClientDisconnected()
        if self.response_complete:
            raise RuntimeError("the answer is complete already")
        if message["type"] == "http.response.start":
            if self.response_started:
                raise RuntimeError("the answer has begun already")
            self._start(message["status"], list(message.get("headers", ())))
        else:
            if not self.response_started:
                raise RuntimeError("the answer hasn't begun")
            self._continue(message.get("body", b""), message.get("more_body", False))

    def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        spelled = _SPELLED.get
        lines = [b"%s: %s\r\n" % (spelled(name, name), value) for name, value in headers]
        named = dict(headers)
        if b"content-length" in named:
            self._left = int(named[b"content-length"])
        if named.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"Connection: close\r\n")
        if self.scope["method"] == "HEAD" or status in (204, 304):
            self._left = 0
        elif self._left is None:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a header of the answer has a line end in it")
        self._head = b"%s%s%s\r\n" % (STATUS_LINES[status], standing_lines(), head)

    def _continue(self, body: bytes | memoryview, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        pieces: list[bytes | memoryview] = [body] if body else []
        if self._left is None:
            if body:
                pieces = [b"%x\r\n" % len(body), body, b"\r\n"]
            if not more:
                pieces.append(b"0\r\n\r\n")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body isn't as long as the content-length says")
        if self._head:
            pieces.insert(0, self._head)
            self._head = b""
        if len(body) <= _COPIED:
            self.transport.write(b"".join(pieces))
        else:
            self.transport.writelines(pieces)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.close()
            self.on_response()
