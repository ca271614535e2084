"""Processes: epochs, the floor under what may be deleted, and who was declared dead."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import select, update

from s3gw.metadata import pins, processes, schema
from s3gw.metadata.database import Connection, Database
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio


def register(conn: Connection, *names: str) -> None:
    for name in names:
        processes.register(conn, name, "worker", "here", 1)


async def test_a_pin_that_one_process_withdraws_stays_with_the_others(database: Database) -> None:
    def steps(conn: Connection) -> None:
        register(conn, "one", "two")
        for name in ("one", "two"):
            assert pins.publish(conn, name, [7, 8], [b"digest"])
        pins.withdraw(conn, "one", [7], [b"digest"])
        rows = conn.execute(select(schema.content_pins.c.process, schema.content_pins.c.content_id)).all()
        assert sorted(map(tuple, rows)) == [("one", 8), ("two", 7), ("two", 8)]
        assert conn.execute(select(schema.blob_pins.c.process)).all() == [("two",)]

    await database.write(steps)


async def test_the_pins_and_the_row_of_a_dead_process_go_and_those_of_others_stay(database: Database) -> None:
    def steps(conn: Connection) -> None:
        register(conn, "one", "two")
        for name in ("one", "two"):
            assert pins.publish(conn, name, [7], [b"digest"])
        assert processes.mark_dead(conn, "one")
        for table in (schema.content_pins, schema.blob_pins):
            assert conn.execute(select(table.c.process)).all() == [("two",)]
        assert processes.mark_dead(conn, "two")
        processes.forget(conn, "one")
        assert [process.name for process in processes.list_processes(conn)] == ["two"]

    await database.write(steps)


async def test_epochs_follow_each_other(database: Database) -> None:
    def steps(conn: Connection) -> None:
        conn.execute(schema.settings.insert().values(name="another", value="7"))
        assert processes.epoch(conn) == 0
        assert [processes.end_epoch(conn) for _ in range(12)] == list(range(12))
        assert processes.epoch(conn) == 12

    await database.write(steps)


async def test_an_epoch_ends_once_however_many_end_it(database: Database) -> None:
    ended = await asyncio.gather(*(database.write(processes.end_epoch) for _ in range(10)))
    assert sorted(ended) == list(range(10))


async def test_without_processes_the_floor_is_the_present_epoch(database: Database) -> None:
    def steps(conn: Connection) -> None:
        processes.end_epoch(conn)
        assert processes.floor(conn) == 1

    await database.write(steps)


async def test_the_floor_is_the_oldest_epoch_that_the_living_published(database: Database) -> None:
    def steps(conn: Connection) -> None:
        register(conn, "one")
        for _ in range(3):
            processes.end_epoch(conn)
        assert processes.register(conn, "two", "worker", "here", 2) == 3
        assert processes.floor(conn) == 0
        assert processes.heartbeat(conn, "one", 2) is not None
        assert processes.floor(conn) == 2
        assert processes.heartbeat(conn, "one", 4) is not None
        assert processes.floor(conn) == 3
        assert processes.mark_dead(conn, "two")
        assert processes.floor(conn) == 4

    await database.write(steps)


async def test_the_dead_have_no_heartbeat(database: Database) -> None:
    def steps(conn: Connection) -> None:
        register(conn, "one")
        assert processes.look(conn, "one") == (0, True)
        assert not processes.is_dead(conn, "one")
        assert processes.mark_dead(conn, "one")
        assert not processes.mark_dead(conn, "one")
        assert processes.look(conn, "one") == (0, False)
        assert processes.is_dead(conn, "one")
        assert processes.heartbeat(conn, "one", 0) is None

    await database.write(steps)


async def test_who_never_registered_counts_as_dead(database: Database) -> None:
    def steps(conn: Connection) -> None:
        assert processes.is_dead(conn, "nobody")
        assert processes.look(conn, "nobody") == (0, False)
        assert processes.heartbeat(conn, "nobody", 0) is None

    await database.write(steps)


async def test_who_beats_after_the_last_beat_that_was_seen_is_not_declared_dead(database: Database) -> None:
    def steps(conn: Connection) -> None:
        register(conn, "one")
        (seen,) = processes.list_processes(conn)
        earlier = seen.heartbeat_at - 5  # its beat is another one even when the clock was set back
        conn.execute(update(schema.processes).values(heartbeat_at=earlier))
        assert not processes.mark_dead(conn, "one", seen.heartbeat_at)
        assert processes.mark_dead(conn, "one", earlier)

    await database.write(steps)


async def test_only_the_dead_are_forgotten(database: Database) -> None:
    def steps(conn: Connection) -> None:
        register(conn, "one", "two")
        processes.mark_dead(conn, "two")
        processes.forget(conn, "one")
        processes.forget(conn, "two")
        (left,) = processes.list_processes(conn)
        assert (left.name, left.role, left.host, left.pid, left.is_dead) == ("one", "worker", "here", 1, 0)

    await database.write(steps)


async def test_nobody_is_declared_dead_between_the_question_and_the_commit(database: Database) -> None:
    """What a commit stands on holds until it is over: on PostgreSQL by the lock on the row."""
    await database.write(register, "one")
    keep_in_threads(database)
    asked, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def commit(conn: Connection) -> None:
        assert not processes.is_dead(conn, "one")
        asked.set()
        assert go_on.wait(20)
        order.append("commit")

    def declare(conn: Connection) -> None:
        processes.mark_dead(conn, "one")
        order.append("dead")

    committing = asyncio.create_task(database.write(commit))
    await asyncio.to_thread(asked.wait, 20)
    declaring = asyncio.create_task(database.write(declare))
    await asyncio.sleep(0.2)
    go_on.set()
    await asyncio.gather(committing, declaring)
    assert order == ["commit", "dead"]
