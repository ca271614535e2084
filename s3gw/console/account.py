"""One's own account: GET /users/me, PUT /users/{id}, POST /users/{id}/change-password, and its sessions."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.actions import NOTHING_SENT, act, done_of, sent_again
from s3gw.console.api_call import path_of
from s3gw.console.forms import Fields, first
from s3gw.console.language import marked as _
from s3gw.console.pages import shown
from s3gw.console.session import Visitor, visitor_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault
from s3gw.problems import Invalid

PLACE = "/console/account"
_SESSIONS = "100"  # of a page
DONE = {
    "profile": _("Your account is changed."),
    "address": _("Your account is changed. A link that confirms the new address was sent to it."),
    "sent": _("The link was sent. Earlier ones are good no more."),
    "password": _("Your password is changed, and all other logins have ended."),
    "ended": _("That login has ended."),
}


async def page(request: Request) -> Response:
    return await _page(request, await visitor_of(request), 200, None, NOTHING_SENT)


async def change(request: Request) -> Response:
    return await act(request, _ACTIONS, _page)


async def _page(request: Request, visitor: Visitor, status: int, fault: Fault | None, sent: Fields) -> Response:
    mine = path_of("users", visitor.claims.user_id)
    me, sessions, factor = await asyncio.gather(
        ask(request, visitor, "GET", path_of("users", "me")),
        ask(request, visitor, "GET", f"{mine}/sessions", query={"per_page": _SESSIONS}),
        ask(request, visitor, "GET", path_of("users", "me", "totp")),
    )
    return shown(
        request,
        "account.html",
        status,
        visitor=visitor,
        me=me.json(),
        etag=me.headers["etag"],
        sessions=sessions.json()["items"],
        factor=factor.json(),
        fault=fault,
        sent=sent_again(sent),
        done=done_of(request, DONE),
    )


async def _profile(request: Request, visitor: Visitor, fields: Fields) -> str:
    """What is as it was isn't sent: so nobody is asked for a password who only changes his name."""
    name, email = first(fields, "name").strip(), first(fields, "email").strip()
    given = {"username": name, "email": email, "current_password": first(fields, "password")}
    kept = {"username": first(fields, "old_name"), "email": first(fields, "old_email")}
    body = {field: value for field, value in given.items() if value and value != kept.get(field)}
    if kept["email"] and not email:
        raise Invalid(_("Your e-mail address can be another one, but only an admin takes it away."))
    if "email" not in body:
        body.pop("current_password", None)
    if body:
        more = {"If-Match": first(fields, "etag")}
        await ask(request, visitor, "PUT", path_of("users", visitor.claims.user_id), body=body, headers=more)
    return f"{PLACE}?done={'address' if 'email' in body else 'profile'}"


async def _send(request: Request, visitor: Visitor, fields: Fields) -> str:
    await ask(request, visitor, "POST", path_of("users", "me", "verification"))
    return f"{PLACE}?done=sent"


async def _password(request: Request, visitor: Visitor, fields: Fields) -> str:
    if first(fields, "new_password") != first(fields, "again"):
        raise Invalid(_("The new password and its repetition differ."))
    body = {"current_password": first(fields, "password"), "new_password": first(fields, "new_password")}
    await ask(request, visitor, "POST", path_of("users", visitor.claims.user_id, "change-password"), body=body)
    return f"{PLACE}?done=password"


async def _end(request: Request, visitor: Visitor, fields: Fields) -> str:
    path = path_of("users", visitor.claims.user_id, "sessions", first(fields, "session"))
    await ask(request, visitor, "DELETE", path)
    return f"{PLACE}?done=ended"


_ACTIONS = {"profile": _profile, "send": _send, "password": _password, "end": _end}
