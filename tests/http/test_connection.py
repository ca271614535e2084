"""One HTTP/1.1 connection over a real socket: limits of the head, deadlines, hostile peers, draining."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from s3gw import log
from s3gw.config import Settings
from s3gw.http.connection import Connection, Connections
from s3gw.s3.answer import MOST_DISCARDED

pytestmark = pytest.mark.anyio
GET = b"GET / HTTP/1.1\r\nHost: s3\r\n\r\n"
BIG = 32 << 20


class App:
    """Answers with the number of bytes it was sent; /big sends a lot, /wait waits until it may go on, /refuse answers
    before it has read anything.
    """

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.outcomes: list[str] = []
        self.headers: list[tuple[bytes, bytes]] = []  # of the last request

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.headers = scope["headers"]
        received, more = 0, scope["path"] != "/refuse"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.outcomes.append("disconnected")
                return
            received += len(message["body"])
            more = message["more_body"]
        if scope["path"] == "/wait":
            await self.may_go_on.wait()
        body = bytes(BIG) if scope["path"] == "/big" else b"%d bytes" % received
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, len(body), 1 << 18):
            await send({"type": "http.response.body", "body": body[start : start + (1 << 18)], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.outcomes.append("answered")


class Server:
    def __init__(self, port: int, app: App, connections: Connections) -> None:
        self.port, self.app, self.connections = port, app, connections
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self.connections.abort()


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Server]:
    loop = asyncio.get_running_loop()
    app = App()
    connections = Connections(app, Settings(**changes))
    listener = await loop.create_server(lambda: Connection(connections, lambda: None, loop), "127.0.0.1", 0)

    async def tick() -> None:
        while True:
            connections.tick(loop.time())
            await asyncio.sleep(0.02)

    ticking = asyncio.create_task(tick())
    server = Server(listener.sockets[0].getsockname()[1], app, connections)
    try:
        yield server
    finally:
        ticking.cancel()
        server.close()
        listener.close()
        await asyncio.sleep(0.05)


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def closes(reader: asyncio.StreamReader, within: float = 3) -> bytes:
    """What came before the end."""
    return await asyncio.wait_for(reader.read(), within)


async def test_a_request_is_answered_and_the_connection_kept() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(3):
            writer.write(GET)
            head, body = await read_answer(reader)
            assert body == b"0 bytes"
            assert b"Server: s3gw\r\n" in head


async def test_blanks_around_the_value_of_a_header_are_not_part_of_it() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: s3\r\nA:x y \t \r\nB: \t x\r\nC:  \r\nD:\r\n\r\n")
        await read_answer(reader)
        assert dict(server.app.headers) == {b"host": b"s3", b"a": b"x y", b"b": b"x", b"c": b"", b"d": b""}


async def test_a_connection_that_stays_silent_is_closed() -> None:
    async with serving(header_timeout=0.2) as server:
        reader, _ = await server.connect()
        assert await closes(reader) == b""


async def test_a_head_that_trickles_in_is_given_up() -> None:
    async with serving(header_timeout=0.3) as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"x-a: b\r\n")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        with suppress(ConnectionResetError):  # what is still on its way then finds nobody
            assert await closes(reader) == b""
        trickling.cancel()


async def test_a_second_head_that_trickles_in_is_given_up_too() -> None:
    async with serving(header_timeout=0.2, keep_alive=60) as server:
        reader, writer = await server.connect()
        writer.write(GET + GET[:10])
        await read_answer(reader)
        assert await closes(reader) == b""


async def test_an_idle_connection_is_closed_after_keep_alive_and_not_before() -> None:
    async with serving(header_timeout=0.1, keep_alive=0.6) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await read_answer(reader)
        with pytest.raises(TimeoutError):
            await closes(reader, within=0.4)
        assert await closes(reader) == b""


async def test_a_slow_answer_is_not_cut_by_the_head_timeout() -> None:
    async with serving(header_timeout=0.1, keep_alive=0.1) as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"/ ", b"/wait ", 1))
        await asyncio.sleep(0.4)
        server.app.may_go_on.set()
        assert (await read_answer(reader))[1] == b"0 bytes"


@pytest.mark.parametrize("piece", [1 << 20, 1000])
async def test_a_head_that_is_too_large_is_refused(piece: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: s3\r\nx-large: " + b"a" * 40_000 + b"\r\n\r\n"
    async with serving(max_header_bytes=32_768) as server:
        reader, writer = await server.connect()
        for start in range(0, len(head), piece):
            writer.write(head[start : start + piece])
            await asyncio.sleep(0)
        answer = await closes(reader)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"<Code>RequestHeaderSectionTooLarge</Code>" in answer
        assert server.app.outcomes == []


async def test_a_head_without_end_is_refused() -> None:
    async with serving(max_header_bytes=8192) as server:
        reader, writer = await server.connect()
        writer.write(b"GET /" + b"a" * 20_000)
        assert b"<Code>RequestHeaderSectionTooLarge</Code>" in await closes(reader)


async def test_a_body_does_not_count_as_head() -> None:
    async with serving(max_header_bytes=8192) as server:
        reader, writer = await server.connect()
        writer.write(b"PUT / HTTP/1.1\r\nHost: s3\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
        assert (await read_answer(reader))[1] == b"200000 bytes"


async def test_what_is_not_http_is_refused_in_s3_s_words() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
        answer = await closes(reader)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"<Code>BadRequest</Code>" in answer


async def test_a_refusal_without_a_request_has_an_id_that_the_log_has_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"nonsense\r\n\r\n")
        answer = await closes(reader)
        request_id = answer.partition(b"<RequestId>")[2].partition(b"</RequestId>")[0]
        assert len(request_id) == 16
        assert b"x-amz-request-id: %s\r\n" % request_id in answer
        log.flush()
        line = capsys.readouterr().err
        assert request_id.decode() in line
        assert "400" in line


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"CONNECT s3:443 HTTP/1.1\r\nHost: s3\r\n\r\n", 405, b"MethodNotAllowed"),
        (b"POST / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: gzip\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
         501, b"NotImplemented"),
        (b"POST / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
         501, b"NotImplemented"),
        (b"POST / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, b"NotImplemented"),
        (b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 400, b"BadRequest"),
        (b"GET s3:443 HTTP/1.1\r\nHost: s3\r\n\r\n", 400, b"BadRequest"),
    ],
)  # fmt: skip
async def test_a_head_that_means_nothing_to_an_origin_server_is_answered(
    head: bytes, status: int, code: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(head)
        answer, body = await read_answer(reader)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"<Code>%s</Code>" % code in body
        await closes(reader)
    assert caplog.records == []


async def test_extensions_of_many_chunks_are_not_read_without_end_either() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 3_000_000:
                writer.write(b"1;" + b"x" * 30_000 + b"\r\nx\r\n")
                sent += 30_000
                await writer.drain()
                await asyncio.sleep(0.001)
        with suppress(ConnectionError):
            assert (await closes(reader)).startswith(b"HTTP/1.1 400 ")
        assert server.app.outcomes == ["disconnected"]


@pytest.mark.parametrize(
    "endless", [b"5;" + b"x" * 100_000, b"5" + b" " * 100_000, b"0\r\n" + b"x-trailer: value\r\n" * 10_000]
)
async def test_chunk_extensions_and_trailers_are_not_read_without_end(endless: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        with suppress(ConnectionError):
            for start in range(0, len(endless), 10_000):
                writer.write(endless[start : start + 10_000])
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.write_eof()
        with suppress(ConnectionError):
            assert (await closes(reader)).startswith(b"HTTP/1.1 400 ")
        assert server.app.outcomes == ["disconnected"]
        assert server.connections.connections == set()


async def test_a_chunked_body_behind_an_offered_upgrade_is_not_counted_twice() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        head = (
            b"POST / HTTP/1.1\r\nHost: s3\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(head + b"c350\r\n" + bytes(0xC350) + b"\r\n")
        await asyncio.sleep(0.2)
        writer.write(b"0\r\n\r\n")
        assert (await read_answer(reader))[1] == b"50000 bytes"


@pytest.mark.parametrize("piece", [7, 5000, 1 << 20])
async def test_many_small_chunks_are_no_long_extension(piece: int) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        head = b"POST / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent = head + b"1;name=value\r\nx\r\n" * 5_000 + b"1ffff\r\n" + bytes(0x1FFFF) + b"\r\n0\r\nx-a: b\r\n\r\n"
        for start in range(0, len(sent), piece):
            writer.write(sent[start : start + piece])
            await writer.drain()
        assert (await read_answer(reader))[1] == b"136071 bytes"


BROKEN = b"PUT / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n"


@pytest.mark.parametrize("piece", [1 << 20, 60])
async def test_a_broken_chunk_is_refused_and_for_the_application_the_client_has_gone(piece: int) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for start in range(0, len(BROKEN), piece):
            writer.write(BROKEN[start : start + piece])
            await asyncio.sleep(0.05)
        answer, body = await read_answer(reader)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"<Code>BadRequest</Code>" in body
        assert await closes(reader) == b""
        assert server.app.outcomes == ["disconnected"]


async def test_a_broken_chunk_behind_a_request_that_waits_is_not_written_into_its_answer() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"/ ", b"/wait ", 1) + BROKEN)
        await asyncio.sleep(0.1)
        server.app.may_go_on.set()
        answer = await closes(reader)
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"0 bytes")


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"http://bucket.s3.test/key", b"bucket.s3.test"),
        (b"http://s3.test:9000/key?acl", b"s3.test:9000"),
        (b"http://somebody@[::1]:9000/", b"[::1]:9000"),
        (b"http://s3.test", b"s3.test"),
        (b"/http://other/", b"s3"),
    ],
)
async def test_the_host_of_a_whole_url_is_the_one_that_counts(line: bytes, host: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"GET %s HTTP/1.1\r\nHost: s3\r\nX-Other: s3\r\n\r\n" % line)
        await read_answer(reader)
        assert server.app.headers == [(b"host", host), (b"x-other", b"s3")]


async def test_garbage_after_a_request_does_not_disturb_its_answer() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"/ ", b"/wait ", 1) + b"\x00\x01garbage\r\n\r\n")
        await asyncio.sleep(0.1)
        server.app.may_go_on.set()
        answer = await closes(reader)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"0 bytes")


@pytest.mark.parametrize("piece", [1 << 20, 7])
async def test_a_request_that_offers_an_upgrade_is_served_whole_without_one(piece: int) -> None:
    request = (
        b"PUT / HTTP/1.1\r\nHost: s3\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABk\r\n%s\r\n\r\n%s"
    )
    requests = (
        request % (b"Content-Length: 5", b"hello")
        + request % (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")
        + request % (b"X-No: body", b"")
        + GET
    )
    async with serving() as server:
        reader, writer = await server.connect()
        for start in range(0, len(requests), piece):
            writer.write(requests[start : start + piece])
            await asyncio.sleep(0.001)
        for expected in (b"5 bytes", b"3 bytes", b"0 bytes", b"0 bytes"):
            assert (await read_answer(reader))[1] == expected


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"PUT / HTTP/1.1\r\nHost: s3\r\nContent-Length: 3\r\n\r\nabc" + GET)
        assert (await read_answer(reader))[1] == b"3 bytes"
        assert (await read_answer(reader))[1] == b"0 bytes"


REFUSED = b"PUT /refuse HTTP/1.1\r\nHost: s3\r\nContent-Length: %d\r\n%s\r\n"


async def send_until_stopped(writer: asyncio.StreamWriter, size: int) -> int:
    """How many bytes could be sent."""
    sent = 0
    try:
        while sent < size:
            writer.write(bytes(1 << 16))
            await asyncio.wait_for(writer.drain(), 0.5)
            sent += 1 << 16
    except (TimeoutError, ConnectionError):
        pass
    return sent


@pytest.mark.parametrize("size", [1000, MOST_DISCARDED])
async def test_a_short_body_that_was_refused_is_discarded_and_the_connection_kept(size: int) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(3):
            writer.write(REFUSED % (size, b""))
            assert (await read_answer(reader))[1] == b"0 bytes"
            writer.write(bytes(size) + GET)
            assert (await read_answer(reader))[1] == b"0 bytes"


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
async def test_a_long_body_that_was_refused_is_not_read_to_its_end(header: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(REFUSED % (1 << 30, header))
        assert await send_until_stopped(writer, 1 << 30) < 32 << 20
        assert (await read_answer(reader))[1] == b"0 bytes"
        assert await closes(reader) == b""


async def test_a_refused_body_that_turns_out_broken_has_no_second_answer() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"PUT /refuse HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n")
        await read_answer(reader)
        writer.write(b"5\r\nhello\r\nnonsense\r\n")
        assert await closes(reader) == b""


async def test_a_client_that_goes_on_sending_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3gw.http.connection._LINGER", 0.2)
    async with serving(keep_alive=60) as server:
        _, writer = await server.connect()
        writer.write(REFUSED % (1 << 30, b""))
        await send_until_stopped(writer, 1 << 30)
        assert not server.connections.connections


async def test_a_request_after_a_discarded_body_is_read_whole() -> None:
    """What was discarded before doesn't count."""
    size = MOST_DISCARDED - 1000
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(REFUSED % (size, b""))
        await read_answer(reader)
        writer.write(bytes(size) + b"PUT / HTTP/1.1\r\nHost: s3\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))
        assert (await read_answer(reader))[1] == b"3000000 bytes"


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async with serving(send_timeout=0.3) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(GET.replace(b"/ ", b"/big ", 1))
            await asyncio.sleep(1.0)
            assert not server.connections.connections
            assert not server.connections.tasks


async def test_a_peer_that_reads_slowly_is_not_cut_off() -> None:
    async with serving(send_timeout=0.4) as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"/ ", b"/big ", 1))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        received = 0
        while received < BIG:
            received += len(await reader.readexactly(1 << 20))
            await asyncio.sleep(0.05)
        assert received == BIG


async def test_draining_closes_what_is_idle_and_finishes_what_is_in_flight() -> None:
    async with serving() as server:
        idle, idle_writer = await server.connect()
        idle_writer.write(GET)
        await read_answer(idle)
        busy, busy_writer = await server.connect()
        busy_writer.write(GET.replace(b"/ ", b"/wait ", 1))
        await asyncio.sleep(0.1)
        server.connections.drain()
        assert await closes(idle) == b""
        server.app.may_go_on.set()
        answer = await closes(busy)
        assert b"Connection: close" in answer
        assert answer.endswith(b"0 bytes")
