"""The runner: leases, attempts, pauses, progress, and what becomes of jobs whose runner dies or is stopped."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import update

from s3gw.jobs import runner
from s3gw.jobs.places import OF_PRIORITY, Want
from s3gw.jobs.runner import run_jobs
from s3gw.jobs.table import KINDS, Kind
from s3gw.metadata import jobs, schema
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.job_kinds import Priority
from s3gw.metadata.jobs import DEAD, DONE, LEASE, QUEUED, RUNNING, Job, News
from s3gw.services import Services
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio

_AT_ONCE = OF_PRIORITY[Priority.NEEDED]
Work = Callable[[Services, Any, Callable[[Any], None]], Any]


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Kind]:
    """Those of the test alone, polled often."""
    monkeypatch.setattr(runner, "POLL", 0.01)
    made: dict[str, Kind] = {}
    monkeypatch.setattr(runner, "KINDS", made)
    return made


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_jobs(process.services, stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def until_all(process: Process, condition: Callable[[list[Job]], bool]) -> list[Job]:
    for _ in range(2000):
        found = await process.database.read(jobs.list_jobs)
        if condition(found):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"it didn't come to that: {found}")


async def until(process: Process, condition: Callable[[Job], bool]) -> Job:
    """Of the only job, which may still have to be enqueued."""
    return (await until_all(process, lambda found: len(found) == 1 and condition(found[0])))[0]


def failing(*errors: Exception | None) -> Work:
    """Fails with each error in turn; None succeeds, and so does what comes after them."""
    outcomes = iter(errors)

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        error = next(outcomes, None)
        if error is not None:
            raise error

    return work


async def make_due(process: Process) -> None:
    await process.database.write(lambda conn: conn.execute(update(schema.jobs).values(run_at=0)) and None)


async def test_a_job_is_run_with_its_payload_and_done(process: Process, kinds: dict[str, Kind]) -> None:
    given: list[Any] = []

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        given.append(payload)
        progress({"steps": 1})

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "work", {"what": "this"})
    async with running(process):
        job = await until(process, lambda job: job.state == DONE)
    assert given == [{"what": "this"}]
    assert json.loads(job.progress or "") == {"steps": 1}
    assert (job.leased_by, job.lease_until, job.error) == (None, None, None)


async def test_a_job_that_fails_is_tried_again_later_and_dead_after_its_last_attempt(
    process: Process, kinds: dict[str, Kind]
) -> None:
    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        progress("half")
        raise ValueError("no")

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=2)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        job = await until(process, lambda job: job.state == QUEUED and job.attempts == 1)
        assert (job.error, job.progress) == ("ValueError: no", '"half"')
        assert 0.4e6 < job.run_at - job.updated_at <= 1e6
        await make_due(process)
        job = await until(process, lambda job: job.state == DEAD)
    assert job.attempts == 2


def test_a_pause_is_a_random_part_of_twice_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a half up to all of it, so that many jobs that failed together aren't tried again together."""
    bounds: list[tuple[float, float]] = []
    for attempts in (1, 2, 5, 12, 13, 5000):
        for end in (0.0, 1.0):
            monkeypatch.setattr(runner.random, "uniform", lambda low, high, end=end: low + (high - low) * end)
            bounds.append((attempts, runner._pause_after(attempts)))
    assert [pause for _, pause in bounds] == [0.5, 1, 1, 2, 8, 16, 1024, 2048, 1800, 3600, 1800, 3600]
    monkeypatch.undo()
    pauses = {runner._pause_after(5) for _ in range(100)}
    assert len(pauses) > 50
    assert all(8 <= pause <= 16 for pause in pauses)


