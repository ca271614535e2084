"""The queue of jobs: due ones are leased once, a lease is one attempt, and singletons are single."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import text, update

from s3gw.metadata import jobs, schema
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.jobs import DEAD, DONE, QUEUED, RUNNING, Job, NoSuchJob

pytestmark = pytest.mark.anyio


def lease_one(conn: Connection, runner: str = "runner", seconds: float = 30) -> Job:
    (job,) = jobs.lease(conn, runner, seconds, 1)
    return job


def let_run_out(conn: Connection) -> None:
    conn.execute(update(schema.jobs).values(lease_until=0))


async def test_a_job_is_leased_by_one_and_finished(database: Database) -> None:
    def steps(conn: Connection) -> None:
        assert not jobs.any_due(conn)
        job_id = jobs.enqueue(conn, "work", {"a": [1, None]})
        assert jobs.any_due(conn)
        job = lease_one(conn)
        assert (job.id, job.kind, json.loads(job.payload)) == (job_id, "work", {"a": [1, None]})
        assert (job.state, job.attempts, job.leased_by) == (RUNNING, 1, "runner")
        assert not jobs.any_due(conn)
        assert jobs.lease(conn, "another", 30, 10) == []
        assert jobs.finish(conn, job, DONE)
        assert not jobs.finish(conn, job, DONE)
        assert jobs.get(conn, job.id).state == DONE
        assert not jobs.any_due(conn)

    await database.write(steps)


async def test_what_is_due_first_is_leased_first(database: Database) -> None:
    def steps(conn: Connection) -> None:
        for at in (30, 10, 20, 40):
            jobs.enqueue(conn, "work", at, run_at=at)
        jobs.enqueue(conn, "work", "later", run_at=now(conn) + 10**9)
        assert jobs.lease(conn, "runner", 30, 0) == []
        assert [job.run_at for job in jobs.lease(conn, "runner", 30, 3)] == [10, 20, 30]
        assert [job.run_at for job in jobs.lease(conn, "runner", 30, 3)] == [40]

    await database.write(steps)


async def test_many_runners_never_lease_the_same_job(database: Database) -> None:
    for number in range(12):
        await database.write(jobs.enqueue, "work", number)
    leased = await asyncio.gather(*(database.write(jobs.lease, f"runner{n}", 30, 2) for n in range(8)))
    ids = [job.id for found in leased for job in found]
    assert len(ids) == len(set(ids))
    assert all(len(found) <= 2 for found in leased)


async def test_a_lease_that_ran_out_is_due_again_and_lost_to_its_first_runner(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "work", None)
        first = lease_one(conn)
        assert jobs.renew(conn, first, 30, {"steps": 1})
        let_run_out(conn)
        assert jobs.any_due(conn)
        second = lease_one(conn)  # the same runner, which doesn't know yet
        assert (second.id, second.attempts, second.progress) == (first.id, 2, '{"steps": 1}')
        assert not jobs.renew(conn, first, 30)
        assert not jobs.finish(conn, first, DEAD, error="late")
        assert not jobs.give_back(conn, first)
        assert jobs.renew(conn, second, 30)
        assert jobs.get(conn, first.id).state == RUNNING

    await database.write(steps)


async def test_progress_outlives_renewals_and_ends_that_tell_none(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "work", None)
        job = lease_one(conn)
        jobs.renew(conn, job, 30, [1])
        jobs.renew(conn, job, 30)
        assert jobs.get(conn, job.id).progress == "[1]"
        jobs.finish(conn, job, QUEUED, error="no")
        assert jobs.get(conn, job.id).progress == "[1]"
        jobs.finish(conn, lease_one(conn), DONE, progress=[2])
        assert jobs.get(conn, job.id).progress == "[2]"

    await database.write(steps)


async def test_a_job_to_be_run_again_waits(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "work", None)
        job = lease_one(conn)
        before = now(conn)
        jobs.finish(conn, job, QUEUED, again_in=60, error="not yet")
        job = jobs.get(conn, job.id)
        assert (job.state, job.error, job.leased_by, job.lease_until) == (QUEUED, "not yet", None, None)
        assert job.run_at >= before + 60_000_000
        assert not jobs.any_due(conn)

    await database.write(steps)


async def test_a_job_that_is_given_back_is_due_at_once_and_the_attempt_does_not_count(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "work", None)
        assert jobs.give_back(conn, lease_one(conn))
        job = lease_one(conn, "another")
        assert (job.attempts, job.leased_by) == (1, "another")

    await database.write(steps)


async def test_a_singleton_is_queued_or_running_once(database: Database) -> None:
    def steps(conn: Connection) -> None:
        first = jobs.enqueue(conn, "tick", None, singleton="tick")
        assert first is not None
        assert jobs.enqueue(conn, "tick", None, singleton="tick") is None
        job = lease_one(conn)
        assert jobs.enqueue(conn, "tick", None, singleton="tick") is None
        jobs.finish(conn, job, DONE)
        assert jobs.enqueue(conn, "tick", None, singleton="tick") not in (None, first)
        assert jobs.enqueue(conn, "work", None) != jobs.enqueue(conn, "work", None)

    await database.write(steps)


async def test_resetting_attempts_forgets_them(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "tick", None)
        job = lease_one(conn)
        jobs.finish(conn, job, QUEUED)
        jobs.reset_attempts(conn, job.id)
        assert jobs.get(conn, job.id).attempts == 0

    await database.write(steps)


async def test_dead_jobs_are_tried_again_on_request_only(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "work", None)
        job = lease_one(conn)
        with pytest.raises(NoSuchJob, match="isn't dead"):
            jobs.retry(conn, job.id)
        jobs.finish(conn, job, DEAD, error="no")
        assert not jobs.any_due(conn)
        jobs.enqueue(conn, "other", None)
        other = lease_one(conn)
        jobs.finish(conn, other, DEAD)
        again = jobs.retry(conn, job.id)
        assert jobs.get(conn, other.id).state == DEAD
        assert (again.state, again.attempts, again.error) == (QUEUED, 0, None)
        assert jobs.any_due(conn)
        with pytest.raises(NoSuchJob, match="no job"):
            jobs.retry(conn, 4711)

    await database.write(steps)


async def test_a_dead_singleton_with_a_successor_is_not_tried_again(database: Database) -> None:
    def steps(conn: Connection) -> None:
        jobs.enqueue(conn, "tick", None, singleton="tick")
        jobs.enqueue(conn, "tock", None, singleton="tock")
        job = lease_one(conn)
        jobs.finish(conn, job, DEAD)
        assert jobs.retry(conn, job.id).state == QUEUED  # beside another that is queued
        for _ in range(2):
            jobs.finish(conn, lease_one(conn), DEAD)
        jobs.enqueue(conn, "tick", None, singleton="tick")
        with pytest.raises(NoSuchJob, match="successor"):
            jobs.retry(conn, job.id)

    await database.write(steps)


async def test_jobs_are_listed_newest_first(database: Database) -> None:
    def steps(conn: Connection) -> None:
        ids = [jobs.enqueue(conn, "work", number) for number in range(5)]
        done = lease_one(conn)
        jobs.finish(conn, done, DONE)
        assert [job.id for job in jobs.list_jobs(conn)] == ids[::-1]
        assert [job.id for job in jobs.list_jobs(conn, limit=2)] == ids[:2:-1]
        assert [job.id for job in jobs.list_jobs(conn, DONE)] == [done.id]
        assert jobs.list_jobs(conn, DEAD) == []

    await database.write(steps)


async def test_done_jobs_are_deleted_and_others_kept(database: Database) -> None:
    def steps(conn: Connection) -> None:
        for _ in range(3):
            jobs.enqueue(conn, "work", None)
        first, second = jobs.lease(conn, "runner", 30, 2)
        jobs.finish(conn, first, DONE)
        jobs.finish(conn, second, DEAD)
        assert jobs.delete_done_before(conn, 1) == 0
        assert jobs.delete_done_before(conn, now(conn) + 1) == 1
        assert {job.state for job in jobs.list_jobs(conn)} == {QUEUED, DEAD}
        jobs.remove(conn, second.id)
        assert {job.state for job in jobs.list_jobs(conn)} == {QUEUED}

    await database.write(steps)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_looking_for_due_jobs_uses_their_index(database: Database) -> None:
    """Done jobs are kept for a day and dead ones for ever; the queue is looked at twice a second."""

    def plan(conn: Connection, asked: bool | None) -> str:
        form = jobs._any_due[asked].form("sqlite")
        sql = form.sql.replace("?", "1")
        return " ".join(row[-1] for row in conn.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all())

    for asked in (None, False, True):
        assert "ix_jobs_due" in await database.read(plan, asked)
