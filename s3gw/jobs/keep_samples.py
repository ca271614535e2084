"""Adds to the dashboard's history, once a minute, what this server's processes have answered since.

They count it anyway, in files that all of them share (metrics/), so requests pay nothing. Nothing is written where
nothing was answered and stored: an idle store rests. Each server has a job process, so each node tells its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from s3gw.metadata import samples
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.samples import Answered, Stored, Traffic

if TYPE_CHECKING:
    from s3gw.storage import Storage

FIRST, EVERY = 5.0, 60.0  # seconds
_NOTHING = Answered()
_logger = logging.getLogger("s3gw.jobs")


async def keep_samples(services: Storage) -> None:
    """Run until cancelled. What was answered while the database can't be reached is told with the next sample."""
    from s3gw.metrics.totals import totals  # which loads the library

    told, stored = await asyncio.to_thread(totals), Stored()
    if told is None:
        return
    pause = FIRST
    while True:
        await asyncio.sleep(pause)
        pause = EVERY
        found = await asyncio.to_thread(totals) or {}
        more = _more(found, told)
        try:
            counted = await services.database.scan(samples.counted)
            if more or counted != stored:
                await services.database.write(samples.add, more, counted)
            told, stored = found, counted
        except DatabaseUnavailable as error:
            _logger.warning("no sample for the dashboard: %s", error)


def _more(found: Traffic, told: Traffic) -> Traffic:
    """Since then; without the doors at which nothing was."""
    more = {door: answered.plus(told.get(door, _NOTHING), -1) for door, answered in found.items()}
    return {door: answered for door, answered in more.items() if any(answered.counts)}
