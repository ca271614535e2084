"""The file of a form as the body of an upload: however it comes and is asked for, its bytes are the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from s3gw.auth.authenticate import Authentication, PayloadSpec
from s3gw.auth.form_body import FormBody
from s3gw.auth.payload import ClientDisconnected, VerifyingBody
from s3gw.auth.post_policy import SizeRange
from s3gw.auth.principal import ANONYMOUS
from s3gw.errors import EntityTooLarge, EntityTooSmall, IncompleteBody, MalformedPOSTRequest, RequestTimeout, S3Error
from s3gw.wire.form import Form
from s3gw.wire.route import POST_OBJECT, example_request
from tests.s3.forms import BOUNDARY, FORM, body_of


class Settings:
    body_timeout = 0.2


def form_body(
    pieces: list[bytes], length: int | None = None, *, ends: bool = True, is_last: bool = True, into: Any = None
) -> FormBody:
    """`pieces` are what comes, whose last one is the body's last; the client goes where none is, or stalls if it
    doesn't end. `into`: an ASGI server's way to fill memory."""
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        if not waiting:
            if ends:
                return {"type": "http.disconnect"}
            await asyncio.sleep(60)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not (ends and is_last)}

    size = sum(map(len, pieces)) if length is None else length
    request = example_request(POST_OBJECT)._replace(headers={"content-length": str(size)})
    anonymous = Authentication(ANONYMOUS, PayloadSpec("unsigned"), False)
    receive_into = None if into is None else into(waiting)
    sent = VerifyingBody(receive, request, anonymous, Settings(), 1 << 30, receive_into)
    return FormBody(sent, Form(FORM["Content-Type"]))


def cut(data: bytes, most: int, source: random.Random) -> list[bytes]:
    pieces = []
    while data:
        size = source.randint(1, most)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def directly(waiting: list[bytes]) -> Callable[[memoryview, float], Any]:
    async def receive_into(room: memoryview, patience: float) -> tuple[int, bool]:
        filled = 0
        while waiting and filled < len(room):
            piece = waiting.pop(0)
            size = min(len(piece), len(room) - filled)
            room[filled : filled + size] = piece[:size]
            filled += size
            if piece[size:]:
                waiting.insert(0, piece[size:])
        return filled, bool(waiting)

    return receive_into


async def content_of(body: FormBody, source: random.Random) -> bytes:
    """Read now in pieces, now into rooms."""
    await body.read_fields()
    content = b""
    while not body.has_ended:
        if source.random() < 0.2:
            content += await body.read()
        else:
            room = memoryview(bytearray(source.randint(1, 200_000)))
            filled = await body.read_into(room, 0.1)
            content += room[:filled]
    assert await body.read() == b""
    assert await body.read_into(memoryview(bytearray(9)), 0.1) == 0
    return content


@pytest.mark.parametrize("into", [None, directly])
@pytest.mark.parametrize("seed", range(30))
def test_the_bytes_are_the_same_however_they_come(seed: int, into: Any) -> None:
    source = random.Random(seed)
    near = f"\r\n--{BOUNDARY[: source.randint(1, len(BOUNDARY) - 1)]}".encode()
    content = b"".join(source.choice((near, b"\r\n", b"-", b"x" * 5000)) for _ in range(source.choice((0, 3, 60))))
    sent = body_of({"key": "k"}, content, behind={"acl": "x" * source.choice((0, 100_000))})
    body = form_body(cut(sent, source.choice((7, 1000, 300_000)), source), into=into)
    assert asyncio.run(content_of(body, source)) == content
    assert body.form.fields == [("key", "k")]


def test_nothing_has_ended_before_the_closing_boundary() -> None:
    sent = body_of({"key": "k"}, b"content")
    end = len(f"--{BOUNDARY}--\r\n")

    async def read(pieces: list[bytes], **more: Any) -> None:
        body = form_body(pieces, **more)
        await body.read_fields()
        while not body.has_ended:
            await body.read()

    for missing, error in ((end, MalformedPOSTRequest), (end - 1, MalformedPOSTRequest), (3, MalformedPOSTRequest)):
        with pytest.raises(error):
            asyncio.run(read([sent[:-missing]]))
    with pytest.raises(ClientDisconnected):
        asyncio.run(read([sent[:-20]], length=len(sent), is_last=False))
    with pytest.raises(RequestTimeout):
        asyncio.run(read([sent[:-end]], length=len(sent), ends=False))
    with pytest.raises(IncompleteBody):
        asyncio.run(read([sent], length=len(sent) + 1))


def test_a_file_is_refused_when_it_gets_too_large_and_not_when_it_has_ended() -> None:
    sent = body_of({"key": "k"}, b"x" * 1_000_000)
    body = form_body([sent[:100_000]], len(sent), ends=False)
    body.sizes = (SizeRange(0, 50_000),)

    async def read() -> None:
        await body.read_fields()
        await body.read()

    with pytest.raises(EntityTooLarge):
        asyncio.run(read())


@pytest.mark.parametrize(("size", "error"), [(4, EntityTooSmall), (11, EntityTooLarge), (0, EntityTooSmall)])
def test_the_size_of_a_file_that_came_with_its_fields_is_checked_too(size: int, error: type[S3Error]) -> None:
    body = form_body([body_of({"key": "k"}, b"x" * size)])

    async def read() -> None:
        await body.read_fields()
        body.sizes = (SizeRange(5, 10),)
        await body.read()

    with pytest.raises(error):
        asyncio.run(read())
