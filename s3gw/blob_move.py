"""Copies every chunk that the database names from the store that is served to another one, while it is served.

What is there already, and proves intact, isn't copied again: so it can be broken off and begun again, and a second run
takes only what was stored meanwhile. Only when one run has found everything there is the other store given the
database's identity, without which no server starts with it. One that has another database's identity is refused: that
one's chunks have no rows here, and would be removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from threading import local

from s3gw.content.damage import Inspector
from s3gw.content.store import BlobStore
from s3gw.content.stored_chunk import is_intact
from s3gw.metadata import blobs, processes, store_identity
from s3gw.metadata.blobs import Blob
from s3gw.metadata.database import Database, UnsuitableDatabase
from s3gw.threads import in_thread

_PAGE = 200
_AT_ONCE = 8  # chunks; each is in memory
_THERE, _COPIED, _DAMAGED = "there", "copied", "damaged"


@dataclass
class Moved:
    """`damaged`: digests of chunks that aren't what was stored, so that they weren't copied."""

    chunks: int = 0
    copied: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    removed: int = 0


class BlobMove:
    """On the event loop; chunks are copied in threads, a page of them at a time."""

    def __init__(self, database: Database, source: BlobStore, target: BlobStore) -> None:
        self._database, self._source, self._target = database, source, target
        self._of_thread = local()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.moved = Moved()

    async def run(self, told: Callable[[Moved], None]) -> Moved:
        """Raises UnsuitableDatabase where the other store has chunks of another database."""
        known = await self._database.read(store_identity.known)
        _require_same(known, await in_thread(None, self._target.identity) or known)
        after = b""
        while page := await self._database.scan(blobs.page_after, after, _PAGE):
            await asyncio.gather(*(self._move(blob) for blob in page))
            after = page[-1].digest
            told(self.moved)
        if not self.moved.damaged:
            if known is not None:
                _require_same(known, await in_thread(None, self._target.identify, known))
            await self._remove_unneeded()
        return self.moved

    async def _move(self, blob: Blob) -> None:
        async with self._turns:
            outcome = await in_thread(None, self._copy, blob)
        if outcome == _DAMAGED:
            row = await self._database.read(blobs.find, blob.digest)
            if row is None:  # deleted meanwhile
                return
            if row.location != blob.location:  # and stored again
                await self._move(row)
                return
            self.moved.damaged.append(blob.digest.hex())
        self.moved.chunks += 1
        if outcome == _COPIED:
            self.moved.copied, self.moved.bytes = self.moved.copied + 1, self.moved.bytes + blob.size

    def _copy(self, blob: Blob) -> str:
        if is_intact(self._target, blob):
            return _THERE
        inspector: Inspector | None = getattr(self._of_thread, "inspector", None)
        if inspector is None:
            inspector = self._of_thread.inspector = Inspector(self._source)
        if inspector.fault_of(blob) is not None:
            return _DAMAGED
        try:
            self._target.create_whole(blob.location, inspector.file_of(blob))
        except FileExistsError:
            if is_intact(self._target, blob):  # another run has just copied it
                return _THERE
            self._target.delete(blob.location)
            self._target.create_whole(blob.location, inspector.file_of(blob))
        return _COPIED

    async def _remove_unneeded(self) -> None:
        """Chunks that were copied before and deleted since. Those of live processes may be about to be named."""
        files = self._target.locations()
        while listed := await in_thread(None, partial(_next, files)):
            # Asked after the list: whoever wrote one of these had registered before, and who is dead names none.
            known = await self._database.scan(processes.list_processes)
            alive = {process.name for process in known if not process.is_dead}
            old = [location for location in listed if blobs.process_of(location) not in alive]
            unnamed = await self._database.scan(blobs.unnamed, old)
            await in_thread(None, partial(self._target.delete, *unnamed))
            self.moved.removed += len(unnamed)


def _require_same(known: str | None, found: str | None) -> None:
    if found != known:
        raise UnsuitableDatabase(
            f"the store to move to has chunks of another database: its identity is {found}, this database's is"
            f" {known or 'none'}; give --to another prefix"
        )


def _next(files: Iterator[str]) -> list[str]:
    return list(islice(files, _PAGE))
