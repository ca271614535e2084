"""Policies of users and of groups: what somebody may in the account that he is in, and in others' whose owners consent.

For users of another's account and for groups: the root of an account may do everything there, and has none.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Response
from pydantic import Field

from s3gw.accounts import policies
from s3gw.accounts.policies import Conditions, Named
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.models import Id, IfMatch, Name, Page, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.policy_words import CheckedPolicy, PutPolicy, checked, refused
from s3gw.api.route import Route
from s3gw.errors import LimitExceeded, MalformedPolicyDocument
from s3gw.metadata.identity_policies import IdentityPolicy as Stored

router = APIRouter(tags=["access"], route_class=Route)
PolicyName = Annotated[Name, Path(description="1 to 128 of A-Z a-z 0-9 _ + = , . @ -")]
IfNoneMatch = Annotated[
    Literal["*"] | None, Header(description="`*`: only if there is no policy of this name yet; else 412.")
]
_OF_USER, _OF_GROUP = "/users/{user_id}/policies", "/groups/{group_id}/policies"


class PutIdentityPolicy(PutPolicy):
    """As a bucket's, without a Principal: it is about whoever has it."""


class IdentityPolicy(CheckedPolicy):
    name: str
    policy: dict[str, Any]
    text: str = Field(description="As it was put.")
    created_at: datetime


@router.get(_OF_USER)
async def list_user_policies(
    user_id: Id, place: ThePlace, caller: TheCaller, services: TheServices
) -> Page[IdentityPolicy]:
    """By name; those of the user's groups are the groups'. For the user, the owner of the account, admins and
    auditors.
    """
    return await _page(Named("user", user_id), place, caller, services)


@router.get(_OF_USER + "/{policy_name}")
async def get_user_policy(
    user_id: Id, policy_name: PolicyName, caller: TheCaller, services: TheServices, response: Response
) -> IdentityPolicy:
    """For the user, the owner of the account, admins and auditors."""
    return _told(await policies.find(services, caller, Named("user", user_id), policy_name), response)


@router.put(_OF_USER + "/{policy_name}")
async def put_user_policy(
    user_id: Id,
    policy_name: PolicyName,
    body: PutIdentityPolicy,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> IdentityPolicy:
    """In the place of one of that name, if there is one; a user has ten at most. It counts from the next request on. By
    the owner of the account or an admin; 409 of a user who has an account of his own.
    """
    conditions = Conditions(if_match, if_none_match is not None)
    return _told(await _put(services, caller, Named("user", user_id), policy_name, body, conditions), response)


@router.delete(_OF_USER + "/{policy_name}", status_code=204)
async def delete_user_policy(
    user_id: Id, policy_name: PolicyName, caller: TheCaller, services: TheServices, if_match: IfMatch = None
) -> Response:
    """What it gave ends with the next request, and what it denied is denied no more. By the owner of the account or an
    admin.
    """
    await policies.delete(services, caller, Named("user", user_id), policy_name, if_match)
    return Response(status_code=204)


@router.get(_OF_GROUP)
async def list_group_policies(
    group_id: Id, place: ThePlace, caller: TheCaller, services: TheServices
) -> Page[IdentityPolicy]:
    """By name. For users of the group's account, admins and auditors."""
    return await _page(Named("group", group_id), place, caller, services)


@router.get(_OF_GROUP + "/{policy_name}")
async def get_group_policy(
    group_id: Id, policy_name: PolicyName, caller: TheCaller, services: TheServices, response: Response
) -> IdentityPolicy:
    """For users of the group's account, admins and auditors."""
    return _told(await policies.find(services, caller, Named("group", group_id), policy_name), response)


@router.put(_OF_GROUP + "/{policy_name}")
async def put_group_policy(
    group_id: Id,
    policy_name: PolicyName,
    body: PutIdentityPolicy,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> IdentityPolicy:
    """In the place of one of that name, if there is one; a group has ten at most. It counts from the members' next
    request on. By the owner of the account or an admin.
    """
    conditions = Conditions(if_match, if_none_match is not None)
    return _told(await _put(services, caller, Named("group", group_id), policy_name, body, conditions), response)


@router.delete(_OF_GROUP + "/{policy_name}", status_code=204)
async def delete_group_policy(
    group_id: Id, policy_name: PolicyName, caller: TheCaller, services: TheServices, if_match: IfMatch = None
) -> Response:
    """What it gave the members ends with their next request, and what it denied is denied no more. By the owner of the
    account or an admin.
    """
    await policies.delete(services, caller, Named("group", group_id), policy_name, if_match)
    return Response(status_code=204)


@router.post("/policies/check")
async def check_identity_policy(body: PutIdentityPolicy, caller: TheCaller) -> CheckedPolicy:
    """What a policy of a user, a group or an access key would say, and what is wrong with it, without putting it."""
    return CheckedPolicy(**checked(body.text, None))


async def _page(named: Named, place: ThePlace, caller: TheCaller, services: TheServices) -> Page[IdentityPolicy]:
    found, total = await policies.page(services, caller, named, place.offset, place.limit)
    return place.page_of(found, total, _model)


async def _put(
    services: TheServices, caller: TheCaller, named: Named, name: str, body: PutIdentityPolicy, conditions: Conditions
) -> Stored:
    try:
        return await policies.put(services, caller, named, name, body.text, conditions)
    except (MalformedPolicyDocument, LimitExceeded) as error:
        raise refused(error, body.text, None) from None


def _told(policy: Stored, response: Response) -> IdentityPolicy:
    response.headers["ETag"] = policies.etag_of_policy(policy)
    return _model(policy)


def _model(policy: Stored) -> IdentityPolicy:
    return IdentityPolicy(
        name=policy.name,
        policy=json.loads(policy.document),
        text=policy.document,
        created_at=time_of(policy.created_at),
        **checked(policy.document, None),
    )
