"""Jobs: work that a request asked for and that takes longer than it. How far it has come, what came of it, its end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from s3gw.accounts import jobs
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.models import Id, Page, time_of
from s3gw.api.pages import ThePlace, not_a_cursor
from s3gw.api.route import Route
from s3gw.metadata.asked_jobs import FAILED, AskedJob

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=Route)

Kind = Literal["batch", "delete_bucket", "measure_storage", "unpack"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
_UNKNOWN = {
    "error_code": "INTERNAL_ERROR",
    "detail": "something went wrong that isn't about what was asked for; the server's log has it",
}


class Progress(BaseModel):
    done: int
    total: int | None = Field(description="As far as it is known before the end.")


class JobError(BaseModel):
    """Codes are those of refusals."""

    error_code: str
    detail: str


class Job(BaseModel):
    id: str
    kind: Kind
    state: State
    progress: Progress = Field(description="Of objects: files, and their versions where these count.")
    result: dict[str, Any] | None = Field(
        description="When it has ended: what came of it; in a list null where that is longer than 4096 characters."
    )
    error: JobError | None = Field(description="When it has failed.")
    created_at: datetime
    updated_at: datetime


class StartedJob(Job):
    job_id: str = Field(description="As `id`.")


@router.get("")
async def list_jobs(
    place: ThePlace,
    caller: TheCaller,
    services: TheServices,
    user_id: Annotated[UUID | None, Query(description="For admins and auditors: those of this user.")] = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    state: Annotated[State | None, Query(description="Only those that are in it.")] = None,
) -> Page[Job]:
    """Those that the caller asked for, the newest first. They are kept for a week after their end."""
    of_user = None if user_id is None else str(user_id)
    after = _job_of(place.after)
    found = await jobs.page(services, caller, of_user, kind, state, after, place.offset, place.limit)
    return place.page_of(found.jobs, found.total, job_model, lambda job: job.id)


def _job_of(after: str | None) -> str | None:
    try:
        return None if after is None else str(UUID(after))
    except ValueError:
        raise not_a_cursor() from None


@router.get("/{job_id}")
async def get_job(job_id: Id, caller: TheCaller, services: TheServices) -> Job:
    """How far it has come. For who asked for it, admins and auditors."""
    return job_model(await jobs.find(services, caller, job_id))


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: Id, caller: TheCaller, services: TheServices) -> Job:
    """What it has done stays done. One that runs ends within seconds; one that has ended is 409. For who asked for it,
    and admins.
    """
    return job_model(await jobs.cancel(services, caller, job_id))


def job_model(job: AskedJob) -> Job:
    progress = job.progress or {}
    error = (job.refusal or _UNKNOWN) if job.state == FAILED else None
    return Job(
        id=job.id,
        kind=job.kind,  # type: ignore[arg-type]
        state=job.state,  # type: ignore[arg-type]
        progress=Progress(done=progress.get("done", 0), total=progress.get("total")),
        result=job.result,
        error=None if error is None else JobError(**error),
        created_at=time_of(job.created_at),
        updated_at=time_of(job.updated_at),
    )


def started(job: AskedJob) -> Response:
    """What a route answers that asks for a job."""
    told = StartedJob(job_id=job.id, **job_model(job).model_dump())
    return JSONResponse(told.model_dump(mode="json"), 202)
