"""The reads and uploads that are open in this process, by the epoch in which they began.

The process publishes the oldest (incarnation.py), and nothing that was marked in that epoch or later is deleted from
the store. Why that is enough is told in jobs/reaper.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class OpenReads:
    """`epoch` is the newest one that this process knows to have begun. It may lag behind, which only delays reaping."""

    def __init__(self, epoch: int = 0) -> None:
        self.epoch = epoch
        self._tokens = count(1)
        self._began: dict[int, int] = {}

    def begin(self) -> int:
        """Call it before the row is read that says what to read. Gives the token for `end`."""
        token = next(self._tokens)
        self._began[token] = self.epoch
        return token

    def end(self, token: int) -> None:
        """May be called again."""
        self._began.pop(token, None)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        token = self.begin()
        try:
            yield
        finally:
            self.end(token)

    def oldest(self) -> int:
        """The epoch in which the oldest that is still open began, or the present one: later ones begin no earlier."""
        return min(self._began.values(), default=self.epoch)

    def __len__(self) -> int:
        return len(self._began)
