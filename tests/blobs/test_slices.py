"""The memory that uploads share: bounded, first come first served, nothing lost to cancellation."""

from __future__ import annotations

import asyncio

import pytest

from s3gw.blobs.slices import SLICE, SlicePool

pytestmark = pytest.mark.anyio


async def test_the_budget_is_never_exceeded() -> None:
    pool = SlicePool(2 * SLICE)
    first, second = await pool.take(), await pool.take()
    third = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    assert not third.done()
    pool.give_back(first)
    assert len(await third) == SLICE
    pool.give_back(second)


async def test_who_waits_longest_is_next() -> None:
    pool = SlicePool(SLICE)
    held = await pool.take()
    order: list[int] = []

    async def take(number: int) -> None:
        memory = await pool.take()
        order.append(number)
        pool.give_back(memory)

    tasks = [asyncio.ensure_future(take(number)) for number in range(5)]
    await asyncio.sleep(0)
    pool.give_back(held)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    assert pool.free == 1


async def test_a_cancelled_waiter_takes_nothing() -> None:
    pool = SlicePool(SLICE)
    held = await pool.take()
    waiter, next_one = asyncio.ensure_future(pool.take()), asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    waiter.cancel()
    pool.give_back(held)
    assert len(await next_one) == SLICE
    assert waiter.cancelled()


async def test_what_was_granted_to_a_cancelled_waiter_comes_back() -> None:
    pool = SlicePool(SLICE)
    held = await pool.take()
    waiter = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    pool.give_back(held)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert pool.free == 1


async def test_a_budget_smaller_than_a_slice_still_serves_one() -> None:
    assert SlicePool(1).free == 1
