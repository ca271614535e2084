"""`s3gw scrub`: reading every stored chunk again: how that goes, beginning it, and what was found bad."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.accounts import scrub
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.job import describe
from s3gw.cli.options import Limit
from s3gw.metadata import jobs, schedules
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.damaged_blobs import DamagedBlob
from s3gw.metadata.database import Connection

app = group()

Location = Annotated[str, typer.Argument(metavar="LOCATION", help="The name of the file, as `scrub list` tells it.")]
_COLUMNS = ("location", "state", "fault", "found_at", "healed_at", "needed_by")  # `scrub show` tells the rest


@app.command()
def status(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show whether a run is on and how far it is, how many chunks are damaged, and what the last run told."""
    with session(data, database_url, as_json) as metadata:
        found = metadata.read(scrub.status)
        last = found.last_run
        if last is not None:
            last = last | {name: when(last[name]) for name in ("began_at", "ended_at")}
        job, progress = found.job, None
        if job is not None and job.progress:
            progress = {name: job.progress.get(name) for name in ("done", "total", "bytes", "damaged")}
        told: dict[str, Any] = {"damaged": found.damaged, "job": None if job is None else job.id}
        told |= {"state": "idle" if job is None else job.state, "progress": progress}
        show(told | {"last_run": last, "next_run": when(found.next_run)}, as_json)


@app.command()
def run(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Begin a run now, which `job follow` tells of; one that is on already is that one."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_run)), as_json)


def _run(conn: Connection) -> jobs.Job:
    return jobs.get(conn, schedules.run(conn, COMMAND_LINE, scrub.KIND))


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="damaged, healed or unneeded; default: all.")] = None,
    limit: Limit = 100,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the chunks that were found damaged, the newest first."""
    with session(data, database_url, as_json) as metadata:
        if state is not None and state not in scrub.STATES:
            raise Refused(f"a state is one of {', '.join(scrub.STATES)}")
        show([_told(chunk) for chunk in metadata.read(scrub.page, state, 0, limit)[0]], as_json, _COLUMNS)


@app.command("show")
def show_(location: Location, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a chunk that was found damaged, and the objects that need it."""
    with session(data, database_url, as_json) as metadata:
        chunk = metadata.read(scrub.find, location)
        if as_json:
            show(_told(chunk) | {"names": chunk.names}, as_json)
            return
        show(_told(chunk), as_json)
        for name in chunk.names:
            print("  " + " ".join(f"{field}={value!r}" for field, value in name.items()))


def _told(chunk: DamagedBlob) -> dict[str, Any]:
    told = chunk._asdict() | {name: when(getattr(chunk, name)) for name in ("found_at", "healed_at", "named_at")}
    del told["names"]
    return told | {"digest": chunk.digest.hex()}
