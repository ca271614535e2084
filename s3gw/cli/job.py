"""`s3gw job`: background work: what is queued, what failed for good, and trying that again."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.options import Limit
from s3gw.metadata import jobs

app = group()

JobId = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1)]
_STATES = (jobs.QUEUED, jobs.RUNNING, jobs.DONE, jobs.DEAD, jobs.CANCELLED)

_COLUMNS = ("id", "kind", "state", "attempts", "run_at", "progress", "error")  # `job show` tells the rest


def describe(job: jobs.Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "attempts": job.attempts,
        "run_at": when(job.run_at),
        "created_at": when(job.created_at),
        "updated_at": when(job.updated_at),
        "progress": None if job.progress is None else json.loads(job.progress),
        "error": job.error,
    }


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="queued, running, done, dead or cancelled; default: all.")] = None,
    limit: Limit = 100,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the jobs, the newest first."""
    with session(data, database_url, as_json) as metadata:
        if state is not None and state not in _STATES:
            raise Refused(f"a state is one of {', '.join(_STATES)}")
        show([describe(job) for job in metadata.read(jobs.list_jobs, state, limit)], as_json, _COLUMNS)


@app.command("show")
def show_(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a job, with what it was asked to do."""
    with session(data, database_url, as_json) as metadata:
        job = metadata.read(jobs.get, job_id)
        details = {"payload": json.loads(job.payload), "leased_by": job.leased_by, "lease_until": when(job.lease_until)}
        show(describe(job) | details, as_json)


@app.command()
def retry(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Queue a dead job again."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(jobs.retry, job_id)), as_json)
