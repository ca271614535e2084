"""`s3gw schedule`: which jobs are begun by a cron line, and when: setting that, and beginning one now."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.accounts import schedules
from s3gw.accounts.schedules import Line, Shown
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show, when
from s3gw.cli.job import describe
from s3gw.cron import next_after
from s3gw.metadata import jobs
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, now

app = group()

Kind = Annotated[str, typer.Argument(metavar="KIND", help="The kind of job: `s3gw schedule list` has them.")]


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the kinds of jobs that can be scheduled, and when they are run."""
    with session(data, database_url, as_json) as metadata:
        show([_told(shown) for shown in metadata.read(schedules.list_all)], as_json)


@app.command("set")
def set_(
    kind: Kind,
    cron: Annotated[str, typer.Argument(metavar="CRON", help="Five fields in quotes, as '30 3 * * SUN'.")],
    time_zone: Annotated[str, typer.Option(help="UTC, or a name as Europe/Berlin.")] = "UTC",
    enabled: Annotated[bool, typer.Option("--enabled/--disabled", help="Whether it counts from now on.")] = True,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Set by which cron line a job is begun; work that is periodic anyway waits for it too."""
    with session(data, database_url, as_json) as metadata:
        next_run = next_after(cron, time_zone, metadata.read(now))
        line = Line(cron, time_zone, enabled)
        show(_told(metadata.write(schedules.put, COMMAND_LINE, kind, line, next_run)), as_json)


@app.command()
def run(kind: Kind, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Begin a job of the kind now, which `job show` and `job follow` tell of; one that is on already is that one."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_run, kind)), as_json)


def _run(conn: Connection, kind: str) -> jobs.Job:
    return jobs.find(conn, schedules.run(conn, COMMAND_LINE, kind).id)


def _told(shown: Shown) -> dict[str, Any]:
    found = shown.schedule
    return {
        "kind": shown.kind,
        "cron": None if found is None else found.cron,
        "time_zone": None if found is None else found.time_zone,
        "is_enabled": found is not None and found.is_enabled,
        "last_run": None if found is None else when(found.last_run),
        "next_run": when(found.next_run) if found is not None and found.is_enabled else None,
    }
