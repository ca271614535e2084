"""`s3gw report`: reports of usage that are saved, when they are made, and making one now.

A report is made by the rights of its owner, whoever gives the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from s3gw.accounts import reports as accounts
from s3gw.accounts.reports import Wanted
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, Session, group, session, show, when
from s3gw.cli.job import describe as describe_job
from s3gw.cron import next_after
from s3gw.metadata import buckets, identities, jobs, report_runs, reports
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, now
from s3gw.metadata.reports import Fields, Report
from s3gw.operations.call import NO_CONTEXT
from s3gw.problems import NotFound
from s3gw.reports.spec import BY, FORMATS, By, Format, Spec, is_name

app = group()

_COLUMNS = ("name", "owner", "of", "by", "formats", "to", "cron", "is_enabled", "next_run")
Name = Annotated[str, typer.Argument(metavar="REPORT", help="Name or ID.")]
Cron = Annotated[str | None, typer.Option(help="Five fields in quotes, as '30 3 * * SUN'; default: never by itself.")]
Zone = Annotated[str | None, typer.Option(help="UTC, or a name as Europe/Berlin.")]


def describe(report: Report, names: Mapping[str, str]) -> dict[str, Any]:
    """Buckets as one names them to `create`; `names` has those that are there, by their IDs."""
    spec = Spec.loaded(report.document)
    times = {name: when(getattr(report, name)) for name in ("last_run", "next_run", "created_at", "updated_at")}
    return {
        "id": report.id,
        "name": report.name,
        "owner_id": report.owner_id,
        "owner": report.owner,
        "of": _of(spec, names),
        "prefix": spec.prefix,
        "by": list(spec.by),
        "formats": list(spec.formats),
        "to": f"{names.get(spec.to_bucket_id, spec.to_bucket_id)}/{spec.to_prefix}",
        "cron": report.cron,
        "time_zone": report.time_zone,
        "is_enabled": report.is_enabled,
        **times,
    }


def _told(metadata: Session, *found: Report) -> list[dict[str, Any]]:
    specs = [Spec.loaded(report.document) for report in found]
    names = metadata.read(_names_of, {id for spec in specs for id in (spec.bucket_id, spec.to_bucket_id) if id})
    return [describe(report, names) for report in found]


def _of(spec: Spec, names: Mapping[str, str]) -> str:
    if spec.bucket_id:
        return names.get(spec.bucket_id, spec.bucket_id)
    return "everyone" if spec.is_of_all else "own buckets"


def _names_of(conn: Connection, ids: set[str]) -> dict[str, str]:
    found = {id: buckets.find_by_uuid(conn, id) for id in ids}
    return {id: bucket.name for id, bucket in found.items() if bucket is not None}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="1 to 64 of A-Z a-z 0-9 . _ -: a part of the keys that it writes.")],
    to: Annotated[str, typer.Option(metavar="BUCKET[/FOLDER]", help="Where it is written, an object each time.")],
    owner: Annotated[
        str | None, typer.Option(metavar="USER", help="By whose rights; default: the admin of the first start.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="Only this bucket; default: all of the owner's.")] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="The buckets of all; the owner is an admin.")] = False,
    prefix: Annotated[str, typer.Option(help="Only what lies below it.")] = "",
    by: Annotated[
        list[str] | None, typer.Option(help=f"What rows there are, of {', '.join(BY)}; default: all.")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help=f"Of {', '.join(FORMATS)}; default: csv.")
    ] = None,
    cron: Cron = None,
    time_zone: Zone = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Save a report, to be made by `report run`, or by its cron line."""
    if not is_name(name):
        raise typer.BadParameter("1 to 64 of A-Z a-z 0-9 . _ -, the first no sign")
    if everyone and bucket is not None:
        raise typer.BadParameter("--everyone is for all buckets, and --bucket for one")
    rows = [_by(each) for each in dict.fromkeys(by or BY)]
    written = [_format(each) for each in dict.fromkeys(formats or ["csv"])]
    with session(data, database_url, as_json) as metadata:
        to_name, _, folder = to.partition("/")
        to_prefix = f"{folder.rstrip('/')}/" if folder else ""
        what = metadata.read(_uuid_of, bucket) if bucket is not None else None, everyone, prefix
        spec = Spec(*what, tuple(rows), tuple(written), metadata.read(_uuid_of, to_name), to_prefix)
        accounts.require_formats(spec)
        fields = _fields(metadata, Wanted(name, spec, cron, time_zone or "UTC"))
        made = metadata.write(_create, owner or metadata.settings.root_user, fields)
        show(_told(metadata, made)[0], as_json)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Of this user; default: of all.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the saved reports, and when they are made next."""
    with session(data, database_url, as_json) as metadata:
        show(_told(metadata, *metadata.read(_list, owner)), as_json, _COLUMNS)


@app.command("show")
def show_(report: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a saved report."""
    with session(data, database_url, as_json) as metadata:
        show(_told(metadata, metadata.read(reports.find_named, report))[0], as_json)


