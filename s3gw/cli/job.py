"""`s3gw job`: background work: what is queued, how far it has come, what failed for good, and trying that again."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.options import Limit
from s3gw.metadata import asked_jobs, jobs
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection

app = group()

JobId = Annotated[str, typer.Argument(metavar="ID", help="Its number, or the id that the JSON API tells.")]
_STATES = (jobs.QUEUED, jobs.RUNNING, jobs.DONE, jobs.DEAD, jobs.CANCELLED)

_ENDED = (jobs.DONE, jobs.DEAD, jobs.CANCELLED)
_PAUSE = 0.5  # seconds between two looks
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
        job = metadata.read(jobs.find, job_id)
        details = {"payload": json.loads(job.payload), "leased_by": job.leased_by, "lease_until": when(job.lease_until)}
        details |= {
            name: json.loads(text or "null") for name, text in (("result", job.result), ("refusal", job.refusal))
        }
        show(describe(job) | details, as_json)


@app.command()
def follow(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Print a line whenever a job has come further, until it has ended; exit status 1 where it wasn't done."""
    with session(data, database_url, as_json) as metadata:
        began, first, told = time.monotonic(), None, ""
        while True:
            job = metadata.read(jobs.find, job_id)
            progress = json.loads(job.progress or "null")
            first = first if first is not None else _done_of(progress)
            line = _line(job, progress, first, time.monotonic() - began, as_json)
            if line != told:
                print(line, flush=True)
            told = line
            if job.state in _ENDED:
                break
            time.sleep(_PAUSE)
    if job.state != jobs.DONE:
        raise typer.Exit(1)


@app.command()
def cancel(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """End a job that a user asked for: at once if it waits, else at its next step. What it has done stays done."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_cancel, job_id)), as_json)


@app.command()
def retry(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Queue a dead job again."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_retry, job_id)), as_json)


def _retry(conn: Connection, job_id: str) -> jobs.Job:
    return jobs.retry(conn, jobs.find(conn, job_id).id)


def _cancel(conn: Connection, job_id: str) -> jobs.Job:
    job = jobs.find(conn, job_id)
    if job.uuid is None:
        raise Refused(f"job {job.id} is the server's own work: only what a user asked for can be cancelled")
    asked_jobs.cancel(conn, COMMAND_LINE, job.uuid)
    return jobs.get(conn, job.id)


def _done_of(progress: Any) -> int:
    return int(progress["done"]) if isinstance(progress, dict) and "done" in progress else 0


def _line(job: jobs.Job, progress: Any, first: int, seconds: float, as_json: bool) -> str:
    """`first` is what was done when following began, so many seconds ago."""
    if as_json:
        return json.dumps(describe(job))
    told = f"{job.state}, attempt {job.attempts}"
    total = progress.get("total") if isinstance(progress, dict) else None
    done = _done_of(progress)
    if isinstance(progress, dict) and "done" in progress:
        told += f", {done}" + (f" of {total}" if total is not None else "")
    if job.state == jobs.RUNNING and done > first:
        rate = (done - first) / seconds
        told += f", {rate:.0f} a second" + (f", {(total - done) / rate:.0f} s left" if total is not None else "")
    return told + (f": {job.error}" if job.error else "")
