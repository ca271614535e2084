"""The reads and uploads that are open in this process, by the time at which they began.

The process publishes the oldest (metadata/processes.py), and nothing that was released after it is deleted from the
store. Times are microseconds of the database's clock.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count


def local_clock() -> int:
    return time.time_ns() // 1000


class OpenReads:
    """`clock` gives the database's time; for a database on this machine that is the local one."""

    def __init__(self, clock: Callable[[], int] = local_clock) -> None:
        self._clock = clock
        self._tokens = count(1)
        self._started: dict[int, int] = {}

    def begin(self) -> int:
        """Call it before the row is read that says what to read. Gives the token for `end`."""
        token = next(self._tokens)
        self._started[token] = self._clock()
        return token

    def end(self, token: int) -> None:
        """May be called again."""
        self._started.pop(token, None)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        token = self.begin()
        try:
            yield
        finally:
            self.end(token)

    def oldest(self) -> int:
        """When the oldest that is still open began, or now: later ones begin later."""
        return min(self._started.values(), default=self._clock())

    def __len__(self) -> int:
        return len(self._started)
