"""Open reads and uploads: the oldest one holds the reaper back."""

from __future__ import annotations

import pytest

from s3gw.blobs.open_reads import OpenReads

pytestmark = pytest.mark.anyio


async def test_the_epoch_of_the_oldest_open_read_is_published() -> None:
    reads = OpenReads(7)
    assert reads.oldest() == 7
    first = reads.begin()
    reads.epoch = 9
    second = reads.begin()
    assert reads.oldest() == 7
    reads.end(first)
    assert reads.oldest() == 9
    reads.epoch = 10
    assert reads.oldest() == 9
    reads.end(second)
    reads.end(second)
    assert reads.oldest() == 10


async def test_an_epoch_that_goes_back_is_no_excuse() -> None:
    """A database was restored from a backup."""
    reads = OpenReads(50)
    reads.begin()
    reads.epoch = 40
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
