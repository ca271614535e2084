"""What an application sends and what leaves for the client: head and body, framed, in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from s3gw.config import Settings
from s3gw.http.connection import Connection, Connections

pytestmark = pytest.mark.anyio
Message = dict[str, Any]


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, pieces: Any) -> None:
        self.writes.append(b"".join(pieces))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def answer(
    *messages: Message, method: bytes = b"GET", version: bytes = b"1.1"
) -> tuple[Transport, list[RuntimeError]]:
    """What a request is answered with when the application sends these messages, and what it was told."""
    refusals: list[RuntimeError] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            try:
                await send(message)
            except RuntimeError as error:
                refusals.append(error)
                raise

    transport = Transport()
    connection = Connection(Connections(app, Settings()), lambda: None, asyncio.get_running_loop())
    connection.connection_made(transport)
    connection.data_received(method + b" / HTTP/" + version + b"\r\nHost: s3\r\n\r\n")
    await asyncio.wait(connection.server_state.tasks)
    return transport, refusals


@pytest.mark.parametrize("pieces", [[b"whole"], [b"two", b"pieces"], [b"1", b"2", b"3", b"4", b"5"], []])
async def test_what_has_come_is_received_at_once(pieces: list[bytes]) -> None:
    """Whatever the number of pieces: in chunks, each of them comes by itself from the parser."""
    messages: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not messages or messages[-1].get("more_body"):
            messages.append(await receive())
        await send(start(status=204))
        await send(body())
        messages.append(await receive())

    connection = Connection(Connections(app, Settings()), lambda: None, asyncio.get_running_loop())
    connection.connection_made(Transport())
    head = b"PUT / HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.data_received(head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces))
    await asyncio.sleep(0)
    connection.data_received(b"3\r\nend\r\n0\r\n\r\n")
    await asyncio.wait(connection.server_state.tasks)
    received = [message.get("body", b"") for message in messages if message["type"] == "http.request"]
    assert received == ([b"".join(pieces), b"end"] if pieces else [b"end"])
    assert all(type(piece) is bytes for piece in received)
    assert messages[-1] == {"type": "http.disconnect"}


FOUR = (b"content-length", b"4")


async def test_head_and_body_leave_in_one_write() -> None:
    transport, _ = await answer(start(FOUR, (b"etag", b'"x"')), body(b"abcd"))
    (written,) = transport.writes
    head, _, content = written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert head.endswith(b'\r\nContent-Length: 4\r\nETag: "x"')
    assert content == b"abcd"
    assert not transport.is_closed


async def test_names_of_headers_are_spelled_as_aws_spells_them() -> None:
    names = b"ETag Content-Type Last-Modified Accept-Ranges Content-Range WWW-Authenticate Location Allow Retry-After"
    kept = b"x-amz-request-id x-amz-meta-etag x-of-nobody"
    given = [(name.lower(), b"1") for name in (names + b" " + kept).split()]
    transport, _ = await answer(start(*given), body(b"abcd"))
    lines = b"".join(transport.writes).partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    standing = b"Date Server " + names + b" " + kept + b" Transfer-Encoding"
    assert [line.partition(b": ")[0] for line in lines] == standing.split()


async def test_the_date_is_that_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for now, date in ((1e9 + 0.9, b"01:46:40"), (1e9 + 1, b"01:46:41")):
        monkeypatch.setattr("s3gw.http.exchange.time.time", lambda now=now: now)
        transport, _ = await answer(start(FOUR), body(b"abcd"))
        assert b"\r\nDate: Sun, 09 Sep 2001 %s GMT\r\n" % date in transport.writes[0]


async def test_a_large_body_is_not_copied_behind_its_head() -> None:
    data = bytes(1 << 20)
    transport, _ = await answer(start((b"content-length", b"%d" % len(data))), body(data[:99], True), body(data[99:]))
    assert [len(written) for written in transport.writes][1:] == [len(data) - 99]
    assert transport.writes[0].endswith(b"\r\n\r\n" + bytes(99))


async def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    transport, _ = await answer(start(), body(b"abc", True), body(b"", True), body(b"de"))
    head, _, content = b"".join(transport.writes).partition(b"\r\n\r\n")
    assert head.endswith(b"Transfer-Encoding: chunked")
    assert content == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
async def test_some_answers_have_no_body(method: bytes, status: int) -> None:
    transport, _ = await answer(start(status=status), body(), method=method)
    assert b"".join(transport.writes).endswith(b"\r\n\r\n")
    assert b"chunked" not in b"".join(transport.writes)


async def test_the_head_of_a_HEAD_keeps_its_length() -> None:
    transport, _ = await answer(start(FOUR), body(b"abcd"), method=b"HEAD")
    assert b"".join(transport.writes).endswith(b"Content-Length: 4\r\n\r\n")


@pytest.mark.parametrize(
    ("headers", "version"), [(((b"connection", b"close"),), b"1.1"), ((), b"1.0")], ids=["asked for", "old client"]
)
async def test_a_connection_that_is_not_kept_says_so_once(headers: Any, version: bytes) -> None:
    transport, _ = await answer(start(FOUR, *headers), body(b"abcd"), version=version)
    assert b"".join(transport.writes).count(b"Connection: close\r\n") == 1
    assert transport.is_closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
async def test_a_header_that_holds_a_line_end_is_not_sent(value: bytes) -> None:
    transport, refusals = await answer(start(FOUR, (b"x-amz-meta-a", value)), body(b"abcd"))
    assert len(refusals) == 1
    assert b"set-cookie" not in b"".join(transport.writes)
    assert transport.is_closed


@pytest.mark.parametrize(
    "messages",
    [
        [body(b"early")],
        [start(FOUR), start(FOUR)],
        [start(FOUR), body(b"abcde")],
        [start(FOUR), body(b"abc")],
        [start(FOUR), body(b"abcd"), body(b"e")],
    ],
    ids=["no head", "two heads", "too long", "too short", "after the end"],
)
async def test_an_application_that_breaks_the_rules_is_told(messages: list[Message]) -> None:
    transport, refusals = await answer(*messages)
    assert len(refusals) == 1
    sent = b"".join(transport.writes)
    assert b"abcde" not in sent
    assert transport.is_closed or sent.endswith((b"\r\n\r\nabcd", b"Internal Server Error"))


@pytest.mark.parametrize("requests", [1, 3], ids=["alone", "before others"])
async def test_an_application_is_told_that_its_client_has_gone(requests: int) -> None:
    told: list[OSError] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        try:
            while True:
                await send(body(b"abcd", True))
                await asyncio.sleep(0)
        except OSError as error:
            told.append(error)
            raise  # nobody is answered with an error, and nothing is reported

    connection = Connection(Connections(app, Settings()), lambda: None, asyncio.get_running_loop())
    connection.connection_made(Transport())
    connection.data_received(b"GET / HTTP/1.1\r\nHost: s3\r\n\r\n" * requests)
    await asyncio.sleep(0.01)
    (task,) = connection.server_state.tasks
    connection.connection_lost(None)
    await asyncio.wait_for(task, 5)
    assert len(told) == 1


async def test_an_application_that_fails_when_its_client_has_gone_answers_nobody() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ValueError

    connection = Connection(Connections(app, Settings()), lambda: None, asyncio.get_running_loop())
    connection.connection_made(Transport())
    connection.data_received(b"GET / HTTP/1.1\r\nHost: s3\r\n\r\n")
    await asyncio.sleep(0.01)
    (task,) = connection.server_state.tasks
    connection.connection_lost(None)
    await asyncio.wait_for(task, 5)
    assert task.exception() is None
