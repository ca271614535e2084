"""Jobs that run one after the other, in order, on threads that many queues share.

A queue goes to the end of the executor's queue after each job, so a fast upload doesn't keep the threads from a slow
one, and the next job starts without asking the event loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial

Job = tuple[Callable[[], object], "Future[object]"]


class SerialQueue:
    """After a job has failed the later ones don't run: they fail with its exception.

    Under `_lock`: the jobs, whether one is running or about to, and the error. Which thread runs the next job is
    decided by the one step that finds the queue idle or takes the job before it.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._is_running = False
        self._error: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        with self._lock:
            return self._error

    def submit(self, job: Callable[[], object]) -> Future[object]:
        future: Future[object] = Future()
        with self._lock:
            self._jobs.append((job, future))
            starts, self._is_running = not self._is_running, True
        if starts:
            self._run_next()
        return future

    def fail(self, error: BaseException) -> None:
        """Run none of the jobs that haven't begun."""
        with self._lock:
            self._error = self._error or error

    def _run_next(self) -> None:
        begun = submit(self._executor, self._run_one)
        if begun.done() and (error := begun.exception()) is not None:  # nobody may wait for these jobs for ever
            self.fail(error)
            while self._run_job():
                pass

    def _run_one(self) -> None:
        if self._run_job():
            self._run_next()

    def _run_job(self) -> bool:
        """Run the next job, or refuse it; whether there is another one."""
        with self._lock:
            job, future = self._jobs.popleft()
            error = self._error
        if future.set_running_or_notify_cancel():
            self._carry_out(job, future, error)
        with self._lock:
            self._is_running = bool(self._jobs)
            return self._is_running

    def _carry_out(self, job: Callable[[], object], future: Future[object], error: BaseException | None) -> None:
        try:
            if error is not None:
                raise error
            result = job()
        except BaseException as failure:
            self.fail(failure)
            future.set_exception(failure)
        else:
            future.set_result(result)


def submit(executor: Executor, job: Callable[[], object]) -> Future[object]:
    """As `executor.submit`; the future has the exception where the executor can't have a thread, or was shut down.

    The executor has queued the job by the time that it asks for a thread, and another thread may take it. Who gets it
    is decided by one atomic step, `Future.cancel`: a job whose future fails here is run by nobody, and one that a
    thread has taken is waited for as any other.
    """
    future: Future[object] = Future()
    try:
        executor.submit(partial(_run, job, future))
    except RuntimeError as error:
        if future.cancel():
            future = Future()
            future.set_exception(error)
    return future


def _run(job: Callable[[], object], future: Future[object]) -> None:
    try:
        if future.set_running_or_notify_cancel():
            future.set_result(job())
    except BaseException as error:
        future.set_exception(error)
    finally:
        del job, future  # an exception refers to this frame: nothing that the job was given shall live as long
