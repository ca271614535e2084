"""Registering, logging in and out, and what a user may do about itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field, ValidationError

from s3gw.accounts import login, registration, users
from s3gw.accounts.login import Tokens
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.models import Body, ChangePassword, RefreshToken, Register, TokenPair, User, user_model
from s3gw.problems import Fault, Invalid

router = APIRouter(prefix="/users", tags=["users"])


class Login(Body):
    username: Annotated[str, Field(max_length=254, description="The name, or the e-mail address.")]
    password: Annotated[str, Field(max_length=4096)]


@router.post("/register", status_code=201)
async def register(body: Register, request: Request, services: TheServices) -> User:
    """Make an account of one's own. 403 REGISTRATION_CLOSED where not everybody may."""
    user = await registration.register(
        services,
        name=body.username,
        email=body.email,
        password=body.password,
        was_forwarded=request.state.was_forwarded,
    )
    return user_model(user)


@router.post(
    "/login",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": Login.model_json_schema()}
                for kind in ("application/json", "application/x-www-form-urlencoded")
            },
        }
    },
)
async def log_in(request: Request, services: TheServices, origin: TheOrigin) -> TokenPair:
    """By name or e-mail address and password, as JSON or as the form of OAuth2's password flow."""
    given = await _login_of(request)
    return _pair(await login.log_in(services, given.username, given.password, origin))


async def _login_of(request: Request) -> Login:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            async with request.form(max_files=0, max_fields=10) as form:
                return Login.model_validate({name: form.get(name) for name in ("username", "password")})
        return Login.model_validate_json(await request.body())
    except ValidationError as error:
        faults = [Fault(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors(include_url=False)]
        raise Invalid("the request isn't valid", faults=faults) from None


@router.post("/refresh")
async def refresh(body: RefreshToken, services: TheServices) -> TokenPair:
    """The next pair of tokens. Each refresh token is good once: one that was used before ends the session."""
    return _pair(await login.refresh(services, body.refresh_token))


@router.post("/logout", status_code=204)
async def log_out(body: RefreshToken, services: TheServices) -> Response:
    """End the session, with its access tokens, on every worker and node."""
    await login.log_out(services, body.refresh_token)
    return Response(status_code=204)


@router.get("/me")
async def me(caller: TheCaller, services: TheServices) -> User:
    return user_model(await users.find(services, caller.principal.user_id))


@router.post("/{user_id}/change-password", status_code=204)
async def change_password(user_id: str, body: ChangePassword, caller: TheCaller, services: TheServices) -> Response:
    """One's own. It ends all other sessions."""
    await users.change_password(services, caller, user_id, body.current_password, body.new_password)
    return Response(status_code=204)


def _pair(tokens: Tokens) -> TokenPair:
    return TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in)
