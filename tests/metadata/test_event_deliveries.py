"""What targets are still to be told: in order for each key, whoever takes it, and whatever fails."""

from __future__ import annotations

import asyncio
import re
from itertools import count

import pytest
from sqlalchemy import insert, text, update

from s3gw.metadata import event_deliveries, event_targets, identities
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.event_deliveries import Delivery, NewDelivery, Outcome
from s3gw.metadata.schema import event_deliveries as table
from s3gw.metadata.sqlite_connection import SQLiteConnection
from s3gw.problems import Conflict, NotFound
from tests.metadata.test_jobs import plan_of

pytestmark = pytest.mark.anyio
TARGET = "target"


def new_target(conn: Connection, target_id: str = TARGET, owner_id: str | None = None) -> None:
    if owner_id is None:
        owner_id = identities.create_user(conn, name="owner").id
    event_targets.create(conn, target_id, owner_id, target_id, "webhook", "https://example.com", b"", False)


@pytest.fixture
async def queue(database: Database) -> Database:
    await database.write(new_target)
    return database


async def enqueue(database: Database, *keys: str, target: str = TARGET) -> None:
    """The message is the key and how often it came before."""
    new = [NewDelivery(target, 1, key, "event", f"{key}{keys[:number].count(key)}") for number, key in enumerate(keys)]
    await database.write(event_deliveries.enqueue, new)


async def take(database: Database, limit: int = 10) -> list[Delivery]:
    return await database.write(event_deliveries.take, TARGET, limit)


async def settle(database: Database, *outcomes: Outcome) -> None:
    await database.write(event_deliveries.settle, TARGET, outcomes)


async def let_be_due(database: Database) -> None:
    await database.write(lambda conn: conn.execute(update(table).values(due_at=0)))


def messages(deliveries: list[Delivery]) -> list[str]:
    return [delivery.message for delivery in deliveries]


async def test_only_the_first_of_a_key_is_given_until_it_was_told(queue: Database) -> None:
    await enqueue(queue, "a", "b", "a", "a")
    first = await take(queue)
    assert messages(first) == ["a0", "b0"]
    await enqueue(queue, "b")
    assert await take(queue) == []
    await settle(queue, *map(Outcome, first))
    assert messages(await take(queue)) == ["a1", "b0"]


async def test_what_failed_stays_before_what_came_after_it(queue: Database) -> None:
    await enqueue(queue, "a", "a")
    (first,) = await take(queue)
    await settle(queue, Outcome(first, "it answered 500", 3_000_000_000))
    assert await take(queue) == []
    await let_be_due(queue)
    (again,) = await take(queue)
    assert (again.message, again.attempts, again.error) == ("a0", 2, "it answered 500")
    await settle(queue, Outcome(again))
    assert messages(await take(queue)) == ["a1"]


async def test_however_much_waits_of_a_key_or_was_given_up_the_next_is_found_at_once(queue: Database) -> None:
    row = {"target_id": TARGET, "bucket_id": 1, "event": "event", "message": "m", "attempts": 0, "due_at": 0}

    def fill(conn: Connection, key: str, number: int) -> None:
        for state, rows in (("dead", number), ("first", 1), ("behind", number)):
            conn.execute(insert(table), rows * [{**row, "key": key, "state": state, "created_at": 1}])

    def cost(conn: Connection, first: Delivery) -> int:
        """In tens of SQLite's instructions."""
        assert isinstance(conn, SQLiteConnection)
        steps = count()
        conn.driver.set_progress_handler(lambda: next(steps) < 0, 10)
        try:
            event_deliveries.settle(conn, TARGET, [Outcome(first)])
            event_deliveries.enqueue(conn, [NewDelivery(TARGET, 1, first.key, "event", "m")])
        finally:
            conn.driver.set_progress_handler(None, 0)
        return next(steps)

    def plans(conn: Connection) -> None:
        conn.execute(text("ANALYZE event_deliveries"))
        for prepared in (event_deliveries._promote, event_deliveries._any_waiting):
            sql = re.sub(r"\$[0-9]+", "'1'", prepared.form("postgresql").sql)
            assert "ix_event_deliveries_waiting" in plan_of(conn, sql)

    await queue.write(fill, "few", 1)
    await queue.write(fill, "many", 3000)
    few, many = await take(queue)
    if queue.dialect == "postgresql":
        await queue.write(plans)
    else:
        assert await queue.write(cost, many) < 1.5 * await queue.write(cost, few)
    assert (few.key, many.key) == ("few", "many")


async def test_a_pause_is_an_hour_at_most(queue: Database) -> None:
    assert event_deliveries.LONGEST_PAUSE == 3_600_000_000
    await enqueue(queue, "a")
    (first,) = await take(queue)
    before = await queue.read(now)
    await settle(queue, Outcome(first, "no", 10**15))
    due_at = await queue.read(lambda conn: conn.execute(table.select()).one().due_at)
    assert before <= due_at - 3_600_000_000 <= await queue.read(now)


async def test_whoever_dies_while_he_tells_it_keeps_it_for_a_minute(queue: Database) -> None:
    await enqueue(queue, "a", "a")
    await take(queue)
    assert await take(queue) == [] and await queue.read(event_deliveries.targets_due) == []
    hidden = event_deliveries.HIDDEN
    await queue.write(lambda conn: conn.execute(update(table).values(due_at=table.c.due_at - hidden)))
    assert await queue.read(event_deliveries.targets_due) == [TARGET]
    assert messages(await take(queue)) == ["a0"]