async def test_pauses_grow_to_an_hour_and_no_further(process: Process, kinds: dict[str, Kind]) -> None:
    kind = Kind(failing(), Priority.NEEDED, every=5)
    await process.database.write(jobs.enqueue, "work", None)
    pauses = []
    for attempts in (1, 5, 12, 20, 5000):
        values = {"state": QUEUED, "run_at": 0, "attempts": attempts - 1}
        await process.database.write(lambda conn, v=values: conn.execute(update(schema.jobs).values(v)) and None)
        (job,) = await process.database.write(jobs.lease, "runner", 30, 1)
        await process.database.write(runner._failed, job, kind, "no", News())
        job = await process.the_job()
        pauses.append((job.run_at - job.updated_at) / 1e6)
    assert [pause <= most for pause, most in zip(pauses, (1, 16, 2048, 3600, 3600), strict=True)] == [True] * 5
    assert min(pauses[3:]) >= 1800


async def test_periodic_work_comes_back_after_each_run_and_never_dies(process: Process, kinds: dict[str, Kind]) -> None:
    kinds["tick"] = Kind(failing(*[OSError("down")] * 30), Priority.NEEDED, every=0.01)
    async with running(process):
        for attempts in range(1, 31):
            await until(process, lambda job, n=attempts: job.state == QUEUED and job.attempts == n)
            await make_due(process)
        job = await until(process, lambda job: job.state == QUEUED and job.attempts == 0)  # forgiven
    assert job.error is None


async def test_an_unknown_kind_is_kept_dead(process: Process, kinds: dict[str, Kind]) -> None:
    await process.database.write(jobs.enqueue, "of a newer version", None)
    async with running(process):
        job = await until(process, lambda job: job.state == DEAD)
    assert job.error == "LookupError: no such kind of job: of a newer version"


async def test_a_job_that_kills_its_runner_each_time_dies(process: Process, kinds: dict[str, Kind]) -> None:
    kinds["work"] = Kind(failing(), Priority.NEEDED, attempts=3)
    await process.database.write(jobs.enqueue, "work", None)
    for _ in range(3):
        assert len(await process.database.write(jobs.lease, "one that was killed", -1, 1)) == 1
    async with running(process):
        job = await until(process, lambda job: job.state == DEAD)
    assert "died each time" in (job.error or "")


async def test_what_is_worked_on_at_the_end_is_given_back_at_once(process: Process, kinds: dict[str, Kind]) -> None:
    began = asyncio.Event()

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        began.set()
        await asyncio.sleep(3600)

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process) as stop:
        await asyncio.wait_for(began.wait(), 20)
        stop.set()
    job = await process.the_job()
    assert (job.state, job.attempts, job.leased_by) == (QUEUED, 0, None)
    assert await process.database.read(jobs.any_due)


