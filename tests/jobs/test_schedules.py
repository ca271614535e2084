"""Jobs that are begun by a cron line: once for each time, whatever number of processes there is, and clocks do."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from s3gw.accounts import schedules as shown
from s3gw.accounts.schedules import Line
from s3gw.cron import next_after
from s3gw.jobs import runner, schedule
from s3gw.jobs.schedule import begin_scheduled, queue_missing
from s3gw.jobs.table import Kind
from s3gw.metadata import jobs, schedules, schema
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection
from s3gw.metadata.job_kinds import PRIORITIES, SCHEDULABLE, Priority
from s3gw.metadata.jobs import DONE, LEASE, QUEUED
from s3gw.metadata.schedules import Schedule
from s3gw.problems import NotFound
from tests.jobs.conftest import DAY, HOUR, Clock, Process

pytestmark = pytest.mark.anyio
KIND = "rebuild_search"
NIGHTLY = Line("30 3 * * *", "UTC", True)


@pytest.fixture(autouse=True)
def clocks(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (schedules, schedule):
        monkeypatch.setattr(module, "now", jobs.now)


async def put(process: Process, line: Line = NIGHTLY, kind: str = KIND) -> Schedule:
    next_run = next_after(line.cron, line.time_zone, await process.database.read(jobs.now))
    found = (await process.database.write(shown.put, COMMAND_LINE, kind, line, next_run)).schedule
    assert found is not None
    return found


async def found(process: Process) -> Schedule:
    schedule = await process.database.read(schedules.find, KIND)
    assert schedule is not None
    return schedule


async def count(process: Process) -> int:
    return len(await process.database.read(jobs.list_jobs, None, 100, KIND))


async def end_all(process: Process) -> None:
    await process.database.write(lambda conn: conn.execute(update(schema.jobs).values(state=DONE)) and None)


def until(clock: Clock, at: int, now: int) -> None:
    clock.offset += at - now + 1_000_000


async def test_each_due_time_is_one_run_whatever_number_of_processes_there_is(process: Process, clock: Clock) -> None:
    begun = await put(process)
    await begin_scheduled(process.database)
    assert await count(process) == 0
    for run in range(1, 4):
        seen = await found(process)
        until(clock, seen.next_run, await process.database.read(jobs.now))
        await asyncio.gather(*(begin_scheduled(process.database) for _ in range(4)))
        assert await count(process) == run
        after = await found(process)
        assert after.next_run == seen.next_run + DAY
        assert after.last_run is not None and after.last_run >= seen.next_run
        await end_all(process)
    assert (await found(process)).next_run == begun.next_run + 3 * DAY


async def test_who_saw_what_is_not_so_any_more_begins_nothing(process: Process, clock: Clock) -> None:
    seen = await put(process)
    clock.offset += 2 * DAY
    assert await process.database.write(schedules.go_on, seen, seen.next_run + DAY)
    await end_all(process)
    assert not await process.database.write(schedules.go_on, seen, seen.next_run + DAY)
    assert await count(process) == 1


async def test_times_that_were_missed_while_nothing_ran_are_made_up_for_once(process: Process, clock: Clock) -> None:
    first = await put(process)
    clock.offset += 5 * DAY
    for _ in range(3):
        await begin_scheduled(process.database)
    assert await count(process) == 1
    assert (await found(process)).next_run in (first.next_run + 5 * DAY, first.next_run + 4 * DAY)


async def test_a_clock_that_was_a_month_ahead_for_a_moment_leaves_no_gap(process: Process, clock: Clock) -> None:
    first = await put(process)
    clock.offset += 30 * DAY
    await begin_scheduled(process.database)
    clock.offset -= 30 * DAY
    await end_all(process)
    await begin_scheduled(process.database)
    assert (await found(process)).next_run == first.next_run
    assert await count(process) == 1, "it is counted anew, and not run"


async def test_a_clock_that_is_set_back_by_less_than_an_hour_runs_nothing_twice(process: Process, clock: Clock) -> None:
    first = await put(process)
    until(clock, first.next_run, await process.database.read(jobs.now))
    await begin_scheduled(process.database)
    await end_all(process)
    clock.offset -= HOUR // 2
    await begin_scheduled(process.database)
    clock.offset += HOUR
    await begin_scheduled(process.database)
    assert await count(process) == 1


async def test_what_is_on_is_not_begun_beside_itself_and_is_due_at_once_if_it_waits(process: Process) -> None:
    def steps(conn: Connection) -> None:
        later = jobs.enqueue(conn, KIND, None, run_at=jobs.now(conn) + DAY, singleton=KIND)
        assert schedules.run(conn, COMMAND_LINE, KIND) == later
        (job,) = jobs.lease(conn, "runner", LEASE, 1)
        assert schedules.run(conn, COMMAND_LINE, KIND) == later == job.id
        lines = select(schema.audit_log.c.action).where(schema.audit_log.c.resource == KIND)
        assert conn.execute(lines).scalars().all() == ["schedule.run"] * 2

    await process.database.write(steps)


async def test_periodic_work_with_a_schedule_waits_for_it_and_without_comes_back(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(*_: object) -> None:
        pass

    kind = "warn_of_quotas"
    monkeypatch.setattr(runner, "KINDS", {kind: Kind(work, Priority.UPKEEP, every=60)})
    await queue_missing(process.database, [kind])
    await put(process, kind=kind)
    assert await count(process) == 0, "what was queued waits for the cron line"
    await queue_missing(process.database, [kind])
    assert await count(process) == 0
    await process.database.write(schedules.run, COMMAND_LINE, kind)
    (job,) = await process.database.write(jobs.lease, "runner", LEASE, 1)
    await runner.attempt(process.services, job)
    assert (await process.the_job()).state == DONE
    await put(process, NIGHTLY._replace(is_enabled=False), kind)
    await queue_missing(process.database, [kind])
    newest, _ = await process.database.read(jobs.list_jobs)
    assert (newest.kind, newest.state) == (kind, QUEUED)


async def test_a_schedule_that_is_disabled_begins_nothing(process: Process, clock: Clock) -> None:
    await put(process, NIGHTLY._replace(is_enabled=False))
    clock.offset += 2 * DAY
    await begin_scheduled(process.database)
    assert await count(process) == 0


async def test_a_time_zone_that_is_gone_keeps_no_other_schedule_from_being_run(
    process: Process, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await put(process)
    await put(process, kind="warn_of_quotas")
    gone = update(schema.schedules).where(schema.schedules.c.kind == KIND).values(time_zone="Gone/Zone")
    await process.database.write(lambda conn: conn.execute(gone) and None)
    clock.offset += 2 * DAY
    await begin_scheduled(process.database)
    assert [job.kind for job in await process.database.read(jobs.list_jobs)] == ["warn_of_quotas"]
    assert "Gone/Zone is no time zone" in caplog.text


async def test_only_what_can_be_scheduled_is(process: Process) -> None:
    assert set(SCHEDULABLE) <= PRIORITIES.keys()
    for kind in ("reap", "batch", "none"):
        with pytest.raises(NotFound, match="can be scheduled"):
            await put(process, kind=kind)
        with pytest.raises(NotFound):
            await process.database.write(schedules.run, COMMAND_LINE, kind)
    assert next_after(NIGHTLY.cron, NIGHTLY.time_zone, 0) == 3 * HOUR + HOUR // 2
