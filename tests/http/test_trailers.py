"""Trailers of a request's body, which nobody here wants."""

from __future__ import annotations

import pytest

from tests.http.test_connection import read_answer, serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
async def test_trailers_are_no_headers_though_they_come_with_the_head(upgrade: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        head = b"POST / HTTP/1.1\r\nHost: s3\r\n%sTransfer-Encoding: chunked\r\n\r\n" % upgrade
        trailers = b"Content-Type: text/html\r\nX-Forwarded-For: 192.0.2.1\r\nExpect: 100-continue\r\nEnd: x\r\n\r\n"
        for _ in range(2):  # the next request has headers again
            writer.write(head + b"3\r\nabc\r\n0\r\n" + trailers)
            assert (await read_answer(reader))[1] == b"3 bytes"
            names = [name for name, _ in server.app.headers]
            assert names == [b"host", *([b"connection", b"upgrade"] if upgrade else []), b"transfer-encoding"]
