"""Reports of usage: asking for one, and those that are saved, to be run again or by a cron line.

A report is made by the rights that its owner has then. So nobody but the owner changes or runs one; admins see all,
and delete any.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from s3gw.accounts import jobs
from s3gw.accounts.etags import etag_of as hashed
from s3gw.accounts.etags import require_match
from s3gw.accounts.grants import find_bucket
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.cron import next_after
from s3gw.metadata import report_runs, reports
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection, now
from s3gw.metadata.reports import Fields, Report
from s3gw.problems import Fault, Invalid, NotFound, PermissionDenied
from s3gw.reports.parquet import is_installed
from s3gw.reports.spec import Spec
from s3gw.services import Services

_SEES_ALL = ("admin", "auditor")


class Wanted(NamedTuple):
    """`cron`: None is never. One that isn't enabled waits until it is."""

    name: str
    spec: Spec
    cron: str | None = None
    time_zone: str = "UTC"
    is_enabled: bool = True


def require_formats(spec: Spec) -> None:
    """Raises Invalid."""
    if "parquet" in spec.formats and not is_installed():
        message = "Parquet can't be written here: the server needs s3gw[parquet]"
        raise Invalid(message, faults=(Fault("formats", message),))


async def require_may(services: Services, caller: Caller, origin: Origin, spec: Spec) -> Bucket:
    """The bucket that it is written to. Whether the caller may ask for it now; when it is made it is asked again.
    Raises NotFound, PermissionDenied and Invalid.
    """
    require_formats(spec)
    if spec.is_of_all and caller.principal.role != "admin":
        raise PermissionDenied("only an admin may have a report of the buckets of all users")
    if spec.bucket_id is None and not spec.is_of_all and not caller.principal.is_root:
        raise PermissionDenied("buckets are owned by the owner of the account")
    if spec.bucket_id is not None:
        bucket, _ = await find_bucket(services, caller, origin, spec.bucket_id)
        if bucket.owner_id != caller.principal.user_id and caller.principal.role != "admin":
            raise PermissionDenied("a report of a bucket is for its owner, and for admins")
    return (await find_bucket(services, caller, origin, spec.to_bucket_id))[0]


async def ask_once(services: Services, caller: Caller, origin: Origin, name: str, spec: Spec, to: str) -> AskedJob:
    """`to` is the name of the bucket that it is written to. Raises Conflict."""
    return await jobs.ask(services, caller, origin, "report", {"name": name, "spec": spec.dumped()}, to)


def etag_of(report: Report) -> str:
    """Of what is set."""
    return hashed(report._replace(last_run=None, next_run=None, counted_at=0))


async def _fields(services: Services, origin: Origin, wanted: Wanted) -> Fields:
    """Raises Invalid for a cron line that is none."""
    next_run = None
    if wanted.cron is not None:
        at = await services.database.read(now)
        next_run = await asyncio.to_thread(next_after, wanted.cron, wanted.time_zone, at)
    return fields_of(wanted, list(origin.context), next_run)


def fields_of(wanted: Wanted, context: list[object], next_run: int | None) -> Fields:
    due = next_run if wanted.is_enabled else None
    return Fields(wanted.name, wanted.spec.dumped(), context, wanted.cron, wanted.time_zone, wanted.is_enabled, due)


def create(conn: Connection, actor: Actor, owner_id: str, fields: Fields) -> Report:
    """Raises NotFound and Conflict."""
    made = reports.create(conn, owner_id, fields)
    told(conn, actor, "report.create", None, made)
    return made


def update(conn: Connection, actor: Actor, report_id: str, fields: Fields, if_match: str | None = None) -> Report:
    """Raises NotFound, Conflict and PreconditionFailed."""
    before = reports.lock(conn, report_id)
    require_match(if_match, etag_of(before))
    after = reports.change(conn, before, fields)
    told(conn, actor, "report.update", before, after)
    return after


def delete(conn: Connection, actor: Actor, report_id: str) -> Report:
    """A job that makes it just now goes on. Raises NotFound."""
    gone = reports.remove(conn, report_id)
    told(conn, actor, "report.delete", gone, None)
    return gone


async def create_as(services: Services, caller: Caller, origin: Origin, wanted: Wanted) -> Report:
    """Raises Invalid and Conflict."""
    fields = await _fields(services, origin, wanted)
    return await services.database.write(create, caller.actor, caller.principal.user_id, fields)


async def page_as(services: Services, caller: Caller, offset: int, limit: int) -> tuple[list[Report], int]:
    """The caller's; for admins and auditors, all."""
    owner_id = None if caller.principal.role in _SEES_ALL else caller.principal.user_id
    return await services.database.scan(reports.page, owner_id, offset, limit)


async def find_as(services: Services, caller: Caller, report_id: str) -> Report:
    """Raises NotFound, also where the caller may not see it."""
    report = await services.database.read(reports.find, report_id)
    if report.owner_id != caller.principal.user_id and caller.principal.role not in _SEES_ALL:
        raise NotFound("there is no such report")
    return report


async def own(services: Services, caller: Caller, report_id: str) -> Report:
    """Raises NotFound, and PermissionDenied for who may only see it."""
    report = await find_as(services, caller, report_id)
    if report.owner_id != caller.principal.user_id:
        raise PermissionDenied("a report is made by the rights of its owner, who alone may change and run it")
    return report


async def update_as(
    services: Services, caller: Caller, origin: Origin, report_id: str, wanted: Wanted, if_match: str | None
) -> Report:
    """One's own. Raises Invalid, NotFound, Conflict and PreconditionFailed."""
    fields = await _fields(services, origin, wanted)
    return await services.database.write(update, caller.actor, report_id, fields, if_match)


async def delete_as(services: Services, caller: Caller, report_id: str) -> None:
    """Raises NotFound and PermissionDenied."""
    report = await find_as(services, caller, report_id)
    if report.owner_id != caller.principal.user_id and caller.principal.role != "admin":
        raise PermissionDenied("only the owner of the report and admins may delete it")
    await services.database.write(delete, caller.actor, report_id)


async def run_as(services: Services, caller: Caller, origin: Origin, report_id: str) -> AskedJob:
    """One's own. Raises Conflict."""
    given = {"context": list(origin.context), "request_id": origin.request_id}
    return await services.database.write(_run, caller.actor, report_id, given)


def _run(conn: Connection, actor: Actor, report_id: str, given: dict[str, object]) -> AskedJob:
    return report_runs.ask(conn, actor, reports.find(conn, report_id), given)
