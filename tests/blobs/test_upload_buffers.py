"""The memory that uploads share: bounded, first come first served, nothing lost to cancellation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from s3gw.blobs.upload_buffers import BUFFER, BufferMisused, UploadBuffer, UploadBuffers

pytestmark = pytest.mark.anyio


async def test_the_budget_is_never_exceeded() -> None:
    pool = UploadBuffers(2 * BUFFER)
    first, second = await pool.take(), await pool.take()
    third = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    assert not third.done()
    pool.give_back(first)
    assert (await third).is_ours
    pool.give_back(second)


async def test_who_waits_longest_is_next() -> None:
    pool = UploadBuffers(BUFFER)
    held = await pool.take()
    order: list[int] = []

    async def take(number: int) -> None:
        buffer = await pool.take()
        order.append(number)
        pool.give_back(buffer)

    tasks = [asyncio.ensure_future(take(number)) for number in range(5)]
    await asyncio.sleep(0)
    pool.give_back(held)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    assert pool.free == 1


async def test_a_cancelled_waiter_takes_nothing() -> None:
    pool = UploadBuffers(BUFFER)
    held = await pool.take()
    waiter, next_one = asyncio.ensure_future(pool.take()), asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    waiter.cancel()
    pool.give_back(held)
    assert (await next_one).is_ours
    assert waiter.cancelled()
    assert pool.free == 0


async def test_what_was_granted_to_a_cancelled_waiter_comes_back() -> None:
    pool = UploadBuffers(BUFFER)
    held = await pool.take()
    waiter = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    pool.give_back(held)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert pool.free == 1


async def test_a_budget_smaller_than_a_slice_still_serves_one() -> None:
    assert UploadBuffers(1).free == 1


async def test_a_buffer_lends_what_was_filled_and_ends_the_views_with_its_turn() -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    buffer.fill(b"one")
    buffer.fill(memoryview(b" and two"))
    view = buffer.lend()
    assert bytes(view) == b"one and two"
    pool.give_back(buffer)
    with pytest.raises(ValueError, match="released memoryview"):
        bytes(view)


async def test_a_buffer_that_is_given_back_twice_is_not_free_twice() -> None:
    pool = UploadBuffers(2 * BUFFER)
    buffer = await pool.take()
    pool.give_back(buffer)
    with pytest.raises(BufferMisused):
        pool.give_back(buffer)
    assert pool.free == 2
    one, other = await pool.take(), await pool.take()
    one.fill(b"mine")
    other.fill(b"theirs")
    assert (bytes(one.lend()), bytes(other.lend())) == (b"mine", b"theirs")


@pytest.mark.parametrize("use", [lambda buffer: buffer.fill(b"x"), lambda buffer: buffer.lend()])
async def test_a_buffer_can_not_be_used_after_its_turn(use: Callable[[UploadBuffer], object]) -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    pool.give_back(buffer)
    with pytest.raises(BufferMisused):
        use(buffer)


async def test_a_buffer_can_not_be_filled_while_a_thread_reads_it_nor_over_its_end() -> None:
    pool = UploadBuffers(2 * BUFFER)
    lent, full = await pool.take(), await pool.take()
    lent.lend()
    with pytest.raises(BufferMisused):
        lent.fill(b"x")
    full.fill(bytes(BUFFER))
    with pytest.raises(BufferMisused):
        full.fill(b"x")


async def test_memory_that_a_thread_still_reads_is_not_used_again() -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    buffer.fill(b"bytes")
    reading = re.compile(b"bytes").scanner(buffer.lend())  # holds the view as a call into C does
    with pytest.raises(BufferMisused):
        pool.give_back(buffer)
    (await pool.take()).fill(b"other")
    assert reading.match() is not None
