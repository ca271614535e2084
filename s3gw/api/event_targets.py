"""Targets of events: whom buckets can tell what becomes of their objects, and what they couldn't be told."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from s3gw.accounts import event_targets
from s3gw.accounts.event_targets import Changes, Shown, Wanted, etag_of
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.models import Body, Id, IfMatch, Page, ShownOnce, time_of
from s3gw.api.pages import ThePlace, not_a_cursor
from s3gw.api.route import Route
from s3gw.events.targets import LONGEST_URL, NAME
from s3gw.metadata.event_deliveries import Delivery

router = APIRouter(prefix="/event-targets", tags=["events"], route_class=Route)

_LONGEST_SECRET = 128
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_URL,
        description="`https://…` of a webhook; of admins also `redis://…?stream=NAME` and"
        " `amqp://…/vhost?exchange=NAME`. User, password and a webhook's query are never told again.",
    ),
]
EventId = Annotated[str, Path(description="A number, as the list of them has it.")]
Secret = Annotated[str, Field(max_length=_LONGEST_SECRET)]


class EventTarget(BaseModel):
    """`secret` is shown when it is made, and never again."""

    id: str
    owner_id: str = Field(description="The owner of the account whose buckets may name it.")
    name: str
    arn: str = Field(description="By which the configurations of buckets name it.")
    kind: Literal["webhook", "redis", "amqp"]
    address: str = Field(description="Its URL, without what may be a secret.")
    is_shared: bool = Field(description="Whether buckets of all users may name it.")
    is_enabled: bool = Field(description="Else what it is to be told waits.")
    failing_since: datetime | None = Field(description="Null: it was told what it was told last.")
    last_error: str | None
    waiting: int = Field(description="Messages that it is still to be told.")
    dead: int = Field(description="Those that it couldn't be told.")
    secret: ShownOnce
    created_at: datetime
    updated_at: datetime


class NewEventTarget(Body):
    name: Annotated[str, Field(pattern=f"^{NAME}$", description="1 to 80 of A-Z a-z 0-9 _ -")]
    url: Url
    secret: Secret | None = Field(
        None, description="What a webhook's messages are signed with, `whsec_…`; default: one is made up."
    )
    is_shared: bool = Field(False, description="Buckets of all users may name it: for admins.")


class UpdateEventTarget(Body):
    """What is left out stays."""

    url: Url | None = Field(None, description="Another URL. What waits is told there.")
    new_secret: bool = Field(False, description="Make up another secret, and show it.")
    is_shared: bool | None = None
    is_enabled: bool | None = None

    def changes(self) -> Changes:
        return Changes(self.url, self.new_secret, self.is_shared, self.is_enabled)


class DeadEvent(BaseModel):
    id: int
    event: str
    key: str
    attempts: int
    error: str | None = Field(description="Why the last attempt failed.")
    message: dict[str, Any] = Field(description="What it couldn't be told.")
    created_at: datetime


class Retried(BaseModel):
    retried: int = Field(description="Messages that are told again.")


@router.post("", status_code=201)
async def create_event_target(
    body: NewEventTarget, caller: TheCaller, services: TheServices, response: Response
) -> EventTarget:
    """In the caller's account, whose owner the caller is. A webhook, unless an admin asks; 100 at most."""
    wanted = Wanted(body.name, body.url, body.secret, body.is_shared)
    return _told(await event_targets.create_as(services, caller, wanted), services, response)


@router.get("")
async def list_event_targets(place: ThePlace, caller: TheCaller, services: TheServices) -> Page[EventTarget]:
    """Those of the caller's account; for admins and auditors, all."""
    found, total = await event_targets.page_as(services, caller, place.offset, place.limit)
    return place.page_of(found, total, lambda shown: _model(shown, services))


@router.get("/{target_id}")
async def get_event_target(target_id: Id, caller: TheCaller, services: TheServices, response: Response) -> EventTarget:
    """With how it is reached. For its account, admins and auditors."""
    return _told(await event_targets.find_as(services, caller, target_id), services, response)


