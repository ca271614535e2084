"""Blobs: counting, repointing and deleting under the reaper's floor."""

from __future__ import annotations

import pytest

from s3gw.metadata import blobs
from s3gw.metadata.blobs import Blob
from s3gw.metadata.database import Connection, Database

pytestmark = pytest.mark.anyio

ONE, TWO = b"1" * 32, b"2" * 32


async def test_a_row_is_inserted_once_and_counted_after(database: Database) -> None:
    def steps(conn: Connection) -> None:
        blobs.insert_or_count(conn, ONE, "a-00000001", 5)
        blobs.insert_or_count(conn, ONE, "a-00000002", 5)
        assert blobs.find(conn, ONE) == Blob(ONE, "a-00000001", 5, 2)
        assert blobs.count(conn, ONE)
        assert not blobs.count(conn, TWO)
        assert blobs.locate(conn, [ONE, TWO, ONE]) == {ONE: Blob(ONE, "a-00000001", 5, 3)}

    await database.write(steps)


async def test_a_row_is_deleted_only_when_nothing_counted_on_it_since_before_the_floor(database: Database) -> None:
    def steps(conn: Connection) -> None:
        for digest, location in ((ONE, "a-00000001"), (TWO, "a-00000002")):
            blobs.insert_or_count(conn, digest, location, 5)
        assert blobs.delete_blobs_released_before(conn, 10**18, 10) == []
        blobs.uncount(conn, [ONE, ONE])
        assert blobs.delete_blobs_released_before(conn, 10**18, 10) == []  # not marked yet
        assert blobs.unmarked(conn, 10) == [ONE]
        blobs.mark(conn, [ONE, TWO], 10)  # TWO is counted: no mark
        blobs.uncount(conn, [TWO])
        assert blobs.unmarked(conn, 10) == [TWO]
        blobs.mark(conn, [ONE], 20)
        assert blobs.unmarked(conn, 10) == [TWO]  # which nobody was asked to mark
        blobs.mark(conn, [ONE, TWO], 20)  # the first mark stays
        assert blobs.delete_blobs_released_before(conn, 10, 10) == []
        assert blobs.delete_blobs_released_before(conn, 11, 10) == ["a-00000001"]
        assert blobs.count(conn, TWO)  # counted again: no longer released
        assert blobs.delete_blobs_released_before(conn, 100, 10) == []
        assert blobs.find(conn, ONE) is None

    await database.write(steps)


async def test_the_first_that_were_released_are_deleted_first(database: Database) -> None:
    def steps(conn: Connection) -> None:
        for digest, location, epoch in ((ONE, "a-00000001", 20), (TWO, "a-00000002", 10)):
            blobs.insert_or_count(conn, digest, location, 5)
            blobs.uncount(conn, [digest])
            blobs.mark(conn, [digest], epoch)
        assert blobs.delete_blobs_released_before(conn, 100, 1) == ["a-00000002"]
        assert blobs.delete_blobs_released_before(conn, 100, 1) == ["a-00000001"]

    await database.write(steps)


async def test_counting_again_removes_the_mark(database: Database) -> None:
    def steps(conn: Connection) -> None:
        blobs.insert_or_count(conn, ONE, "a-00000001", 5)
        blobs.uncount(conn, [ONE])
        blobs.mark(conn, [ONE], 10)
        blobs.insert_or_count(conn, ONE, "a-00000002", 5)
        blobs.uncount(conn, [ONE])
        assert blobs.unmarked(conn, 10) == [ONE]
        blobs.mark(conn, [ONE], 30)
        assert blobs.delete_blobs_released_before(conn, 20, 10) == []
        assert blobs.delete_blobs_released_before(conn, 31, 10) == ["a-00000001"]

    await database.write(steps)


async def test_a_count_never_falls_below_zero(database: Database) -> None:
    def steps(conn: Connection) -> None:
        blobs.insert_or_count(conn, ONE, "a-00000001", 5)
        blobs.uncount(conn, [ONE])
        blobs.uncount(conn, [ONE])
        assert blobs.find(conn, ONE) == Blob(ONE, "a-00000001", 5, 0)

    await database.write(steps)


async def test_a_row_is_repointed_only_from_the_bytes_found_bad(database: Database) -> None:
    def steps(conn: Connection) -> None:
        blobs.insert_or_count(conn, ONE, "a-00000001", 5)
        assert not blobs.repoint(conn, ONE, "a-000000ff", "a-00000002")
        assert blobs.repoint(conn, ONE, "a-00000001", "a-00000002")
        assert blobs.find(conn, ONE) == Blob(ONE, "a-00000002", 5, 2)
        assert blobs.unnamed(conn, ["a-00000001", "a-00000002"]) == ["a-00000001"]

    await database.write(steps)


def test_a_location_names_its_writer() -> None:
    assert blobs.process_of("node-7-abc-0000002a") == "node-7-abc"
