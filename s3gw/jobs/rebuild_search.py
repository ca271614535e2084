"""Builds the index of search anew: of all files that there are, and without those that are gone.

In small transactions, beside the reader of the outbox: each step writes what is there when it is written, so it doesn't
matter which of the two comes first. Where it ends in the middle it begins again, and finds most of it done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.metadata import search

if TYPE_CHECKING:
    from s3gw.storage import Storage

_BATCH = 100


async def rebuild_search(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    database, done = services.database, 0
    place: tuple[int, str] | None = (0, "")
    while place is not None:
        place = await paced(database.write(search.put_after, *place, _BATCH))
        done += _BATCH
        progress({"files": done})
    after: int | None = 0
    while after is not None:
        after = await paced(database.write(search.check_after, after, _BATCH))
