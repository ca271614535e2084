"""Jobs that users ask for: what they are told, cancelling, going on after a kill, and the room that they leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.errors import AccessDenied, NoSuchBucket, ServiceUnavailable
from s3gw.jobs import asked as asked_module
from s3gw.jobs import runner
from s3gw.jobs.asked import Asked
from s3gw.jobs.runner import run_jobs
from s3gw.jobs.table import Kind
from s3gw.metadata import asked_jobs, jobs, schema
from s3gw.metadata.asked_jobs import LONGEST_LISTED, MOST_OF_USER
from s3gw.metadata.audit import Actor
from s3gw.metadata.job_kinds import Priority
from s3gw.problems import Conflict, NotFound, PermissionDenied
from s3gw.storage import Storage
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio
Work = Callable[[Storage, Asked, Callable[[Any], None]], Any]


@pytest.fixture
async def asking(process: Process, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setattr(asked_module, "_PAUSE", 0.0)
    monkeypatch.setattr(runner, "KINDS", {})
    made = Asking(process)
    await made.make()
    return made


def does(work: Work, attempts: int = 3) -> None:
    runner.KINDS["work"] = Kind(work, Priority.ASKED, attempts=attempts, at_once=3)


def refused(error: Exception) -> Work:
    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        await asked.note({"done": 1, "total": 2})
        raise error

    return work


async def test_a_job_is_told_with_its_result_to_who_asked(asking: Asking) -> None:
    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        await asked.note({"done": 2, "total": 2, "cursor": "b"})
        asked.result = {"wanted": asked.payload["wanted"]}

    does(work)
    job = await asking.ask("work", {"wanted": "this"})
    assert (job.state, job.asked_by, job.kind, job.result) == ("queued", asking.user.id, "work", None)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.result, told.refusal) == ("done", {"wanted": "this"}, None)
    assert told.progress == {"done": 2, "total": 2}


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (AccessDenied(), "PERMISSION_DENIED", "Access Denied"),
        (NoSuchBucket(), "NOT_FOUND", "The specified bucket does not exist"),
        (Conflict("not so"), "CONFLICT", "not so"),
    ],
)
async def test_what_it_is_refused_ends_it_at_once_and_is_told(
    asking: Asking, error: Exception, code: str, detail: str
) -> None:
    does(refused(error))
    job = await asking.ask("work")
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal) == ("failed", {"error_code": code, "detail": detail})
    assert told.progress == {"done": 1, "total": 2}


@pytest.mark.parametrize("error", [ValueError("of the inside"), ServiceUnavailable()])
async def test_what_goes_wrong_otherwise_is_tried_again_and_not_told(asking: Asking, error: Exception) -> None:
    does(refused(error), attempts=2)
    job = await asking.ask("work")
    await asking.run()
    assert (await asking.told(job)).state == "queued"
    await asking.database.write(lambda conn: conn.execute(update(schema.jobs).values(run_at=0)) and None)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal, told.result) == ("failed", None, None)
    (row,) = await asking.database.read(jobs.list_jobs, jobs.DEAD)
    assert type(error).__name__ in (row.error or "")


async def test_one_that_waits_is_cancelled_at_once_and_one_that_has_ended_is_not(asking: Asking) -> None:
    does(refused(AccessDenied()))
    waits, actor = await asking.ask("work"), Actor(asking.user.id, "user", "api", request_id="c")
    for _ in range(2):
        assert (await asking.database.write(asked_jobs.cancel, actor, waits.id)).state == "cancelled"
    assert not await asking.database.read(jobs.any_due)
    ended = await asking.ask("work")
    await asking.run()
    with pytest.raises(Conflict, match="has ended"):
        await asking.database.write(asked_jobs.cancel, actor, ended.id)
    with pytest.raises(NotFound):
        await asking.database.write(asked_jobs.cancel, actor, "of nobody")
    lines = select(schema.audit_log.c.action).where(schema.audit_log.c.resource == waits.id)
    actions = await asking.database.read(lambda conn: list(conn.execute(lines).scalars().all()))
    assert actions == ["job.create", "job.cancel"]


async def test_one_that_runs_ends_when_it_looks(asking: Asking) -> None:
    steps = 0

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        nonlocal steps
        while True:
            await asked.note({"done": steps, "total": 9})
            steps += 1
            told = await asking.database.write(asked_jobs.cancel, Actor(asking.user.id, "user", "api"), job.id)
            assert told.state == "running"

    does(work)
    job = await asking.ask("work")
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.progress, steps) == ("cancelled", {"done": 1, "total": 9}, 1)


async def test_one_that_was_cancelled_is_not_tried_again(asking: Asking) -> None:
    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        progress({"done": 1, "total": 2})
        await asking.database.write(asked_jobs.cancel, Actor(asking.user.id, "user", "api"), job.id)
        raise ServiceUnavailable

    does(work)
    job = await asking.ask("work")
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.progress) == ("cancelled", {"done": 1, "total": 2})


async def test_one_that_is_about_to_end_by_cancelling_is_not_told_to_who_asks_again(asking: Asking) -> None:
    job = await asking.ask("work", singleton="this")
    await asking.lease()
    assert (await asking.ask("work", singleton="this")).id == job.id
    await asking.database.write(asked_jobs.cancel, Actor(asking.user.id, "user", "api"), job.id)
    with pytest.raises(Conflict, match="cancelled just now"):
        await asking.ask("work", singleton="this")


async def test_one_that_was_cancelled_before_its_process_died_is_not_begun_again(asking: Asking) -> None:
    does(refused(AssertionError("it was begun")))
    job = await asking.ask("work")
    await asking.lease()
    await asking.database.write(asked_jobs.cancel, Actor(asking.user.id, "user", "api"), job.id)
    await asking.database.write(lambda conn: conn.execute(update(schema.jobs).values(lease_until=0)) and None)
    await asking.run()
    assert (await asking.told(job)).state == "cancelled"


async def test_an_attempt_goes_on_from_what_was_noted_before_a_kill(asking: Asking) -> None:
    begun_with: list[Any] = []

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        begun_with.append(asked.before)
        await asked.note({"done": 5, "total": 9})
        if len(begun_with) == 1:
            await asyncio.Event().wait()

    does(work)
    await asking.ask("work")
    killed = asyncio.create_task(asking.run())
    while not begun_with or not (await asking.database.read(jobs.list_jobs))[0].progress:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    await asking.run()
    assert begun_with == [{}, {"done": 5, "total": 9}]


async def test_who_lost_the_lease_hears_it_when_he_notes(asking: Asking) -> None:
    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        await asking.database.write(lambda conn: conn.execute(update(schema.jobs).values(leased_by="x")) and None)
        with pytest.raises(TimeoutError, match="lost"):
            await asked.note({"done": 1})

    does(work)
    job = await asking.ask("work")
    await asking.run()
    assert (await asking.told(job)).state == "running"  # another's


async def test_it_looks_once_a_second_at_most(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_module, "_PAUSE", 3600)
    noted: list[Any] = []
    renew = jobs.renew
    monkeypatch.setattr(jobs, "renew", lambda *given: noted.append(given[-1].progress) or renew(*given))

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        for number in range(5):
            await asked.note({"done": number})

    does(work)
    job = await asking.ask("work")
    await asking.run()
    assert noted == [{"done": 0}]
    assert (await asking.told(job)).progress == {"done": 4}


async def test_a_user_has_so_many_that_are_not_done_at_most(asking: Asking) -> None:
    for _ in range(MOST_OF_USER):
        last = await asking.ask("work")
    with pytest.raises(Conflict, match="20 jobs at most"):
        await asking.ask("work")
    await asking.database.write(asked_jobs.cancel, Actor(asking.user.id, "user", "api"), last.id)
    await asking.ask("work")


async def test_the_same_asked_again_is_the_job_that_there_is(asking: Asking) -> None:
    first = await asking.ask("work", singleton="same")
    assert (await asking.ask("work", singleton="same")).id == first.id
    asking.user = asking.stranger
    with pytest.raises(Conflict, match="another user"):
        await asking.ask("work", singleton="same")


async def test_what_users_ask_for_keeps_nothing_else_waiting(
    asking: Asking, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they ask for, two are run at once."""
    monkeypatch.setattr(runner, "POLL", 0.01)
    running, ticked = 0, asyncio.Event()

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        nonlocal running
        running += 1
        await asyncio.Event().wait()

    async def tick(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
        ticked.set()

    does(work)
    for _ in range(6):
        await asking.ask("work")
    stop = asyncio.Event()
    task = asyncio.create_task(run_jobs(process.services, stop))
    while running < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    runner.KINDS["tick"] = Kind(tick, Priority.NEEDED, attempts=1)
    await process.database.write(jobs.enqueue, "tick", None)
    await asyncio.wait_for(ticked.wait(), 20)
    stop.set()
    await asyncio.wait_for(task, 20)
    assert running == 2


async def test_one_users_long_jobs_leave_a_place_for_another(
    asking: Asking, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "POLL", 0.01)
    users: list[str] = []

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        users.append(asked.user_id)
        await asyncio.Event().wait()

    does(work)
    for _ in range(4):
        await asking.ask("work")
    first, asking.user = asking.user, asking.stranger
    stop = asyncio.Event()
    task = asyncio.create_task(run_jobs(process.services, stop))
    async with asyncio.timeout(20):
        while len(users) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asking.ask("work")
        while len(users) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 20)
    assert users == [first.id, first.id, asking.stranger.id]


