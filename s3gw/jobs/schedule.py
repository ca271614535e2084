"""Begins jobs and saved reports by their cron lines (schedules.py and report_runs.py in metadata/), and queues periodic
work that isn't queued.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from s3gw.cron import next_after
from s3gw.metadata import jobs, report_runs, schedules
from s3gw.metadata.database import Connection, now
from s3gw.problems import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3gw.metadata.database import Database

_REPORTS_AT_ONCE = 50
_logger = logging.getLogger("s3gw.jobs")


async def begin_scheduled(database: Database) -> None:
    for schedule in await database.read(schedules.due):
        try:
            at = await database.read(now)
            next_run = await asyncio.to_thread(next_after, schedule.cron, schedule.time_zone, at)
        except Invalid as error:  # a name of a time zone that this machine doesn't have
            _logger.warning("%s can't be run by its schedule: %s", schedule.kind, error)
            continue
        await database.write(schedules.go_on, schedule, next_run)


async def begin_reports(database: Database) -> None:
    """Some of those that are due, the first ones first."""
    for report in await database.read(report_runs.due, _REPORTS_AT_ONCE):
        assert report.cron is not None, "what is due has a cron line"
        try:
            at = await database.read(now)
            next_run = await asyncio.to_thread(next_after, report.cron, report.time_zone, at)
        except Invalid as error:
            _logger.warning("report %s can't be run by its schedule: %s", report.id, error)
            continue
        await database.write(report_runs.go_on, report, next_run)


async def queue_missing(database: Database, periodic: Iterable[str]) -> None:
    missing = await database.read(_missing, tuple(periodic))
    if missing:
        await database.write(_queue, missing)


def _missing(conn: Connection, periodic: tuple[str, ...]) -> list[str]:
    scheduled = schedules.enabled(conn)
    return [kind for kind in periodic if kind not in scheduled and not jobs.is_on(conn, kind)]


def _queue(conn: Connection, kinds: list[str]) -> None:
    for kind in kinds:
        jobs.enqueue(conn, kind, None, singleton=kind)
