"""Drops the previews of contents that nothing has any more (metadata/previews.py says how that is found)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.metadata import previews

if TYPE_CHECKING:
    from s3gw.storage import Storage

_STEP, _BATCH = 500, 20  # sources that are looked at at once; of those that go, in a transaction


async def release_previews(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """All that can go. Where it ends in the middle, the next run begins again."""
    database, place, released = services.database, 0, 0
    while True:
        gone, on = await paced(database.scan(previews.unused_after, place, _STEP))
        for first in range(0, len(gone), _BATCH):
            released += await paced(database.write(previews.release, gone[first : first + _BATCH]))
            progress({"previews": released})
        if on is None:
            return
        place = on
