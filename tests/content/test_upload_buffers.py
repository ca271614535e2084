"""The memory that uploads share: bounded, first come first served, nothing lost to cancellation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from awscrt.checksums import crc64nvme

from s3gw.content.upload_buffers import BUFFER, BodyMixedUp, BufferMisused, UploadBuffer, UploadBuffers

pytestmark = pytest.mark.anyio


async def test_the_budget_is_never_exceeded() -> None:
    pool = UploadBuffers(2 * BUFFER)
    first, second = await pool.take(), await pool.take()
    third, fourth = (asyncio.ensure_future(pool.take()) for _ in range(2))
    await asyncio.sleep(0)
    assert not third.done()
    pool.give_back(first)
    assert (await third).is_ours
    await asyncio.sleep(0)
    assert not fourth.done()
    pool.give_back(second)
    assert (await fourth).is_ours
    assert pool.free == 0


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


def fill(buffer: UploadBuffer, data: bytes, crc_before: int = 0) -> None:
    buffer.room(BUFFER)[: len(data)] = data
    buffer.fill(len(data), crc_before)


async def test_a_buffer_lends_what_was_filled_and_ends_the_view_with_its_turn() -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    fill(buffer, b"one")
    view = buffer.lend(2)
    assert bytes(view) == b"one" and view.readonly
    assert [buffer.leave(), buffer.leave()] == [False, True]
    pool.give_back(buffer)
    with pytest.raises(ValueError, match="released memoryview"):
        bytes(view)


async def test_the_room_can_not_be_written_to_when_it_was_filled() -> None:
    buffer = await UploadBuffers(BUFFER).take()
    room = buffer.room(10)
    assert len(room) == 10
    buffer.fill(10, 0)
    with pytest.raises(ValueError, match="released memoryview"):
        room[0] = 1


async def test_a_room_that_somebody_still_writes_to_is_not_lent() -> None:
    buffer = await UploadBuffers(BUFFER).take()
    writing = re.compile(b"x").scanner(buffer.room(10))  # holds the view as a transport does that reads into it
    with pytest.raises(BufferMisused):
        buffer.fill(10, 0)
    assert writing.match() is None


async def test_the_crc_of_a_buffer_goes_on_where_that_of_the_last_one_ended() -> None:
    pool = UploadBuffers(2 * BUFFER)
    first, second = await pool.take(), await pool.take()
    fill(first, b"one")
    fill(second, b" and two", first.crc_after)
    assert second.crc_after == crc64nvme(b"one and two")


async def test_a_buffer_that_is_given_back_twice_is_not_free_twice() -> None:
    pool = UploadBuffers(2 * BUFFER)
    buffer = await pool.take()
    pool.give_back(buffer)
    with pytest.raises(BufferMisused):
        pool.give_back(buffer)
    assert pool.free == 2
    one, other = await pool.take(), await pool.take()
    fill(one, b"mine")
    fill(other, b"theirs")
    assert (bytes(one.lend(1)), bytes(other.lend(1))) == (b"mine", b"theirs")


@pytest.mark.parametrize(
    "use", [lambda buffer: buffer.room(1), lambda buffer: buffer.fill(1, 0), lambda buffer: buffer.lend(1)]
)
@pytest.mark.parametrize(
    "before", [lambda buffer: None, lambda buffer: buffer.room(1), lambda buffer: fill(buffer, b"x")]
)
async def test_a_buffer_can_not_be_used_after_its_turn(
    use: Callable[[UploadBuffer], object], before: Callable[[UploadBuffer], object]
) -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    before(buffer)
    pool.give_back(buffer)
    with pytest.raises(BufferMisused):
        use(buffer)


async def test_a_buffer_can_not_be_filled_or_lent_again_while_threads_read_it() -> None:
    buffer = await UploadBuffers(BUFFER).take()
    fill(buffer, b"bytes")
    buffer.lend(2)
    with pytest.raises(BufferMisused):
        buffer.room(1)
    with pytest.raises(BufferMisused):
        buffer.lend(1)


async def test_a_buffer_without_room_can_not_be_filled_or_lent() -> None:
    buffer = await UploadBuffers(BUFFER).take()
    with pytest.raises(BufferMisused):
        buffer.fill(1, 0)
    with pytest.raises(BufferMisused):
        buffer.lend(1)


@pytest.mark.parametrize("spoil", ["changed", "given back"])
async def test_the_last_reader_is_told_when_the_memory_is_not_what_it_was(spoil: str) -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    fill(buffer, b"bytes")
    buffer.lend(2)
    assert buffer._memory is not None
    if spoil == "changed":
        buffer._memory[2] ^= 1
    else:
        pool.give_back(buffer)
    assert not buffer.leave()
    with pytest.raises(BodyMixedUp):
        buffer.leave()


async def test_memory_that_a_thread_still_reads_is_not_used_again() -> None:
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    fill(buffer, b"bytes")
    reading = re.compile(b"bytes").scanner(buffer.lend(1))  # holds the view as a call into C does
    with pytest.raises(BufferMisused):
        pool.give_back(buffer)
    fill(await pool.take(), b"other")
    assert reading.match() is not None


@pytest.mark.parametrize("when", ["while it is filled", "when it was filled", "while threads read it"])
async def test_memory_of_which_somebody_has_a_part_is_not_used_again(when: str) -> None:
    """Whoever fills a buffer has a part of its room, and writing to that is no error when the turn has ended."""
    pool = UploadBuffers(BUFFER)
    buffer = await pool.take()
    part = buffer.room(BUFFER)[3:]
    if when != "while it is filled":
        buffer.fill(BUFFER, 0)
    if when == "while threads read it":
        buffer.lend(1)
    pool.give_back(buffer)
    assert pool.free == 1 and pool._kept == []
    after = await pool.take()
    room = after.room(5)
    room[:2] = b"by"
    part[0] = ord("?")
    room[2:] = b"tes"
    after.fill(5, 0)
    assert bytes(after.lend(1)) == b"bytes"


async def test_memory_that_was_kept_twice_is_not_given_to_two() -> None:
    pool = UploadBuffers(2 * BUFFER)
    pool.give_back(await pool.take())
    pool._kept *= 2
    one, other = await pool.take(), await pool.take()
    fill(one, b"mine")
    fill(other, b"theirs")
    assert (bytes(one.lend(1)), bytes(other.lend(1))) == (b"mine", b"theirs")


async def test_memory_is_used_again() -> None:
    pool = UploadBuffers(BUFFER)
    first = await pool.take()
    assert first._memory is not None
    memory = first._memory.obj
    pool.give_back(first)
    again = await pool.take()
    assert again._memory is not None and again._memory.obj is memory
