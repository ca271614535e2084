"""The sweep: removes files that no row names, but only those that dead processes left.

A live process may be about to register what it has just written, so its files are its own. The dead can't register any
more: every commit asks whether its process was declared dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from s3gw.incarnation import bury_the_dead, remove_lock
from s3gw.metadata import blobs, processes

if TYPE_CHECKING:
    from s3gw.context import Services

_BATCH = 500


async def sweep(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
    """Bury the dead, then remove what they left and nobody names."""
    dead = await services.database.write(bury_the_dead, services.settings.data)
    removed = 0
    if dead:
        names = frozenset(process.incarnation for process in dead)
        files = services.store.locations()
        while locations := await asyncio.to_thread(_of_the_dead, files, names):
            unnamed = await services.database.scan(blobs.unnamed, locations)
            for location in unnamed:
                await asyncio.to_thread(services.store.delete, location)
            removed += len(unnamed)
            progress({"files": removed})
    for process in dead:
        await services.database.write(processes.forget, process.incarnation)
        remove_lock(services.settings.data, process.incarnation)


def _of_the_dead(files: Iterator[str], names: frozenset[str]) -> list[str]:
    return list(islice((location for location in files if blobs.incarnation_of(location) in names), _BATCH))
