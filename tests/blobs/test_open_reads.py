"""Open reads and uploads: the oldest one holds the reaper back."""

from __future__ import annotations

import pytest

from s3gw.blobs.open_reads import OpenReads

pytestmark = pytest.mark.anyio


async def test_the_oldest_open_read_is_published() -> None:
    times = iter(range(100, 200))
    reads = OpenReads(lambda: next(times))
    first, second = reads.begin(), reads.begin()
    assert reads.oldest() == 100
    reads.end(first)
    assert reads.oldest() == 101
    reads.end(second)
    reads.end(second)
    assert reads.oldest() > 101


async def test_a_clock_that_goes_back_is_no_excuse() -> None:
    times = iter([50, 40, 60, 70])
    reads = OpenReads(lambda: next(times))
    reads.begin()
    reads.begin()
    assert reads.oldest() == 40


async def test_reading_ends_with_its_block() -> None:
    reads = OpenReads()

    async def fail() -> None:
        async with reads.reading():
            assert len(reads) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert len(reads) == 0
