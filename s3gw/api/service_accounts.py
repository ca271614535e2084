"""Service accounts: users for programs, under the user who makes them. `/keys` with their id makes their keys."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from s3gw.accounts import service_accounts
from s3gw.accounts.keys import Scope
from s3gw.accounts.service_accounts import Changes
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.keys import Policy, policy_model
from s3gw.api.models import Body, Id, IfMatch, Page, UserName, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route

router = APIRouter(prefix="/service-accounts", tags=["service accounts"], route_class=Route)


class ServiceAccount(BaseModel):
    """`owner_id`: the user whom it is under. Nobody can log in as one."""

    id: str
    username: str
    owner_id: str
    is_active: bool
    policies: list[Policy]
    created_at: datetime
    updated_at: datetime


class CreateServiceAccount(Body):
    username: UserName
    policy: dict[str, Any] | None = Field(
        None,
        description="An IAM policy: what it may of what its user has. Without one, only what it is granted.",
        examples=[{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}],
    )


class ChangeServiceAccount(Body):
    """What is left out stays."""

    is_active: bool | None = None
    policy: dict[str, Any] | None = Field(
        None,
        description="Takes the place of all policies that it has; null: it has none.",
        examples=[{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}],
    )


@router.post("", status_code=201)
async def create_service_account(
    body: CreateServiceAccount, caller: TheCaller, services: TheServices, response: Response
) -> ServiceAccount:
    """Under the caller. It has no key yet: `POST /keys` with its id as `user_id` makes one."""
    return _told(await service_accounts.create(services, caller, body.username, _scope(body.policy)), response)


@router.get("")
async def list_service_accounts(place: ThePlace, caller: TheCaller, services: TheServices) -> Page[ServiceAccount]:
    """Of the caller's account, by name; for admins and auditors, of all."""
    found, total = await service_accounts.page(services, caller, place.offset, place.limit)
    return place.page_of(found, total, _model)


@router.get("/{user_id}")
async def get_service_account(
    user_id: Id, caller: TheCaller, services: TheServices, response: Response
) -> ServiceAccount:
    """For users of its account, admins and auditors."""
    return _told(await service_accounts.find(services, caller, user_id), response)


@router.put("/{user_id}")
async def change_service_account(
    user_id: Id,
    body: ChangeServiceAccount,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
) -> ServiceAccount:
    """Stop or start it with all its keys, or say what it may. It counts from the next request on."""
    scope = _scope(body.policy) if "policy" in body.model_fields_set else None
    changes = Changes(body.is_active, scope)
    return _told(await service_accounts.change(services, caller, user_id, changes, if_match), response)


@router.delete("/{user_id}", status_code=204)
async def delete_service_account(user_id: Id, caller: TheCaller, services: TheServices) -> Response:
    """With its keys and grants. What it wrote is its account's."""
    await service_accounts.delete(services, caller, user_id)
    return Response(status_code=204)


def _scope(policy: dict[str, Any] | None) -> Scope:
    return Scope(None if policy is None else json.dumps(policy))


def _told(found: service_accounts.ServiceAccount, response: Response) -> ServiceAccount:
    response.headers["ETag"] = found.etag
    return _model(found)


def _model(found: service_accounts.ServiceAccount) -> ServiceAccount:
    user = found.user
    return ServiceAccount(
        id=user.id,
        username=user.name,
        owner_id=user.account_owner_id or "",
        is_active=user.is_enabled,
        policies=[policy_model(one.name, one.document) for one in found.policies],
        created_at=time_of(user.created_at),
        updated_at=time_of(user.updated_at),
    )
