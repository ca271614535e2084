"""Jobs that run one after the other, in order, on threads that many lanes share.

A lane goes to the end of the executor's queue after each job, so a fast upload doesn't keep the threads from a slow
one, and the next job starts without asking the event loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future


class Lane:
    """After a job has failed the later ones don't run: they fail with its exception."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._jobs: deque[tuple[Callable[[], object], Future[object]]] = deque()
        self._is_running = False
        self.error: BaseException | None = None

    def submit(self, job: Callable[[], object]) -> Future[object]:
        future: Future[object] = Future()
        with self._lock:
            self._jobs.append((job, future))
            starts, self._is_running = not self._is_running, True
        if starts:
            self._executor.submit(self._run_one)
        return future

    def _run_one(self) -> None:
        with self._lock:
            job, future = self._jobs.popleft()
        try:
            if self.error is not None:
                raise self.error
            future.set_result(job())
        except BaseException as error:
            self.error = error
            future.set_exception(error)
            raise  # into a future that nobody looks at
        finally:
            with self._lock:
                self._is_running = bool(self._jobs)
                continues = self._is_running
            if continues:
                self._executor.submit(self._run_one)

    def fail(self, error: BaseException) -> None:
        """Run none of the jobs that haven't begun."""
        self.error = error
