"""Groups of an account's users, whom policies and grants may name together."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from s3gw.accounts import groups
from s3gw.accounts.groups import GroupWithMembers
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.models import Body, Id, IfMatch, Page, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route

router = APIRouter(prefix="/groups", tags=["groups"], route_class=Route)


class Member(BaseModel):
    user_id: str
    username: str


class Group(BaseModel):
    """`owner_id`: the user whose account it is in."""

    id: str
    name: str
    owner_id: str
    members: list[Member]
    created_at: datetime


class GroupName(Body):
    name: Annotated[str, Field(max_length=64, description="1 to 64 of A-Z a-z 0-9 _ + = , . @ -")]


@router.post("", status_code=201)
async def create_group(body: GroupName, caller: TheCaller, services: TheServices, response: Response) -> Group:
    """In the caller's account, without members."""
    return _told(await groups.create(services, caller, body.name), response)


@router.get("")
async def list_groups(place: ThePlace, caller: TheCaller, services: TheServices) -> Page[Group]:
    """Of the caller's account, by name; for admins and auditors, of all."""
    found, total = await groups.page(services, caller, place.offset, place.limit)
    return place.page_of(found, total, _model)


@router.get("/{group_id}")
async def get_group(group_id: Id, caller: TheCaller, services: TheServices, response: Response) -> Group:
    """With its members. For users of its account, admins and auditors."""
    return _told(await groups.find(services, caller, group_id), response)


@router.put("/{group_id}")
async def rename_group(
    group_id: Id,
    body: GroupName,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
) -> Group:
    """By the owner of its account or an admin. What it was given stays its own."""
    return _told(await groups.rename(services, caller, group_id, body.name, if_match), response)


@router.delete("/{group_id}", status_code=204)
async def delete_group(group_id: Id, caller: TheCaller, services: TheServices) -> Response:
    """With its policies and grants; its members stay users."""
    await groups.delete(services, caller, group_id)
    return Response(status_code=204)


@router.put("/{group_id}/members/{user_id}")
async def add_member(group_id: Id, user_id: Id, caller: TheCaller, services: TheServices, response: Response) -> Group:
    """A user of the group's account. It counts from the user's next request on."""
    return _told(await groups.add(services, caller, group_id, user_id), response)


@router.delete("/{group_id}/members/{user_id}", status_code=204)
async def remove_member(group_id: Id, user_id: Id, caller: TheCaller, services: TheServices) -> Response:
    """What the group was given ends for the user with the next request."""
    await groups.remove(services, caller, group_id, user_id)
    return Response(status_code=204)


def _told(group: GroupWithMembers, response: Response) -> Group:
    response.headers["ETag"] = group.etag
    return _model(group)


def _model(found: GroupWithMembers) -> Group:
    group = found.group
    return Group(
        id=group.id,
        name=group.name,
        owner_id=group.account_owner_id,
        members=[Member(user_id=member.id, username=member.name) for member in found.members],
        created_at=time_of(group.created_at),
    )