@app.command()
def update(
    report: Name,
    cron: Cron = None,
    time_zone: Zone = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether the cron line counts.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change when a report is made; what isn't given stays."""
    with session(data, database_url, as_json) as metadata:
        if cron is None and time_zone is None and enabled is None:
            raise Refused("nothing to change: give --cron, --time-zone, --enable or --disable")
        seen = metadata.read(reports.find_named, report)
        line = cron or seen.cron, time_zone or seen.time_zone, seen.is_enabled if enabled is None else enabled
        fields = _fields(metadata, Wanted(seen.name, Spec.loaded(seen.document), *line), seen.context)
        made = metadata.write(accounts.update, COMMAND_LINE, seen.id, fields, accounts.etag_of(seen))
        show(_told(metadata, made)[0], as_json)


@app.command()
def delete(report: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Delete a saved report; what it wrote stays."""
    with session(data, database_url, as_json) as metadata:
        show(_told(metadata, metadata.write(_delete, report))[0] | {"deleted": True}, as_json)


@app.command()
def run(report: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Make a report now, by a job that `job follow` tells of; one that is being made already is that one."""
    with session(data, database_url, as_json) as metadata:
        show(describe_job(metadata.write(_run, report)), as_json)


def _by(name: str) -> By:
    for known in BY:
        if known == name:
            return known
    raise typer.BadParameter(f"--by is one of {', '.join(BY)}")


def _format(name: str) -> Format:
    for known in FORMATS:
        if known == name:
            return known
    raise typer.BadParameter(f"--format is one of {', '.join(FORMATS)}")


def _fields(metadata: Session, wanted: Wanted, context: list[Any] | None = None) -> Fields:
    due = None if wanted.cron is None else next_after(wanted.cron, wanted.time_zone, metadata.read(now))
    return accounts.fields_of(wanted, list(NO_CONTEXT) if context is None else context, due)


def _uuid_of(conn: Connection, name: str) -> str:
    found = buckets.find(conn, name)
    if found is None:
        raise NotFound(f"there is no bucket {name}")
    return buckets.uuid_of(conn, found.id)


def _create(conn: Connection, owner: str, fields: Fields) -> Report:
    return accounts.create(conn, COMMAND_LINE, identities.find_user(conn, owner).id, fields)


def _list(conn: Connection, owner: str | None) -> list[Report]:
    owner_id = None if owner is None else identities.find_user(conn, owner).id
    return reports.page(conn, owner_id, 0, 10_000)[0]


def _delete(conn: Connection, report: str) -> Report:
    return accounts.delete(conn, COMMAND_LINE, reports.find_named(conn, report).id)


def _run(conn: Connection, report: str) -> jobs.Job:
    asked = report_runs.ask(conn, COMMAND_LINE, reports.find_named(conn, report))
    return jobs.find(conn, asked.id)
