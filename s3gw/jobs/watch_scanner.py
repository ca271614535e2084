"""Looks after virus scanning: has what is due scanned, asks the scanner whether its signatures are newer, and has
what was scanned with older ones scanned again, at a pace that leaves room for others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.jobs.scan import Scanning, asked_version, chosen_scanner
from s3gw.metadata import scan_jobs, scans
from s3gw.metadata.database import now

if TYPE_CHECKING:
    from s3gw.storage import Storage

_ASKS_EVERY = 600.0  # seconds between two questions for its version
_BATCH = 20
_LOOKED_AT = 200
_KEPT = 30 * 86_400_000_000  # microseconds that a verdict is kept on what nothing has any more
_asked_at: list[float] = []  # on the event loop only


async def watch_scanner(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    database, scanner = services.database, chosen_scanner(services.settings)
    if scanner is None:
        if await database.read(scans.remembered, "failing") is not None:
            await database.write(scans.remember, "failing", None)
        return
    if await database.read(scans.any_work):
        await database.write(scan_jobs.ask_for_scans)
    if _asked_at and time.monotonic() < _asked_at[0] + _ASKS_EVERY:
        return
    _asked_at[:] = [time.monotonic()]
    version = await asked_version(services, scanner)
    if version and version != await database.read(scans.remembered, "version"):
        await database.write(scan_jobs.ask_for_rescan)


async def rescan(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """What is clean stays so until something else is found. What it did before it ended isn't done again."""
    database, scanner = services.database, chosen_scanner(services.settings)
    version = None if scanner is None else await asked_version(services, scanner)
    if scanner is None or not version:
        return
    async with Scanning(services, scanner, version) as scanning:
        after = b""
        while found := await database.read(scans.outdated, after, version, _BATCH):
            for row in found:
                await paced(scanning.scan(row))
                progress({"scanned": scanning.scanned, "failed": scanning.failed})
            after = found[-1].digest
        if not scanning.failed:
            await database.write(scans.remember, "version", version)
    await _forget_unused(services)


async def _forget_unused(services: Storage) -> None:
    database, before = services.database, await services.database.read(now) - _KEPT
    after: bytes | None = b""
    while after is not None:
        after = await paced(database.write(scans.forget_unused, after, before, _LOOKED_AT))
