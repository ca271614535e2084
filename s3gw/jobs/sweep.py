"""The sweep: removes files that no row names, but only those that dead processes left.

A live process may be about to register what it has just written, so its files are left alone. A dead one can't register
any more: every commit asks whether its process was declared dead. Files whose rows the reaper has deleted are not the
sweep's: a job removes them, which was enqueued in the reaper's transaction (reaper.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from s3gw.metadata import blobs, processes
from s3gw.process_identity import mark_dead_processes, remove_lock

if TYPE_CHECKING:
    from s3gw.content.store import BlobStore
    from s3gw.storage import Storage

_BATCH = 500


async def sweep(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """Mark dead processes, then remove the files that they left and no row names."""
    dead = await mark_dead_processes(services.database, services.settings.data)
    removed = 0
    if dead:
        files = _left_by(services.store, {process.name for process in dead})
        while listed := await asyncio.to_thread(_next, files):
            unnamed = await services.database.scan(blobs.unnamed, listed)
            await asyncio.to_thread(services.store.delete, *unnamed)
            removed += len(unnamed)
            progress({"files": removed})
    for process in dead:
        await services.database.write(processes.forget, process.name)
        remove_lock(services.settings.data, process.name)


def _left_by(store: BlobStore, dead: set[str]) -> Iterator[str]:
    """A disk is looked through once for all of them; a store in the network, which lists by process, for each."""
    if store.is_remote:
        return chain.from_iterable(map(store.locations, dead))
    return (location for location in store.locations() if blobs.process_of(location) in dead)


def _next(files: Iterator[str]) -> list[str]:
    return list(islice(files, _BATCH))