async def test_work_is_given_back_when_it_has_ended_and_not_before(process: Process, kinds: dict[str, Kind]) -> None:
    """Or another runner would begin it beside what still goes on."""
    begun, states = asyncio.Event(), []

    async def end_slowly(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            states.append((await process.the_job()).state)

    kinds["slow"] = Kind(end_slowly, Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "slow", None)
    async with running(process) as stop:
        await asyncio.wait_for(begun.wait(), 10)
        stop.set()
    assert states == [RUNNING]
    assert (await process.the_job()).state == QUEUED


async def test_waiting_for_work_leaves_nothing_behind(process: Process, kinds: dict[str, Kind]) -> None:
    async with running(process):
        before = len(asyncio.all_tasks())
        await asyncio.sleep(0.2)
        assert len(asyncio.all_tasks()) <= before + 2


async def test_a_long_job_keeps_its_lease_and_tells_its_progress(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_RENEW", 0.01)
    go_on = asyncio.Event()

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        progress(1)
        await go_on.wait()

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        job = await until(process, lambda job: job.progress == "1")
        first = job.lease_until or 0
        await until(process, lambda job: (job.lease_until or 0) > first)
        go_on.set()
        await until(process, lambda job: job.state == DONE)


async def test_a_lost_lease_ends_the_work_and_changes_nothing_of_the_new_one(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_RENEW", 0.01)
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=3)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        await asyncio.wait_for(began.wait(), 20)

        def take_over(conn: Connection) -> None:
            conn.execute(update(schema.jobs).values(lease_until=0))
            assert len(jobs.lease(conn, "another", 3600, 1)) == 1

        await process.database.write(take_over)
        await asyncio.wait_for(cancelled.wait(), 20)
    job = await process.the_job()
    assert (job.state, job.leased_by, job.attempts, job.error) == (RUNNING, "another", 2, None)


async def test_a_database_that_is_away_for_a_moment_costs_no_attempt(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_RENEW", 0.01)
    renew, refused = jobs.renew, asyncio.Event()
    loop = asyncio.get_running_loop()

    def refuse_once(conn: Connection, *args: Any) -> bool:
        if not refused.is_set():
            loop.call_soon_threadsafe(refused.set)
            raise DatabaseUnavailable("away")
        return renew(conn, *args)

    monkeypatch.setattr(jobs, "renew", refuse_once)

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        await refused.wait()
        await asyncio.sleep(0.05)

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        job = await until(process, lambda job: job.state == DONE)
    assert job.attempts == 1


class Hours:
    """What the runner takes for the time: the real one, and as much as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.later = 0.0
        monkeypatch.setattr(runner, "time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.later


async def test_work_ends_with_the_last_lease_that_was_had_when_the_database_is_away(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_RENEW", 0.01)
    hours, renew, outcomes, is_away = Hours(monkeypatch), jobs.renew, [True], False
    began, cancelled = asyncio.Event(), asyncio.Event()

    def renew_or_not(conn: Connection, *args: Any) -> bool:
        outcomes.append(not is_away)
        if is_away:
            raise DatabaseUnavailable("away")
        return renew(conn, *args)

    async def until_more(outcome: bool) -> None:
        so_far = outcomes.count(outcome)
        async with asyncio.timeout(20):
            while outcomes.count(outcome) < so_far + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    monkeypatch.setattr(jobs, "renew", renew_or_not)
    kinds["work"] = Kind(work, Priority.NEEDED, attempts=3)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        await asyncio.wait_for(began.wait(), 20)
        hours.later = 0.8 * LEASE
        await until_more(True)
        is_away = True
        hours.later = 1.5 * LEASE  # later than the first lease would have ended
        await until_more(False)
        assert not cancelled.is_set()
        hours.later = 2 * LEASE
        await asyncio.wait_for(cancelled.wait(), 20)


async def test_an_empty_queue_is_only_read(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the time that jobs wait for is looked at now and then only."""
    hours, looks, polls = Hours(monkeypatch), 0, 0
    any_ahead, kinds_due = jobs.any_ahead, jobs.kinds_due

    def look(conn: Connection) -> bool:
        nonlocal looks
        looks += 1
        return any_ahead(conn)

    def poll(conn: Connection) -> list[jobs.Due]:
        nonlocal polls
        polls += 1
        return kinds_due(conn)

    def fail(*_: Any) -> Any:
        raise AssertionError("nothing is to be written")

    for name, fn in {"any_ahead": look, "kinds_due": poll, "lease": fail, "pull_back": fail}.items():
        monkeypatch.setattr(jobs, name, fn)

    async def until_polled(times: int) -> None:
        until_then = polls + times
        async with asyncio.timeout(20):
            while polls < until_then:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async with running(process):
        await until_polled(5)
        assert looks == 1
        hours.later = runner._LOOK_AHEAD + 1
        await until_polled(5)
        assert looks == 2


async def test_the_last_place_is_taken_and_no_job_has_more_than_there_are(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, limits, began, go_on = jobs.lease, [], 0, asyncio.Event()

    def lease_so_many(conn: Connection, name: str, seconds: float, limit: int, *more: Any) -> list[Job]:
        limits.append(limit)
        return lease(conn, name, seconds, limit, *more)

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        nonlocal began
        began += 1
        await go_on.wait()

    async def until_begun(count: int) -> None:
        async with asyncio.timeout(20):
            while began < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    monkeypatch.setattr(jobs, "lease", lease_so_many)
    kinds["work"] = Kind(work, Priority.NEEDED, attempts=1, at_once=_AT_ONCE + 1)
    async with running(process):
        for count in range(1, _AT_ONCE + 1):
            await process.database.write(jobs.enqueue, "work", None)
            await until_begun(count)
        await process.database.write(jobs.enqueue, "work", None)
        await asyncio.sleep(0.05)
        go_on.set()
        await until_all(process, lambda found: [job.state for job in found] == [DONE] * (_AT_ONCE + 1))
    assert limits[:_AT_ONCE] == list(range(_AT_ONCE, 0, -1))
    assert min(limits) == 1


async def test_the_runner_waits_for_a_database_that_is_away(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds["tick"] = Kind(failing(), Priority.NEEDED, every=3600)
    queue, tries = runner.queue_missing, iter([True, False])

    async def refuse_once(*given: Any) -> None:
        if next(tries):
            raise DatabaseUnavailable("away")
        await queue(*given)

    monkeypatch.setattr(runner, "queue_missing", refuse_once)
    async with running(process):
        await until(process, lambda job: job.state == QUEUED and job.leased_by is None)


async def test_no_more_at_once_than_there_are_places(process: Process, kinds: dict[str, Kind]) -> None:
    at_once: list[int] = []
    count, all_taken, go_on = 0, asyncio.Event(), asyncio.Event()

    async def work(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
        nonlocal count
        count += 1
        at_once.append(count)
        if count == _AT_ONCE:
            all_taken.set()
        await go_on.wait()
        count -= 1

    kinds["work"] = Kind(work, Priority.NEEDED, attempts=1, at_once=_AT_ONCE + 1)
    for _ in range(_AT_ONCE + 3):
        await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        await asyncio.wait_for(all_taken.wait(), 20)
        await asyncio.sleep(0.05)
        go_on.set()
        await until_all(process, lambda found: [job.state for job in found] == [DONE] * (_AT_ONCE + 3))
    assert max(at_once) == _AT_ONCE


async def test_done_jobs_are_forgotten_after_a_day(
    process: Process, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_FORGET", 0.0)
    kinds["work"] = Kind(failing(), Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "work", None)
    async with running(process):
        old = await until(process, lambda job: job.state == DONE)
        await process.database.write(lambda conn: conn.execute(update(schema.jobs).values(updated_at=0)) and None)
        await process.database.write(jobs.enqueue, "work", None)
        await until(process, lambda job: job.state == DONE and job.id > old.id)


async def test_the_real_kinds_run(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "POLL", 0.01)
    periodic = {name for name, kind in KINDS.items() if kind.every is not None}
    async with running(process):
        found = await until_all(
            process,
            lambda found: (
                len(found) == len(periodic)
                and all(job.state == QUEUED and job.run_at > job.created_at for job in found)
            ),
        )
    kinds = {"reap", "sweep", "expire_uploads", "empty_trash", "forget_ended", "purge_users", "warn_of_quotas"}
    kinds |= {"watch_scanner", "release_previews", "measure_space"}
    assert {job.kind for job in found} == periodic == kinds
    assert [job.error for job in found] == [None] * len(kinds)


async def test_work_that_an_earlier_release_queued_ends_without_a_fault(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "POLL", 0.01)
    monkeypatch.setattr(runner, "KINDS", {"prune_audit_log": KINDS["prune_audit_log"]})
    await process.database.write(lambda conn: jobs.enqueue(conn, "prune_audit_log", None, singleton="prune_audit_log"))
    async with running(process):
        await until(process, lambda job: job.state == DONE)


async def test_of_a_kind_with_a_limit_everywhere_no_more_are_leased_by_many_runners_at_once(process: Process) -> None:
    for _ in range(6):
        await process.database.write(jobs.enqueue, "scan", None)
    want = Want("scan", 2, 3)
    leased = await asyncio.gather(*(runner.lease(process.services, want) for _ in range(6)))
    assert sum(map(len, leased)) == 3
