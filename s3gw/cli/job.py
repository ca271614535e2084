"""`s3gw job`: background work: what is queued, how far it has come and its log, ending it, and trying again what failed
for good.
"""

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
from s3gw.metadata.job_kinds import PRIORITIES
from s3gw.metadata.job_progress import counts_of, seconds_left

app = group()

JobId = Annotated[str, typer.Argument(metavar="ID", help="Its number, or the id that the JSON API tells.")]
_STATES = (jobs.QUEUED, jobs.RUNNING, jobs.DONE, jobs.DEAD, jobs.CANCELLED)

_ENDED = (jobs.DONE, jobs.DEAD, jobs.CANCELLED)
_PAUSE = 0.5  # seconds between two looks
_COLUMNS = ("id", "kind", "priority", "state", "attempts", "run_at", "progress", "error")  # `job show` tells the rest


def describe(job: jobs.Job) -> dict[str, Any]:
    priority = PRIORITIES.get(job.kind)
    return {
        "id": job.id,
        "kind": job.kind,
        "priority": None if priority is None else priority.name.lower(),
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
    kind: Annotated[str | None, typer.Option(help="Only of this kind, as unlink or batch.")] = None,
    limit: Limit = 100,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the jobs, the newest first."""
    with session(data, database_url, as_json) as metadata:
        if state is not None and state not in _STATES:
            raise Refused(f"a state is one of {', '.join(_STATES)}")
        if kind is not None and kind not in PRIORITIES:
            raise Refused(f"a kind is one of {', '.join(PRIORITIES)}")
        found = [describe(job) for job in metadata.read(jobs.list_jobs, state, limit, kind)]
        show(found if as_json else [job | {"progress": _counted(job["progress"])} for job in found], as_json, _COLUMNS)


@app.command("show")
def show_(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a job, with what it was asked to do and its log."""
    with session(data, database_url, as_json) as metadata:
        job = metadata.read(jobs.find, job_id)
        details = {"payload": json.loads(job.payload), "leased_by": job.leased_by, "lease_until": when(job.lease_until)}
        details |= {
            name: json.loads(text or "null") for name, text in (("result", job.result), ("refusal", job.refusal))
        }
        details |= _pace_of(job) | {"lines": json.loads(job.lines or "[]")}
        if as_json:
            show(describe(job) | details, as_json)
            return
        lines = details.pop("lines")
        show(describe(job) | details, as_json)
        for line in lines:
            print(f"  {line}")


def _pace_of(job: jobs.Job) -> dict[str, Any]:
    progress = json.loads(job.progress or "null")
    left = seconds_left(progress, job.rate) if job.state == jobs.RUNNING else None
    return {
        "begun_at": when(job.begun_at),
        "rate": None if job.rate is None else round(job.rate, 3),
        "seconds_left": None if left is None else round(left),
    }


@app.command()
def follow(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Print its log, and a line whenever a job has come further, until it has ended; exit status 1 where not well."""
    with session(data, database_url, as_json) as metadata:
        told, last_line = "", ""
        while True:
            job = metadata.read(jobs.find, job_id)
            lines = json.loads(job.lines or "[]")
            new = lines[len(lines) - lines[::-1].index(last_line) :] if last_line in lines else lines
            if not as_json:
                for line in new:
                    print(f"  {line}", flush=True)
            last_line = lines[-1] if lines else ""
            line = json.dumps(describe(job) | _pace_of(job) | {"lines": new}) if as_json else _line(job)
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
    """End a job: at once if it waits, else at its next step. What it has done stays done."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_cancel, job_id)), as_json)


@app.command()
def retry(job_id: JobId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Queue a dead job again."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_retry, job_id)), as_json)


def _retry(conn: Connection, job_id: str) -> jobs.Job:
    job = jobs.find(conn, job_id)
    asked_jobs.retry(conn, COMMAND_LINE, str(job.id))
    return jobs.get(conn, job.id)


def _cancel(conn: Connection, job_id: str) -> jobs.Job:
    job = jobs.find(conn, job_id)
    asked_jobs.cancel(conn, COMMAND_LINE, str(job.id))
    return jobs.get(conn, job.id)


def _counted(progress: Any) -> str | None:
    done, total = counts_of(progress)
    return None if progress is None else f"{done}" + (f" of {total}" if total is not None else "")


def _line(job: jobs.Job) -> str:
    progress = json.loads(job.progress or "null")
    told = f"{job.state}, attempt {job.attempts}"
    if progress is not None:
        told += f", {_counted(progress)}"
    if job.state == jobs.RUNNING and job.rate:
        left = seconds_left(progress, job.rate)
        told += f", {job.rate:.0f} a second" + (f", {left:.0f} s left" if left is not None else "")
    return told + (f": {job.error}" if job.error else "")
