"""The dashboard: what was answered, how soon, what is stored, and what waits; of all nodes together."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import reduce
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from s3gw.api.caller import TheServices, TheViewer
from s3gw.api.models import time_of
from s3gw.api.route import Route
from s3gw.metadata.measures import Measures
from s3gw.metadata.samples import Answered, Traffic, together
from s3gw.metrics import history
from s3gw.metrics.disks import Disk, disks_of
from s3gw.metrics.history import History, Latency, Name, Point

router = APIRouter(prefix="/dashboard", tags=["nodes"], route_class=Route)


class FirstByte(BaseModel):
    """Seconds to the beginning of an answer."""

    p50: float | None
    p95: float | None
    p99: float | None


class AnsweredRequests(BaseModel):
    requests: int
    refused: int = Field(description="4xx")
    failed: int = Field(description="5xx")
    aborted: int = Field(description="Broken off before their end.")
    received_bytes: int = Field(description="Of the bodies of requests.")
    sent_bytes: int = Field(description="Of the bodies of answers.")
    first_byte: FirstByte


class DoorRequests(AnsweredRequests):
    door: str = Field(description="s3, api, share or console; what the console asks of the API counts at both.")


class DashboardPoint(AnsweredRequests):
    at: datetime = Field(description="Where the step begins.")
    logical_bytes: int | None = Field(description="As last known in the step; null before the first sample.")
    physical_bytes: int | None
    exclusive_bytes: int | None


class DiskSpace(BaseModel):
    disk: str = Field(description="blobs or database")
    free_bytes: int
    size_bytes: int


class Space(BaseModel):
    logical_bytes: int = Field(description="Of all versions, parts of uploads and the trash, as quotas count them.")
    physical_bytes: int | None = Field(description="That are stored for these and for previews, each chunk once.")
    exclusive_bytes: int | None = Field(description="Of these, what one version alone needs.")
    measured_at: datetime | None = Field(description="The hour in which the last two were measured.")
    objects: int
    versions: int
    trash_bytes: int
    part_bytes: int
    buckets: int
    users: int
    disks: list[DiskSpace] = Field(description="Of the machine that answers.")


class WaitingWork(BaseModel):
    jobs_queued: int
    jobs_running: int
    jobs_dead: int = Field(description="That failed for good and wait for a person.")
    events_waiting: int
    events_dead: int
    scans_pending: int
    infected: int
    damaged_chunks: int
    unread_changes: int = Field(description="Of the reader that is furthest behind.")
    open_uploads: int


class Dashboard(BaseModel):
    range: Name
    since: datetime
    until: datetime
    step_seconds: int
    total: AnsweredRequests
    doors: list[DoorRequests]
    points: list[DashboardPoint] = Field(description="One for each step, the oldest first.")
    space: Space
    waiting: WaitingWork


@router.get("")
async def get_dashboard(
    _: TheViewer,
    services: TheServices,
    range_: Annotated[
        Name,
        Query(alias="range", description="The last 60 minutes, 24 hours, 30 days or 53 weeks."),
    ] = "hour",
) -> Dashboard:
    """How much was asked for, how soon it was answered, how much is stored and what waits, of all nodes. A sample is
    taken once a minute, and kept for three hours by minutes, two days by ten minutes, five weeks by hours and two years
    by days. For admins and auditors.
    """
    found = await services.database.scan(history.history_of, range_)
    return _told(range_, found, await asyncio.to_thread(disks_of, services.settings))


def _told(name: Name, found: History, disks: list[Disk]) -> Dashboard:
    traffic: Traffic = reduce(together, (point.traffic for point in found.points), {})
    return Dashboard(
        range=name,
        since=time_of(found.since),
        until=time_of(found.until),
        step_seconds=history.RANGES[name].step,
        total=_answered(history.all_doors(traffic)),
        doors=[DoorRequests(door=door, **dict(_answered(traffic[door]))) for door in sorted(traffic)],
        points=[_point(point) for point in found.points],
        space=_space(found, disks),
        waiting=_waiting(found.measures),
    )


def _answered(answered: Answered) -> AnsweredRequests:
    return AnsweredRequests(
        requests=answered.requests,
        refused=answered.refused,
        failed=answered.failed,
        aborted=answered.aborted,
        received_bytes=answered.received,
        sent_bytes=answered.sent,
        first_byte=_first_byte(history.latency_of(answered)),
    )


def _first_byte(latency: Latency) -> FirstByte:
    return FirstByte(**{name: None if value is None else round(value, 6) for name, value in latency._asdict().items()})


def _point(point: Point) -> DashboardPoint:
    stored = point.stored
    return DashboardPoint(
        at=time_of(point.at),
        logical_bytes=stored.logical,
        physical_bytes=stored.physical,
        exclusive_bytes=stored.exclusive,
        **dict(_answered(history.all_doors(point.traffic))),
    )


def _space(found: History, disks: list[Disk]) -> Space:
    usage, stored = found.measures.usage, found.stored
    return Space(
        logical_bytes=usage.all_bytes,
        physical_bytes=stored.physical,
        exclusive_bytes=stored.exclusive,
        measured_at=None if found.measured_at is None else time_of(found.measured_at),
        objects=usage.objects,
        versions=usage.versions,
        trash_bytes=usage.trash_bytes,
        part_bytes=usage.part_bytes,
        buckets=found.measures.buckets,
        users=found.measures.users,
        disks=[DiskSpace(disk=disk.name, free_bytes=disk.free, size_bytes=disk.size) for disk in disks],
    )


def _waiting(found: Measures) -> WaitingWork:
    by_state = {state: sum(one.rows for (_, its), one in found.jobs.items() if its == state) for state in _STATES}
    deliveries = {state: one.rows for state, one in found.deliveries.items()}
    return WaitingWork(
        jobs_queued=by_state["queued"],
        jobs_running=by_state["running"],
        jobs_dead=sum(found.dead_jobs.values()),
        events_waiting=sum(rows for state, rows in deliveries.items() if state != "dead"),
        events_dead=deliveries.get("dead", 0),
        scans_pending=found.scans.get("pending", 0),
        infected=found.scans.get("infected", 0),
        damaged_chunks=found.damaged,
        unread_changes=max(found.unread_changes.values(), default=0),
        open_uploads=sum(found.open_uploads.values()),
    )


_STATES = ("queued", "running")
