"""Access keys, with which S3 requests are signed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from s3gw.accounts import keys
from s3gw.accounts.keys import KeyWithPolicies, Scope, Wanted
from s3gw.api.caller import TheCaller, TheServices
from s3gw.api.models import Body, Id, IfMatch, Moment, Name, Page, ShownOnce, stored_moment, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.policy_words import PolicyStatement, statements_of
from s3gw.api.route import Route

router = APIRouter(prefix="/keys", tags=["keys"], route_class=Route)

Description = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]


class Policy(BaseModel):
    """In IAM's language; what none of a key's policies allows, it may not."""

    name: str
    document: dict[str, Any]
    statements: list[PolicyStatement] = Field(description="What it says, in words.")


class Key(BaseModel):
    """`last_used_at` is written within a minute. Without policies it may what its user may."""

    access_key_id: str
    user_id: str
    description: str
    is_active: bool
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None
    policies: list[Policy]


class KeyWithSecret(Key):
    secret_access_key: ShownOnce


class CreateKey(Body):
    user_id: Id | None = Field(None, description="Of a user of the caller's account; an admin: of any.")
    description: Description = ""
    expires_at: Moment | None = None
    policy: dict[str, Any] | None = Field(
        None,
        description="An IAM policy that narrows the key: to actions, buckets, prefixes, source addresses.",
        examples=[{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}],
    )


class ChangeKey(Body):
    """What is left out stays."""

    description: Description | None = None
    is_active: bool | None = None
    expires_at: Moment | None = Field(None, description="null: never.")
    policy: dict[str, Any] | None = Field(
        None,
        description="Takes the place of all policies of the key; null: it may what its user may.",
        examples=[{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}],
    )

    def scope(self) -> Scope | None:
        if "policy" not in self.model_fields_set:
            return None
        return Scope(None if self.policy is None else json.dumps(self.policy))

    def changes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.description is not None:
            found["description"] = self.description
        if self.is_active is not None:
            found["is_enabled"] = self.is_active
        if "expires_at" in self.model_fields_set:
            found["expires_at"] = stored_moment(self.expires_at)
        return found


@router.post("", status_code=201)
async def create_key(body: CreateKey, caller: TheCaller, services: TheServices, response: Response) -> KeyWithSecret:
    """Make an access key. Its secret is shown this once."""
    policy = None if body.policy is None else json.dumps(body.policy)
    made = await keys.create(
        services, caller, Wanted(body.user_id, body.description, stored_moment(body.expires_at), policy)
    )
    response.headers["ETag"] = keys.etag_of_key(made.made)
    return KeyWithSecret(**_members(made.made), secret_access_key=made.secret_access_key)


@router.get("")
async def list_keys(
    place: ThePlace,
    caller: TheCaller,
    services: TheServices,
    user_id: Annotated[Id | None, Query(description="Of this user; without it one's own.")] = None,
) -> Page[Key]:
    """Access keys in the order in which they were made, without their secrets."""
    found, total = await keys.page(services, caller, user_id, place.offset, place.limit)
    return place.page_of(found, total, lambda key: Key(**_members(key)))


@router.get("/{access_key_id}")
async def get_key(access_key_id: Name, caller: TheCaller, services: TheServices, response: Response) -> Key:
    """Without its secret."""
    return _told(await keys.find(services, caller, access_key_id), response)


@router.put("/{access_key_id}")
async def change_key(
    access_key_id: Name,
    body: ChangeKey,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
) -> Key:
    """Disable or enable a key, set when it expires, or what it is narrowed to. It counts from the next request on."""
    changed = await keys.change(services, caller, access_key_id, body.changes(), body.scope(), if_match)
    return _told(changed, response)


@router.delete("/{access_key_id}", status_code=204)
async def delete_key(access_key_id: Name, caller: TheCaller, services: TheServices) -> Response:
    """It ends at once, with what was signed by it: presigned URLs too."""
    await keys.delete(services, caller, access_key_id)
    return Response(status_code=204)


def _told(found: KeyWithPolicies, response: Response) -> Key:
    response.headers["ETag"] = keys.etag_of_key(found)
    return Key(**_members(found))


def _members(found: KeyWithPolicies) -> dict[str, Any]:
    key = found.key
    return {
        "access_key_id": key.access_key_id,
        "user_id": key.user_id,
        "description": key.description,
        "is_active": key.is_enabled,
        "expires_at": _time(key.expires_at),
        "created_at": time_of(key.created_at),
        "last_used_at": _time(key.last_used_at),
        "policies": [policy_model(one.name, one.document) for one in found.policies],
    }


def policy_model(name: str, document: str) -> Policy:
    return Policy(name=name, document=json.loads(document), statements=statements_of(document, None))


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else time_of(microseconds)
