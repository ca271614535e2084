"""Scrubbing: reads every chunk from the disk, in the order of the digests, and compares it with its digest.

A bad one is noted, its file kept, and it is found out whose it is. Each chunk that something counts on is pinned while
it is looked at, as by a read, so that none is called missing that the reaper has deleted. At most S3GW_SCRUB_RATE bytes
a second are read. It goes on behind the chunk that it noted last.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s3gw.content.damage import Inspector
from s3gw.jobs.name_damaged import name_damaged
from s3gw.jobs.pace import ByteRate
from s3gw.jobs.progress import Progress
from s3gw.metadata import blobs, damaged_blobs
from s3gw.metadata.damaged_blobs import Stored
from s3gw.metadata.database import now
from s3gw.threads import in_thread

if TYPE_CHECKING:
    from s3gw.storage import Storage

_PAGE = 200
_FIRST_GUESS = 16  # chunks from which on it is guessed how many there are
_BETWEEN_NAMING = 60.0  # seconds at least, and ten times as long as it took
_logger = logging.getLogger("s3gw.jobs")


async def scrub(services: Storage, payload: Any, progress: Progress) -> None:
    database = services.database
    counts = _Counts.of(progress.before) or _Counts(await database.read(now))
    run = _Run(services, progress, counts)
    while page := await database.scan(damaged_blobs.page_after, counts.after, _PAGE):
        for stored in page:
            await run.look_at(stored)
            await run.name_now_and_then()
            progress(counts.told())
    await database.write(damaged_blobs.settle)
    await name_damaged(database, progress, before=counts.began_at)
    ended = {"began_at": counts.began_at, "ended_at": await database.read(now), "chunks": counts.chunks}
    await database.write(damaged_blobs.note_run, ended | {"bytes": counts.bytes, "damaged": counts.damaged})
    progress(counts.told() | {"total": counts.chunks})


@dataclass
class _Counts:
    """What a run has looked at, up to the digest `after`."""

    began_at: int
    after: bytes = b""
    chunks: int = 0
    bytes: int = 0
    damaged: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> _Counts | None:
        if told is None:
            return None
        after = bytes.fromhex(told["after"])
        return cls(told["began_at"], after, told["done"], told["bytes"], told["damaged"])

    def told(self) -> dict[str, Any]:
        """Digests are spread evenly, so the part of them that lies behind tells about how many chunks there are."""
        part = int.from_bytes(self.after[:8].ljust(8, b"\0"), "big") / 2**64
        total = max(self.chunks, round(self.chunks / part)) if self.chunks >= _FIRST_GUESS and part > 0 else None
        noted = {"began_at": self.began_at, "after": self.after.hex(), "done": self.chunks, "total": total}
        return noted | {"bytes": self.bytes, "damaged": self.damaged}


class _Run:
    """One attempt. On the event loop; files are looked at in a thread, one at a time."""

    def __init__(self, services: Storage, progress: Progress, counts: _Counts) -> None:
        self._services, self._progress, self._counts = services, progress, counts
        self._inspector = Inspector(services.store)
        self._rate = ByteRate(services.settings.scrub_rate)
        self._has_unnamed, self._name_at = True, 0.0  # an attempt before may have ended before it named them

    async def look_at(self, stored: Stored) -> None:
        await self._rate.turn()
        services, counts = self._services, self._counts
        with services.pins.open() as pin:
            blob = await services.database.read(blobs.find, stored.digest)
            if blob is not None and blob.refs > 0:  # what was released before the pin isn't kept by it
                pin.keep_blob(blob.digest)
                await self._inspect(blob, stored.was_damaged)
                counts.chunks, counts.bytes = counts.chunks + 1, counts.bytes + blob.size
                self._rate.spent(blob.size)
        counts.after = stored.digest

    async def _inspect(self, blob: blobs.Blob, was_damaged: bool) -> None:
        database, store = self._services.database, self._services.store
        fault = await in_thread(None, self._inspector.fault_of, blob)
        if fault is None:
            if was_damaged:
                await database.write(damaged_blobs.heal, blob.location)
                self._progress.line(f"{blob.digest.hex()[:16]} can be read again")
            return
        self._counts.damaged += 1
        # The file is kept before it is noted: a row that says so is never wrong.
        is_kept = await in_thread(None, store.keep_damaged, blob.location)
        if await database.write(damaged_blobs.note, *blob[:3], fault.kind, fault.detail, is_kept):
            self._has_unnamed = True
            _logger.error("the chunk %s at %s is damaged: %s", blob.digest.hex(), blob.location, fault.detail)
            self._progress.line(f"{blob.digest.hex()[:16]} is {fault.kind}: {fault.detail}")

    async def name_now_and_then(self) -> None:
        if self._has_unnamed and time.monotonic() >= self._name_at:
            self._has_unnamed, began_at = False, time.monotonic()
            await name_damaged(self._services.database, self._progress)
            self._name_at = time.monotonic() + max(_BETWEEN_NAMING, 10 * (time.monotonic() - began_at))
