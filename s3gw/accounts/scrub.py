"""How scrubbing goes and what it found, for every door that shows it: to admins and auditors."""

from __future__ import annotations

from typing import Any, NamedTuple

from s3gw.metadata import asked_jobs, damaged_blobs, jobs, schedules
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.damaged_blobs import DAMAGED, HEALED, UNNEEDED, DamagedBlob
from s3gw.metadata.database import Connection
from s3gw.problems import NotFound

KIND = "scrub"
STATES = (DAMAGED, HEALED, UNNEEDED)


class Status(NamedTuple):
    """`job`: the one that is queued or running. `last_run`: what the last run told that came to its end."""

    job: AskedJob | None
    damaged: int
    last_run: dict[str, Any] | None
    next_run: int | None


def status(conn: Connection) -> Status:
    try:
        job: AskedJob | None = asked_jobs.find(conn, str(jobs.of_singleton(conn, KIND).id))
    except jobs.NoSuchJob:
        job = None
    schedule = schedules.find(conn, KIND)
    next_run = schedule.next_run if schedule is not None and schedule.is_enabled else None
    return Status(job, damaged_blobs.count(conn), damaged_blobs.last_run(conn), next_run)


def find(conn: Connection, location: str) -> DamagedBlob:
    """Raises NotFound."""
    found = damaged_blobs.find(conn, location)
    if found is None:
        raise NotFound("nothing damaged was found there")
    return found


def page(conn: Connection, state: str | None, offset: int, limit: int) -> tuple[list[DamagedBlob], int]:
    """The newest first."""
    return damaged_blobs.page(conn, STATES if state is None else (state,), offset, limit)
