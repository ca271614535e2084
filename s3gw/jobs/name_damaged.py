"""Finds out which objects need damaged chunks: notes it with each chunk, and tells it to the log.

One walk along all contents and objects is for many chunks at once, and only reads; it begins anew where it was ended.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from s3gw.jobs.pace import paced
from s3gw.jobs.progress import Progress
from s3gw.metadata import concerned, damaged_blobs
from s3gw.metadata.concerned import Concerned, Digests
from s3gw.metadata.database import Database

_AT_ONCE = 500  # chunks that one walk is for
_ROWS = 1000
_MOST_NAMED = 200  # objects that are named of a chunk; all are counted
_MOST_TOLD = 10  # of them in the logs
_logger = logging.getLogger("s3gw.jobs")


async def name_damaged(database: Database, progress: Progress, before: int | None = None) -> None:
    """Of all damaged chunks whose objects nobody has looked for, or not since `before`."""
    after = ""
    while found := await database.scan(damaged_blobs.to_name, before, after, _AT_ONCE):
        after = max(found)
        needs = _Needs(set(found.values()))
        await needs.look(database)
        for location, digest in found.items():
            count, names = needs.counts.get(digest, 0), needs.names.get(digest, [])
            await database.write(damaged_blobs.name, location, count, names)
            _tell(progress, digest, location, count, names)


def _tell(progress: Progress, digest: bytes, location: str, count: int, names: list[dict[str, Any]]) -> None:
    first = [json.dumps(name) for name in names[:_MOST_TOLD]]
    _logger.error("the chunk %s at %s is damaged; %d need it: %s", digest.hex(), location, count, " ".join(first))
    progress.line(f"{digest.hex()[:16]} is needed by {count}")
    for name in first:
        progress.line(f"- {name}")


class _Needs:
    """Who needs which of the chunks."""

    def __init__(self, digests: set[bytes]) -> None:
        self._digests = digests
        self.counts: dict[bytes, int] = {}
        self.names: dict[bytes, list[dict[str, Any]]] = {}

    async def look(self, database: Database) -> None:
        known: dict[int, Digests] = {}
        after, newest = 0, await database.read(concerned.newest_content)
        while after < newest:
            found, after = await paced(database.scan(concerned.contents_of, self._digests, known, after))
            known.update(found)
        if not known:
            return
        for walk, first in concerned.WALKS:
            place: concerned.Place | None = first
            while place is not None:
                rows, place = await paced(database.scan(walk, place, _ROWS))
                found_rows = [row for row in rows if row.content_id in known]
                if found_rows:
                    await self._note(database, found_rows, known)

    async def _note(self, database: Database, rows: list[Concerned], known: dict[int, Digests]) -> None:
        buckets = await database.scan(concerned.names_of_buckets, {row.bucket_id for row in rows})
        for row in rows:
            for digest in known[row.content_id]:
                self.counts[digest] = self.counts.get(digest, 0) + 1
                names = self.names.setdefault(digest, [])
                if len(names) < _MOST_NAMED:
                    names.append({"bucket": buckets.get(row.bucket_id, ""), **row.told})
