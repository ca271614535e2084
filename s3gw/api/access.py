"""Who has access to a bucket: sharing it, a prefix or a file of it, and what would be decided about a request."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from s3gw.access.grants import Kind
from s3gw.accounts import explanations, grants
from s3gw.accounts.etags import etag_of
from s3gw.accounts.grants import Change, Share
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.models import Body, Id, IfMatch, Moment, Page, stored_moment, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.metadata.grants import LONGEST_PATH, Grant
from s3gw.operations.explain import Asked

router = APIRouter(tags=["access"], route_class=Route)

Permission = Literal["read", "write", "admin"]
_TEXT = r"^[^\x00]+$"  # PostgreSQL's text has no NUL
MOST_ALSO = 16
Action = Annotated[str, StringConstraints(max_length=128, pattern=_TEXT)]
KeyPath = Annotated[str, Field(max_length=LONGEST_PATH)]


class Access(BaseModel):
    """`resource_id` is the bucket's id, the prefix, or the file's key."""

    id: str
    resource_type: Literal["bucket", "prefix", "file"]
    resource_id: str
    user_id: str | None
    group_id: str | None
    grantee: str = Field(description="The user's or the group's name.")
    permission: Permission
    expires_at: datetime | None
    created_at: datetime


class ShareBody(Body):
    user_id: UUID | None = None
    username: Annotated[str, Field(max_length=64, pattern=_TEXT)] | None = None
    group_id: UUID | None = None
    permission: Permission
    prefix: KeyPath | None = Field(None, description="Only of keys that begin with it.")
    key: Annotated[KeyPath, Field(min_length=1)] | None = Field(None, description="Only of this file.")
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _names_one(self) -> ShareBody:
        if sum(value is not None for value in (self.user_id, self.username, self.group_id)) != 1:
            raise ValueError("one of user_id, username and group_id is needed")
        if self.prefix and self.key is not None:
            raise ValueError("prefix and key exclude each other")
        return self

    def wanted(self) -> Share:
        (column, grantee) = next(
            (name, value) for name in ("user_id", "username", "group_id") if (value := getattr(self, name)) is not None
        )
        kind: Kind = "file" if self.key is not None else "prefix" if self.prefix else "bucket"
        return Share(
            column, str(grantee), self.permission, kind, self.key or self.prefix or "", stored_moment(self.expires_at)
        )


class ChangeBody(Body):
    """What is left out stays."""

    permission: Permission | None = None
    expires_at: Moment | None = Field(None, description="null: never.")


class Explained(BaseModel):
    """`facts` are those that rules asked for; an empty list: the request wouldn't have it. `also`: whether the actions
    that were named there would be allowed.
    """

    allowed: bool
    reason: str
    principal: str
    action: str
    resource: str
    found: str | None
    facts: dict[str, list[str]]
    notes: list[str]
    also: dict[str, bool]


GrantId = Annotated[UUID | None, Query(description="One of several grants.")]


@router.post("/buckets/{bucket_id}/share", status_code=201)
async def share(
    bucket_id: Id,
    body: ShareBody,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
) -> Access:
    """Give a user or a group read, write or admin on the bucket, a prefix or a file. It counts at once."""
    return _told(await grants.share(services, caller, origin, bucket_id, body.wanted()), response)


@router.get("/buckets/{bucket_id}/access")
async def list_access(
    bucket_id: Id, place: ThePlace, caller: TheCaller, services: TheServices, origin: TheOrigin
) -> Page[Access]:
    """What was granted, in the order of time, what has expired too."""
    found = await grants.page(services, caller, origin, bucket_id, place.offset, place.limit)
    return place.page_of(found.grants, found.total, access_model)


@router.get("/buckets/{bucket_id}/access/{user_id}")
async def get_access(
    bucket_id: Id,
    user_id: Id,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
    grant_id: GrantId = None,
) -> Access:
    """The grant of a user (or of a group, by its id), with the ETag for a change of it. 409 where there are several and
    grant_id is missing.
    """
    which = bucket_id, user_id, _text(grant_id)
    return _told(await grants.find(services, caller, origin, *which), response)


@router.put("/buckets/{bucket_id}/access/{user_id}")
async def change_access(
    bucket_id: Id,
    user_id: Id,
    body: ChangeBody,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
    grant_id: GrantId = None,
    if_match: IfMatch = None,
) -> Access:
    """Change the grant of a user (or of a group, by its id). 409 where there are several and grant_id is missing."""
    wanted = Change(body.permission, "expires_at" in body.model_fields_set, stored_moment(body.expires_at))
    which = bucket_id, user_id, _text(grant_id)
    return _told(await grants.change(services, caller, origin, *which, wanted, if_match), response)


@router.delete("/buckets/{bucket_id}/access/{user_id}", status_code=204)
async def revoke_access(
    bucket_id: Id,
    user_id: Id,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    grant_id: GrantId = None,
) -> Response:
    """Take back all grants that a user (or a group, by its id) has in the bucket, or one of them."""
    await grants.revoke(services, caller, origin, bucket_id, user_id, _text(grant_id))
    return Response(status_code=204)


@router.get("/access/explain")
async def explain(
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    action: Annotated[Action, Query(description="As in a policy.")],
    user: Annotated[
        str | None, Query(max_length=254, pattern=_TEXT, description="Name or id; without it nobody who is known.")
    ] = None,
    bucket: Annotated[str | None, Query(max_length=64, pattern=_TEXT, description="Name or id.")] = None,
    key: Annotated[str | None, Query(max_length=LONGEST_PATH, pattern=_TEXT)] = None,
    also: Annotated[list[Action], Query(max_length=MOST_ALSO, description="More actions, asked in one.")] = (),  # type: ignore[assignment]
) -> Explained:
    """Whether a request would be allowed, by which rule, and which facts rules asked for. For the bucket's owner and
    admins; who sees the bucket hears whether he himself may, from where he asks, and no more.
    """
    asked = Asked(action, user, None, bucket, key)
    found, *others = await explanations.explain_to(services, caller, origin, asked, also)
    members = found._asdict() | {"also": {name: other.is_allowed for name, other in zip(also, others, strict=True)}}
    return Explained(allowed=members.pop("is_allowed"), **members)


def _told(grant: Grant, response: Response) -> Access:
    response.headers["ETag"] = etag_of(grant)
    return access_model(grant)


def access_model(grant: Grant) -> Access:
    return Access(
        id=grant.id,
        resource_type=grant.resource_type,  # type: ignore[arg-type]
        resource_id=grant.bucket_uuid if grant.resource_type == "bucket" else grant.path,
        user_id=grant.user_id,
        group_id=grant.group_id,
        grantee=grant.grantee,
        permission=grant.permission,  # type: ignore[arg-type]
        expires_at=None if grant.expires_at is None else time_of(grant.expires_at),
        created_at=time_of(grant.created_at),
    )


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
