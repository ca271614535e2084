"""Making an account of one's own, with an invitation or where everybody may: POST /users/register."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.actions import NOTHING_SENT, sent_again
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import Fields, fields_of, first
from s3gw.console.language import marked as _
from s3gw.console.pages import in_words, shown
from s3gw.console.visit import ask
from s3gw.console.ways_in import told, ways_in
from s3gw.console.words import Fault

_DIFFER = _("The password and its repetition differ.")


async def page(request: Request) -> Response:
    return await _page(request, 200, None, NOTHING_SENT, request.query_params.get("invitation", ""))


async def _page(request: Request, status: int, fault: Fault | None, sent: Fields, invitation: str) -> Response:
    ways = await ways_in(request)
    is_open = ways["registration"] == "open" or (ways["registration"] == "invite" and invitation != "")
    return shown(
        request,
        "register.html",
        status,
        ways=ways,
        is_open=is_open,
        invitation=invitation,
        fault=fault,
        done=None,
        sent=sent_again(sent),
    )


async def register(request: Request) -> Response:
    fields = await fields_of(request)
    invitation, password = first(fields, "invitation"), first(fields, "password")
    if password != first(fields, "again"):
        return await _page(request, 422, Fault(in_words(request, _DIFFER), "", ""), fields, invitation)
    body = {name: first(fields, name).strip() for name in ("username", "email")}
    body |= {"password": password} | ({"invitation": invitation} if invitation else {})
    try:
        await ask(request, None, "POST", path_of("users", "register"), body=body)
    except ApiRefusal as error:
        return await told(request, error, lambda status, fault: _page(request, status, fault, fields, invitation))
    return RedirectResponse("/console/login?done=registered", 303)
