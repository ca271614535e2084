"""The first stage of an upload alone: what comes out of it is what came in, and nobody who is idle holds memory."""

from __future__ import annotations

import asyncio

import pytest
from awscrt.checksums import crc64nvme

from s3gw.content import receive
from s3gw.content.receive import Receiver
from s3gw.content.upload_buffers import BUFFER, UploadBuffers
from s3gw.content.upload_window import UploadWindow
from tests.content.bodies import PiecedBody, StallingBody, body_of, random_bytes

pytestmark = pytest.mark.anyio
CHUNK = BUFFER + 100_000


async def received(receiver: Receiver, window: UploadWindow) -> list[bytes]:
    pieces = []
    while (buffer := await receiver.next()) is not None:
        pieces.append(bytes(buffer.lend(1)))
        window.put_back(buffer)
    return pieces


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("piece", [1000, 65536, 3 * CHUNK])
@pytest.mark.parametrize("begun", [0, 1, 300_000])
async def test_what_comes_out_is_what_came_in_and_no_buffer_reaches_over_a_chunks_end(
    size: int, piece: int, begun: int
) -> None:
    buffers = UploadBuffers(4 * BUFFER)
    window = UploadWindow(buffers)
    data = random_bytes(size)
    receiver = Receiver(body_of(data[begun:], piece), [data[:begun]], window, CHUNK)
    pieces = await received(receiver, window)
    assert b"".join(pieces) == data
    assert receiver.crc == crc64nvme(data)
    ends = {sum(map(len, pieces[: number + 1])) for number in range(len(pieces))}
    assert ends >= set(range(CHUNK, size + 1, CHUNK))
    assert max(map(len, pieces)) <= BUFFER
    assert buffers.free == 4


async def test_an_empty_body_has_no_buffer() -> None:
    window = UploadWindow(UploadBuffers(BUFFER))
    assert await Receiver(body_of(b""), [], window, CHUNK).next() is None


async def test_what_was_read_before_is_handed_on_whole_though_the_body_has_ended() -> None:
    window, body = UploadWindow(UploadBuffers(BUFFER)), body_of(b"")
    assert await body.read() == b"" and body.has_ended
    data = random_bytes(CHUNK + 1)
    pieces = await received(Receiver(body, [data], window, CHUNK), window)
    assert list(map(len, pieces)) == [BUFFER, CHUNK - BUFFER, 1]
    assert b"".join(pieces) == data


async def test_a_silent_client_holds_no_buffer_and_what_it_sent_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "_HOLD", 0.01)
    buffers = UploadBuffers(BUFFER)
    window, body = UploadWindow(buffers), StallingBody([b"something"])
    receiver = Receiver(body, [], window, CHUNK)
    buffer = await receiver.next()
    assert buffer is not None and bytes(buffer.lend(1)) == b"something"
    window.put_back(buffer)
    waiting = asyncio.ensure_future(receiver.next())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert buffers.free == 1
    body.resumed.set()
    assert await waiting is None


async def test_a_body_that_turns_out_wrong_leaves_no_buffer_behind() -> None:
    buffers = UploadBuffers(BUFFER)
    window = UploadWindow(buffers)
    receiver = Receiver(PiecedBody([b"some"], RuntimeError("wrong")), [], window, CHUNK)
    with pytest.raises(RuntimeError, match="wrong"):
        await receiver.next()
    assert buffers.free == 1
