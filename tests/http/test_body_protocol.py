"""Long bodies that are read past the HTTP parser: every byte, what comes before and behind, and every way to end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from s3gw.auth.payload import RECEIVE_INTO, ClientDisconnected
from s3gw.config import Settings
from s3gw.http.body_protocol import WORTH, BodyProtocol
from s3gw.http.connection import Connection, Connections
from s3gw.s3.answer import MOST_DISCARDED
from tests.certificates import write_certificate
from tests.content.bodies import random_bytes

pytestmark = pytest.mark.anyio
SIZE = 5 << 20
BODY = random_bytes(SIZE)


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Their transports differ in how they read for a protocol that has buffers."""
    return "asyncio", {"loop_factory": uvloop.new_event_loop} if request.param == "uvloop" else {}


class App:
    """Reads bodies in pieces of `room` bytes and answers with their sizes; /refuse answers before it has read all."""

    def __init__(self, room: int = 300_000, patience: float = 5, first: float | None = None, pause: float = 0) -> None:
        self.room, self.patience, self.pause = room, patience, pause
        self.next_patience = patience if first is None else first
        self.rooms: list[memoryview] = []
        self.bodies: list[bytes] = []
        self.sizes: list[int] = []  # of the pieces
        self.has_gone = asyncio.Event()

    async def has_received(self, size: int) -> None:
        for _ in range(2000):
            if sum(self.sizes) >= size:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"only {sum(self.sizes)} bytes have come")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = bytearray(), True
        extension = scope.get("extensions", {}).get(RECEIVE_INTO)
        try:
            while more and not (scope["path"] == "/refuse" and body):
                if extension is not None:
                    room = memoryview(bytearray(self.room))
                    size, more = await extension["call"](room, self.next_patience)
                    self.next_patience = self.patience
                    self.sizes.append(size)
                    self.rooms.append(room)
                    body += room[:size]
                    await asyncio.sleep(self.pause)
                if extension is None or (more and scope["path"] == "/both"):
                    message = await receive()
                    body += message["body"]
                    more = message["more_body"]
        except ClientDisconnected:
            self.has_gone.set()
            raise
        self.bodies.append(bytes(body))
        answer = b"%d" % len(body)
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer, "more_body": False})


class Client:
    def __init__(self, app: App, connections: Connections, reader: asyncio.StreamReader, writer: Any) -> None:
        self.app, self.connections = app, connections
        self.reader, self.writer = reader, writer

    async def answer(self) -> bytes:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    @property
    def connection(self) -> Connection:
        (connection,) = self.connections.connections
        return connection


@asynccontextmanager
async def connected(app: App, tls: tuple[Path, Path] | None = None, **changes: Any) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    connections = Connections(app, Settings(**changes))
    server_context = client_context = None
    if tls is not None:
        server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_context.load_cert_chain(*tls)
        client_context = ssl.create_default_context(cafile=str(tls[0]))
    listener = await loop.create_server(
        lambda: Connection(connections, lambda: None, loop), "127.0.0.1", 0, ssl=server_context
    )
    port = listener.sockets[0].getsockname()[1]
    host = "127.0.0.1" if tls is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context, server_hostname=host)
    try:
        yield Client(app, connections, reader, writer)
    finally:
        writer.close()
        connections.abort()
        listener.close()
        await asyncio.sleep(0.01)


def put(body: bytes, path: bytes = b"/", size: int | None = None, more: bytes = b"") -> bytes:
    length = len(body) if size is None else size
    return b"PUT %s HTTP/1.1\r\nHost: s3\r\n%sContent-Length: %d\r\n\r\n%s" % (path, more, length, body)


@pytest.mark.parametrize("room", [1000, 65_536, 300_000, SIZE, 2 * SIZE])
async def test_every_byte_arrives_whatever_is_asked_for_at_once(room: int) -> None:
    async with connected(App(room)) as client:
        for _ in range(2):  # and the connection can be used again
            client.writer.write(put(BODY))
            assert await client.answer() == b"%d" % SIZE
        assert client.app.bodies == [BODY, BODY]
        assert client.app.sizes[0] == min(room, SIZE)