async def test_two_who_take_at_once_never_get_the_same(queue: Database) -> None:
    await enqueue(queue, *(f"k{number}" for number in range(20)))
    taken = await asyncio.gather(*(take(queue, 5) for _ in range(8)))
    found = [message for some in taken for message in messages(some)]
    assert len(found) == len(set(found)) and len(found) >= 15


async def test_who_enqueues_while_the_key_is_settled_leaves_nothing_behind(queue: Database) -> None:
    """Neither that there is no first, nor that there are two."""
    for round_ in range(20):
        key = f"k{round_}"
        await enqueue(queue, key)
        taken = [one for one in await take(queue) if one.key == key]
        await asyncio.gather(settle(queue, *map(Outcome, taken)), enqueue(queue, key, key))
        states = await queue.read(
            lambda conn, key=key: conn.execute(table.select().where(table.c.key == key).order_by(table.c.id)).all()
        )
        assert [row.state for row in states] == ["first", "behind"]
        await settle(queue, *map(Outcome, await take(queue)))
        await settle(queue, *map(Outcome, await take(queue)))


async def test_what_waits_too_long_is_put_aside_and_can_be_told_again(queue: Database) -> None:
    await enqueue(queue, "a", "a", "b")
    later = await queue.read(now) + 1
    assert await queue.write(event_deliveries.give_up, later, 2) == 2
    assert messages(await take(queue)) == ["b0"]
    await enqueue(queue, "a")
    dead = await queue.read(event_deliveries.list_dead, TARGET)
    assert messages(dead) == ["a0", "a1"]
    assert await queue.read(event_targets.counts, TARGET) == (2, 2)
    assert await queue.write(event_deliveries.send_again, TARGET, 100) == 2
    told = []
    while taken := await take(queue):
        told += messages(taken)
        await settle(queue, *map(Outcome, taken))
    assert told == ["a0", "a1", "a0"]  # what came last was enqueued last


async def test_what_is_told_again_stays_in_order_beside_what_is_being_told(queue: Database) -> None:
    await enqueue(queue, "a")
    await queue.write(event_deliveries.give_up, await queue.read(now) + 1, 2)
    await enqueue(queue, "a", "a")
    under_way = await take(queue)
    await queue.write(event_deliveries.send_again, TARGET, 100)
    await settle(queue, Outcome(under_way[0], "no", 0))
    states = await queue.read(lambda conn: [row.state for row in conn.execute(table.select()).all()])
    assert sorted(states) == ["behind", "behind", "first"]


async def test_of_what_was_put_aside_10000_are_kept(queue: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert event_deliveries.MOST_DEAD == 10_000
    monkeypatch.setattr(event_deliveries, "MOST_DEAD", 2)
    await enqueue(queue, "a", "b", "c")
    await queue.write(event_deliveries.give_up, await queue.read(now) + 1, 10)
    assert messages(await queue.read(event_deliveries.list_dead, TARGET)) == ["b0", "c0"]


async def test_a_clock_that_was_set_back_lets_nothing_wait_for_long(queue: Database) -> None:
    await enqueue(queue, "a", "b")
    ahead = await queue.read(now) + 30 * 86_400_000_000
    await queue.write(lambda conn: conn.execute(update(table).where(table.c.key == "a").values(due_at=ahead)))
    assert await queue.write(event_deliveries.pull_back) == 1
    assert messages(await take(queue)) == ["a0", "b0"] or messages(await take(queue)) == ["b0", "a0"]


async def test_a_target_that_is_gone_is_told_nothing(queue: Database) -> None:
    await enqueue(queue, "a")
    taken = await take(queue)
    await queue.write(event_targets.remove, TARGET)
    await settle(queue, *map(Outcome, taken))
    await enqueue(queue, "a")
    assert await queue.read(lambda conn: conn.execute(table.select()).all()) == []
    with pytest.raises(NotFound):
        await queue.read(event_targets.find, TARGET)


async def test_since_when_a_target_fails_is_told_until_it_is_reached(queue: Database) -> None:
    await enqueue(queue, "a", "b")
    await settle(queue, *(Outcome(one, "no") for one in await take(queue)))
    failing = await queue.read(event_targets.find, TARGET)
    assert failing.failing_since is not None and failing.last_error == "no"
    await let_be_due(queue)
    (one, other) = await take(queue)
    await settle(queue, Outcome(one, "no"), Outcome(other))
    assert (await queue.read(event_targets.find, TARGET)).failing_since is None


async def test_a_user_has_100_targets_at_most(queue: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert event_targets.MOST_OF_USER == 100
    monkeypatch.setattr(event_targets, "MOST_OF_USER", 2)
    owner_id = (await queue.read(event_targets.find, TARGET)).owner_id
    await queue.write(new_target, "second", owner_id)
    with pytest.raises(Conflict, match="2 event targets"):
        await queue.write(new_target, "third", owner_id)
    with pytest.raises(Conflict, match="already"):
        await queue.write(new_target, "second", owner_id)
