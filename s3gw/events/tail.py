"""The end of the outbox, as all streams of a worker read it: by one reader, which is there as long as a stream is.

What a stream gets of it is decided elsewhere, for each event. A stream has nothing here but its place, so a client that
is slow costs no memory: what isn't here any more is read from the database, as long as it is kept there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from s3gw.metadata import outbox
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.outbox import Following, Place
from s3gw.problems import RateLimited

if TYPE_CHECKING:
    from s3gw.metadata.database import Database
    from s3gw.metadata.outbox import ChangeRow

MOST_OF_USER = 5  # streams at a time, of each worker
PAUSE = 0.5  # seconds
_STEP = 500  # rows
_KEPT = 2000
_RETRY = 10.0  # seconds until somebody may try again to have one more
_logger = logging.getLogger("s3gw.events")


def place_of(row: ChangeRow) -> Place:
    return Place(row.transaction, row.id)


class Tail:
    """On the event loop only."""

    def __init__(self) -> None:
        self.has_ended = False  # the worker is about to end
        self._of_users: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._first: Place | None = None  # behind which all that there is up to _last is in _rows
        self._last = outbox.BEGINNING
        self._rows: deque[ChangeRow] = deque()
        self._news = asyncio.Event()

    def end(self) -> None:
        self.has_ended = True
        self._tell()

    @contextmanager
    def followed(self, database: Database, user_id: str) -> Iterator[None]:
        """By one stream more of this user. Raises RateLimited."""
        if self._of_users[user_id] >= MOST_OF_USER:
            raise RateLimited(f"a user has {MOST_OF_USER} streams of events at most", retry_after=_RETRY)
        self._of_users[user_id] += 1
        if self._task is None:
            self._task = asyncio.create_task(self._keep_reading(database))
        try:
            yield
        finally:
            self._of_users -= Counter((user_id,))  # drops what is none any more
            if not self._of_users:
                self._task.cancel()
                self._task, self._first = None, None
                self._rows.clear()

    async def behind(self, database: Database, place: Place) -> Following:
        """What comes next there, some of it. What was read already is given at once."""
        if self._first is None or place < self._first:
            return await database.scan(outbox.following, place, _STEP)
        found: list[ChangeRow] = []
        for row in reversed(self._rows):
            if place_of(row) <= place:
                break
            found.append(row)
        return Following(True, found[: -_STEP - 1 : -1])

    async def wait(self, seconds: float) -> bool:
        """Whether something was read meanwhile."""
        news = self._news
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await news.wait()
        return news.is_set()

    async def _keep_reading(self, database: Database) -> None:
        told = ""
        while True:
            try:
                await self._read(database)
                told = ""
            except DatabaseUnavailable as error:
                if told != str(error):
                    _logger.warning("streams of events have to wait: %s", error)
                told = str(error)
            await asyncio.sleep(PAUSE)

    async def _read(self, database: Database) -> None:
        if self._first is None:
            self._first = self._last = await database.read(outbox.newest)
            self._tell()
        while True:
            found = await database.scan(outbox.following, self._last, _STEP)
            if found.rows:
                self._take(found)
            if len(found.rows) < _STEP:
                return

    def _take(self, found: Following) -> None:
        rows = found.rows
        if not found.is_whole:  # who hasn't come so far finds that out from the database
            self._rows.clear()
            self._first, rows = place_of(rows[0]), rows[1:]
        self._rows.extend(rows)
        while len(self._rows) > _KEPT:
            self._first = place_of(self._rows.popleft())
        self._last = place_of(found.rows[-1])
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
