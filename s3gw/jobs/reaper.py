"""The reaper: unwinds contents that nothing counts on, deletes the chunks that nothing counts on then, and their files.

No open read needs what it deletes. Epochs tell that, not age or a clock: numbers in the database that only this file
counts up (metadata/processes.py). It works in two transactions; the first decides when the second may run.

1. Mark. It looks for what is released with a plain read, so that what it finds was committed and is visible to
   everybody. The transaction after that marks these rows with the present epoch E and begins epoch E + 1.
2. Delete. Rows marked E that no published pin names go when the floor is above E, that is, when every live process has
   published that all of its other pins were opened in epoch E + 1 or later.

A read opens a pin, which is given the newest epoch that its process has seen, before it reads the row that says what to
read. One of epoch E + 1 or later was therefore opened after the release was visible, and its read can't have found what
was released. One of an earlier epoch holds the floor at E or below. So the time of a release isn't needed. It would
even mislead: it is taken before the commit, and a read that begins between the two sees the old row.

A read that lasts must not hold the floor for as long as its client likes. After some seconds its process publishes
the content that it reads (metadata/pins.py), and after that commit no longer counts the pin's epoch. Until then the pin
held the floor, so the content was not unwound; from then on the content's row is passed over, and while a content isn't
unwound its counts keep all that it consists of. A transaction that sees the risen floor sees the published pins too,
because they were committed first and each statement reads what was committed when it began.

An upload opens a pin for each stored chunk that it verifies instead of writing it again, before it looks for the row of
the chunk; so the chunk is still there when the upload commits, or the commit finds its row gone and the client is told
to try again. A dead process would hold the floor and its pins for ever, so the reaper first declares dead who died.

The locations of deleted rows are written into a job by the same transaction and unlinked after it. Work is cut into
transactions of about ten milliseconds, so writers hardly notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.metadata import blobs, contents, jobs, processes
from s3gw.metadata.contents import CorruptContent
from s3gw.metadata.database import Connection, now
from s3gw.process_identity import mark_dead_processes

if TYPE_CHECKING:
    from s3gw.storage import Storage

_TRANSACTION = 0.010  # seconds
_FIRST_BATCH, _SMALLEST, _LARGEST = 32, 4, 512
_UNWIND = 64  # counts lowered at once in one content
_GRACE = 60_000_000  # microseconds that the reaper has for unlinking before the job does it
_logger = logging.getLogger("s3gw.jobs")


async def reap(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """One round: everything that can go by now, and marks for the next one."""
    await mark_dead_processes(services.database, services.settings.data)
    reaper = _Reaper(services, progress)
    while await reaper.unwind_batch():
        pass
    while await reaper.mark_batch():
        pass
    while await reaper.delete_batch():
        pass


async def unlink(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """Remove the files at the locations in `payload`, whose rows are gone: the end of what a reaper began."""
    await asyncio.to_thread(services.store.delete, *payload)


class _Released(NamedTuple):
    contents: list[int]
    blobs: list[bytes]


class _Reaper:
    def __init__(self, services: Storage, progress: Callable[[Any], None]) -> None:
        self._services, self._progress = services, progress
        self._batch = _FIRST_BATCH
        self._done = {"contents": 0, "files": 0}

    async def unwind_batch(self) -> bool:
        """Whether there may be more."""
        touched, gone, seconds = await self._services.database.write(_unwind, self._batch)
        self._adapt(seconds)
        self._report("contents", gone)
        return touched > 0

    async def mark_batch(self) -> bool:
        # Not found by the transaction itself, which would see releases that are committed together with it.
        released = await self._services.database.scan(_find_released, self._batch)
        if not any(released):
            return False
        self._adapt(await self._services.database.write(_mark, released))
        return True

    async def delete_batch(self) -> bool:
        locations, job_id, seconds = await self._services.database.write(_delete, self._batch)
        self._adapt(seconds)
        if not locations:
            return False
        # The commit succeeded, so no row names them, and none ever will: locations aren't used again.
        await asyncio.to_thread(self._services.store.delete, *locations)
        await self._services.database.write(jobs.remove, job_id)
        self._report("files", len(locations))
        return True

    def _adapt(self, seconds: float) -> None:
        if seconds > _TRANSACTION:
            self._batch = max(_SMALLEST, self._batch // 2)
        elif seconds < _TRANSACTION / 2:
            self._batch = min(_LARGEST, self._batch * 2)

    def _report(self, what: str, count: int) -> None:
        if count:
            self._done[what] += count
            self._progress(dict(self._done))


def _find_released(conn: Connection, batch: int) -> _Released:
    return _Released(contents.unmarked(conn, batch), blobs.unmarked(conn, batch))


def _mark(conn: Connection, released: _Released) -> float:
    started = time.perf_counter()
    epoch = processes.end_epoch(conn)
    contents.mark(conn, released.contents, epoch)
    blobs.mark(conn, released.blobs, epoch)
    return time.perf_counter() - started


def _unwind(conn: Connection, batch: int) -> tuple[int, int, float]:
    """How many contents were touched and how many are gone, and the seconds that it took."""
    started, touched, gone = time.perf_counter(), 0, 0
    for content_id in contents.contents_released_before(conn, processes.floor(conn), batch):
        try:
            gone += contents.unwind(conn, content_id, _UNWIND)
        except CorruptContent as error:
            _logger.error("quarantined: %s", error)
            contents.quarantine(conn, content_id)
        touched += 1
        if time.perf_counter() - started > _TRANSACTION:
            break
    return touched, gone, time.perf_counter() - started


def _delete(conn: Connection, batch: int) -> tuple[list[str], int | None, float]:
    """The locations to unlink, and the job that unlinks them if this process dies before it has."""
    started, job_id = time.perf_counter(), None
    locations = list(blobs.delete_blobs_released_before(conn, processes.floor(conn), batch))
    if locations:
        job_id = jobs.enqueue(conn, "unlink", locations, run_at=now(conn) + _GRACE)
    return locations, job_id, time.perf_counter() - started
