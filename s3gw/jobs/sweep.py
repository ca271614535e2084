"""The sweep: removes files that no row names, but only those that dead processes left.

A live process may be about to register what it has just written, so its files are left alone. A dead one can't register
any more: every commit asks whether its process was declared dead. Files whose rows the reaper has deleted are not the
sweep's: a job removes them, which was enqueued in the reaper's transaction (reaper.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from s3gw.metadata import blobs, processes
from s3gw.process_identity import mark_dead_processes, remove_lock

if TYPE_CHECKING:
    from s3gw.storage import Storage

_BATCH = 500


async def sweep(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """Mark dead processes, then remove the files that they left and no row names."""
    dead = await mark_dead_processes(services.database, services.settings.data)
    removed = 0
    if dead:
        names = {process.name for process in dead}
        files = services.store.locations()
        while listed := await asyncio.to_thread(_next, files):
            locations = [location for location in listed if blobs.process_of(location) in names]
            unnamed = await services.database.scan(blobs.unnamed, locations)
            await asyncio.to_thread(_unlink, services, unnamed)
            removed += len(unnamed)
            progress({"files": removed})
    for process in dead:
        await services.database.write(processes.forget, process.name)
        remove_lock(services.settings.data, process.name)


def _next(files: Iterator[str]) -> list[str]:
    return list(islice(files, _BATCH))


def _unlink(services: Storage, locations: list[str]) -> None:
    for location in locations:
        services.store.delete(location)