async def test_bytes_are_read_past_the_parser_and_the_next_request_by_it() -> None:
    async with connected(App()) as client:
        client.writer.write(put(BODY[:-1], size=SIZE))
        await client.app.has_received(SIZE - 300_000)
        assert isinstance(client.connection.transport.get_protocol(), BodyProtocol)
        client.writer.write(BODY[-1:])
        assert await client.answer() == b"%d" % SIZE
        assert isinstance(client.connection.transport.get_protocol(), Connection)
        assert client.app.bodies == [BODY]


async def test_requests_behind_a_long_body_wait_for_their_turn() -> None:
    async with connected(App()) as client:
        client.writer.write(put(BODY) + put(b"small") + put(BODY[::-1]) + b"GET / HTTP/1.1\r\nHost: s3\r\n\r\n")
        assert [await client.answer() for _ in range(4)] == [b"%d" % SIZE, b"5", b"%d" % SIZE, b"0"]
        assert client.app.bodies == [BODY, b"small", BODY[::-1], b""]


async def test_a_long_body_behind_a_request_that_is_being_answered_is_whole() -> None:
    async with connected(App()) as client:
        client.writer.write(put(BODY[:700_000]) + put(BODY))
        assert [await client.answer(), await client.answer()] == [b"700000", b"%d" % SIZE]
        assert client.app.bodies == [BODY[:700_000], BODY]


async def test_the_two_ways_to_read_a_body_can_be_mixed() -> None:
    async with connected(App(100_000)) as client:
        client.writer.write(put(BODY, b"/both"))
        assert await client.answer() == b"%d" % SIZE
        assert client.app.bodies == [BODY]


async def test_a_client_that_pauses_is_waited_for_as_long_as_was_said_and_what_came_is_given() -> None:
    async with connected(App(300_000, patience=0.05)) as client:
        client.writer.write(put(BODY[:1_000_000], size=SIZE))
        await asyncio.sleep(0.3)
        assert sum(client.app.sizes) == 1_000_000
        assert client.app.sizes[-1] == 0
        client.writer.write(BODY[1_000_000:])
        assert await client.answer() == b"%d" % SIZE
        assert client.app.bodies == [BODY]


async def test_the_patience_of_one_read_does_not_end_the_next_one() -> None:
    async with connected(App(WORTH, patience=5, first=0.2)) as client:
        client.writer.write(put(BODY[:WORTH], size=2 * WORTH))
        await client.app.has_received(WORTH)
        await asyncio.sleep(0.4)
        client.writer.write(BODY[WORTH : 2 * WORTH])
        assert await client.answer() == b"%d" % (2 * WORTH)
        assert client.app.sizes == [WORTH, WORTH]


async def test_what_comes_while_nobody_reads_is_there_for_the_next_read() -> None:
    async with connected(App(300_000, patience=0.05, pause=0.3)) as client:
        client.writer.write(put(BODY[:100_000], size=1_000_000))
        await client.app.has_received(100_000)
        client.writer.write(BODY[100_000:1_000_000])
        assert await client.answer() == b"1000000"
        assert client.app.bodies == [BODY[:1_000_000]]


async def test_what_comes_after_the_answer_does_not_reach_the_memory_of_the_last_read() -> None:
    async with connected(App(300_000, patience=0.1)) as client:
        client.writer.write(put(BODY[:100_000], b"/refuse", size=900_000))
        assert await client.answer() == b"100000"
        client.writer.write(BODY[100_000:900_000] + put(b"next"))
        assert await client.answer() == b"4"
        assert bytes(client.app.rooms[-1][100_000:]) == bytes(200_000)


async def test_a_client_that_waits_for_continue_is_told_to() -> None:
    async with connected(App()) as client:
        client.writer.write(put(b"", size=SIZE, more=b"Expect: 100-continue\r\n"))
        assert await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 20) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(BODY)
        assert await client.answer() == b"%d" % SIZE


