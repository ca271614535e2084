"""Logging in at an OpenID Connect issuer: there, and back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Request, Response
from fastapi.responses import RedirectResponse

from s3gw.accounts import oidc
from s3gw.accounts.oidc import LIFETIME, BackTo, Returned
from s3gw.api.caller import TheOrigin, TheServices
from s3gw.api.models import TokenPair
from s3gw.api.route import Route
from s3gw.services import Services

router = APIRouter(prefix="/users/oidc", tags=["users"], route_class=Route)
COOKIE = "s3gw_oidc"
Text = Annotated[str | None, Query(max_length=4096)]


@router.get("/login", status_code=302, response_class=RedirectResponse)
async def begin_oidc_login(
    services: TheServices,
    invitation: Annotated[str | None, Query(max_length=256, description="For who has no user here yet.")] = None,
    back_to: Annotated[
        BackTo, Query(description="Where the issuer sends back to: the callback of this API, or of the console.")
    ] = "api",
) -> Response:
    """To the issuer. What the way back needs is in a cookie of ten minutes. 404 where no issuer is set."""
    begun = await oidc.begin(services, invitation, back_to)
    answer = RedirectResponse(begun.url, 302)
    _set_cookie(answer, services, begun.cookie, LIFETIME)
    return answer


@router.get("/callback")
async def finish_oidc_login(
    request: Request,
    response: Response,
    services: TheServices,
    origin: TheOrigin,
    state: Text = None,
    code: Text = None,
    iss: Text = None,
    error: Text = None,
    cookie: Annotated[str | None, Cookie(alias=COOKIE, include_in_schema=False)] = None,
) -> TokenPair:
    """From the issuer: the same tokens as of a login."""
    returned = Returned(cookie, state, code, iss, error)
    tokens = await oidc.finish(services, returned, origin, was_forwarded=request.state.was_forwarded)
    _set_cookie(response, services, "", 0)
    return TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in)


def _set_cookie(response: Response, services: Services, value: str, lifetime: int) -> None:
    is_secure = (services.settings.public_url or "").startswith("https:")
    response.set_cookie(
        COOKIE,
        value,
        max_age=lifetime,
        path=f"/api/v1{router.prefix}",
        httponly=True,
        samesite="lax",
        secure=is_secure,
    )
