"""The second factor of a password: an authenticator app, and recovery codes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from s3gw.accounts import totp
from s3gw.api.caller import TheAdmin, TheCaller, TheServices
from s3gw.api.models import Body, Id, ShownOnce, time_of
from s3gw.api.route import Route

router = APIRouter(prefix="/users", tags=["second factor"], route_class=Route)
Password = Annotated[str, Field(max_length=4096)]
Code = Annotated[str, Field(max_length=64, description="A code of the app, or a recovery code.")]


class State(BaseModel):
    enabled: bool
    confirmed_at: datetime | None
    recovery_codes: int = Field(description="How many are left.")


class Enrol(Body):
    password: Password


class Enrolment(BaseModel):
    """`uri` is for the app, as a QR code."""

    secret: ShownOnce
    uri: ShownOnce


class Confirm(Body):
    totp: Annotated[str, Field(max_length=64, description="A code that the app shows.")]


class RecoveryCodes(BaseModel):
    """Told once. Each is good once, where a code of the app is asked for."""

    recovery_codes: list[str]


class Both(Body):
    password: Password
    totp: Code


@router.get("/me/totp")
async def show_totp(caller: TheCaller, services: TheServices) -> State:
    """Whether one has a second factor, and how many recovery codes are left."""
    found = await totp.state(services, caller)
    confirmed_at = found["confirmed_at"]
    return State(**found | {"confirmed_at": None if confirmed_at is None else time_of(confirmed_at)})


@router.post("/me/totp", status_code=201)
async def enrol_totp(body: Enrol, caller: TheCaller, services: TheServices) -> Enrolment:
    """It isn't asked for before it is confirmed by a code."""
    made = await totp.enrol(services, caller, body.password)
    return Enrolment(secret=made.secret, uri=made.uri)


@router.post("/me/totp/confirm")
async def confirm_totp(body: Confirm, caller: TheCaller, services: TheServices) -> RecoveryCodes:
    """From now on each login with the password needs a code."""
    return RecoveryCodes(recovery_codes=await totp.confirm(services, caller, body.totp))


@router.post("/me/totp/recovery-codes")
async def renew_recovery_codes(body: Both, caller: TheCaller, services: TheServices) -> RecoveryCodes:
    """Ten others, in the place of those of before."""
    return RecoveryCodes(recovery_codes=await totp.renew_recovery_codes(services, caller, body.password, body.totp))


@router.delete("/me/totp", status_code=204)
async def disable_totp(body: Both, caller: TheCaller, services: TheServices) -> Response:
    """One's own, with the password and a code."""
    await totp.disable(services, caller, body.password, body.totp)
    return Response(status_code=204)


@router.delete("/{user_id}/totp", status_code=204)
async def reset_totp(user_id: Id, caller: TheAdmin, services: TheServices) -> Response:
    """Of another user who has lost both. By an admin."""
    await totp.reset(services, caller, user_id)
    return Response(status_code=204)