@pytest.mark.parametrize("way", ["close", "abort", "half-close"])
async def test_a_client_that_leaves_in_the_middle_is_noticed(way: str) -> None:
    async with connected(App()) as client:
        client.writer.write(put(BODY[: SIZE // 2], size=SIZE))
        await client.app.has_received(SIZE // 2 - 300_000)
        if way == "close":
            client.writer.close()
        elif way == "abort":
            client.writer.transport.abort()
        else:
            client.writer.write_eof()
        await asyncio.wait_for(client.app.has_gone.wait(), 5)
        assert client.app.bodies == []


async def test_the_rest_of_a_refused_body_is_swallowed_when_it_is_short_and_the_connection_kept() -> None:
    rest = MOST_DISCARDED // 2
    async with connected(App(WORTH)) as client:
        client.writer.write(put(BODY[: 2 * WORTH], b"/refuse", size=2 * WORTH + rest))
        assert int(await client.answer()) <= 2 * WORTH
        client.writer.write(bytes(rest) + put(b"next"))
        assert await client.answer() == b"4"


async def test_no_more_than_a_mebibyte_of_a_refused_body_is_swallowed() -> None:
    async with connected(App(WORTH)) as client:
        client.writer.write(put(BODY, b"/refuse", size=100 * SIZE))
        await client.answer()
        assert await asyncio.wait_for(client.reader.read(), 5) == b""  # our side of the connection is closed
        connection = client.connection
        sent = 0
        while sent < 100 * SIZE and not client.writer.transport.get_write_buffer_size():
            client.writer.write(BODY[:WORTH])
            sent += WORTH
            await asyncio.sleep(0.005)
        assert client.writer.transport.get_write_buffer_size() or client.writer.transport.is_closing()
        assert connection._discarded <= MOST_DISCARDED + (1 << 20)


async def test_a_short_body_and_one_in_chunks_are_read_by_the_parser() -> None:
    async with connected(App()) as client:
        client.writer.write(put(BODY[: WORTH - 1]))
        assert await client.answer() == b"%d" % (WORTH - 1)
        client.writer.write(b"PUT / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, SIZE, 1 << 20):
            client.writer.write(b"100000\r\n%s\r\n" % BODY[start : start + (1 << 20)])
        client.writer.write(b"0\r\n\r\n")
        assert await client.answer() == b"%d" % SIZE
        assert client.app.sizes == []
        assert client.app.bodies == [BODY[: WORTH - 1], BODY]


async def test_long_bodies_arrive_over_tls(tmp_path: Path) -> None:
    async with connected(App(), tls=write_certificate(tmp_path, "server")) as client:
        for _ in range(3):
            client.writer.write(put(BODY) + put(b"small"))
            assert [await client.answer(), await client.answer()] == [b"%d" % SIZE, b"5"]
        assert client.app.bodies == [BODY, b"small"] * 3


class Told:
    """A connection that notes what it is told: which callbacks come in one turn of the loop no socket can arrange."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.flow, self.response_complete = self, False
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.told.append(name)


async def test_a_read_that_ends_in_two_ways_at_once_ends_once() -> None:
    told: Any = Told()
    protocol = BodyProtocol(told, told, 10)
    room = memoryview(bytearray(4))
    reading = asyncio.ensure_future(protocol.fill(room, 0, 4, 0.0))
    await asyncio.sleep(0)
    protocol.get_buffer(-1)[:4] = b"body"
    protocol.buffer_updated(4)
    protocol.connection_lost(None)
    assert (await reading, bytes(room)) == (4, b"body")
    protocol.connection_lost(None)  # nobody reads now
    assert told.told.count("connection_lost") == 2


async def test_what_is_not_about_bytes_is_told_to_the_connection() -> None:
    told: Any = Told()
    protocol = BodyProtocol(told, told, 10)
    for name in ("eof_received", "pause_writing", "resume_writing"):
        getattr(protocol, name)()
    assert told.told == ["eof_received", "pause_writing", "resume_writing"]