async def test_a_list_leaves_out_results_of_more_than_4096_characters(asking: Asking) -> None:
    """A page of them would be as long as all that was refused of a thousand batches."""

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        asked.result = {"x": "x" * asked.payload["length"]}

    does(work)
    short = LONGEST_LISTED - len('{"x": ""}')
    made = []
    for length in (short, short + 1):
        made.append(await asking.ask("work", {"length": length}))
        await asking.run()
    found = await asking.database.read(asked_jobs.page, asking.user.id, None, None, None, 0, 10)
    assert [job.result and len(job.result["x"]) for job in found.jobs] == [None, short]
    assert [len((await asking.told(job)).result["x"]) for job in made] == [short, short + 1]


async def test_a_page_has_the_newest_of_a_user_first(asking: Asking) -> None:
    does(refused(PermissionDenied("no")))
    failed = await asking.ask("work")
    await asking.run()
    others = [await asking.ask(kind) for kind in ("work", "play")]

    async def page(*given: Any) -> list[str]:
        found = await asking.database.read(asked_jobs.page, asking.user.id, *given)
        return [job.id for job in found.jobs]

    newest = [others[1].id, others[0].id, failed.id]
    assert await page(None, None, None, 0, 10) == newest
    assert await page(None, None, newest[0], 0, 10) == newest[1:]
    assert await page(None, None, None, 2, 10) == newest[2:]
    assert await page("play", None, None, 0, 10) == newest[:1]
    assert await page(None, "failed", None, 0, 10) == newest[2:]
    assert json.loads(json.dumps((await asking.told(failed)).refusal))["detail"] == "no"


async def test_one_that_failed_and_is_tried_again_goes_on_from_what_was_noted(asking: Asking) -> None:
    found: list[dict[str, Any]] = []

    async def work(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
        found.append(asked.before)
        await asked.note({"done": 3, "total": 9, "cursor": "c"})
        if len(found) == 1:
            raise PermissionDenied("not now")

    does(work)
    job = await asking.ask("work")
    await asking.run()
    assert (await asking.told(job)).state == "failed"
    await asking.database.write(asked_jobs.retry, Actor(asking.user.id, "user", "api"), job.id)
    await asking.run()
    assert found == [{}, {"done": 3, "total": 9, "cursor": "c"}]
    assert (await asking.told(job)).progress == {"done": 3, "total": 9}
