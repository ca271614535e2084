"""Schedules of jobs, for every door that shows and sets them: an admin's."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.accounts.etags import etag_of, require_match
from s3gw.cron import next_after
from s3gw.metadata import asked_jobs, schedules
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.job_kinds import SCHEDULABLE
from s3gw.metadata.schedules import Schedule


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


def put(conn: Connection, actor: Actor, kind: str, line: Line, if_match: str | None = None) -> Shown:
    """Raises NotFound, Invalid and PreconditionFailed."""
    require_match(if_match, find(conn, kind).etag)
    next_run = next_after(line.cron, line.time_zone, now(conn))
    schedules.put(conn, actor, kind, *line, next_run)
    return find(conn, kind)


def run(conn: Connection, actor: Actor, kind: str) -> AskedJob:
    """Raises NotFound."""
    return asked_jobs.find(conn, str(schedules.run(conn, actor, kind)))
