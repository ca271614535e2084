"""`s3gw worker`: a worker of Celery that runs the heavy kinds of jobs, by the same attempts as a job process.

What it is told is the number of a row. It leases that row where it is due and this worker has a place for its kind
(places.py), and makes the attempt. All else is dropped: the table says what is left to be done, and carry.py sends that
again. Celery's threads only wait; the jobs are on one event loop, as in a job process, with a process identity of their
own, so a worker that dies is stood in for when its leases have ended.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.concurrency.thread import TaskPool
from celery.exceptions import CPendingDeprecationWarning
from celery.platforms import SecurityWarning
from celery.worker.consumer import Consumer

from s3gw import garbage
from s3gw.jobs.celery_app import TASK, open_app
from s3gw.jobs.places import Places
from s3gw.jobs.runner import attempt, lease
from s3gw.jobs.table import KINDS, carried
from s3gw.metadata import jobs
from s3gw.metadata.database import DatabaseUnavailable, UnsuitableDatabase
from s3gw.storage import open_storage

if TYPE_CHECKING:
    from celery import Celery

    from s3gw.config import Settings
    from s3gw.metadata.jobs import Job
    from s3gw.storage import Storage

_PATIENCE = 1.0  # seconds that a message waits for a place, so that other kinds get their turns
_LARGEST = 2**63 - 1
# What Celery's libraries raise of what is no message.
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
_logger = logging.getLogger("s3gw.jobs")


class Performer:
    """What a message has done. On the event loop only."""

    def __init__(self, services: Storage) -> None:
        self._services, self._kinds = services, carried(services.settings)
        self._places = Places(KINDS)
        self._freed = asyncio.Event()
        self._running: set[asyncio.Task[Any]] = set()
        self._is_stopping = False

    async def perform(self, job_id: int) -> None:
        """An attempt at this job, if one is due and there is a place for it."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._perform(job_id)
        except DatabaseUnavailable as error:
            _logger.warning("no work: %s", error)
        finally:
            self._running.discard(task)

    def stop(self) -> None:
        """What runs is given back, and nothing is begun any more."""
        self._is_stopping = True
        for task in self._running:
            task.cancel()

    async def _perform(self, job_id: int) -> None:
        ends_at = time.monotonic() + _PATIENCE
        while not self._is_stopping:
            job = await self._services.database.read(jobs.find_due, job_id)
            if job is None or job.kind not in self._kinds or await self._attempt(job):
                return
            try:
                await asyncio.wait_for(self._freed.wait(), ends_at - time.monotonic())
            except TimeoutError:
                return

    async def _attempt(self, job: Job) -> bool:
        """Whether there was a place, here and, where that counts, in all processes together."""
        want = self._places.want_for(job)
        if want is None:
            return False
        self._places.take(job)  # in the step in which there was one
        try:
            leased = await lease(self._services, want, job.id)
            for each in leased:
                await attempt(self._services, each)
        finally:
            self._places.leave(job)
            freed, self._freed = self._freed, asyncio.Event()
            freed.set()
        return bool(leased)


class Loop:
    """The event loop and the store, in a thread of their own. `open` and `close` are called in the main thread, `run`
    in Celery's; they hand over by run_coroutine_threadsafe and wait.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="jobs")
        self._stack = AsyncExitStack()

    def open(self, settings: Settings) -> None:
        """Raises what opening the store does, and UnsuitableDatabase."""
        self._thread.start()
        self._wait(self._open(settings))

    def run(self, job_id: int) -> None:
        with suppress(CancelledError):  # the worker stops
            self._wait(self._performer.perform(job_id))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._performer.stop)

    def close(self) -> None:
        self._wait(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, settings: Settings) -> None:
        services = await self._stack.enter_async_context(open_storage(settings, "celery"))
        if services.database.is_read_only:
            raise UnsuitableDatabase("the database can't be written, so no job can be run")
        self._performer = Performer(services)

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Pool(TaskPool):  # type: ignore[misc]
    """Celery's threads. While all of them wait for jobs it takes no more messages, which are for other workers. Nothing
    is acknowledged in them (celery_app.py): Celery would, for it hears by `accept_callback` that a task has begun.
    """

    jobs: Loop

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._free = threading.Semaphore(self.limit)

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        """Signals are heard meanwhile, and have what runs end (`Loop.stop`)."""
        self._free.acquire()
        result = super().on_apply(*args, **kwargs | {"accept_callback": None})
        result.f.add_done_callback(lambda _: self._free.release())
        return result

    def on_stop(self) -> None:
        """Whatever stops the worker, an error of Celery's too: else it would wait for its jobs."""
        self.jobs.stop()
        super().on_stop()


class Hearer(Consumer):  # type: ignore[misc]
    """Celery's. What is no message at all breaks its connection, and not the worker: it is gone from the broker then,
    and the worker connects anew.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection_errors = (*self.conninfo.connection_errors, *_BROKEN)


def work(settings: Settings, store: str, at_once: int) -> int:
    """Until SIGTERM or SIGINT; the exit status. `store`: its identity. Raises what opening the store does."""
    garbage.begin_to_collect()
    warnings.simplefilter("ignore", SecurityWarning)  # of root and bodies that aren't JSON, which nobody takes
    warnings.simplefilter("ignore", CPendingDeprecationWarning)  # of jobs that go on without the broker, as they should
    loop = Loop()
    try:
        loop.open(settings)
        signals.setup_logging.connect(_leave_logging, weak=False)
        signals.worker_ready.connect(partial(_tell_ready, carried(settings), at_once), weak=False)
        signals.worker_shutting_down.connect(lambda **_: loop.stop(), weak=False)
        app = open_app(settings, store, sorted(carried(settings)))
        add_task(app, loop.run)
        worker = app.Worker(
            pool_cls=type("PoolOfJobs", (Pool,), {"jobs": loop}),
            consumer_cls=Hearer,
            concurrency=at_once,
            optimization="default",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
        return int(worker.exitcode or 0)
    finally:
        loop.close()


def add_task(app: Celery, run: Callable[[int], None]) -> None:
    """The only one: Celery's own, by which a message could call others, are taken away."""

    def perform(job_id: Any) -> None:
        if type(job_id) is int and 0 < job_id <= _LARGEST:
            run(job_id)

    app.finalize()
    app.tasks.clear()
    app.task(name=TASK)(perform)


def _leave_logging(**_: Any) -> None:
    """Celery configures none where somebody listens to this signal. What it logs of each message is for nobody."""
    for name in ("celery", "kombu"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _tell_ready(kinds: frozenset[str], at_once: int, **_: Any) -> None:
    _logger.info("a worker of Celery runs %s, %d jobs at once at most", ", ".join(sorted(kinds)), at_once)
