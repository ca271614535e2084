"""Jobs that Celery carries: what is sent to a real Redis and when, and what a message has done. Whole workers are in
test_celery_workers.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis import Redis

from s3gw.config import load_settings
from s3gw.jobs import broker, carry, celery_worker
from s3gw.jobs.carry import WINDOW, Carrier
from s3gw.jobs.celery_app import TASK, BrokerDown, Messages, open_app, queue_of
from s3gw.jobs.celery_worker import Performer, add_task
from s3gw.jobs.runner import run_jobs
from s3gw.jobs.table import KINDS, Kind, carried
from s3gw.metadata import jobs
from s3gw.metadata.job_kinds import Priority
from s3gw.metadata.jobs import DONE, LEASE, QUEUED, RUNNING
from tests.events.brokers import PASSWORD, redis
from tests.jobs.conftest import Process
from tests.postgresql import free_port

pytestmark = pytest.mark.anyio
STORE = "0123456789abcdef"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with redis(port, tmp_path_factory.mktemp("redis")):
        yield port


@pytest.fixture
def queued(port: int) -> Iterator[Redis]:
    with Redis(port=port, password=PASSWORD, db=3) as client:
        client.flushdb()
        yield client


def messages_of(url: str) -> Messages:
    return Messages(open_app(load_settings(celery_broker=url), STORE, ["count", "other"]), STORE)


@pytest.fixture
def carrier(process: Process, port: int, queued: Redis, monkeypatch: pytest.MonkeyPatch) -> Carrier:
    messages = messages_of(f"redis://:{PASSWORD}@127.0.0.1:{port}/3")
    return Carrier(process.database, messages, frozenset({"count", "other"}))


def waiting(client: Redis, kind: str = "count") -> int:
    return cast(int, client.llen(queue_of(STORE, kind)))


class Work:
    """A kind of jobs whose attempts last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.most = self.now = 0
        self.go = asyncio.Event()

    async def handle(self, services: Any, payload: Any, progress: Any) -> None:
        self.begun.append(payload)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
        finally:
            self.now -= 1

    async def begin(self, count: int) -> None:
        for _ in range(2000):
            if len(self.begun) >= count:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"only {self.begun} were begun")


@pytest.fixture
def work(process: Process, monkeypatch: pytest.MonkeyPatch) -> Work:
    made = Work()
    process.services.settings.celery_broker = "redis://127.0.0.1"  # type: ignore[misc]
    monkeypatch.setitem(KINDS, "count", Kind(made.handle, Priority.HEAVY, attempts=2, at_once=2, in_celery=True))
    monkeypatch.setitem(KINDS, "one", Kind(made.handle, Priority.HEAVY, attempts=2, everywhere=1, in_celery=True))
    monkeypatch.setitem(KINDS, "ours", Kind(made.handle, Priority.HEAVY, attempts=2))
    monkeypatch.setattr(celery_worker, "_PATIENCE", 0.05)
    return made


async def enqueue(process: Process, kind: str, count: int = 1) -> list[int]:
    def add(conn: Any) -> list[int]:
        return [cast(int, jobs.enqueue(conn, kind, number)) for number in range(count)]

    return await process.database.write(add)


async def state_of(process: Process, number: int) -> tuple[str, int]:
    job = await process.database.read(jobs.get, number)
    return job.state, job.attempts


async def test_each_attempt_that_is_due_is_told_once(process: Process, carrier: Carrier, queued: Redis) -> None:
    await enqueue(process, "count", 3)
    await enqueue(process, "not ours")
    assert await carrier.carry() == carry._BUSY
    assert await carrier.carry() == carry._POLL
    assert [waiting(queued, kind) for kind in ("count", "other", "not ours")] == [3, 0, 0]
    (job,) = await process.database.write(jobs.lease, "worker", LEASE, 1, "count")
    await carrier.carry()
    await process.database.write(lambda conn: jobs.finish(conn, job, QUEUED))
    await carrier.carry()
    assert waiting(queued) == 4, "another attempt is told anew"


async def test_what_was_lost_is_told_again_and_never_while_messages_wait(
    process: Process, carrier: Carrier, queued: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry, "_AGAIN", 0.0)
    await enqueue(process, "count", 3)
    for _ in range(3):
        await carrier.carry()
    assert waiting(queued) == 3, "no worker is there, so the same isn't told again and again"
    queued.flushdb()
    await carrier.carry()
    assert waiting(queued) == 3


async def test_of_many_jobs_only_the_first_are_told(
    process: Process, carrier: Carrier, queued: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry, "WINDOW", 10)
    await enqueue(process, "count", 15)
    for _ in range(3):
        await carrier.carry()
    assert waiting(queued) == 10 < WINDOW
    await process.database.write(jobs.lease, "worker", LEASE, 4, "count")
    await carrier.carry()
    assert waiting(queued) == 14


