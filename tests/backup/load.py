"""Clients whose writes are numbered, so that what is restored can be told to be the state at one moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.client import BUCKET, Client

CLIENTS, KEYS = 4, 5
CHUNK = 64 * 1024
_SIZES = (100, 17_000, 3 * CHUNK + 1, CHUNK)
SETTINGS = {"S3GW_BUCKETS": BUCKET, "S3GW_CHUNK_SIZE": str(CHUNK), "S3GW_ACCESS_LOG": "false"}


def body_of(client: int, step: int) -> bytes:
    return random.Random(f"{client}-{step}").randbytes(_SIZES[step % len(_SIZES)])


def is_delete(step: int) -> bool:
    return step % 7 == 6


def key_of(client: int, step: int) -> str:
    return f"{client}/{step * 3 % KEYS}"


def state_after(client: int, steps: int) -> dict[str, bytes]:
    """The objects of a client after so many steps."""
    last = {key_of(client, step): step for step in range(steps)}
    return {key: body_of(client, step) for key, step in last.items() if not is_delete(step)}


class Load:
    """`done`: of each client, how many of its steps were acknowledged. Each is only counted up, by its own thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.done = [0] * CLIENTS
        self.failures: list[str] = []
        self._ending = threading.Event()

    def _work(self, client: int) -> None:
        with Client(self._url) as connection:
            while not self._ending.is_set():
                step = self.done[client]
                method, body = ("DELETE", b"") if is_delete(step) else ("PUT", body_of(client, step))
                answer = connection.request(method, f"{BUCKET}/{key_of(client, step)}", body)
                if not answer.is_success:
                    self.failures.append(str(answer))
                    return
                self.done[client] += 1

    def await_steps(self, more: int) -> None:
        """Until each client has done so many more."""
        goal = [done + more for done in self.done]
        pause = threading.Event()
        while not self.failures and any(done < wanted for done, wanted in zip(self.done, goal, strict=True)):
            pause.wait(0.01)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(client,)) for client in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()
        assert self.failures == []
