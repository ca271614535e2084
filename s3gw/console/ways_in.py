"""What the pages before a login have in common: how one gets in here (GET /users/login)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.visit import ask
from s3gw.console.words import Fault, fault_of


async def ways_in(request: Request) -> dict[str, Any]:
    """`registration` is open, invite or closed; `oidc`: whether there is an issuer to log in at."""
    found: dict[str, Any] = (await ask(request, None, "GET", path_of("users", "login"))).json()
    return found


async def told(request: Request, error: ApiRefusal, page: Callable[[int, Fault], Awaitable[Response]]) -> Response:
    """The refusal on the page that asked for it: nobody is logged in, whatever its status is."""
    answer = await page(error.status, fault_of(request, error))
    request.state.error_code = error.error_code
    if error.retry_after is not None:
        answer.headers["Retry-After"] = error.retry_after
    return answer
