"""How much all buckets of a user together may have, and how much they have."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from s3gw.accounts import user_quotas
from s3gw.accounts.user_quotas import Most
from s3gw.api.caller import TheAdmin, TheCaller, TheServices
from s3gw.api.models import Body, Id, IfMatch
from s3gw.api.route import Route

router = APIRouter(prefix="/users", tags=["users"], route_class=Route)

Quota = Annotated[int, Field(ge=0, le=2**63 - 1)]


class UserQuota(BaseModel):
    """A quota of null is none; those of the buckets hold beside it."""

    storage_quota: int | None = Field(description="Bytes of all versions, of parts of uploads and of the trash.")
    object_quota: int | None = Field(description="Versions, without delete markers.")
    bytes: int = Field(description="That are used.")
    objects: int = Field(description="That are there, as a quota counts them.")


class PutUserQuota(Body):
    """Both at once: null is none."""

    storage_quota: Quota | None
    object_quota: Quota | None


@router.get("/{user_id}/quota")
async def get_user_quota(user_id: Id, caller: TheCaller, services: TheServices, response: Response) -> UserQuota:
    """Of oneself; for admins and auditors, of anybody."""
    return _told(await user_quotas.find(services, caller, user_id), response)


@router.put("/{user_id}/quota")
async def put_user_quota(
    user_id: Id,
    body: PutUserQuota,
    admin: TheAdmin,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
) -> UserQuota:
    """For the next write. What is there already stays, also where it is more. By an admin; 409 of a user in the account
    of another, whose quota it is.
    """
    most = Most(body.storage_quota, body.object_quota)
    return _told(await services.database.write(user_quotas.put, admin.actor, user_id, most, if_match), response)


def _told(found: user_quotas.UserQuota, response: Response) -> UserQuota:
    response.headers["ETag"] = found.etag
    return UserQuota(
        storage_quota=found.most.max_bytes,
        object_quota=found.most.max_objects,
        bytes=found.used.all_bytes,
        objects=found.used.all_objects,
    )
