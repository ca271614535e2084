"""What is seen of a job while it runs, that work of the server can be cancelled, and that it goes on after a kill."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from s3gw.jobs import runner
from s3gw.jobs.progress import LONGEST_LINE, MOST_LINES, Progress
from s3gw.jobs.table import Kind
from s3gw.metadata import asked_jobs, jobs, schema, search
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection
from s3gw.metadata.job_kinds import PERIODIC, Priority
from s3gw.metadata.job_progress import counts_of, seconds_left
from s3gw.metadata.jobs import CANCELLED, LEASE, QUEUED, Job
from s3gw.problems import Conflict
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process
from tests.postgresql import keep_in_threads

pytestmark = pytest.mark.anyio


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Kind]:
    made: dict[str, Kind] = {}
    monkeypatch.setattr(runner, "KINDS", made)
    monkeypatch.setattr(runner, "_LOOK", 0.01)
    return made


async def lease(process: Process) -> Job:
    (job,) = await process.database.write(jobs.lease, "runner", LEASE, 1)
    return job


async def cancel(process: Process, name: object) -> None:
    await process.database.write(asked_jobs.cancel, COMMAND_LINE, str(name))


async def until(process: Process, condition: Callable[[Job], Any]) -> Job:
    async with asyncio.timeout(20):
        while not condition(await process.the_job()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    job_id = (await process.the_job()).id
    return await process.database.read(jobs.get, job_id)


async def test_progress_rate_and_log_are_seen_while_it_runs_and_kept_after(
    process: Process, kinds: dict[str, Kind]
) -> None:
    go_on = asyncio.Event()

    async def work(services: Any, payload: Any, progress: Progress) -> None:
        progress({"done": 30, "total": 90})
        progress.line("thirty\nof ninety")
        await go_on.wait()
        progress.line("the rest")

    kinds["work"] = Kind(work, Priority.UPKEEP, attempts=2)
    await process.database.write(jobs.enqueue, "work", None)
    task = asyncio.create_task(runner.attempt(process.services, await lease(process)))
    seen = await until(process, lambda job: job.rate)
    assert json.loads(seen.progress or "") == {"done": 30, "total": 90}
    assert seen.begun_at is not None and seen.rate is not None and seen.rate > 1
    assert seconds_left({"done": 30, "total": 90}, seen.rate) == pytest.approx(60 / seen.rate)
    (line,) = json.loads(seen.lines or "")
    assert line.endswith("Z thirty of ninety")
    go_on.set()
    await task
    told = await process.database.read(asked_jobs.find, str(seen.id))
    assert told.state == "done"
    assert told.lines is not None and told.lines[0] == line and told.lines[1].endswith("Z the rest")
    (listed,) = (await process.database.read(asked_jobs.page, None, None, None, None, 0, 9)).jobs
    assert listed == told._replace(lines=None)


async def test_a_log_keeps_its_last_lines_over_attempts_and_none_is_long(process: Process) -> None:
    await process.database.write(jobs.enqueue, "work", None)
    job = await lease(process)
    progress = Progress(job)
    for number in range(MOST_LINES + 5):
        progress.line(f"{number} " + "x" * LONGEST_LINE)
    lines = progress.news().lines or ()
    assert len(lines) == MOST_LINES
    assert " 5 x" in lines[0] and {len(line) - len("2026-11-27T20:15:00Z ") for line in lines} == {LONGEST_LINE}
    again = Progress(job._replace(lines=json.dumps(lines), attempts=2))
    again.line("another")
    assert list(again.news().lines or ())[:-1] == list(lines[1:])


async def test_what_succeeded_is_nothing_that_a_periodic_job_goes_on_from(process: Process) -> None:
    job = Job(1, "work", "null", "running", 1, 0, "me", 9, '{"done": 9}', None, 0, 0, None)
    assert Progress(job).before == {"done": 9}
    assert Progress(job, is_periodic=True).before is None
    assert Progress(job._replace(attempts=2), is_periodic=True).before == {"done": 9}


def test_counts_are_told_by_name_or_as_what_is_done() -> None:
    assert counts_of({"done": 3, "total": 9, "cursor": "x"}) == (3, 9)
    assert counts_of({"contents": 2, "files": 3, "place": [1]}) == (5, None)
    assert [counts_of(other) for other in (None, "half", [1])] == [(0, None)] * 3
    assert seconds_left({"done": 3, "total": 9}, None) is seconds_left({"done": 3}, 2.0) is None


async def test_work_of_the_server_is_cancelled_while_it_runs_and_while_it_waits(
    process: Process, kinds: dict[str, Kind]
) -> None:
    async def work(services: Any, payload: Any, progress: Progress) -> None:
        progress({"done": 1})
        await asyncio.Event().wait()

    kinds["work"] = Kind(work, Priority.UPKEEP, attempts=2)
    await process.database.write(jobs.enqueue, "work", None)
    job = await lease(process)
    task = asyncio.create_task(runner.attempt(process.services, job))
    await cancel(process, job.id)
    await asyncio.wait_for(task, 20)
    ended = await process.the_job()
    assert (ended.state, ended.progress, ended.attempts) == (CANCELLED, '{"done": 1}', 1)
    waits = await process.database.write(jobs.enqueue, "work", None)
    await cancel(process, waits)
    assert not await process.database.read(jobs.any_due)


async def test_a_run_of_periodic_work_is_cancelled_and_the_next_one_comes(
    process: Process, kinds: dict[str, Kind]
) -> None:
    async def work(*_: Any) -> None:
        await asyncio.Event().wait()

    assert "purge_users" in PERIODIC
    kinds["purge_users"] = Kind(work, Priority.UPKEEP, every=60)
    await process.database.write(lambda conn: jobs.enqueue(conn, "purge_users", None, singleton="purge_users"))
    job = await lease(process)
    task = asyncio.create_task(runner.attempt(process.services, job))
    await cancel(process, job.id)
    await asyncio.wait_for(task, 20)
    again = await process.the_job()
    assert (again.state, again.attempts, again.is_cancelled) == (QUEUED, 0, 0)
    assert again.run_at > again.updated_at
    with pytest.raises(Conflict, match="waits for its time"):
        await cancel(process, job.id)


async def test_what_nothing_else_would_do_is_not_cancelled(process: Process) -> None:
    job = await process.database.write(jobs.enqueue, "unlink", ["a"])
    with pytest.raises(Conflict, match="nothing else"):
        await cancel(process, job)


async def test_the_index_of_search_is_built_on_from_where_a_kill_left_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease runs out, and what was noted is where the next attempt begins."""
    monkeypatch.setattr(runner, "_LOOK", 0.01)
    monkeypatch.setattr("s3gw.jobs.rebuild_search._BATCH", 2)
    asking, put_after = Asking(process), search.put_after
    keep_in_threads(process.database)  # where each step is begun once
    await asking.make()
    await asking.put(f"{number}" for number in range(8))
    places: list[str] = []
    stops, is_held = asyncio.Event(), True

    def put(conn: Connection, bucket_id: int, after: str, most: int) -> tuple[int, str] | None:
        places.append(after)
        return put_after(conn, bucket_id, after, most)

    async def paced(step: Any) -> Any:
        if is_held and len(places) == 2:
            step.close()
            stops.set()
            await asyncio.Event().wait()
        return await step

    monkeypatch.setattr(search, "put_after", put)
    monkeypatch.setattr("s3gw.jobs.rebuild_search.paced", paced)
    await process.database.write(jobs.enqueue, "rebuild_search", None)
    killed = asyncio.create_task(runner.attempt(process.services, await lease(process)))
    await asyncio.wait_for(stops.wait(), 20)
    await until(process, lambda job: job.progress is not None and '"done": 4' in job.progress)
    monkeypatch.setattr(jobs, "give_back", lambda *_: True)  # it dies without a word
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    is_held = False
    await process.database.write(lambda conn: conn.execute(update(schema.jobs).values(lease_until=0)) and None)
    await runner.attempt(process.services, await lease(process))
    assert (await process.the_job()).state == "done"
    assert places[:2] == ["", "1"] and places[2:4] == ["3", "5"], places
