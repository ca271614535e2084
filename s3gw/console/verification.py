"""The link that confirms an e-mail address: POST /users/verify-email.

Opening it changes nothing: programs that look through mail open links too, and it is good once.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import fields_of, first
from s3gw.console.pages import shown
from s3gw.console.visit import ask
from s3gw.console.ways_in import told
from s3gw.console.words import Fault


async def page(request: Request) -> Response:
    return await _page(request, 200, None, request.query_params.get("token", ""))


async def _page(request: Request, status: int, fault: Fault | None, token: str) -> Response:
    return shown(request, "verify.html", status, fault=fault, done=None, token=token)


async def verify(request: Request) -> Response:
    token = first(await fields_of(request), "token")
    try:
        await ask(request, None, "POST", path_of("users", "verify-email"), body={"token": token})
    except ApiRefusal as error:
        return await told(request, error, lambda status, fault: _page(request, status, fault, token))
    return RedirectResponse("/console/login?done=verified", 303)
