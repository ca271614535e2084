"""What was done to the audit log behind its back is found, and what is its own doing isn't taken for that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from s3gw.accounts import audit as reading
from s3gw.accounts.audit import verify
from s3gw.metadata import audit, audit_lines, audit_seals
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.audit_chain import BEGINNING, Place, parse_place
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.audit_seals import Tampered, prune, rekey, seal
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.engines import open_database
from s3gw.metadata.schema import audit_checkpoints, audit_log, settings
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio
KEY, OTHER = b"k" * 32, b"o" * 32


def write(conn: Connection, *names: str) -> None:
    for name in names:
        audit.record(conn, COMMAND_LINE, "user.update", "user", name, {"name": "before"}, {"name": name})


async def sealed(database: Database, count: int = 5) -> None:
    await database.write(write, *map(str, range(count)))
    assert await database.write(seal, KEY, 100) == count


def at(position: int) -> Any:
    return audit_log.c.position == position


async def test_a_log_that_nobody_touched_is_whole(database: Database) -> None:
    assert await verify(database, KEY) == (0, BEGINNING, [])
    await sealed(database)
    verdict = await verify(database, KEY)
    assert (verdict.lines, verdict.head.position, verdict.faults) == (5, 5, [])
    assert await reading.head(database, KEY) == verdict.head == parse_place(str(verdict.head))
    await database.write(write, "new")  # which isn't sealed yet
    assert await verify(database, KEY, verdict.head) == verdict


@pytest.mark.parametrize("column", sorted(audit_log.c.keys()))
async def test_whatever_is_changed_in_a_line_is_found(database: Database, column: str) -> None:
    await sealed(database)
    other = {"id": 99, "at": 1, "count": 2, "position": 99, "mac": b"x" * 32}.get(column, "other")
    await database.write(lambda conn: conn.execute(update(audit_log).where(at(3)).values({column: other})).rowcount)
    assert (await verify(database, KEY)).faults != []


async def test_one_changed_line_is_one_fault_and_is_named(database: Database) -> None:
    await sealed(database)
    await database.write(lambda conn: conn.execute(update(audit_log).where(at(3)).values(actor="me")).rowcount)
    assert (await verify(database, KEY)).faults == ["line 3 was changed: user.update of 2"]


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        (at(1), "1 lines are missing before line 2"),
        (at(3), "1 lines are missing before line 4"),
        (audit_log.c.position >= 4, "the last 2 lines that were sealed are missing"),
        (audit_log.c.position >= 1, "the last 5 lines that were sealed are missing"),
    ],
    ids=["first", "middle", "tail", "all"],
)
async def test_removed_lines_are_found(database: Database, where: Any, fault: str) -> None:
    await sealed(database)
    await database.write(lambda conn: conn.execute(delete(audit_log).where(where)).rowcount)
    (found,) = (await verify(database, KEY)).faults
    assert fault in found


async def test_lines_that_change_places_are_found(database: Database) -> None:
    await sealed(database)

    def swap(conn: Connection) -> None:
        rows = {
            row.position: row for row in conn.execute(select(audit_log).where(audit_log.c.position.in_((2, 3)))).all()
        }
        for position, new in ((2, -1), (3, 2), (-1, 3)):
            conn.execute(update(audit_log).where(at(position)).values(position=new))
        for position in (2, 3):
            conn.execute(update(audit_log).where(at(position)).values(mac=rows[position].mac))

    await database.write(swap)
    assert len((await verify(database, KEY)).faults) == 2


async def test_a_state_of_before_that_was_put_back_is_found_by_a_head_that_was_kept(database: Database) -> None:
    await sealed(database)
    rows = await database.read(lambda conn: conn.execute(select(audit_checkpoints)).all())
    await database.write(write, "more")
    await database.write(seal, KEY, 100)
    kept = await reading.head(database, KEY)

    def put_back(conn: Connection) -> None:
        conn.execute(delete(audit_log).where(at(6)))
        conn.execute(delete(audit_checkpoints))
        conn.execute(insert(audit_checkpoints), [dict(row._mapping) for row in rows])

    await database.write(put_back)
    assert (await verify(database, KEY)).faults == []
    assert (await verify(database, KEY, kept)).faults == ["the log ends before the head that was kept"]
    await database.write(write, "other")
    await database.write(seal, KEY, 100)
    assert (await verify(database, KEY, kept)).faults == ["another line is where the head that was kept was"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda conn: conn.execute(delete(audit_checkpoints)),
        lambda conn: conn.execute(update(audit_checkpoints).values(position=4)),
        lambda conn: conn.execute(update(audit_checkpoints).values(mac=b"x" * 32)),
    ],
    ids=["gone", "another place", "another mac"],
)
async def test_a_damaged_head_is_found_and_nothing_is_sealed_over_it(
    database: Database, damage: Callable[[Connection], Any]
) -> None:
    await sealed(database)
    await database.write(lambda conn: damage(conn) and None)
    assert (await verify(database, KEY)).faults != []
    await database.write(write, "new")
    with pytest.raises(Tampered):
        await database.write(seal, KEY, 100)


async def test_an_emptied_log_is_found_and_not_begun_anew(database: Database) -> None:
    await sealed(database)

    def empty(conn: Connection) -> None:
        for table in (audit_log, audit_checkpoints):
            conn.execute(delete(table))

    await database.write(empty)
    headless = "the head of the audit log is missing, though something was sealed"
    assert (await verify(database, KEY)).faults == [headless]
    with pytest.raises(Tampered, match=headless):
        await reading.head(database, KEY)
    await database.write(write, "new")
    with pytest.raises(Tampered, match=headless):
        await database.write(seal, KEY, 100)


async def test_a_log_that_an_older_release_sealed_is_marked_by_the_next_seal(database: Database) -> None:
    await sealed(database)
    await database.write(lambda conn: conn.execute(delete(settings)).rowcount)
    await sealed(database, 1)
    await database.write(lambda conn: conn.execute(delete(audit_checkpoints)).rowcount)
    assert "the head of the audit log is missing, though something was sealed" in (await verify(database, KEY)).faults


async def test_another_master_key_verifies_nothing(database: Database) -> None:
    await sealed(database)
    assert len((await verify(database, OTHER)).faults) == 6  # five lines, and the head
    with pytest.raises(Tampered):
        await reading.head(database, OTHER)


async def test_a_line_that_is_committed_late_with_a_lower_id_is_sealed_behind_the_others(database: Database) -> None:
    """As on PostgreSQL, where ids are given before the commit: the line with id 2 appears when 3 is sealed already."""
    await database.write(write, "0", "1", "2")

    def take_out(conn: Connection) -> dict[str, Any]:
        row = dict(conn.execute(select(audit_log).where(audit_log.c.id == 2)).one()._mapping)
        conn.execute(delete(audit_log).where(audit_log.c.id == 2))
        return row

    late = await database.write(take_out)
    assert await database.write(seal, KEY, 100) == 2
    await database.write(lambda conn: conn.execute(insert(audit_log).values(late)).rowcount)
    assert await database.write(seal, KEY, 100) == 1
    found, _ = await database.read(audit_lines.page_of, Wanted(), before_id=None, offset=0, limit=10)
    assert {line.id: line.position for line in found} == {1: 1, 3: 2, 2: 3}
    assert (await verify(database, KEY)).faults == []


async def test_a_transaction_that_is_open_holds_up_neither_the_sealer_nor_other_lines(
    postgresql_url: str, tmp_path: Path
) -> None:
    """On PostgreSQL, where others write meanwhile; its line has the lower id and the later place."""
    database, written, go_on = open_database(postgresql_url, tmp_path), threading.Event(), threading.Event()
    keep_in_threads(database)

    def stay_open(conn: Connection) -> None:
        write(conn, "first")
        written.set()
        assert go_on.wait(20)

    try:
        staying = asyncio.create_task(database.write(stay_open))
        assert await asyncio.to_thread(written.wait, 20)
        await database.write(write, "second")
        assert await database.write(seal, KEY, 100) == 1
        assert [place.position for place in await places(database)] == [1]
        go_on.set()
        await staying
        assert await database.write(seal, KEY, 100) == 1
        lines = await database.read(audit_lines.step, Wanted(), 0, 10)
        assert [(line.resource, line.position) for line in lines] == [("first", 2), ("second", 1)]
        assert (await verify(database, KEY)).faults == []
    finally:
        go_on.set()
        await database.close()


async def test_sealers_at_the_same_time_give_each_line_one_place(database: Database) -> None:
    await database.write(write, *map(str, range(40)))

    async def work() -> None:
        while await database.read(audit_seals.any_unsealed):
            await database.write(seal, KEY, 3)

    await asyncio.gather(*(work() for _ in range(4)))
    verdict = await verify(database, KEY)
    assert (verdict.lines, verdict.head.position, verdict.faults) == (40, 40, [])


async def test_what_goes_on_meanwhile_is_no_fault(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are written, sealed and pruned between any two steps."""
    monkeypatch.setattr(reading, "STEP", 2)
    await sealed(database, 9)
    scan, steps = database.scan, 0

    async def beside(*args: Any, **kwargs: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps in (2, 5):
            await database.write(write, "new")
            await database.write(seal, KEY, 100)
            await database.write(prune, KEY, await database.read(now), 4)
        return await scan(*args, **kwargs)

    monkeypatch.setattr(database, "scan", beside)
    verdict = await verify(database, KEY)
    assert (verdict.head.position, verdict.faults) == (11, [])
    assert steps > 5


async def test_pruning_leaves_a_checkpoint_and_a_log_that_is_whole(database: Database) -> None:
    await sealed(database)
    kept = {place.position: place for place in await places(database)}

    assert await database.write(prune, KEY, await database.read(now), 3) == 3
    verdict = await verify(database, KEY)
    assert (verdict.lines, verdict.head.position, verdict.faults) == (2, 5, [])
    for position in (3, 4, 5):
        assert (await verify(database, KEY, kept[position])).faults == []
    (told,) = (await verify(database, KEY, kept[2])).faults
    assert "removed for their age" in told
    await database.write(lambda conn: conn.execute(delete(audit_log).where(at(4))).rowcount)
    assert "1 lines are missing before line 5" in (await verify(database, KEY)).faults[0]


async def places(database: Database) -> list[Place]:
    found, _ = await database.read(audit_lines.page_of, Wanted(), before_id=None, offset=0, limit=100)
    return [Place(line.position or 0, line.mac) for line in found]


async def test_only_what_is_old_is_pruned_and_all_of_it(database: Database) -> None:
    await sealed(database, 2)
    between = await database.read(now)
    await sealed(database, 2)
    assert await database.write(prune, KEY, between, 100) == 2
    assert await database.write(prune, KEY, between, 100) == 0
    assert await database.write(prune, KEY, await database.read(now), 100) == 2
    assert (await verify(database, KEY)).faults == []
    await sealed(database, 1)
    assert (await verify(database, KEY)).head.position == 5


async def test_what_was_changed_is_not_pruned(database: Database) -> None:
    await sealed(database)
    await database.write(lambda conn: conn.execute(update(audit_log).where(at(2)).values(actor="me")).rowcount)
    with pytest.raises(Tampered, match="line 2"):
        await database.write(prune, KEY, await database.read(now), 100)
    assert (await verify(database, KEY)).lines == 5


async def test_lines_removed_by_another_than_the_job_are_missed_whatever_start_is_noted(database: Database) -> None:
    await sealed(database)
    (place,) = [place for place in await places(database) if place.position == 3]

    def forge(conn: Connection) -> None:
        row = {"name": "start", "position": 3, "mac": place.mac, "at": 1, "seal": b"x" * 32}
        conn.execute(insert(audit_checkpoints).values(row))
        conn.execute(delete(audit_log).where(audit_log.c.position <= 3))

    await database.write(forge)
    assert "the start of the log" in (await verify(database, KEY)).faults[0]


async def test_under_another_key_the_log_is_as_whole_as_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_seals, "_STEP", 2)
    await sealed(database, 7)
    await database.write(prune, KEY, await database.read(now), 2)
    await database.write(write, "new")  # which isn't sealed yet
    assert await database.write(rekey, KEY, OTHER) == 5
    verdict = await verify(database, OTHER)
    assert (verdict.lines, verdict.head.position, verdict.faults) == (5, 7, [])
    assert (await verify(database, KEY)).faults != []
    assert await database.write(seal, OTHER, 100) == 1
    assert (await verify(database, OTHER)).faults == []


async def test_a_new_key_hides_no_change(database: Database) -> None:
    await sealed(database, 7)

    def damage(conn: Connection) -> None:
        conn.execute(update(audit_log).where(at(2)).values(actor="me"))
        conn.execute(delete(audit_log).where(at(4)))
        conn.execute(delete(audit_log).where(at(7)))

    await database.write(damage)
    before = await verify(database, KEY)
    await database.write(rekey, KEY, OTHER)
    after = await verify(database, OTHER)
    assert after.faults == before.faults and len(after.faults) == 3


@pytest.mark.parametrize("text", ["", "1", "x:" + "0" * 64, "1:00", "-1:" + "0" * 64, "1:" + "z" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a head is what"):
        parse_place(text)
