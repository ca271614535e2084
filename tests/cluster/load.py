"""Clients that write and read through HAProxy without a pause, whatever dies meanwhile; and when they had answers."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from tests.crash.client import BUCKET, Answer, Client
from tests.crash.workload import CHUNK, Refused, Writer

_UNKNOWN = frozenset((502, 503, 504))  # HAProxy's too: nothing is promised


class Patient(Writer):
    """Goes on where a connection ends, as SDKs do. `answered` are the times of what was acknowledged.

    A write whose outcome isn't known may still be done much later, when a network is mended that had its COMMIT.
    So its key is written no more, and another one takes its place.
    """

    unknown = _UNKNOWN

    def __init__(self, name: str, seed: str, shared: Sequence[bytes]) -> None:
        super().__init__(name, seed, shared)
        self.answered: list[float] = []
        self.broken_off = self.reads = 0
        self._live = sorted(self.possible)
        self.history: dict[str, list[str]] = {}

    def work_until(self, url: str, end: threading.Event) -> None:
        while not end.is_set() and not self.failures:
            try:
                with Client(url) as client:
                    while not end.is_set() and not self.failures:
                        self._step(client)
            except (OSError, http.client.HTTPException):
                self.broken_off += 1
                time.sleep(0.05)
            except (Refused, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}"[:2000])

    def _step(self, client: Client) -> None:
        before = self.acknowledged
        if self._random.random() < 0.4:
            self._read(client)
        else:
            actions = (self._put, self._put, self._put, self._delete, self._copy, self._go_on_with_upload)
            self._random.choice(actions)(client)
        if self.acknowledged > before:
            self.answered.append(time.monotonic())

    def _keys(self) -> list[str]:
        return self._live

    def _write(self, client: Client, key: str, value: bytes | None, *arguments: Any, **named: Any) -> None:
        source = (named.get("headers") or {}).get("x-amz-copy-source", "").removeprefix(f"{BUCKET}/")
        told = f"{'nothing' if value is None else len(value)} {arguments[0]} {source}"
        try:
            super()._write(client, key, value, *arguments, **named)
        finally:
            if len(self.possible[key]) > 1:
                told += " unknown"
                self._leave(key)
                self._leave(source)  # of a copy that may be made later: of what is there then
            self.history.setdefault(key, []).append(told)

    def _leave(self, key: str) -> None:
        if key in self._live:
            another = f"{self.name}/{len(self.possible)}"
            self.possible[another] = [None]
            self._live[self._live.index(key)] = another

    def verify(self, url: str) -> None:
        try:
            super().verify(url)
        except AssertionError as error:
            lines = [f"{key}: {', '.join(told)}" for key, told in self.history.items()]
            error.add_note("\n".join(["what was written:", *lines]))
            raise

    def _send(self, *arguments: Any, **named: Any) -> Answer | None:
        upload, self._upload = self._upload, None
        answer = super()._send(*arguments, **named)
        if answer is not None:
            self._upload = upload  # otherwise nobody knows which parts it has, or will have
        return answer

    def _read(self, client: Client) -> None:
        """What was acknowledged is there for the next request, whichever node it comes to."""
        key = self._key()
        answer = client.request("GET", f"{BUCKET}/{key}")
        if answer.status in self.unknown:
            return
        found = None if answer.status == 404 else answer.body
        assert answer.status in (200, 404), (key, answer)
        sizes = [None if value is None else len(value) for value in self.possible[key]]
        assert found in self.possible[key], f"{key}: found {found and len(found)} bytes, it may have one of {sizes}"
        self.reads += 1
        self.answered.append(time.monotonic())


class Load:
    """Some of them, each in a thread."""

    def __init__(self, url: str, clients: int, seed: str) -> None:
        chance = random.Random(seed)
        shared = [chance.randbytes(size) for size in (CHUNK, 2 * CHUNK + 1, 3 * CHUNK)]
        self.clients = [Patient(f"client{number}", f"{seed}-{number}", shared) for number in range(clients)]
        self._url, self._end = url, threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=each.work_until, args=(self._url, self._end)) for each in self.clients]
        self._end.clear()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()
        assert self.failures == []

    @property
    def failures(self) -> list[str]:
        return [failure for each in self.clients for failure in each.failures]

    def pauses_after(self, then: float) -> list[float]:
        """Of the clients that had an answer since."""
        first = [_first_after(each.answered, then) for each in self.clients]
        return [at - then for at in first if at is not None]

    def longest_pause(self, since: float) -> float:
        """Of any client, between two answers."""
        self.await_answers(time.monotonic())
        of_each = ([since, *(at for at in list(each.answered) if at > since)] for each in self.clients)
        return max(later - earlier for times in of_each for earlier, later in pairwise(times))

    def await_answers(self, then: float, within: float = 60) -> list[float]:
        """Until each client had one since."""
        until = time.monotonic() + within
        while len(pauses := self.pauses_after(then)) < len(self.clients):
            assert not self.failures, self.failures
            assert time.monotonic() < until, f"{len(pauses)} of {len(self.clients)} clients go on: {pauses}"
            time.sleep(0.02)
        return pauses

    def verify(self) -> None:
        """Every byte of every key, and the lists."""
        for each in self.clients:
            each.verify(self._url)

    @property
    def told(self) -> str:
        acknowledged, reads = (sum(getattr(each, name) for each in self.clients) for name in ("acknowledged", "reads"))
        return f"{acknowledged} writes acknowledged, {reads} reads compared"


def _first_after(times: list[float], then: float) -> float | None:
    """Times are in order, and nearly all are before."""
    earliest = None
    for at in reversed(list(times)):
        if at <= then:
            break
        earliest = at
    return earliest