@router.put("/{target_id}")
async def update_event_target(
    target_id: Id,
    body: UpdateEventTarget,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    if_match: IfMatch = None,
) -> EventTarget:
    """Another URL or secret, enabled or not, shared or not. By the account's owner; what is shared, by admins."""
    changed = await event_targets.update_as(services, caller, target_id, body.changes(), if_match)
    return _told(changed, services, response)


@router.delete("/{target_id}", status_code=204)
async def delete_event_target(target_id: Id, caller: TheCaller, services: TheServices) -> Response:
    """With all that it is still to be told."""
    await event_targets.delete_as(services, caller, target_id)
    return Response(status_code=204)


@router.get("/{target_id}/dead")
async def list_dead_events(target_id: Id, place: ThePlace, caller: TheCaller, services: TheServices) -> Page[DeadEvent]:
    """What it couldn't be told within S3GW_EVENT_RETRY, the oldest first. The newest 10,000 are kept."""
    after = _id_of(place.after)
    offset = 0 if place.after else place.offset
    found = await event_targets.dead_as(services, caller, target_id, after, offset, place.limit)
    return place.page_of(found.deliveries, found.total, _dead, lambda delivery: str(delivery.id))


def _id_of(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise not_a_cursor()
    return int(after)


def _event(given: str) -> int:
    """What is no number is as one that isn't there."""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= 18 else 0


@router.post("/{target_id}/retry")
async def retry_dead_events(target_id: Id, caller: TheCaller, services: TheServices) -> Retried:
    """Tell it again all that it couldn't be told."""
    return Retried(retried=await event_targets.retry_as(services, caller, target_id))


@router.post("/{target_id}/dead/{event_id}/retry")
async def retry_dead_event(target_id: Id, event_id: EventId, caller: TheCaller, services: TheServices) -> Retried:
    """Tell it again one thing that it couldn't be told."""
    await event_targets.retry_one_as(services, caller, target_id, _event(event_id))
    return Retried(retried=1)


@router.delete("/{target_id}/dead/{event_id}", status_code=204)
async def drop_dead_event(target_id: Id, event_id: EventId, caller: TheCaller, services: TheServices) -> Response:
    """Never tell it that: what it couldn't be told is forgotten."""
    await event_targets.drop_as(services, caller, target_id, _event(event_id))
    return Response(status_code=204)


@router.post("/{target_id}/test", status_code=202)
async def test_event_target(
    target_id: Id, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> EventTarget:
    """Tell it `s3:TestEvent`, as S3 does when a bucket names it. What came of it the target tells: `waiting` is less
    again, or `failing_since` and `last_error` say why not.
    """
    return _told(await event_targets.test_as(services, caller, origin.request_id, target_id), services, response)


def _dead(delivery: Delivery) -> DeadEvent:
    return DeadEvent(
        id=delivery.id,
        event=delivery.event,
        key=delivery.key,
        attempts=delivery.attempts,
        error=delivery.error,
        message=json.loads(delivery.message),
        created_at=time_of(delivery.created_at),
    )


def _told(shown: Shown, services: TheServices, response: Response) -> EventTarget:
    response.headers["ETag"] = etag_of(shown.target)
    return _model(shown, services)


def _model(shown: Shown, services: TheServices) -> EventTarget:
    target = shown.target
    return EventTarget(
        id=target.id,
        owner_id=target.owner_id,
        name=target.name,
        arn=event_targets.arn(target, services.settings.region),
        kind=target.kind,
        address=target.address,
        is_shared=target.is_shared,
        is_enabled=target.is_enabled,
        failing_since=None if target.failing_since is None else time_of(target.failing_since),
        last_error=target.last_error,
        waiting=shown.counts.waiting,
        dead=shown.counts.dead,
        secret=shown.secret or None,
        created_at=time_of(target.created_at),
        updated_at=time_of(target.updated_at),
    )
