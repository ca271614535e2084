"""SQL of the times at which saved reports (reports.py) are made, and of the jobs that make them.

Each due time is one run, as of schedules.py: who changes `next_run` from what it saw begins the job, in the same
transaction, in the name of the report's owner.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, update

from s3gw.metadata import asked_jobs
from s3gw.metadata.active_users import IS_ACTIVE
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.reports import SELECT, Report, read
from s3gw.metadata.schedules import SET_BACK
from s3gw.metadata.schema import reports as table
from s3gw.problems import Conflict


def due(conn: Connection, limit: int) -> list[Report]:
    """Those whose time has come, and those to count anew, of users who are active. Only reads."""
    at = now(conn)
    is_due = or_(table.c.next_run <= at, table.c.counted_at > at + SET_BACK)
    wanted = SELECT.where(table.c.next_run.is_not(None), is_due, IS_ACTIVE)
    return [read(row) for row in conn.execute(wanted.order_by(table.c.next_run).limit(limit)).all()]


def go_on(conn: Connection, seen: Report, next_run: int) -> bool:
    """Begin a job if the time has come, and wait for the next one; False where another process has done it. Where its
    owner has too many jobs, or the last run is still on, this run is left out.
    """
    at = now(conn)
    is_run = seen.next_run is not None and seen.next_run <= at and seen.counted_at <= at + SET_BACK
    same = (
        table.c.id == seen.id,
        table.c.next_run == seen.next_run,
        table.c.counted_at == seen.counted_at,
        table.c.updated_at == seen.updated_at,
    )
    values = {"next_run": next_run, "counted_at": at} | ({"last_run": at} if is_run else {})
    if not conn.execute(update(table).where(*same).values(values)).rowcount:
        return False
    if is_run:
        try:
            ask(conn, Actor(seen.owner_id, seen.owner, "job"), seen)
        except Conflict:  # it is raised before anything is written
            pass
    return True


def ask(conn: Connection, actor: Actor, report: Report, given: dict[str, Any] | None = None) -> AskedJob:
    """A job that makes the report as its owner; one that is on already is that one. `given` is in the place of what the
    job is told of who asks: context and request id. Raises Conflict.
    """
    asked = {"context": report.context, "request_id": f"report-{report.id}"} | (given or {})
    payload = {"name": report.name, "spec": report.document, **asked}
    told = {"report": report.name}
    singleton = f"report/{report.id}"
    return asked_jobs.ask(conn, actor, "report", payload, told, singleton=singleton, user_id=report.owner_id)
