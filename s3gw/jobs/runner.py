"""Runs jobs: leases what is due, renews the lease while it works, and tries again with growing pauses.

Any number of runners may work on one database; a job belongs to whoever leased it. Periodic work is one queued job
per kind that is queued anew each time it has ended, well or not: it never dies. Which of the due jobs it takes is
decided by places.py. What workers of Celery run is left to them (celery_worker.py), who make the same attempts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from s3gw import telemetry
from s3gw.disks.faults import in_words
from s3gw.jobs.asked import Asked, Cancelled, refusal_of
from s3gw.jobs.places import Places, Want
from s3gw.jobs.progress import Progress
from s3gw.jobs.schedule import begin_reports, begin_scheduled, queue_missing
from s3gw.jobs.table import KINDS, Kind, carried
from s3gw.metadata import asked_jobs, jobs, schedules
from s3gw.metadata.database import Connection, DatabaseUnavailable, now
from s3gw.metadata.jobs import CANCELLED, DEAD, DONE, LEASE, QUEUED, Job, News
from s3gw.metrics import counted
from s3gw.telemetry import Attempted

if TYPE_CHECKING:
    from s3gw.storage import Storage

POLL = 0.5  # seconds
_RENEW = 5.0
_LOOK = 1.0  # seconds between two looks whether a job has news, or was cancelled
_LOOK_AHEAD = 5.0  # seconds between two looks whether the clock was set back
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 3600.0
_DOUBLINGS = 12
_KEEP_DONE = 86_400_000_000  # microseconds
_FORGET, _FORGET_AT_ONCE = 60.0, 500  # seconds between two looks for those that are kept no longer
_LEASING = "jobs.lease"  # whoever counts how many run everywhere takes its turn by this name
_ERROR_LENGTH = 2000
_logger = logging.getLogger("s3gw.jobs")


async def run_jobs(services: Storage, stop: asyncio.Event) -> None:
    """Work until told to stop; what is being worked on then is given back for the next runner."""
    running: set[asyncio.Task[None]] = set()
    places, chores = Places(KINDS), _Chores(services)

    async def run(job: Job) -> None:
        try:
            await attempt(services, job)
        finally:
            places.leave(job)

    try:
        while not stop.is_set():
            try:
                await chores.do()
                async for job in _lease_due(services, places):
                    places.take(job)
                    task = asyncio.create_task(run(job))
                    running.add(task)
                    task.add_done_callback(running.discard)
            except DatabaseUnavailable as error:
                _logger.warning("no work: %s", error)
            await _wait(stop, running)
    finally:
        tasks = set(running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Chores:
    """What a runner does now and then, beside the jobs."""

    def __init__(self, services: Storage) -> None:
        self._services = services
        self._look_ahead_at, self._forget_at = 0.0, 0.0

    async def do(self) -> None:
        if time.monotonic() >= self._look_ahead_at:
            await _pull_back(self._services)
            await begin_scheduled(self._services.database)
            await begin_reports(self._services.database)
            await queue_missing(self._services.database, [name for name, kind in KINDS.items() if kind.every])
            self._look_ahead_at = time.monotonic() + _LOOK_AHEAD
        if time.monotonic() >= self._forget_at:
            count = await _forget(self._services)
            self._forget_at = time.monotonic() + (0 if count == _FORGET_AT_ONCE else _FORGET)


async def _lease_due(services: Storage, places: Places) -> AsyncIterator[Job]:
    """The caller takes the place of each before it asks for the next."""
    # Read first, so that an empty queue costs no write transaction.
    elsewhere = carried(services.settings)
    due = [each for each in await services.database.read(jobs.kinds_due) if each.kind not in elsewhere]
    looked_for: set[str] = set()
    while wants := [want for want in places.wants(due) if want.kind not in looked_for]:
        want = wants[0]
        found = await lease(services, want)
        if len(found) < want.most or not want.is_one_by_one:
            looked_for.add(want.kind)
        for job in found:
            yield job


async def lease(services: Storage, want: Want, job_id: int | None = None) -> list[Job]:
    """With `job_id` that one, which is of the kind."""
    is_limited = want.everywhere is not None or want.but_for
    if is_limited and not await services.database.read(jobs.could_lease, want.kind, want.everywhere, want.but_for):
        return []
    given = (services.process_identity.name, LEASE, want.most, want.kind, want.everywhere, want.but_for, job_id)
    keys = () if want.everywhere is None else (_LEASING,)
    return await services.database.write(jobs.lease, *given, keys=keys)


async def _forget(services: Storage) -> int:
    before = await services.database.read(now) - _KEEP_DONE
    if not await services.database.read(jobs.any_done_before, before):
        return 0
    return await services.database.write(jobs.delete_done_before, before, _FORGET_AT_ONCE)


async def _pull_back(services: Storage) -> None:
    if await services.database.read(jobs.any_ahead):
        count = await services.database.write(jobs.pull_back)
        _logger.warning("the clock was set back: %d jobs no longer wait for the time that it told before", count)


async def _wait(stop: asyncio.Event, running: set[asyncio.Task[None]]) -> None:
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, *running}, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


async def attempt(services: Storage, job: Job) -> None:
    """At a job that was leased: work on it, renew its lease, and settle how it ended."""
    began, outcome = time.monotonic(), "given_back"
    try:
        outcome = await _try(services, job)
    finally:
        name, seconds = job.kind if job.kind in KINDS else "unknown", time.monotonic() - began
        counted.job_runs.labels(name, outcome).inc()
        counted.job_seconds.labels(name).observe(seconds)
        asked = None if job.asked_by is None else job.payload
        telemetry.tell_attempt(Attempted(name, job.id, job.attempts, outcome, seconds, asked))


async def _try(services: Storage, job: Job) -> str:
    """How it ended."""
    kind = KINDS.get(job.kind)
    attempt = _Attempt(services, job, kind)
    try:
        if kind is None:
            raise LookupError(f"no such kind of job: {job.kind}")
        if kind.attempts is not None and job.attempts > kind.attempts:
            raise ChildProcessError("whoever ran it died each time")
        await attempt.work(kind)
    except asyncio.CancelledError:
        await _end(services, jobs.give_back, job)
        raise
    except Cancelled:
        await _end(services, _cancelled, job, kind, attempt)
        return "cancelled"
    except Exception as error:  # whatever a job raises is its own failure, not the runner's
        message = f"{type(error).__name__}: {in_words(error)}"[:_ERROR_LENGTH]
        refusal = refusal_of(error) if job.asked_by is not None else None
        if refusal is not None:
            told = {"news": attempt.progress.news(), "result": attempt.result, "refusal": refusal, "error": message}
            await _end(services, partial(asked_jobs.end, job=job, state=DEAD, **told))
            return "refused"
        await _end(services, _failed, job, kind, message, attempt.progress.news())
        _logger.warning("job %s (%s) failed: %s", job.id, job.kind, in_words(error))
        return "failed"
    await _end(services, _succeeded, job, kind, attempt)
    return "done"


async def _end(services: Storage, fn: Any, *args: Any) -> None:
    try:
        await services.database.write(fn, *args)
    except DatabaseUnavailable as error:
        _logger.warning("the lease has to run out: %s", error)


class _Attempt:
    def __init__(self, services: Storage, job: Job, kind: Kind | None) -> None:
        self._services, self._job = services, job
        self._lease_ends = time.monotonic() + LEASE
        self._renew_at = time.monotonic() + _RENEW
        self.progress = Progress(job, kind is not None and kind.every is not None)
        self._asked = None if job.asked_by is None else Asked(services.database, job, self.progress)

    @property
    def result(self) -> Any:
        return None if self._asked is None else self._asked.result

    async def work(self, kind: Kind) -> None:
        """Raises what the handler raises, Cancelled, or TimeoutError when the lease was lost."""
        if self._job.is_cancelled:  # while whoever ran it before died
            raise Cancelled
        if self._job.attempts > 1:
            self.progress.line(f"attempt {self._job.attempts}")
        given = json.loads(self._job.payload) if self._asked is None else self._asked
        work = asyncio.ensure_future(kind.handler(self._services, given, self.progress))
        try:
            while not (await asyncio.wait({work}, timeout=min(_LOOK, _RENEW)))[0]:
                await self._look()
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _look(self) -> None:
        """Keep the lease, write what is new, and hear whether it was cancelled. What users ask for hears that itself,
        between two of its calls; other work is ended wherever it waits, as by a kill, which all of it survives.
        """
        if (self.progress.has_news or time.monotonic() >= self._renew_at) and not await self._renew():
            raise TimeoutError("the lease was lost")
        if self._asked is None:
            with suppress(DatabaseUnavailable):
                if await self._services.database.read(jobs.is_cancelled, self._job):
                    raise Cancelled

    async def _renew(self) -> bool:
        began = time.monotonic()
        try:
            renewed = await self._services.database.write(jobs.renew, self._job, LEASE, self.progress.news())
        except DatabaseUnavailable as error:
            _logger.warning("the lease of job %s wasn't renewed: %s", self._job.id, error)
            return time.monotonic() < self._lease_ends
        self._lease_ends, self._renew_at = began + LEASE, began + _RENEW
        return renewed


def _succeeded(conn: Connection, job: Job, kind: Kind, attempt: _Attempt) -> None:
    news = attempt.progress.news()
    if job.asked_by is not None:
        asked_jobs.end(conn, job, DONE, news=news, result=attempt.result)
    elif kind.every is None:
        jobs.finish(conn, job, DONE, news=news)
    else:
        _wait_for_the_next(conn, job, kind.every, news)


def _cancelled(conn: Connection, job: Job, kind: Kind | None, attempt: _Attempt) -> None:
    news = attempt.progress.news()
    if kind is None or kind.every is None:
        asked_jobs.end(conn, job, CANCELLED, news=news, result=attempt.result)
    else:
        _wait_for_the_next(conn, job, kind.every, news, "this run was cancelled")


def _wait_for_the_next(conn: Connection, job: Job, every: float, news: News, error: str | None = None) -> None:
    """Of periodic work; what has a schedule is begun by that."""
    if job.kind in schedules.enabled(conn):
        jobs.finish(conn, job, DONE, error=error, news=news)
    elif jobs.finish(conn, job, QUEUED, again_in=every, error=error, news=news):
        jobs.reset_attempts(conn, job.id)


def _failed(conn: Connection, job: Job, kind: Kind | None, error: str, news: News) -> None:
    if (kind is None or kind.every is None) and jobs.is_cancelled(conn, job):  # nobody wants another attempt
        asked_jobs.end(conn, job, CANCELLED, news=news, error=error)
        return
    if kind is None or (kind.attempts is not None and job.attempts >= kind.attempts):
        if job.asked_by is not None:
            asked_jobs.end(conn, job, DEAD, news=news, error=error)
            return
        jobs.finish(conn, job, DEAD, error=error, news=news)
        return
    jobs.finish(conn, job, QUEUED, again_in=_pause_after(job.attempts), error=error, news=news)


def _pause_after(attempts: int) -> float:
    """Seconds: twice as many after each attempt, an hour at most, of which a random part from a half up to all."""
    pause: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts - 1, _DOUBLINGS))
    return pause * random.uniform(0.5, 1.0)
