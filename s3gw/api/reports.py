"""Reports of usage: made once, and saved ones, which are made again and by a cron line."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, field_validator, model_validator

from s3gw.accounts import reports
from s3gw.accounts.reports import Wanted, etag_of
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.jobs import StartedJob, started
from s3gw.api.models import Body, Id, IfMatch, Page, Text, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.cron import LONGEST_LINE
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.reports import Report as SavedReport
from s3gw.operations.link_rights import needed
from s3gw.reports.spec import BY, NAME, Spec

router = APIRouter(prefix="/reports", tags=["reports"], route_class=Route)

_LONGEST_ZONE = 64
By = Literal["user", "bucket", "prefix", "type", "age", "duplicates"]
Format = Literal["csv", "json", "parquet"]
Prefix = Annotated[Text, Field(max_length=LONGEST_PATH)]
Name = Annotated[str, Field(pattern=f"^{NAME}$", description="1 to 64 of A-Z a-z 0-9 . _ -: a part of the keys.")]


class ReportDestination(Body):
    bucket_id: UUID = Field(description="One that the caller may write to.")
    prefix: Prefix = Field("", description="What the keys begin with; `NAME-TIME-JOB.FORMAT` follows.")


class NewReport(Body):
    """What is counted, and where it is written."""

    name: Name
    bucket_id: UUID | None = Field(None, description="Only this bucket; null: all of the caller's own.")
    everyone: bool = Field(False, description="For admins: the buckets of all users.")
    prefix: Prefix = Field("", description="Only what lies below it.")
    by: Annotated[list[By], Field(min_length=1, max_length=len(BY))] = Field(
        list(BY), description="What rows there are."
    )
    formats: Annotated[list[Format], Field(min_length=1, max_length=3)] = Field(
        ["csv"], description="One object of each is written."
    )
    destination: ReportDestination

    @field_validator("by", "formats")
    @classmethod
    def _is_unique(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("has one twice")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> NewReport:
        if self.everyone and self.bucket_id is not None:
            raise ValueError("everyone is for all buckets, and bucket_id for one")
        return self

    def spec(self) -> Spec:
        bucket_id = None if self.bucket_id is None else str(self.bucket_id)
        to = self.destination
        what = bucket_id, self.everyone, self.prefix, tuple(self.by), tuple(self.formats)
        return Spec(*what, str(to.bucket_id), to.prefix)


class SaveReport(NewReport):
    cron: Annotated[str, Field(max_length=LONGEST_LINE)] | None = Field(
        None, description="Five fields, as `30 3 * * SUN`; null: it is made when it is asked for."
    )
    time_zone: Annotated[str, Field(max_length=_LONGEST_ZONE)] = Field(
        "UTC", description="UTC, or a name as Europe/Berlin."
    )
    is_enabled: bool = Field(True, description="Whether the cron line counts.")

    def wanted(self) -> Wanted:
        return Wanted(self.name, self.spec(), self.cron, self.time_zone, self.is_enabled)


class WrittenTo(BaseModel):
    bucket_id: str
    prefix: str


class Report(BaseModel):
    """One that is saved."""

    id: str
    owner_id: str = Field(description="By whose rights it is made.")
    name: str
    bucket_id: str | None
    everyone: bool
    prefix: str
    by: list[By]
    formats: list[Format]
    destination: WrittenTo
    cron: str | None
    time_zone: str
    is_enabled: bool
    last_run: datetime | None = Field(description="By the cron line.")
    next_run: datetime | None
    created_at: datetime
    updated_at: datetime


@router.post("", status_code=202, response_model=StartedJob)
async def make_report(
    body: NewReport, asker: TheAsker, caller: TheCaller, services: TheServices, origin: TheOrigin
) -> Response:
    """Once, by a job: who uses how much. Of one's own buckets; of all users' for admins. It is written into a bucket,
    an object for each format, whose keys are in the job's `result`, by the rights that the caller has then.
    """
    spec = body.spec()
    to = await _require(asker, spec, caller, services, origin)
    return started(await reports.ask_once(services, caller, origin, body.name, spec, to.name))


@router.post("/saved", status_code=201)
async def save_report(
    body: SaveReport, asker: TheAsker, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> Report:
    """To be made again, and by its cron line, if it has one. A user has 100 at most, each with a name of its own."""
    await _require(asker, body.spec(), caller, services, origin)
    return _told(await reports.create_as(services, caller, origin, body.wanted()), response)


@router.get("/saved")
async def list_reports(place: ThePlace, caller: TheCaller, services: TheServices) -> Page[Report]:
    """The caller's; for admins and auditors, those of all users."""
    found, total = await reports.page_as(services, caller, place.offset, place.limit)
    return place.page_of(found, total, _model)


@router.get("/saved/{report_id}")
async def get_report(report_id: Id, caller: TheCaller, services: TheServices, response: Response) -> Report:
    """For its owner, admins and auditors."""
    return _told(await reports.find_as(services, caller, report_id), response)


@router.put("/saved/{report_id}")
async def put_report(
    report_id: Id,
    body: SaveReport,
    asker: TheAsker,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
    if_match: IfMatch = None,
) -> Report:
    """In the place of what it was. By its owner."""
    await reports.own(services, caller, report_id)
    await _require(asker, body.spec(), caller, services, origin)
    return _told(await reports.update_as(services, caller, origin, report_id, body.wanted(), if_match), response)


@router.delete("/saved/{report_id}", status_code=204)
async def delete_report(report_id: Id, caller: TheCaller, services: TheServices) -> Response:
    """What was written stays. By its owner and admins."""
    await reports.delete_as(services, caller, report_id)
    return Response(status_code=204)


@router.post("/saved/{report_id}/run", status_code=202, response_model=StartedJob)
async def run_report(report_id: Id, caller: TheCaller, services: TheServices, origin: TheOrigin) -> Response:
    """Now, whatever its cron line; one that is being made already is that one. By its owner."""
    await reports.own(services, caller, report_id)
    return started(await reports.run_as(services, caller, origin, report_id))


async def _require(asker: Asker, spec: Spec, caller: TheCaller, services: TheServices, origin: TheOrigin) -> Bucket:
    """Also that the caller may write there now."""
    to = await reports.require_may(services, caller, origin, spec)
    operation, input, row = needed("drop", spec.to_prefix, {})
    await asker.perform(asker.call(operation, to, **input), row)
    return to


def _told(report: SavedReport, response: Response) -> Report:
    response.headers["ETag"] = etag_of(report)
    return _model(report)


def _model(report: SavedReport) -> Report:
    spec = Spec.loaded(report.document)
    return Report(
        id=report.id,
        owner_id=report.owner_id,
        name=report.name,
        bucket_id=spec.bucket_id,
        everyone=spec.is_of_all,
        prefix=spec.prefix,
        by=list(spec.by),
        formats=list(spec.formats),
        destination=WrittenTo(bucket_id=spec.to_bucket_id, prefix=spec.to_prefix),
        cron=report.cron,
        time_zone=report.time_zone,
        is_enabled=report.is_enabled,
        last_run=None if report.last_run is None else time_of(report.last_run),
        next_run=None if report.next_run is None else time_of(report.next_run),
        created_at=time_of(report.created_at),
        updated_at=time_of(report.updated_at),
    )
