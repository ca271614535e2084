"""The buffers of one upload: how many are out, when they come back, and what a thread that fails does to the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from s3gw.content.upload_buffers import BUFFER, BodyMixedUp, UploadBuffer, UploadBuffers
from s3gw.content.upload_window import UploadWindow

pytestmark = pytest.mark.anyio


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


async def filled(window: UploadWindow) -> UploadBuffer:
    buffer = await window.take()
    buffer.room(BUFFER)[:5] = b"bytes"
    buffer.fill(5, 0)
    return buffer


async def test_a_buffer_comes_back_when_all_threads_have_read_it(threads: ThreadPoolExecutor) -> None:
    buffers = UploadBuffers(8 * BUFFER)
    window, go, read, seen = UploadWindow(buffers), threading.Event(), [], list[bytes]()

    def slow(data: memoryview) -> None:
        go.wait(20)
        seen.append(bytes(data))

    window.lend(
        await filled(window), [(threads.submit, lambda data: None), (threads.submit, slow)], lambda: read.append(1)
    )
    await asyncio.sleep(0.05)
    assert (buffers.free, read) == (7, [])
    go.set()
    await window.drain()
    assert (buffers.free, read, seen) == (8, [1], [b"bytes"])


async def test_at_most_four_are_out(threads: ThreadPoolExecutor) -> None:
    window, go = UploadWindow(UploadBuffers(8 * BUFFER)), threading.Event()
    for _ in range(4):
        window.lend(await filled(window), [(threads.submit, lambda data: go.wait(20))], lambda: None)
    fifth = asyncio.ensure_future(window.take())
    await asyncio.sleep(0.05)
    assert not fifth.done()
    go.set()
    window.put_back(await fifth)
    await window.drain()


async def test_what_a_thread_raises_is_raised_where_a_buffer_is_wanted(threads: ThreadPoolExecutor) -> None:
    buffers = UploadBuffers(8 * BUFFER)
    window = UploadWindow(buffers)
    window.lend(await filled(window), [(threads.submit, lambda data: 1 // 0)], lambda: None)
    await window.drain()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await window.take()
        with pytest.raises(ZeroDivisionError):
            await window.until(lambda: True)
    assert buffers.free == 8


async def test_what_a_thread_raises_is_known_before_the_buffer_counts_as_read(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that thread sleeps in between: a chunk that couldn't be written must not become durable."""
    window, told, errors = UploadWindow(UploadBuffers(8 * BUFFER)), threading.Event(), list[BaseException | None]()
    lent, failed = threading.Event(), threading.Event()
    leave = UploadBuffer.leave

    def fail(data: memoryview) -> None:
        lent.wait(20)
        raise OSError(28, "No space left on device")

    def sleep_when_left(buffer: UploadBuffer) -> bool:
        is_last = leave(buffer)
        if not is_last:
            failed.set()
            told.wait(1)
        return is_last

    def when_read() -> None:
        errors.append(window.error)
        told.set()

    monkeypatch.setattr(UploadBuffer, "leave", sleep_when_left)
    jobs = [(threads.submit, fail), (threads.submit, lambda data: failed.wait(20))]
    window.lend(await filled(window), jobs, when_read)
    lent.set()
    await window.drain()
    assert [type(error) for error in errors] == [OSError]


async def test_memory_that_changes_while_it_is_read_fails_the_upload(threads: ThreadPoolExecutor) -> None:
    window = UploadWindow(UploadBuffers(8 * BUFFER))
    buffer = await filled(window)
    memory = buffer._memory
    assert memory is not None
    window.lend(buffer, [(threads.submit, lambda data: memory.__setitem__(0, 0))], lambda: None)
    await window.drain()
    with pytest.raises(BodyMixedUp):
        await window.take()


async def test_who_gives_up_waiting_for_a_buffer_holds_none() -> None:
    buffers = UploadBuffers(BUFFER)
    window, other = UploadWindow(buffers), UploadWindow(buffers)
    held = await other.take()
    waiting = asyncio.ensure_future(window.take())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(window.drain(), 5)
    other.put_back(held)
    assert buffers.free == 1
