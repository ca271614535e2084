"""A forgotten password: POST /users/forgot-password, and POST /users/reset-password from the link of its message."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import fields_of, first
from s3gw.console.language import marked as _
from s3gw.console.pages import in_words, shown
from s3gw.console.visit import ask
from s3gw.console.ways_in import told
from s3gw.console.words import Fault

_DIFFER = _("The new password and its repetition differ.")


async def page(request: Request) -> Response:
    return await _page(request, 200, None)


async def _page(request: Request, status: int, fault: Fault | None, email: str = "", is_sent: bool = False) -> Response:
    return shown(request, "forgotten.html", status, fault=fault, done=None, email=email, is_sent=is_sent)


async def ask_for_link(request: Request) -> Response:
    """The answer is the same whether somebody has the address or not."""
    email = first(await fields_of(request), "email").strip()
    try:
        await ask(request, None, "POST", path_of("users", "forgot-password"), body={"email": email})
    except ApiRefusal as error:
        return await told(request, error, lambda status, fault: _page(request, status, fault, email))
    return await _page(request, 200, None, email, is_sent=True)


async def page_of_link(request: Request) -> Response:
    return await _page_of_link(request, 200, None, request.query_params.get("token", ""))


async def _page_of_link(request: Request, status: int, fault: Fault | None, token: str) -> Response:
    return shown(request, "reset.html", status, fault=fault, done=None, token=token)


async def reset(request: Request) -> Response:
    fields = await fields_of(request)
    token, password = first(fields, "token"), first(fields, "new_password")
    if password != first(fields, "again"):
        return await _page_of_link(request, 422, Fault(in_words(request, _DIFFER), "", ""), token)
    body = {"token": token, "new_password": password}
    try:
        await ask(request, None, "POST", path_of("users", "reset-password"), body=body)
    except ApiRefusal as error:
        return await told(request, error, lambda status, fault: _page_of_link(request, status, fault, token))
    return RedirectResponse("/console/login?done=reset", 303)
