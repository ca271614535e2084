"""Runs jobs: leases what is due, renews the lease while it works, and tries again with growing pauses.

Any number of runners may work on one database; a job belongs to whoever leased it. Periodic work is one queued job
per kind that is queued anew each time it has ended, well or not: it never dies. What users ask for has room of its own,
so that it keeps nothing waiting that the server needs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from s3gw.disks.faults import in_words
from s3gw.jobs.asked import Asked, Cancelled, refusal_of
from s3gw.jobs.table import KINDS, Kind
from s3gw.metadata import asked_jobs, jobs
from s3gw.metadata.database import Connection, DatabaseUnavailable, now
from s3gw.metadata.jobs import CANCELLED, DEAD, DONE, LEASE, QUEUED, Job

if TYPE_CHECKING:
    from s3gw.storage import Storage

POLL = 0.5  # seconds
_AT_ONCE = 4
_ASKED_AT_ONCE = 2  # of those that users asked for, beside the others
_RENEW = 10.0
_LOOK_AHEAD = 5.0  # seconds between two looks whether the clock was set back
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 3600.0
_DOUBLINGS = 12
_KEEP_DONE = 86_400_000_000  # microseconds
_ERROR_LENGTH = 2000
_logger = logging.getLogger("s3gw.jobs")


async def run_jobs(services: Storage, stop: asyncio.Event) -> None:
    """Work until told to stop; what is being worked on then is given back for the next runner."""
    running: dict[bool, set[asyncio.Task[None]]] = {False: set(), True: set()}  # by whether a user asked for it
    is_scheduled, look_ahead_at = False, 0.0
    try:
        while not stop.is_set():
            try:
                if not is_scheduled:
                    await services.database.write(_schedule_periodic)
                    is_scheduled = True
                if time.monotonic() >= look_ahead_at:
                    await _pull_back(services)
                    look_ahead_at = time.monotonic() + _LOOK_AHEAD
                found = await _lease_due(services, _AT_ONCE - len(running[False]), False)
                found += await _lease_due(services, _ASKED_AT_ONCE - len(running[True]), True)
            except DatabaseUnavailable as error:
                _logger.warning("no work: %s", error)
                found = []
            for job in found:
                beside = running[job.asked_by is not None]
                task = asyncio.create_task(_run(services, job))
                beside.add(task)
                task.add_done_callback(beside.discard)
            await _wait(stop, running[False] | running[True])
    finally:
        tasks = running[False] | running[True]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _lease_due(services: Storage, limit: int, asked: bool) -> list[Job]:
    # Read first, so that an empty queue costs no write transaction.
    if limit < 1 or not await services.database.read(jobs.any_due, asked):
        return []
    return await services.database.write(jobs.lease, services.process_identity.name, LEASE, limit, asked)


async def _pull_back(services: Storage) -> None:
    if await services.database.read(jobs.any_ahead):
        count = await services.database.write(jobs.pull_back)
        _logger.warning("the clock was set back: %d jobs no longer wait for the time that it told before", count)


async def _wait(stop: asyncio.Event, running: set[asyncio.Task[None]]) -> None:
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, *running}, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def _schedule_periodic(conn: Connection) -> None:
    for name, kind in KINDS.items():
        if kind.every is not None:
            jobs.enqueue(conn, name, None, singleton=name)


async def _run(services: Storage, job: Job) -> None:
    """One attempt at one job."""
    kind = KINDS.get(job.kind)
    attempt = _Attempt(services, job)
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
        told = {"progress": attempt.progress, "result": attempt.result}
        await _end(services, partial(asked_jobs.end, job=job, state=CANCELLED, **told))
    except Exception as error:  # whatever a job raises is its own failure, not the runner's
        message = f"{type(error).__name__}: {in_words(error)}"[:_ERROR_LENGTH]
        refusal = refusal_of(error) if job.asked_by is not None else None
        if refusal is not None:
            told = {"progress": attempt.progress, "result": attempt.result, "refusal": refusal, "error": message}
            await _end(services, partial(asked_jobs.end, job=job, state=DEAD, **told))
            return
        await _end(services, _failed, job, kind, message, attempt.progress)
        _logger.warning("job %s (%s) failed: %s", job.id, job.kind, in_words(error))
    else:
        await _end(services, _succeeded, job, kind, attempt)


async def _end(services: Storage, fn: Any, *args: Any) -> None:
    try:
        await services.database.write(fn, *args)
    except DatabaseUnavailable as error:
        _logger.warning("the lease has to run out: %s", error)


class _Attempt:
    def __init__(self, services: Storage, job: Job) -> None:
        self._services, self._job = services, job
        self._lease_ends = time.monotonic() + LEASE
        self.progress: Any = None
        self._asked = None if job.asked_by is None else Asked(services.database, job, self._report)

    @property
    def result(self) -> Any:
        return None if self._asked is None else self._asked.result

    async def work(self, kind: Kind) -> None:
        """Raises what the handler raises, or TimeoutError when the lease was lost."""
        if self._job.is_cancelled:  # while whoever ran it before died
            raise Cancelled
        given = json.loads(self._job.payload) if self._asked is None else self._asked
        work = asyncio.ensure_future(kind.handler(self._services, given, self._report))
        try:
            while not (await asyncio.wait({work}, timeout=_RENEW))[0]:
                if not await self._renew():
                    raise TimeoutError("the lease was lost")
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _report(self, progress: Any) -> None:
        self.progress = progress

    async def _renew(self) -> bool:
        began = time.monotonic()
        try:
            renewed = await self._services.database.write(jobs.renew, self._job, LEASE, self.progress)
        except DatabaseUnavailable as error:
            _logger.warning("the lease of job %s wasn't renewed: %s", self._job.id, error)
            return time.monotonic() < self._lease_ends
        self._lease_ends = began + LEASE
        return renewed


def _succeeded(conn: Connection, job: Job, kind: Kind, attempt: _Attempt) -> None:
    progress = attempt.progress
    if job.asked_by is not None:
        asked_jobs.end(conn, job, DONE, progress=progress, result=attempt.result)
    elif kind.every is None:
        jobs.finish(conn, job, DONE, progress=progress)
        jobs.delete_done_before(conn, now(conn) - _KEEP_DONE)
    elif jobs.finish(conn, job, QUEUED, again_in=kind.every, progress=progress):
        jobs.reset_attempts(conn, job.id)


def _failed(conn: Connection, job: Job, kind: Kind | None, error: str, progress: Any) -> None:
    if job.asked_by is not None and asked_jobs.is_cancelled(conn, job):  # he doesn't want another attempt
        asked_jobs.end(conn, job, CANCELLED, progress=progress, error=error)
        return
    if kind is None or (kind.attempts is not None and job.attempts >= kind.attempts):
        if job.asked_by is not None:
            asked_jobs.end(conn, job, DEAD, progress=progress, error=error)
            return
        jobs.finish(conn, job, DEAD, error=error, progress=progress)
        return
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(job.attempts - 1, _DOUBLINGS))
    jobs.finish(conn, job, QUEUED, again_in=pause * random.uniform(0.5, 1.0), error=error, progress=progress)
