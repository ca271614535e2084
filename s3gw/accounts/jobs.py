"""Jobs that users ask for: asking, looking how far they are, cancelling, and trying again. What they do is in jobs/."""

from __future__ import annotations

from typing import Any

from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.metadata import asked_jobs
from s3gw.metadata.asked_jobs import AskedJob, Page
from s3gw.problems import NotFound, PermissionDenied
from s3gw.services import Services


async def ask(
    services: Services,
    caller: Caller,
    origin: Origin,
    kind: str,
    asked: dict[str, Any],
    bucket: str | None,
    *,
    singleton: str | None = None,
) -> AskedJob:
    """On the bucket of that name, or of none. Raises Conflict."""
    payload = {**asked, "context": list(origin.context), "request_id": origin.request_id}
    if origin.traceparent is not None:
        payload["traceparent"] = origin.traceparent

    told = {} if bucket is None else {"bucket": bucket}
    return await services.database.write(
        lambda conn: asked_jobs.ask(conn, caller.actor, kind, payload, told, singleton=singleton)
    )


async def page(
    services: Services,
    caller: Caller,
    user_id: str | None,
    is_of_all: bool,
    kind: str | None,
    state: str | None,
    after: str | None,
    offset: int,
    limit: int,
) -> Page:
    """One's own; for admins and auditors those of any user, or all with the server's own. Raises NotFound and
    PermissionDenied.
    """
    if is_of_all:
        if not caller.principal.sees_all:
            raise PermissionDenied("only an admin or an auditor may see all jobs")
        return await services.database.scan(asked_jobs.page, user_id, kind, state, after, offset, limit)
    own = caller.principal.user_id
    if user_id not in (None, own) and not caller.principal.sees_all:
        raise NotFound("there is no such user")
    return await services.database.scan(asked_jobs.page, user_id or own, kind, state, after, offset, limit)


async def find(services: Services, caller: Caller, job_id: str) -> AskedJob:
    """Raises NotFound, also for one of somebody else."""
    job = await services.database.read(asked_jobs.find, job_id)
    if job.asked_by != caller.principal.user_id and not caller.principal.sees_all:
        raise NotFound("there is no such job")
    return job


async def cancel(services: Services, caller: Caller, job_id: str) -> AskedJob:
    """Raises NotFound, PermissionDenied and Conflict."""
    job = await find(services, caller, job_id)
    if job.asked_by != caller.principal.user_id and caller.principal.role != "admin":
        raise PermissionDenied("only who asked for it and admins may cancel it")
    return await services.database.write(asked_jobs.cancel, caller.actor, job_id)


async def retry(services: Services, caller: Caller, job_id: str) -> AskedJob:
    """Raises NotFound, PermissionDenied and Conflict."""
    job = await find(services, caller, job_id)
    if job.asked_by != caller.principal.user_id and caller.principal.role != "admin":
        raise PermissionDenied("only who asked for it and admins may have it tried again")
    return await services.database.write(asked_jobs.retry, caller.actor, job_id)
