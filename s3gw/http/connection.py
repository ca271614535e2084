"""One HTTP/1.1 connection: uvicorn's protocol with the limits a public server needs.

Added: limits of a request's head and of what is read of a body that was refused, and deadlines for a head (slow or
silent clients), for an idle connection, and for a peer that doesn't read its answer. `Connections` looks at all of them
once a second, so a request costs two clock reads and no timer. The pause of a client that sends a body is
auth/payload.py's, an answer's bytes are exchange.py's.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from s3gw import log
from s3gw.auth.payload import RECEIVE_INTO
from s3gw.errors import BadRequest, MethodNotAllowed, NotImplemented, RequestHeaderSectionTooLarge, S3Error
from s3gw.http.body_protocol import WORTH, BodyProtocol
from s3gw.http.exchange import STATUS_LINES, HttpExchange, standing_lines
from s3gw.http.refusals import Written, in_xml
from s3gw.s3.answer import MOST_DISCARDED, Answer

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.server import ServerState

    from s3gw.config import Settings

if sys.platform == "linux":
    import fcntl
    import termios

_TLS_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_LINE = 64  # bytes that the first line of a chunk may have on average
_LINGER = 5.0  # seconds in which a client may still send what nobody reads
_logger = logging.getLogger("s3gw.server")


class Connections:
    """The connections of one listener in this process; `tick` is to be called about once a second."""

    def __init__(self, app: ASGI3Application, settings: Settings, written: Written = in_xml) -> None:
        """`written`: how is answered what is no request."""
        self.settings = settings
        self.written = written
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.default_headers: list[tuple[bytes, bytes]] = []  # exchange.py knows what every answer has
        self.total_requests = 0
        self.config = Config(
            app, http=Connection, loop="none", ws="none", lifespan="off", interface="asgi3",
            log_config=None, access_log=False, proxy_headers=False, server_header=False,
        )  # fmt: skip
        self.config.load()

    def tick(self, now: float) -> None:
        for connection in list(self.connections):
            connection.check_deadlines(now)

    def drain(self) -> None:
        """Close what is idle; what is in flight closes when it has been answered."""
        for connection in list(self.connections):
            connection.shutdown()

    def abort(self) -> None:
        for task in self.tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.transport.abort()


class Connection(HttpToolsProtocol):
    """Created for an accepted socket; `on_end` is called once, when it is closed."""

    def __init__(self, owner: Connections, on_end: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(owner.config, cast("ServerState", owner), {}, loop)
        self._settings = owner.settings
        self._written = owner.written
        self._on_end = on_end
        self._answering: RequestResponseCycle | None = None  # the others are in the pipeline
        self._deadline = math.inf  # for the head that we wait for
        self._in_head = False
        self._is_lingering = False
        self._discarded = 0  # bytes of the body that nobody wants any more
        self._is_replaying = False
        self._chunk_bytes = 0
        self._head_bytes = 0  # at most this many; it may count the beginning of the body
        self._is_chunked = False
        self._body_left = 0  # bytes that the content-length of the present request still promises
        self._body: BodyProtocol | None = None  # where it has taken our place
        self._framing_bytes = 0  # of a chunked body: what chunks' first lines have beyond _LINE each, and trailers
        self._unsent: tuple[int, int] | None = None
        self._stalled_at = 0.0
        self._tls: dict[str, dict[object, object]] = {}  # what ASGI's TLS extension tells of the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self._tls = {"tls": {"tls_version": _TLS_VERSIONS[secured.version()]}}
        self._deadline = self.loop.time() + self._settings.header_timeout

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answering is not None:  # uvicorn tells the last cycle, which may still wait for its turn
            self._answering.disconnected = True
        self.end()

    def end(self) -> None:
        """Tell, once, that there is no connection (any more)."""
        on_end, self._on_end = self._on_end, _nothing
        on_end()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            self._discarded += len(data)
            if self._discarded > MOST_DISCARDED:
                self.flow.pause_reading()
            return
        self._chunk_bytes = len(data)
        if self._in_head:
            self._head_bytes += len(data)
        if self._is_chunked:
            self._framing_bytes += len(data)  # on_body takes off what is content
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            refusal = error.__context__
            self._refuse(refusal if isinstance(refusal, S3Error) else BadRequest("The request isn't valid HTTP/1.1."))
            return
        if self._in_head and self._head_bytes > self._settings.max_header_bytes:
            self._refuse(RequestHeaderSectionTooLarge(MaxSizeAllowed=self._settings.max_header_bytes))
        elif self._is_chunked and not self._in_head and self._framing_bytes > self._settings.max_header_bytes:
            self._refuse(BadRequest("A chunk extension or the trailers are too long."))
        elif self._discarded > MOST_DISCARDED:
            self._linger()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        if self._is_replaying:
            return
        super().on_message_begin()
        self._in_head = True
        self._discarded = 0
        self._head_bytes = self._chunk_bytes
        self._deadline = self.loop.time() + self._settings.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser tells trailers here too, and the app would see those that come together with the head. "A recipient
        # MUST NOT merge a received trailer field into the header section unless its corresponding header field
        # definition explicitly permits" that (RFC 9112, 7.1.2): no header of S3's does.
        if self._is_replaying or not self._in_head:
            return
        name = name.lower()
        value = value.strip(b" \t")  # "A field value does not include leading or trailing whitespace" (RFC 9110, 5.5)
        self.headers.append((name, value))
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        if self._is_replaying:
            return
        limit = self._settings.max_header_bytes
        if self._head_bytes > limit and self._measure_head() > limit:
            raise RequestHeaderSectionTooLarge(MaxSizeAllowed=limit)
        self._in_head = False
        self._is_chunked = False
        self._body_left = 0
        self._deadline = math.inf
        self._check_framing()
        self._complete_scope()
        previous = self.cycle
        self.cycle = cycle = HttpExchange(
            self.scope, self.transport, self.flow, self.logger, self.access_logger, False,
            self.server_state.default_headers, asyncio.Event(), self.expect_100_continue,
            self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(), self.on_response_complete,
        )  # fmt: skip
        cycle.close = self.close
        if self._body_left >= WORTH:
            cycle.read_directly = self._give_place
            self.scope["extensions"] = {RECEIVE_INTO: {"call": cycle.receive_into}, **self._tls}
        elif self._tls:
            self.scope["extensions"] = self._tls
        if previous is None or previous.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _check_framing(self) -> None:
        """What has no meaning to an origin server. Raised here, it is the answer, and the connection ends."""
        if self.parser.get_method() == b"CONNECT":
            raise MethodNotAllowed(Method="CONNECT", ResourceType="SERVICE")
        for name, value in self.headers:
            # "A server that receives a request message with a transfer coding it does not understand SHOULD respond
            # with 501" (RFC 9112, 6.1). The parser itself lets some pass where an upgrade is asked for.
            if name == b"transfer-encoding":
                if value.strip().lower() != b"chunked":
                    raise NotImplemented(Header="Transfer-Encoding")
                self._is_chunked = True
                self._framing_bytes = max(0, self._chunk_bytes - self._measure_head() - _LINE)  # behind the head
            elif name == b"content-length":
                self._body_left = int(value)  # the parser has seen to it that it is a number

    def _complete_scope(self) -> None:
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"  # of a whole URL without one
        path = raw_path.decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = raw_path
        self.scope["query_string"] = url.query or b""
        has_host = any(name == b"host" for name, _ in self.headers)
        if url.host is not None:
            self._take_host_of_target(has_host)
        elif not has_host and self.scope["http_version"] == "1.1":
            # "A server MUST respond with a 400 status code to any HTTP/1.1 request message that lacks a Host header
            # field" (RFC 9112, 3.2).
            raise BadRequest("The Host header is missing.")

    def _take_host_of_target(self, has_host: bool) -> None:
        """ "When an origin server receives a request with an absolute-form of request-target, the origin server MUST
        ignore the received Host header field (if any) and instead use the host information of the request-target"
        (RFC 9112, 3.2.2). A second Host is still a second one.
        """
        authority = self.url.split(b"/", 3)[2].rpartition(b"@")[2]
        self.headers[:] = [(name, authority if name == b"host" else value) for name, value in self.headers]
        if not has_host:
            self.headers.append((b"host", authority))

    def on_chunk_header(self) -> None:
        self._framing_bytes -= _LINE

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        self._body_left -= len(body)
        if self.cycle.response_complete:
            self._discarded += len(body)
        else:
            cast("HttpExchange", self.cycle).take(body)

    def _give_place(self, exchange: HttpExchange) -> BodyProtocol | None:
        """Let the rest of this exchange's body be read past the parser, if it is long and the parser has come to it."""
        if self._body is None and self.cycle is exchange and self._body_left >= WORTH and not self._is_lingering:
            self._body = BodyProtocol(self, exchange, self._body_left)
            self.flow.pause_reading()  # a transport looks at how its protocol wants bytes when it begins to read
            self.transport.set_protocol(self._body)
        return self._body

    def take_back(self) -> None:
        """Behind the body the next request begins, for a parser that knows nothing of this one."""
        if self._body is not None:
            self._body, self._body_left = None, 0
            self.parser = _new_parser(self)
            self.flow.pause_reading()
            self.transport.set_protocol(self)
            self.flow.resume_reading()

    def discard(self, size: int) -> None:
        """So many bytes came of a body that was refused."""
        self._discarded += size
        if self._discarded > MOST_DISCARDED:
            self._linger()

    def on_response_complete(self) -> None:
        if not self.transport.is_closing() and not self._is_lingering:
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                # Also the time for a body that was refused to be discarded: it must not take forever.
                patience = self._settings.header_timeout if self._in_head else self._settings.keep_alive
                self._deadline = self.loop.time() + patience

    def check_deadlines(self, now: float) -> None:
        is_answering = not self._is_lingering and self.cycle is not None and not self.cycle.response_complete
        if now > self._deadline and not is_answering:
            self._deadline = math.inf
            self.transport.close()
        unsent = self._count_unsent()
        if unsent != self._unsent:
            self._unsent, self._stalled_at = unsent, now
        elif unsent is not None and now - self._stalled_at > self._settings.send_timeout:
            _logger.info("aborted %s: it doesn't read", self.client)
            self.transport.abort()

    def _count_unsent(self) -> tuple[int, int] | None:
        """Bytes that wait in this process and in the kernel; None when none wait here."""
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            return None
        in_kernel = 0
        peer = self.transport.get_extra_info("socket")
        if sys.platform == "linux" and peer is not None and peer.fileno() >= 0:
            # The kernel takes more only when a third of its buffer is free; a slow reader shows here first.
            answer = fcntl.ioctl(peer.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
            in_kernel = int.from_bytes(answer, sys.byteorder)
        return waiting, in_kernel

    def _decline_upgrade(self, rest: bytes) -> None:
        """Nothing is upgraded: the request is served as it is (RFC 9110, 7.8).

        Java's HttpClient offers h2c with every request. The parser skips the body of such a request; a fresh one is
        told how long it is and goes on from there. The app hasn't run yet: its task begins after this callback.
        """
        self.cycle.more_body = True
        self.cycle.message_event.clear()
        framing = [pair for pair in self.headers if pair[0] in (b"content-length", b"transfer-encoding")]
        head = b"".join(b"%s: %s\r\n" % pair for pair in framing)
        self.parser = _new_parser(self)
        self._is_replaying = True
        self.parser.feed_data(b"%s / HTTP/1.1\r\n%s\r\n" % (self.scope["method"].encode(), head))
        self._is_replaying = False
        self._framing_bytes = 0  # the rest is counted when it is received again
        if rest:
            self.data_received(rest)

    def _measure_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, error: S3Error) -> None:
        """Answer what no app can: there is no request. What is being answered already is not written into.

        A body that is discarded has its answer.
        """
        is_discarding = self.cycle is not None and self.cycle.more_body and not self._in_head
        self._in_head = False
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            if not self.cycle.more_body:
                self.flow.pause_reading()
                return
            # A broken chunk: for the app, the client has gone, and sends nothing any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self._answering is not None and self.cycle is not self._answering:
                self.pipeline.clear()  # the one before is still being answered; then the connection ends
                self._answering.keep_alive = False
                self.flow.pause_reading()
                return
            if self.cycle.response_started:
                self.transport.close()
                return
            is_discarding = False
        if not is_discarding:
            self._write_refusal(error)
        self._linger()

    def _write_refusal(self, error: S3Error) -> None:
        answer = Answer({"method": "-", "raw_path": b"-", "client": self.client}, _send_nothing)
        request_id = answer.request_id
        refusal = self._written(error, request_id)
        head = b"%s%s%sConnection: close\r\nContent-Length: %d\r\n\r\n"
        values = (STATUS_LINES[refusal.status], standing_lines(), refusal.headers, len(refusal.document))
        self.transport.write(head % values + refusal.document)
        answer.status, answer.error_code, answer.bytes_sent = refusal.status, refusal.code, len(refusal.document)
        log.access(answer)

    def close(self) -> None:
        """After an answer that is the last."""
        if self.cycle.more_body and not self.transport.is_closing():
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Closed while the client is still sending, its kernel would throw the answer away: so only our side is closed.

        A client that looks at its answer ends the connection then. One that doesn't isn't read from for ever.
        """
        if not self._is_lingering:
            self._is_lingering = True
            self.take_back()
            self._deadline = self.loop.time() + _LINGER
            self.flow.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()


def _new_parser(connection: Connection) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
    return parser


async def _send_nothing(message: Any) -> None:
    raise AssertionError("a refused connection has no application that sends")


def _nothing() -> None:
    pass
