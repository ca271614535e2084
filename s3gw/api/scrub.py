"""Scrubbing: how it goes, and the damaged chunks that it found with the objects that need them. It is begun as any
other scheduled work is (schedules.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from s3gw.accounts import scrub
from s3gw.api.caller import TheServices, TheViewer
from s3gw.api.jobs import Job, job_model
from s3gw.api.models import Name, Page, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.metadata.damaged_blobs import DamagedBlob

router = APIRouter(prefix="/scrub", tags=["scrub"], route_class=Route)

State = Literal["damaged", "healed", "unneeded"]
Location = Annotated[Name, Path(max_length=140, description="As the list tells it.")]


class LastScrub(BaseModel):
    began_at: datetime
    ended_at: datetime
    chunks: int
    bytes: int
    damaged: int = Field(description="Chunks that were bad then.")


class ScrubStatus(BaseModel):
    damaged: int = Field(description="Chunks that are bad now.")
    job: Job | None = Field(description="The run that is on or waits to begin; its progress is in chunks.")
    last_run: LastScrub | None = Field(description="The last one that came to its end.")
    next_run: datetime | None = Field(description="By the schedule `scrub`.")


class DamagedChunk(BaseModel):
    location: str = Field(description="The name of its file.")
    digest: str
    size: int
    state: State = Field(
        description="healed: the same content was stored again, or the disk reads it again; unneeded: nothing that is"
        " left consists of it."
    )
    fault: Literal["missing", "unreadable", "changed"]
    detail: str
    is_kept: bool = Field(description="The bad file is in the folder `damaged` among the blobs.")
    found_at: datetime
    healed_at: datetime | None
    named_at: datetime | None = Field(description="When it was looked which objects need it.")
    needed_by: int | None = Field(description="How many objects, parts of uploads and files in the trash.")


class NeedingIt(BaseModel):
    kind: Literal["version", "part", "trash"]
    bucket: str
    key: str
    version_id: str | None = None
    upload_id: str | None = None
    part_number: int | None = None


class DamagedChunkDetails(DamagedChunk):
    names: list[NeedingIt] = Field(description="The first 200 of who needs it.")


@router.get("")
async def get_scrub_status(_: TheViewer, services: TheServices) -> ScrubStatus:
    """Whether every stored chunk is being read and compared with its digest, and what came of it. For admins and
    auditors.
    """
    found = await services.database.scan(scrub.status)
    last = found.last_run
    return ScrubStatus(
        damaged=found.damaged,
        job=None if found.job is None else job_model(found.job, True),
        last_run=None if last is None else LastScrub(**last | _times(last)),
        next_run=None if found.next_run is None else time_of(found.next_run),
    )


def _times(last: dict[str, int]) -> dict[str, datetime]:
    return {name: time_of(last[name]) for name in ("began_at", "ended_at")}


@router.get("/damaged")
async def list_damaged_chunks(
    _: TheViewer,
    services: TheServices,
    place: ThePlace,
    state: Annotated[State | None, Query(description="Only those that are in it.")] = None,
) -> Page[DamagedChunk]:
    """What was ever found bad, the newest first. For admins and auditors."""
    found, total = await services.database.scan(scrub.page, state, place.offset, place.limit)
    return place.page_of(found, total, lambda chunk: DamagedChunk(**_told(chunk)))


@router.get("/damaged/{location}")
async def get_damaged_chunk(location: Location, _: TheViewer, services: TheServices) -> DamagedChunkDetails:
    """With the objects that need it. For admins and auditors."""
    chunk = await services.database.read(scrub.find, location)
    return DamagedChunkDetails(**_told(chunk), names=[NeedingIt(**name) for name in chunk.names])


def _told(chunk: DamagedBlob) -> dict[str, Any]:
    times = {name: getattr(chunk, name) for name in ("found_at", "healed_at", "named_at")}
    told = chunk._asdict() | {name: None if time is None else time_of(time) for name, time in times.items()}
    del told["names"]
    return told | {"digest": chunk.digest.hex()}
