"""The queue of jobs: due ones are leased once, a lease is one attempt, and singletons are single."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from sqlalchemy import text, update

from s3gw.metadata import jobs, schema
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.jobs import CANCELLED, DEAD, DONE, QUEUED, RUNNING, Due, Job, News, NoSuchJob

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
        assert jobs.renew(conn, first, 30, News({"steps": 1}))
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
        jobs.renew(conn, job, 30, News([1]))
        jobs.renew(conn, job, 30)
        assert jobs.get(conn, job.id).progress == "[1]"
        jobs.finish(conn, job, QUEUED, error="no")
        assert jobs.get(conn, job.id).progress == "[1]"
        jobs.finish(conn, lease_one(conn), DONE, news=News([2]))
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
        for _ in range(4):
            jobs.enqueue(conn, "work", None)
        first, second, third = jobs.lease(conn, "runner", 30, 3)
        jobs.finish(conn, first, DONE)
        jobs.finish(conn, second, DEAD)
        jobs.finish(conn, third, CANCELLED)
        assert not jobs.any_done_before(conn, 1)
        assert jobs.delete_done_before(conn, 1, 9) == 0
        assert jobs.any_done_before(conn, now(conn) + 1)
        assert jobs.delete_done_before(conn, now(conn) + 1, 0) == 0
        assert jobs.delete_done_before(conn, now(conn) + 1, 9) == 2
        assert {job.state for job in jobs.list_jobs(conn)} == {QUEUED, DEAD}
        jobs.remove(conn, second.id)
        assert {job.state for job in jobs.list_jobs(conn)} == {QUEUED}

    await database.write(steps)


async def test_a_lease_is_of_one_kind_and_not_for_who_has_enough(database: Database) -> None:
    def steps(conn: Connection) -> None:
        for number in range(3):
            jobs.enqueue(conn, "thumbnail", number, run_at=number)
        jobs.enqueue(conn, "reap", None, run_at=9)
        assert jobs.kinds_due(conn) == [Due("reap", 9), Due("thumbnail", 0)]
        assert [job.kind for job in jobs.lease(conn, "runner", 30, 5, "reap")] == ["reap"]
        assert jobs.kinds_due(conn) == [Due("thumbnail", 0)]
        for asker, at in (("one", 1), ("two", 2)):
            number = jobs.enqueue(conn, "batch", None, run_at=at)
            conn.execute(update(schema.jobs).where(schema.jobs.c.id == number).values(asked_by=asker))
        assert jobs.could_lease(conn, "batch", None, ["one"])
        assert [job.asked_by for job in jobs.lease(conn, "runner", 30, 5, "batch", but_for=["one"])] == ["two"]
        assert not jobs.could_lease(conn, "batch", None, ["one"])
        assert jobs.lease(conn, "runner", 30, 5, "batch", but_for=["one"]) == []
        assert [job.run_at for job in jobs.lease(conn, "runner", 30, 5, "thumbnail", but_for=["one"])] == [0, 1, 2]

    await database.write(steps)


async def test_of_a_kind_with_a_limit_so_many_run_everywhere(database: Database) -> None:
    """A lease that ran out doesn't count."""

    def steps(conn: Connection) -> None:
        for number in range(4):
            jobs.enqueue(conn, "scan", number, run_at=number)
        first = jobs.lease(conn, "one", 30, 1, "scan", everywhere=2)
        assert jobs.could_lease(conn, "scan", 2, ())
        assert len(first + jobs.lease(conn, "other", 30, 3, "scan", everywhere=2)) == 2
        assert not jobs.could_lease(conn, "scan", 2, ())
        assert jobs.lease(conn, "other", 30, 3, "scan", everywhere=2) == []
        let_run_out(conn)
        assert len(jobs.lease(conn, "other", 30, 3, "scan", everywhere=2)) == 2

    await database.write(steps)


def plan_of(conn: Connection, sql: str) -> str:
    if conn.dialect == "sqlite":
        return " ".join(str(row[-1]) for row in conn.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all())
    conn.execute(text("SET LOCAL enable_seqscan = off"))  # of a table with few rows it would be the quickest
    return " ".join(str(row[0]) for row in conn.execute(text(f"EXPLAIN {sql}")).all())


async def test_looking_for_jobs_uses_their_indexes(database: Database) -> None:
    """Done jobs are kept for a day and dead ones for ever, a million of a kind may be queued, and the queue is
    looked at twice a second.
    """
    mark = {"sqlite": r"\?", "postgresql": r"\$[0-9]+"}
    expected = {
        jobs._first_due: ["ix_jobs_due"],
        jobs._any_queued_ahead: ["ix_jobs_due"],
        jobs._any_leased_ahead: ["ix_jobs_running"],
        jobs._running_of_kind: ["ix_jobs_running"],
        jobs._lease_of_kind: ["ix_jobs_due"],
    }

    def plans(conn: Connection) -> None:
        for prepared, indexes in expected.items():
            sql = re.sub(mark[conn.dialect], "1", prepared.form(conn.dialect).sql)
            if conn.dialect == "postgresql":
                sql = sql.replace("kind = 1", "kind = '1'").replace("leased_by=1", "leased_by='1'")
                sql = sql.replace("leased_by=1::TEXT", "leased_by='1'")
            found = plan_of(conn, sql)
            assert all(index in found for index in indexes), found
            assert "SCAN jobs" not in found.replace("SCAN jobs USING", "") and "Seq Scan on jobs" not in found, found
        done = "SELECT id FROM jobs WHERE state IN ('done', 'cancelled') AND asked_by IS NULL AND updated_at < 1"
        assert "ix_jobs_ended" in plan_of(conn, done)

    await database.write(plans)
