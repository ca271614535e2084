"""Jobs: work that a request asked for and that takes longer than it. How far it has come, what came of it, its end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field

from s3gw.accounts import jobs
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.models import Page, time_of
from s3gw.api.pages import ThePlace, not_a_cursor
from s3gw.api.route import Route
from s3gw.metadata.asked_jobs import FAILED, AskedJob
from s3gw.metadata.job_kinds import PRIORITIES
from s3gw.metadata.job_progress import counts_of, seconds_left
from s3gw.metadata.jobs import RUNNING
from s3gw.problems import NotFound


def _id(value: str) -> str:
    if value.isascii() and value.isdigit() and len(value) < 19:
        return value
    try:
        return str(UUID(value))
    except ValueError:
        raise NotFound("there is no such job") from None


router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=Route)

JobId = Annotated[str, AfterValidator(_id), Path(description="A UUID; of the server's own work its number.")]
_ANY_KIND = f"^({'|'.join(PRIORITIES)})$"
Priority = Literal["needed", "upkeep", "asked", "heavy"]
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
    id: str = Field(description="Of the server's own work it is a number.")
    kind: str = Field(description="What it does: batch, delete_bucket or measure_storage, or work of the server.")
    priority: Priority | None = Field(description="What comes first: needed, upkeep, asked (by users), heavy.")
    state: State
    attempts: int = Field(description="How often it was begun.")
    progress: Progress = Field(description="Of objects: files, and their versions where these count.")
    rate: float | None = Field(description="Of progress, in a second of the last attempt.")
    seconds_left: float | None = Field(description="While it runs, at that rate.")
    result: dict[str, Any] | None = Field(
        description="When it has ended: what came of it; in a list null where that is longer than 4096 characters."
    )
    error: JobError | None = Field(description="When it has failed.")
    fault: str | None = Field(description="For admins and auditors: what went wrong in the last attempt.")
    lines: list[str] | None = Field(description="The last 100 lines of its log; in a list null.")
    created_at: datetime
    begun_at: datetime | None = Field(description="The last attempt.")
    updated_at: datetime


class StartedJob(Job):
    job_id: str = Field(description="As `id`.")


@router.get("")
async def list_jobs(
    place: ThePlace,
    caller: TheCaller,
    services: TheServices,
    user_id: Annotated[UUID | None, Query(description="For admins and auditors: those of this user.")] = None,
    everyone: Annotated[
        bool, Query(description="For admins and auditors: those of all users, and the server's own work.")
    ] = False,
    kind: Annotated[str | None, Query(pattern=_ANY_KIND, description="Only of this kind.")] = None,
    state: Annotated[State | None, Query(description="Only those that are in it.")] = None,
) -> Page[Job]:
    """Those that the caller asked for, the newest first. They are kept for a week after their end, and the server's own
    work for a day.
    """
    of_user = None if user_id is None else str(user_id)
    after = _job_of(place.after)
    found = await jobs.page(services, caller, of_user, everyone, kind, state, after, place.offset, place.limit)
    sees_faults = caller.principal.sees_all
    return place.page_of(found.jobs, found.total, lambda job: job_model(job, sees_faults), lambda job: job.id)


def _job_of(after: str | None) -> str | None:
    try:
        return None if after is None else _id(after)
    except NotFound:
        raise not_a_cursor() from None


@router.get("/{job_id}")
async def get_job(job_id: JobId, caller: TheCaller, services: TheServices) -> Job:
    """How far it has come, and its log. For who asked for it, admins and auditors."""
    return job_model(await jobs.find(services, caller, job_id), caller.principal.sees_all)


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: JobId, caller: TheCaller, services: TheServices) -> Job:
    """What it has done stays done. One that runs ends within seconds; one that has ended is 409, and so is work of the
    server that nothing else would do. For who asked for it, and admins.
    """
    return job_model(await jobs.cancel(services, caller, job_id), caller.principal.sees_all)


@router.post("/{job_id}/retry")
async def retry_job(job_id: JobId, caller: TheCaller, services: TheServices) -> Job:
    """Queued again as if it were new. Only one that has failed, all else is 409; so is one for which an archive was
    sent, which is gone. For who asked for it, and admins.
    """
    return job_model(await jobs.retry(services, caller, job_id), caller.principal.sees_all)


def job_model(job: AskedJob, sees_faults: bool = False) -> Job:
    error = (job.refusal or _UNKNOWN) if job.state == FAILED else None
    done, total = counts_of(job.progress)
    priority = PRIORITIES.get(job.kind)
    return Job(
        id=job.id,
        kind=job.kind,
        priority=None if priority is None else priority.name.lower(),  # type: ignore[arg-type]
        state=job.state,  # type: ignore[arg-type]
        attempts=job.attempts,
        progress=Progress(done=done, total=total),
        rate=job.rate,
        seconds_left=seconds_left(job.progress, job.rate) if job.state == RUNNING else None,
        result=job.result,
        error=None if error is None else JobError(**error),
        fault=job.fault if sees_faults else None,
        lines=job.lines,
        created_at=time_of(job.created_at),
        begun_at=None if job.begun_at is None else time_of(job.begun_at),
        updated_at=time_of(job.updated_at),
    )


def started(job: AskedJob) -> Response:
    """What a route answers that asks for a job."""
    told = StartedJob(job_id=job.id, **job_model(job).model_dump())
    return JSONResponse(told.model_dump(mode="json"), 202)
