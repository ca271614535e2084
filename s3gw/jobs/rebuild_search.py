"""Builds the index of search anew: of all files that there are, and without those that are gone.

In small transactions, beside the reader of the outbox: each step writes what is there when it is written, so it doesn't
matter which of the two comes first. Where it ended in the middle it goes on, at most a second back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.jobs.progress import Progress
from s3gw.metadata import search

if TYPE_CHECKING:
    from s3gw.storage import Storage

_BATCH = 100


async def rebuild_search(services: Storage, payload: Any, progress: Progress) -> None:
    """In two passes: `put` what there is, by bucket and key, then `check` what the index has, by its rows."""
    database = services.database
    before = progress.before or {"done": 0, "pass": "put", "place": [0, ""]}
    done: int = before["done"]
    if before["pass"] == "put":
        place: tuple[int, str] | None = (before["place"][0], before["place"][1])
        while place is not None:
            place = await paced(database.write(search.put_after, *place, _BATCH))
            done += _BATCH
            progress({"done": done, "pass": "put", "place": place or [0, ""]})
        before = {"place": 0}
        progress.line("all files are in the index; what it has of others goes")
    after: int | None = before["place"]
    while after is not None:
        progress({"done": done, "pass": "check", "place": after})
        after = await paced(database.write(search.check_after, after, _BATCH))
