"""Drops what has been in the trash for as long as its bucket keeps it, and buckets that were deleted as long ago.

A clock that is wrong for some minutes must not cost anybody a file (settled_clock.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.jobs.settled_clock import SettledClock
from s3gw.metadata import deleted_buckets, trash
from s3gw.metadata.database import now

if TYPE_CHECKING:
    from s3gw.storage import Storage

_BATCH = 100
_clock = SettledClock()


async def empty_trash(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    database, dropped = services.database, 0
    settled = _clock.settle(await database.read(now))
    if settled is None:
        return
    while count := await paced(database.write(trash.drop_expired, settled, _BATCH)):
        dropped += count
        progress({"files": dropped})
    while await paced(database.write(deleted_buckets.drop_expired, settled)):
        pass
