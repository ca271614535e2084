"""The reaper: unwinds contents that nothing counts on, deletes the chunks that nothing counts on then, and their files.

Only what was released before the floor, the start of the oldest read or upload still open anywhere; age decides
nothing. Work is cut into transactions of about ten milliseconds, so writers hardly notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.metadata import blobs, contents, processes
from s3gw.metadata.contents import CorruptContent
from s3gw.metadata.database import Connection, now

if TYPE_CHECKING:
    from s3gw.context import Services

_TRANSACTION = 0.010  # seconds
_FIRST_BATCH, _SMALLEST, _LARGEST = 32, 4, 512
_UNWIND = 64  # counts lowered at once in one content
_logger = logging.getLogger("s3gw.jobs")


async def reap(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
    """One round: everything that can go by now."""
    reaper = _Reaper(services, progress)
    while await reaper.unwind_batch():
        pass
    while await reaper.delete_batch():
        pass


class _Reaper:
    def __init__(self, services: Services, progress: Callable[[Any], None]) -> None:
        self._services, self._progress = services, progress
        self._batch = _FIRST_BATCH
        self._done = {"contents": 0, "files": 0}

    async def unwind_batch(self) -> bool:
        """Whether there may be more."""
        count, seconds = await self._services.database.write(_unwind, self._batch)
        self._adapt(seconds)
        self._report("contents", count)
        return count > 0

    async def delete_batch(self) -> bool:
        locations, seconds = await self._services.database.write(_delete, self._batch)
        self._adapt(seconds)
        # After the commit, whose outcome is known: no row names them, and none ever will.
        await asyncio.to_thread(_unlink, self._services, locations)
        self._report("files", len(locations))
        return bool(locations)

    def _adapt(self, seconds: float) -> None:
        if seconds > _TRANSACTION:
            self._batch = max(_SMALLEST, self._batch // 2)
        elif seconds < _TRANSACTION / 2:
            self._batch = min(_LARGEST, self._batch * 2)

    def _report(self, what: str, count: int) -> None:
        if count:
            self._done[what] += count
            self._progress(dict(self._done))


def _unwind(conn: Connection, batch: int) -> tuple[int, float]:
    started, done = time.perf_counter(), 0
    at = now(conn)
    for content_id in contents.contents_released_before(conn, processes.floor(conn), batch):
        try:
            contents.unwind(conn, content_id, at, _UNWIND)
        except CorruptContent as error:
            _logger.error("set aside: %s", error)
            contents.set_aside(conn, content_id)
        done += 1
        if time.perf_counter() - started > _TRANSACTION:
            break
    return done, time.perf_counter() - started


def _delete(conn: Connection, batch: int) -> tuple[list[str], float]:
    started = time.perf_counter()
    locations = list(blobs.delete_blobs_released_before(conn, processes.floor(conn), batch))
    return locations, time.perf_counter() - started


def _unlink(services: Services, locations: list[str]) -> None:
    for location in locations:
        services.store.delete(location)