async def test_while_the_broker_is_down_jobs_wait_and_that_is_said_once(
    process: Process, port: int, queued: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    carrier = Carrier(
        process.database, messages_of(f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/3"), frozenset({"count"})
    )
    (number,) = await enqueue(process, "count")
    with caplog.at_level(logging.WARNING):
        assert [await carrier.carry() for _ in range(3)] == [carry._DOWN] * 3
        assert carry.counted.celery_broker_down._value.get() == 1
        carrier._messages = messages_of(f"redis://:{PASSWORD}@127.0.0.1:{port}/3")
        await carrier.carry()
    assert waiting(queued) == 1
    assert await state_of(process, number) == (QUEUED, 0)
    assert carry.counted.celery_broker_down._value.get() == 0
    assert [record.getMessage().partition(" is ")[2][:10] for record in caplog.records] == ["down, and ", "there agai"]
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "url", ["redis://:wrong-pass@127.0.0.1:{}/0", "redis://127.0.0.1:{}/0", "redis://u:x@127.0.0.1:{}/99"]
)
def test_a_broker_that_refuses_is_down_and_no_password_is_told(port: int, url: str) -> None:
    messages = messages_of(url.format(port))
    for ask in (lambda: messages.waiting("count"), lambda: messages.send("count", [1])):
        with pytest.raises(BrokerDown) as refused:
            ask()
        assert "wrong-pass" not in repr(refused.value) and refused.value.__cause__ is None


async def test_a_message_has_one_attempt_made_however_often_it_comes(process: Process, work: Work) -> None:
    performer = Performer(process.services)
    (number,) = await enqueue(process, "count")
    work.go.set()
    await asyncio.gather(*(performer.perform(number) for _ in range(5)))
    await performer.perform(number)
    assert work.begun == [0]
    assert await state_of(process, number) == (DONE, 1)


async def test_a_number_of_nothing_that_is_due_and_of_other_kinds_does_nothing(process: Process, work: Work) -> None:
    performer = Performer(process.services)
    (ours,) = await enqueue(process, "ours")
    (later,) = await enqueue(process, "count")
    (job,) = await process.database.write(jobs.lease, "worker", LEASE, 1, "count")
    await process.database.write(lambda conn: jobs.finish(conn, job, QUEUED, again_in=60))
    for number in (ours, later, 4711, 2**63 - 1):
        await performer.perform(number)
    assert work.begun == []
    assert await state_of(process, ours) == (QUEUED, 0)
    assert await state_of(process, later) == (QUEUED, 1)


async def test_a_worker_has_no_more_of_a_kind_than_a_job_process(process: Process, work: Work) -> None:
    performer = Performer(process.services)
    numbers = await enqueue(process, "count", 4)
    attempts = [asyncio.create_task(performer.perform(number)) for number in numbers]
    await work.begin(2)
    done, _ = await asyncio.wait(attempts, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert done and not any(task.exception() for task in done), "what has no place is dropped after a while"
    assert work.now == 2
    work.go.set()
    await asyncio.gather(*attempts)
    for number in numbers:
        await performer.perform(number)
    assert (work.most, sorted(work.begun)) == (2, [0, 1, 2, 3])


async def test_a_message_takes_the_place_that_becomes_free(
    process: Process, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_worker, "_PATIENCE", 10)
    performer = Performer(process.services)
    attempts = [asyncio.create_task(performer.perform(number)) for number in await enqueue(process, "count", 3)]
    await work.begin(2)
    work.go.set()
    await asyncio.wait_for(asyncio.gather(*attempts), 5)
    assert work.most == 2 and len(work.begun) == 3


async def test_a_limit_over_all_processes_holds(process: Process, work: Work) -> None:
    numbers = await enqueue(process, "one", 2)
    performers = [Performer(process.services) for _ in numbers]
    first = asyncio.create_task(performers[0].perform(numbers[0]))
    await work.begin(1)
    await performers[1].perform(numbers[1])
    assert work.begun == [0]
    work.go.set()
    await first
    await performers[1].perform(numbers[1])
    assert work.begun == [0, 1]


async def test_a_worker_that_stops_gives_back_what_it_was_at(process: Process, work: Work) -> None:
    performer = Performer(process.services)
    (number,) = await enqueue(process, "count")
    attempt = asyncio.create_task(performer.perform(number))
    await work.begin(1)
    assert (await state_of(process, number))[0] == RUNNING
    performer.stop()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await performer.perform(number)
    assert await state_of(process, number) == (QUEUED, 0)


@asynccontextmanager
async def job_process_at_work(process: Process) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(run_jobs(process.services, stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def test_a_job_process_leaves_what_is_carried_to_the_workers(process: Process, work: Work) -> None:
    (theirs,) = await enqueue(process, "count")
    (ours,) = await enqueue(process, "ours")
    work.go.set()
    async with job_process_at_work(process):
        for _ in range(2000):
            if (await state_of(process, ours))[0] == DONE:
                break
            await asyncio.sleep(0.005)
    assert (await state_of(process, ours), await state_of(process, theirs)) == ((DONE, 1), (QUEUED, 0))


def test_without_a_broker_nothing_is_carried() -> None:
    assert carried(load_settings()) == frozenset()
    assert carried(load_settings(celery_broker="redis://h")) >= {"scan", "rescan", "scrub", "batch", "unpack"}


def test_a_message_can_ask_for_nothing_but_a_number(port: int) -> None:
    app, got = open_app(load_settings(celery_broker=f"redis://127.0.0.1:{port}"), STORE, ["count"]), list[int]()
    add_task(app, got.append)
    assert list(app.tasks) == [TASK]
    for given in (0, -1, 2**63, True, "1", None, [1], 1.0, 7):
        app.tasks[TASK](given)
    assert got == [7]
    assert app.conf.accept_content == ["json"] and not app.conf.worker_enable_remote_control


@pytest.mark.parametrize(
    "url",
    ["amqp://:pass-word@h", "redis://:pass-word@", "pass-word@h:6379", "redis://pass-word:port", "redis://[pass-word"],
)
def test_what_is_no_broker_is_refused_without_being_told(url: str) -> None:
    told = broker.refusal(load_settings(celery_broker=url))
    assert told is not None and told.startswith("S3GW_CELERY_BROKER") and "pass-word" not in told
    assert broker.refusal(load_settings(celery_broker="rediss://u:p@h:1/2")) is None


def test_a_start_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_spec", lambda name: None)
    assert "pip install 's3gw[celery]'" in str(broker.refusal(load_settings(celery_broker="redis://h")))
    assert broker.refusal(load_settings()) is None
