"""Reads the outbox, and does what follows from changes of objects; removes rows that all readers have done, but
for the newest, which streams of events may read once more.

Not a row of the table of jobs, for the reason that seal_audit_log.py gives. A reader gets a batch, and does what it has
to do in the database, in the transaction that notes how far it has come: so each change counts once, whatever dies. Of
several machines' readers of a name one works at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from s3gw.events import notify
from s3gw.jobs import note_contents
from s3gw.metadata import jobs, outbox, scan_jobs, search, usage
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.outbox import Span
from s3gw.metadata.prepared import DialectName
from s3gw.scanning.setting import has_scanner

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.storage import Storage

PAUSE = 0.5  # seconds
_BATCH = 500  # changes of one transaction
_BATCHES = {note_contents.READER: 25}  # which asks more about each
Reader = Callable[[Connection, Span], None]
_logger = logging.getLogger("s3gw.jobs")


def _count(conn: Connection, span: Span) -> None:
    changes = outbox.rows_of(conn, span)
    usage.add_all(conn, [(change.bucket_id, change.more) for change in changes])
    limited = usage.with_prefixes(conn)
    for change in sorted(changes, key=lambda change: change.bucket_id):  # one order, as there
        if change.bucket_id in limited:
            usage.add_below(conn, change.bucket_id, change.key, change.more)


def readers_of(dialect: DialectName, settings: Settings | None = None) -> dict[str, Reader]:
    """On SQLite each change has counted itself. What is scanned for viruses is noted where there is a scanner."""
    readers: dict[str, Reader] = {search.READER: search.read, notify.READER: notify.read}
    if settings is not None and has_scanner(settings):
        readers[note_contents.READER] = partial(note_contents.read, policy=settings.scan)
    return readers | {usage.READER: _count} if dialect == "postgresql" else readers


async def keep_following(services: Storage) -> None:
    """Run until cancelled. What keeps it from reading is told once."""
    told, database = "", services.database
    readers = readers_of(database.dialect, services.settings)
    is_registered = False
    while True:
        try:
            if not is_registered:
                await database.write(_register, tuple(readers), services.settings.scan)
                is_registered = True
            if await database.read(outbox.any_unread):
                await follow_all(services, readers)
            told = ""
        except DatabaseUnavailable as error:
            if told != str(error):
                _logger.warning("what follows from changes has to wait: %s", error)
            told = str(error)
        await asyncio.sleep(PAUSE)


def _register(conn: Connection, names: Sequence[str], scan_policy: str) -> None:
    """What was there before search was is read by a job, and so is what wasn't scanned."""
    new = outbox.register(conn, names)
    if search.READER in new:
        jobs.enqueue(conn, "rebuild_search", None, singleton="rebuild_search")
    if note_contents.READER in names:
        scan_jobs.begin(conn, scan_policy, note_contents.READER in new)


async def follow_all(services: Storage, readers: dict[str, Reader]) -> None:
    """All that can be read now."""
    for name, reader in readers.items():
        limit = _BATCHES.get(name, _BATCH)
        while await services.database.write(_follow, name, reader, limit) == limit:
            pass
    while await services.database.write(outbox.trim, _BATCH, services.settings.event_backlog) == _BATCH:
        pass


def _follow(conn: Connection, name: str, reader: Reader, limit: int) -> int:
    span = outbox.advance(conn, name, limit)
    if span is None:
        return 0
    reader(conn, span)
    return span.rows
