"""Schedules of jobs, for every door that shows and sets them: an admin's."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.login import Caller
from s3gw.cron import next_after
from s3gw.metadata import asked_jobs, schedules
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.job_kinds import SCHEDULABLE
from s3gw.metadata.schedules import Schedule
from s3gw.services import Services

_TURN = "schedules"  # by this name those who set one take turns, which needn't be there yet


class Line(NamedTuple):
    cron: str
    time_zone: str
    is_enabled: bool


class Shown(NamedTuple):
    """A kind that can be scheduled, and its schedule, if it has one."""

    kind: str
    schedule: Schedule | None

    @property
    def etag(self) -> str:
        """Of what can be set."""
        found = self.schedule
        return etag_of(None if found is None else [found.cron, found.time_zone, found.is_enabled, found.updated_at])


def list_all(conn: Connection) -> list[Shown]:
    found = {schedule.kind: schedule for schedule in schedules.all_of_them(conn)}
    return [Shown(kind, found.get(kind)) for kind in SCHEDULABLE]


def find(conn: Connection, kind: str) -> Shown:
    """Raises NotFound."""
    schedules.require_schedulable(kind)
    return Shown(kind, schedules.find(conn, kind))


async def put_as(services: Services, caller: Caller, kind: str, line: Line, if_match: str | None) -> Shown:
    """Raises NotFound, Invalid and PreconditionFailed."""
    at = await services.database.read(now)
    next_run = await asyncio.to_thread(next_after, line.cron, line.time_zone, at)
    return await services.database.write(put, caller.actor, kind, line, next_run, if_match, keys=(_TURN,))


def put(conn: Connection, actor: Actor, kind: str, line: Line, next_run: int, if_match: str | None = None) -> Shown:
    """`next_run` was counted before: a line that is due once in some years takes half a second. Raises NotFound and
    PreconditionFailed.
    """
    require_match(if_match, find(conn, kind).etag)
    schedules.put(conn, actor, kind, *line, next_run)
    return find(conn, kind)


def run(conn: Connection, actor: Actor, kind: str) -> AskedJob:
    """Raises NotFound."""
    return asked_jobs.find(conn, str(schedules.run(conn, actor, kind)))
