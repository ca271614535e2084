"""A clock that is set forward by a month for some seconds: nothing waits for that month, and nothing is lost to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select

from s3gw import process_identity
from s3gw.jobs import runner
from s3gw.jobs.expire_uploads import expire_uploads
from s3gw.jobs.forget_ended import forget_ended
from s3gw.jobs.runner import run_jobs
from s3gw.jobs.table import Kind
from s3gw.metadata import buckets, jobs, processes, schema
from s3gw.metadata.database import Connection, now
from s3gw.metadata.job_kinds import Priority
from s3gw.metadata.jobs import DONE, LEASE, QUEUED, RUNNING
from s3gw.process_identity import mark_dead_processes
from tests.jobs.conftest import DAY, HOUR, Clock, Process, ignore
from tests.jobs.test_expire_uploads import begin, left

pytestmark = pytest.mark.anyio

MONTH = 30 * DAY


class Runner:
    """One that counts how often its periodic job ran."""

    def __init__(self, process: Process, monkeypatch: pytest.MonkeyPatch, every: float) -> None:
        self.runs = 0
        self._process = process
        monkeypatch.setattr(runner, "POLL", 0.01)
        monkeypatch.setattr(runner, "_LOOK_AHEAD", 0.01)
        monkeypatch.setattr(runner, "KINDS", {"tick": Kind(self._tick, Priority.NEEDED, every=every)})

    async def _tick(self, *_: Any) -> None:
        self.runs += 1

    async def run_until(self, runs: int) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(run_jobs(self._process.services, stop))
        try:
            async with asyncio.timeout(10):
                while self.runs < runs or (await self._process.the_job()).state != QUEUED:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            stop.set()
            await task


@pytest.mark.parametrize("every", [60, 3600])
async def test_periodic_work_that_ran_in_the_future_does_not_wait_for_it(
    process: Process, clock: Clock, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    """Set back by whom it may: also while nothing ran, and by less than the period."""
    work = Runner(process, monkeypatch, every)
    clock.offset = MONTH
    await work.run_until(1)
    clock.offset = 0
    await work.run_until(2)
    job = await process.the_job()
    assert job.run_at - job.updated_at == every * 1_000_000
    clock.offset = -20_000_000  # twenty seconds back
    await work.run_until(3)


async def test_what_waits_as_long_as_it_should_is_left_alone(process: Process, clock: Clock) -> None:
    def steps(conn: Connection) -> None:
        at = jobs.now(conn)
        jobs.enqueue(conn, "later", None, run_at=at + 20 * DAY)
        jobs.enqueue(conn, "now", None)
        (job,) = jobs.lease(conn, "runner", LEASE, 1)
        before = jobs.list_jobs(conn)
        assert not jobs.any_ahead(conn)
        assert jobs.pull_back(conn) == 0
        assert jobs.list_jobs(conn) == before
        clock.offset = MONTH  # forward there is nothing to mend either
        assert not jobs.any_ahead(conn)
        assert jobs.finish(conn, job, DONE)
        clock.offset = 0
        assert not jobs.any_ahead(conn), "what is done waits for nothing"

    await process.database.write(steps)


async def test_a_retry_is_pulled_back_too(process: Process, clock: Clock) -> None:
    def steps(conn: Connection) -> None:
        clock.offset = MONTH
        jobs.enqueue(conn, "work", None)
        (job,) = jobs.lease(conn, "runner", LEASE, 1)
        assert jobs.finish(conn, job, QUEUED, again_in=300, error="no")
        clock.offset = 0
        assert not jobs.any_due(conn)
        assert jobs.any_ahead(conn)
        assert jobs.pull_back(conn) == 1
        assert jobs.any_due(conn)
        assert not jobs.any_ahead(conn)

    await process.database.write(steps)


async def test_a_lease_of_the_future_ends_when_its_runner_died_and_is_kept_when_it_lives(
    process: Process, clock: Clock
) -> None:
    def steps(conn: Connection) -> None:
        clock.offset = MONTH
        jobs.enqueue(conn, "work", None)
        (job,) = jobs.lease(conn, "runner", LEASE, 1)
        clock.offset = 0
        assert jobs.any_ahead(conn)
        assert jobs.pull_back(conn) == 1
        assert not jobs.any_due(conn)
        assert jobs.renew(conn, job, LEASE), "who lives keeps it"
        clock.offset = 31_000_000
        assert jobs.any_due(conn)
        assert jobs.lease(conn, "another", LEASE, 1)[0].state == RUNNING

    await process.database.write(steps)


async def settle(process: Process, clock: Clock) -> None:
    """An hour passes, in which the jobs run as often as they do."""
    for _ in range(5):
        await expire_uploads(process.services, None, ignore)
        await forget_ended(process.services, None, ignore)
        clock.pass_by(900)


async def test_no_upload_is_aborted_by_a_clock_that_is_wrong_for_a_moment(process: Process, clock: Clock) -> None:
    await process.database.write(begin, "young", 1)
    clock.offset = MONTH  # right after the start
    await expire_uploads(process.services, None, ignore)
    clock.offset = 0
    await settle(process, clock)
    clock.offset += MONTH
    for _ in range(3):
        await expire_uploads(process.services, None, ignore)
        clock.pass_by(900)
    clock.offset -= MONTH
    await expire_uploads(process.services, None, ignore)
    assert await process.database.read(left) == ["young"]


async def test_an_upload_is_aborted_when_the_clock_has_settled(process: Process, clock: Clock) -> None:
    """What a clock says for an hour is believed, be it that the machine slept for a month."""
    await process.database.write(begin, "old", 8)
    await process.database.write(begin, "young", 1)
    await expire_uploads(process.services, None, ignore)
    assert await process.database.read(left) == ["old", "young"]
    await settle(process, clock)
    await expire_uploads(process.services, None, ignore)
    assert await process.database.read(left) == ["young"]
    clock.offset += MONTH
    await settle(process, clock)
    await expire_uploads(process.services, None, ignore)
    assert await process.database.read(left) == []


async def test_no_client_token_is_forgotten_by_a_clock_that_is_wrong_for_a_moment(
    process: Process, clock: Clock
) -> None:
    def add(conn: Connection) -> None:
        begin(conn, "key", 0)
        bucket = buckets.find(conn, "bucket")
        assert bucket is not None
        row = {"bucket_id": bucket.id, "token": "t", "request": "r", "created_at": now(conn) + clock.offset}
        conn.execute(insert(schema.client_tokens).values(row))

    def tokens(conn: Connection) -> int:
        return len(conn.execute(select(schema.client_tokens.c.token)).all())

    await settle(process, clock)
    await process.database.write(add)
    clock.offset += MONTH
    await forget_ended(process.services, None, ignore)
    clock.offset -= MONTH
    await settle(process, clock)
    assert await process.database.read(tokens) == 1
    clock.pass_by(24 * HOUR / 1_000_000)
    await settle(process, clock)
    await forget_ended(process.services, None, ignore)
    assert await process.database.read(tokens) == 0


async def test_processes_of_other_machines_do_not_die_of_a_clock(
    process: Process, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their silence counts as this process sees it: a heart that beat a month ago may beat again in a second."""
    monkeypatch.setattr(process_identity, "_silences", process_identity._Silences())
    await process.database.write(processes.register, "other", "worker", "there", 1)
    folder = process.folder.parent
    for offset in (0, MONTH, -MONTH):
        clock.offset = offset
        assert await mark_dead_processes(process.database, folder) == []
    clock.offset = 0
    monkeypatch.setattr(process_identity, "_SILENCE", 0.05)
    await process.database.write(processes.heartbeat, "other", 0)
    assert await mark_dead_processes(process.database, folder) == []
    await asyncio.sleep(0.1)
    assert [dead.name for dead in await mark_dead_processes(process.database, folder)] == ["other"]
