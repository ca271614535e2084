"""Schedules: which of the server's jobs are begun by a cron line. An admin's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from s3gw.accounts import schedules
from s3gw.accounts.schedules import Line, Shown
from s3gw.api.caller import TheAdmin, TheServices
from s3gw.api.jobs import StartedJob, started
from s3gw.api.models import Body, IfMatch, Page, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.cron import LONGEST_LINE

router = APIRouter(prefix="/schedules", tags=["jobs"], route_class=Route)

_LONGEST_NAME = 64
Kind = Annotated[str, Path(max_length=_LONGEST_NAME, description="Of job.")]


class Schedule(BaseModel):
    kind: str
    cron: str | None = Field(description="Null: it was never scheduled.")
    time_zone: str | None
    is_enabled: bool
    last_run: datetime | None = Field(description="By the cron line.")
    next_run: datetime | None
    updated_at: datetime | None


class ScheduleLine(Body):
    cron: str = Field(max_length=LONGEST_LINE, description="Five fields, as `30 3 * * SUN`.")
    time_zone: str = Field("UTC", max_length=_LONGEST_NAME, description="UTC, or a name as Europe/Berlin.")
    is_enabled: bool = True


@router.get("")
async def list_schedules(place: ThePlace, admin: TheAdmin, services: TheServices) -> Page[Schedule]:
    """All kinds of jobs that can be scheduled. For admins."""
    found = await services.database.read(schedules.list_all)
    return place.page_of(found[place.offset : place.offset + place.limit], len(found), _model)


@router.get("/{kind}")
async def get_schedule(kind: Kind, admin: TheAdmin, services: TheServices, response: Response) -> Schedule:
    """When jobs of a kind are begun. For admins."""
    return _told(await services.database.read(schedules.find, kind), response)


@router.put("/{kind}")
async def put_schedule(
    kind: Kind,
    body: ScheduleLine,
    admin: TheAdmin,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
) -> Schedule:
    """From now on. A time that is missed while nothing runs is made up for once. For admins."""
    line = Line(body.cron, body.time_zone, body.is_enabled)
    return _told(await schedules.put_as(services, admin, kind, line, if_match), response)


@router.post("/{kind}/run", status_code=202, response_model=StartedJob)
async def run_schedule(kind: Kind, admin: TheAdmin, services: TheServices) -> Response:
    """Begin a job of the kind now, whatever its schedule; one that is on already is that one. For admins."""
    return started(await services.database.write(schedules.run, admin.actor, kind))


def _told(shown: Shown, response: Response) -> Schedule:
    response.headers["ETag"] = shown.etag
    return _model(shown)


def _model(shown: Shown) -> Schedule:
    found = shown.schedule
    if found is None:
        return Schedule(
            kind=shown.kind, cron=None, time_zone=None, is_enabled=False, last_run=None, next_run=None, updated_at=None
        )
    return Schedule(
        kind=found.kind,
        cron=found.cron,
        time_zone=found.time_zone,
        is_enabled=found.is_enabled,
        last_run=None if found.last_run is None else time_of(found.last_run),
        next_run=time_of(found.next_run) if found.is_enabled else None,
        updated_at=time_of(found.updated_at),
    )
