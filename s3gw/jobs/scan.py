"""Scans contents for viruses: what is due, a few at a time, each once however many objects have it.

What fails is tried again after growing pauses, and stays what it was until the scanner has said something: nothing
becomes clean for want of an answer. Whether the scanner can be asked at all is remembered, for /readyz and people.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from s3gw.content.reader import ContentReader
from s3gw.disks.faults import in_words
from s3gw.jobs.tell_scans import tell_all
from s3gw.metadata import scans
from s3gw.metadata.contents import CorruptContent
from s3gw.metadata.scans import CLEAN, INFECTED, UNSCANNABLE, Scan, Verdict
from s3gw.scanning.chosen import scanner_of
from s3gw.scanning.scanner import ScanFailed, ScannerDown, TooLargeToScan

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.scanning.scanner import Scanner
    from s3gw.storage import Storage

_HIDDEN = 60.0  # seconds beyond those that a scan may take, until another process may try it
_BUSY = 2.0  # seconds after which what waits for the same bytes looks again
_REST = 10.0  # seconds of what was to be scanned when the scanner was found to be down
_LONGEST_PAUSE = 3600.0
_DOUBLINGS = 12
_logger = logging.getLogger("s3gw.jobs")


def chosen_scanner(settings: Settings) -> Scanner | None:
    return scanner_of(settings.scan_clamd, settings.scan_command, settings.scan_timeout)


async def scan(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    """All that is due. What isn't by then is left to watch_scanner.py."""
    scanner = chosen_scanner(services.settings)
    if scanner is None:
        return
    await tell_all(services.database)
    version = await asked_version(services, scanner)
    if version is None:
        return
    async with Scanning(services, scanner, version) as scanning:
        await scanning.scan_due(progress)


async def asked_version(services: Storage, scanner: Scanner) -> str | None:
    """Of the scanner and its signatures. None: it is down, which is logged when it wasn't before."""
    database = services.database
    failing = await database.read(scans.remembered, "failing")
    try:
        version = await scanner.version()
    except ScannerDown as error:
        if failing is None:
            _logger.error("the virus scanner is down, and what isn't scanned has to wait: %s", error)
            await database.write(scans.remember, "failing", str(error))
        return None
    if failing is not None:
        _logger.warning("the virus scanner is there again")
        await database.write(scans.remember, "failing", None)
    return version


class Scanning:
    """On the event loop only."""

    def __init__(self, services: Storage, scanner: Scanner, version: str) -> None:
        self._services, self._scanner, self._version = services, scanner, version
        self._database, self._settings = services.database, services.settings
        self._reader = ContentReader(services.database, services.store)
        self._in_work: set[bytes] = set()  # `same_bytes` of what is being scanned
        self._is_down = False
        self.scanned = self.failed = 0

    async def __aenter__(self) -> Scanning:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.close()

    async def scan_due(self, progress: Callable[[Any], None]) -> None:
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._settings.scan_at_once):
                    workers.create_task(self._work(progress))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed  # what a runner tells people

    async def _work(self, progress: Callable[[Any], None]) -> None:
        hidden = self._settings.scan_timeout + _HIDDEN
        while not self._is_down:
            taken = await self._database.write(scans.take, hidden, 1)
            if not taken:
                return
            await self.scan(taken[0])
            progress({"scanned": self.scanned, "failed": self.failed})

    async def scan(self, row: Scan) -> None:
        """One content, and what follows from what is found. Raises nothing that is about this content alone."""
        if row.same_bytes in self._in_work:
            await self._database.write(scans.put_off, row.digest, _BUSY, "the same bytes are being scanned")
            return
        self._in_work.add(row.same_bytes)
        try:
            verdict = await self._verdict(row)
            if verdict is None:
                await self._database.write(scans.drop, row.digest)
                return
            await self._database.write(scans.settle, row, verdict)
            self.scanned += 1
            if verdict.state == INFECTED:
                _logger.warning("a virus was found: %s in content %s", verdict.threat, row.digest.hex())
        except ScannerDown as error:
            self._is_down = True
            self.failed += 1
            await self._database.write(scans.put_off, row.digest, _REST, str(error))
        except (ScanFailed, CorruptContent, OSError) as error:
            self.failed += 1
            reason = in_words(error)
            _logger.warning("content %s couldn't be scanned: %s", row.digest.hex(), reason)
            pause = min(_LONGEST_PAUSE, 2.0 ** min(row.attempts, _DOUBLINGS)) * random.uniform(0.5, 1.0)
            await self._database.write(scans.put_off, row.digest, pause, reason)
        else:
            await tell_all(self._database)
        finally:
            self._in_work.discard(row.same_bytes)

    async def _verdict(self, row: Scan) -> Verdict | None:
        """None: nothing has the content any more."""
        if row.state == scans.PENDING:
            known = await self._database.read(scans.same_verdict, row.same_bytes)
            if known is not None:
                return known
        with self._services.pins.open() as pin:  # before the row is read
            content = await self._database.read(scans.content_of, row.digest)
            if content is None:
                return None
            if content.size > self._settings.scan_max_size:
                return Verdict(UNSCANNABLE, "it is larger than S3GW_SCAN_MAX_SIZE", self._version)
            pin.keep_content(content.id)
            try:
                async with aclosing(self._reader.read(content)) as pieces:
                    found = await self._scanner.scan(pieces)
            except TooLargeToScan as error:
                return Verdict(UNSCANNABLE, str(error), self._version)
        return Verdict(CLEAN if found.threat is None else INFECTED, found.threat, self._version)
