"""Serial queues: in order, one at a time, and nothing after a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from s3gw.content.serial_queue import SerialQueue, submit


def test_jobs_of_a_queue_run_in_order_beside_other_queues() -> None:
    with ThreadPoolExecutor(4) as executor:
        queues = [SerialQueue(executor) for _ in range(5)]
        seen: list[list[int]] = [[] for _ in queues]
        futures = [
            queue.submit(lambda number=number, done=done: done.append(number))  # type: ignore[misc]
            for number in range(200)
            for queue, done in zip(queues, seen, strict=True)
        ]
        for future in futures:
            future.result()
    assert seen == [list(range(200))] * 5


def test_after_a_failure_nothing_runs() -> None:
    ran: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        queue = SerialQueue(executor)
        bad = queue.submit(lambda: 1 // 0)
        later = queue.submit(lambda: ran.append(1))
        for future in (bad, later):
            with pytest.raises(ZeroDivisionError):
                future.result()
    assert ran == []
    assert isinstance(queue.error, ZeroDivisionError)


def test_a_failed_queue_drops_what_has_not_begun() -> None:
    begun, go = threading.Event(), threading.Event()

    def job() -> int:
        begun.set()
        go.wait()
        return 1

    with ThreadPoolExecutor(1) as executor:
        queue = SerialQueue(executor)
        running, waiting = queue.submit(job), queue.submit(lambda: 2)
        begun.wait()
        queue.fail(RuntimeError("given up"))
        go.set()
        assert running.result() == 1
        with pytest.raises(RuntimeError, match="given up"):
            waiting.result()


def test_a_job_that_was_cancelled_is_passed_over() -> None:
    ran: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        go.wait()

    with ThreadPoolExecutor(1) as executor:
        queue = SerialQueue(executor)
        queue.submit(job)
        begun.wait()
        cancelled, after = queue.submit(lambda: ran.append(1)), queue.submit(lambda: ran.append(2))
        assert cancelled.cancel()
        go.set()
        after.result(20)
    assert ran == [2]


def test_after_the_end_of_its_threads_a_queue_refuses_jobs_and_runs_none() -> None:
    ran: list[int] = []
    executor = ThreadPoolExecutor(1)
    queue = SerialQueue(executor)
    executor.shutdown()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="shutdown"):
            queue.submit(lambda: ran.append(1)).result(20)
    assert ran == []


@pytest.fixture
def busy_executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Its one thread works until the event is set, and the system gives it no other."""
    go = threading.Event()

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with ThreadPoolExecutor(2) as executor:
        executor.submit(go.wait)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        yield executor, go
        go.set()


@pytest.mark.parametrize("way", ["of its own", "in a queue"])
def test_a_job_that_was_said_to_have_failed_is_not_run_later(
    busy_executor: tuple[ThreadPoolExecutor, threading.Event], way: str
) -> None:
    """The executor has queued it by the time that it finds that it can't have a thread."""
    executor, go = busy_executor
    ran: list[int] = []
    submit_job = SerialQueue(executor).submit if way == "in a queue" else partial(submit, executor)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        submit_job(lambda: ran.append(1)).result(20)
    go.set()
    executor.shutdown()
    assert ran == []


def test_a_job_that_a_thread_took_nevertheless_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()

    def job() -> str:
        begun.set()
        go.wait()
        return "done"

    with ThreadPoolExecutor(1) as executor:
        take = executor.submit

        def taken_at_once(fn: Callable[[], object]) -> Future[object]:
            take(fn)
            begun.wait()
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(executor, "submit", taken_at_once)
        future = submit(executor, job)
        was_done = future.done()
        go.set()
        assert not was_done
        assert future.result(20) == "done"
