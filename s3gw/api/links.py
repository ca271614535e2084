"""Links that work once: an address that is confirmed, a forgotten password, an invitation."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks, Response

from s3gw.accounts import links, users
from s3gw.api.caller import TheAdmin, TheCaller, TheOrigin, TheServices
from s3gw.api.models import (
    Address,
    Id,
    Invitation,
    LinkToken,
    NewInvitation,
    NewPassword,
    OpenInvitation,
    Page,
    time_of,
)
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.metadata import one_time_tokens

router = APIRouter(tags=["links"], route_class=Route)


@router.post("/users/verify-email", status_code=204)
async def verify_email(body: LinkToken, services: TheServices, origin: TheOrigin) -> Response:
    """With the token of the link that was sent to the address."""
    await links.verify(services, body.token, origin)
    return Response(status_code=204)


@router.post("/users/me/verification", status_code=202)
async def send_verification(caller: TheCaller, services: TheServices, later: BackgroundTasks) -> Response:
    """Send the link again, three times an hour. Earlier ones end."""
    user = await users.find(services, caller, caller.principal.user_id)
    await links.require_few_verifications(services, user)
    later.add_task(links.send_verification, services, user)
    return Response(status_code=202)


@router.post("/users/forgot-password", status_code=202)
async def forgot_password(body: Address, services: TheServices, origin: TheOrigin, later: BackgroundTasks) -> Response:
    """Send a link that sets a new password. The answer is the same whether somebody has this address or not."""
    await links.require_patience(services, body.email, origin)
    later.add_task(links.send_reset, services, body.email)
    return Response(status_code=202)


@router.post("/users/reset-password", status_code=204)
async def reset_password(body: NewPassword, services: TheServices, origin: TheOrigin) -> Response:
    """With the token of that link. It ends all sessions."""
    await links.reset(services, body.token, body.new_password, origin)
    return Response(status_code=204)


@router.post("/invitations", status_code=201)
async def invite(body: NewInvitation, caller: TheAdmin, services: TheServices) -> Invitation:
    """Let somebody register. By an admin."""
    made = await links.invite(services.database, services.settings, caller.actor, body.email)
    return Invitation(id=made.id, invitation=made.token, email=made.email, expires_at=time_of(made.expires_at))


@router.get("/invitations")
async def list_invitations(_: TheAdmin, services: TheServices, place: ThePlace) -> Page[OpenInvitation]:
    """Those that can still be used, in the order in which they were made. For admins."""
    found, total = await services.database.read(one_time_tokens.page_of_invitations, place.offset, place.limit)
    return place.page_of(found, total, _told)


@router.delete("/invitations/{invitation_id}", status_code=204)
async def revoke_invitation(invitation_id: Id, caller: TheAdmin, services: TheServices) -> Response:
    """By an admin."""
    await services.database.write(links.revoke_invitation, caller.actor, invitation_id)
    return Response(status_code=204)


def _told(found: one_time_tokens.Invitation) -> OpenInvitation:
    return OpenInvitation(
        id=found.id,
        email=found.email,
        created_by=found.created_by,
        created_at=time_of(found.created_at),
        expires_at=time_of(found.expires_at),
    )
