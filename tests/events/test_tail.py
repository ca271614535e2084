"""The end of the outbox as streams read it: in order, from memory or the database, and what of it is kept."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from s3gw.events import tail as tail_module
from s3gw.events.tail import MOST_OF_USER, Tail, place_of
from s3gw.metadata import outbox
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.outbox import BEGINNING, ChangedObject, Following, Noted, Place
from s3gw.problems import RateLimited
from tests.metadata.test_listing import fill
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio
READERS = ("one", "other")


@pytest.fixture
async def files(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(tail_module, "PAUSE", 0.005)
    await database.write(fill, [])
    await database.write(outbox.register, READERS)
    return database


async def note(database: Database, *keys: str) -> None:
    def write(conn: Connection, key: str) -> None:
        outbox.write(conn, 1, 5, "PutObjectAcl", Actor("", "", "s3"), [Noted(ChangedObject("acl", key))], False)

    for key in keys:
        await database.write(write, key)


async def told(database: Database, last: str) -> list[str]:
    """What is told once the newest of it is this. PostgreSQL's oldest transaction at work may be another database's,
    so what is written is told a moment after its commit.
    """
    async with asyncio.timeout(20):
        while True:
            keys = keys_of(await database.read(outbox.following, BEGINNING, 100))
            if keys[-1:] == [last]:
                return keys
            await asyncio.sleep(0.005)


def keys_of(found: Following) -> list[str]:
    return [row.key for row in found.rows]


async def until(tail: Tail, database: Database, place: Place, count: int) -> Following:
    async with asyncio.timeout(20):
        while len((found := await tail.behind(database, place)).rows) < count:
            await tail.wait(1)
    return found


async def test_what_comes_is_given_in_order_from_memory_or_the_database(
    files: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "_KEPT", 2)
    tail = Tail()
    await note(files, "before")
    with tail.followed(files, "u"):
        await told(files, "before")
        async with asyncio.timeout(20):
            while tail._first is None:  # what comes before it is known is of the database
                await tail.wait(0.01)
        begin = await files.read(outbox.newest)
        await note(files, *"12345")
        found = await until(tail, files, begin, 5)
        assert keys_of(found) == list("12345") and found.is_whole
        async with asyncio.timeout(20):
            while tail._last < place_of(found.rows[4]):
                await tail.wait(0.01)
        assert keys_of(await tail.behind(files, place_of(found.rows[1]))) == list("345"), "of the database"
        monkeypatch.setattr(outbox, "following", None)
        assert keys_of(await until(tail, files, place_of(found.rows[2]), 2)) == list("45")
        assert keys_of(await tail.behind(files, place_of(found.rows[4]))) == []


async def test_of_much_a_part_is_given_at_a_time_the_oldest_first(
    files: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "_STEP", 2)
    tail = Tail()
    with tail.followed(files, "u"):
        await note(files, *"12345")
        place, got = BEGINNING, list[str]()
        while len(got) < 5:
            found = await until(tail, files, place, 1)
            assert len(found.rows) <= 2
            got += keys_of(found)
            place = place_of(found.rows[-1])
        assert got == list("12345")


async def test_a_user_has_five_streams_at_most() -> None:
    tail, database = Tail(), _Nothing()
    with ExitStack() as held:
        for _ in range(MOST_OF_USER):
            held.enter_context(tail.followed(database, "u"))
        with pytest.raises(RateLimited), tail.followed(database, "u"):
            pass
        with tail.followed(database, "other"):
            pass
    with tail.followed(database, "u"):
        pass


class _Nothing(Database):
    """Nothing is read before the test is over."""

    read = scan = write = close = None  # type: ignore[assignment]


async def read_all(database: Database) -> None:
    for name in READERS:
        await database.write(outbox.advance, name, 1000)


async def test_of_what_all_readers_have_done_the_newest_are_kept(files: Database) -> None:
    await note(files, *"123456")
    await told(files, "6")
    assert await files.read(outbox.any_unread)
    await files.write(outbox.advance, "one", 1000)
    assert await files.read(outbox.any_unread), "another has read nothing yet"
    assert await files.write(outbox.trim, 100, 2) == 0
    await files.write(outbox.advance, "other", 1000)
    assert not await files.read(outbox.any_unread)
    assert [await files.write(outbox.trim, 3, 2) for _ in range(3)] == [3, 1, 0]
    assert await told(files, "6") == ["5", "6"]
    await note(files, "7")
    await told(files, "7")
    assert await files.read(outbox.any_unread)


async def test_who_was_behind_what_is_kept_hears_that_something_is_missing(files: Database) -> None:
    await note(files, *"12345")
    await told(files, "5")
    places = [place_of(row) for row in (await files.read(outbox.following, BEGINNING, 100)).rows]
    await read_all(files)
    await files.write(outbox.trim, 100, 2)
    found = [await files.read(outbox.following, place, 100) for place in places[1:]]
    assert [(each.is_whole, keys_of(each)) for each in found] == [
        (False, ["4", "5"]),
        (False, ["4", "5"]),
        (True, ["5"]),
        (True, []),
    ]


async def test_of_a_transaction_that_is_at_work_nothing_behind_it_is_told(files: Database) -> None:
    if files.dialect == "sqlite":
        pytest.skip("there no two transactions write at the same time")
    keep_in_threads(files)
    begun, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(conn: Connection) -> None:
        outbox.write(conn, 1, 5, "", Actor("", "", "s3"), [Noted(ChangedObject("acl", "early"))], False)
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(20)

    early = asyncio.create_task(files.write(slowly))
    await begun.wait()
    await note(files, "late")
    assert keys_of(await files.read(outbox.following, BEGINNING, 100)) == []
    assert await files.read(outbox.newest) == BEGINNING
    go.set()
    await early
    assert await told(files, "late") == ["early", "late"]
