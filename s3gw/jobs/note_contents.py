"""Notes which contents are to be scanned for viruses: of what comes, as a reader of the outbox, and of what is there
when scanning is turned on, by a job.

Both look at what is there now, so it doesn't matter which of them comes first, nor how often.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.metadata import buckets, objects, outbox, scan_jobs, scans
from s3gw.metadata.database import Connection
from s3gw.metadata.outbox import Span
from s3gw.metadata.scans import Place
from s3gw.scanning.setting import has_scanner

if TYPE_CHECKING:
    from s3gw.storage import Storage

READER = "scans"
_KINDS = ("created", "removed", "hidden")  # a marker may take the place of a version
_BATCH = 25


def read(conn: Connection, span: Span, policy: str) -> None:
    """`policy` is the server's."""
    changed = {(row.bucket_id, row.key, row.version_id) for row in outbox.rows_of(conn, span) if row.kind in _KINDS}
    scanned = _scanned(conn, {bucket_id for bucket_id, _, _ in changed}, policy)
    any_new = False
    for bucket_id, key, version_id in sorted(changed):  # one order, as each writer's rows have one
        found = objects.find(conn, bucket_id, key, version_id) if bucket_id in scanned else None
        if found is None or found.content_id is None:
            scans.forget(conn, bucket_id, key, version_id)
        else:
            any_new |= scans.note(conn, bucket_id, key, version_id, found.content_id, is_new=True)
    if any_new:
        scan_jobs.ask_for_scans(conn)


def _scanned(conn: Connection, ids: Collection[int], policy: str) -> set[int]:
    return {id for id, own in buckets.scan_policies(conn, ids).items() if (own or policy) != "off"}


async def note_contents(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """Of one bucket or of all. Where it ends in the middle it begins again, and finds most of it done."""
    settings, bucket_id = services.settings, None if payload is None else int(payload["bucket_id"])
    if not has_scanner(settings):
        return
    place, done = Place(bucket_id or 0, "", -(2**63)), 0
    while True:
        found = await paced(services.database.write(_note, place, bucket_id, settings.scan))
        if found is None:
            return
        place, done = found, done + _BATCH
        progress({"versions": done})


def _note(conn: Connection, after: Place, bucket_id: int | None, policy: str) -> Place | None:
    """Of the next versions; where to go on, None: there are no more."""
    found = scans.versions_after(conn, after, _BATCH, bucket_id)
    scanned = _scanned(conn, {version.place.bucket_id for version in found}, policy)
    for place, version_id, content_id in found:
        if place.bucket_id in scanned:
            scans.note(conn, place.bucket_id, place.key, version_id, content_id, is_new=False)
    if found and scanned:
        scan_jobs.ask_for_scans(conn)
    return found[-1].place if len(found) == _BATCH else None
