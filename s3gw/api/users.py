"""Registering, logging in and out, and what a user may do about itself."""

from __future__ import annotations

import base64
from typing import Annotated, Literal
from urllib.parse import unquote_plus

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi import Body as BodyOf
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3gw.accounts import links, login, registration, users
from s3gw.accounts.login import Tokens
from s3gw.accounts.users import Changes
from s3gw.api.caller import TheAdmin, TheCaller, TheOrigin, TheServices, TheViewer
from s3gw.api.errors import faults_of
from s3gw.api.models import (
    Body,
    ChangePassword,
    DeleteUser,
    Id,
    IfMatch,
    NewUser,
    Page,
    RefreshToken,
    Register,
    Role,
    SessionModel,
    Text,
    TokenPair,
    UpdateUser,
    User,
    session_model,
    user_model,
)
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.metadata import identities, people
from s3gw.metadata.database import Connection
from s3gw.metadata.deleted_users import parse_data_after
from s3gw.metadata.people import Wanted
from s3gw.problems import Invalid
from s3gw.registration_mode import mode_of

router = APIRouter(prefix="/users", tags=["users"], route_class=Route)


class Login(Body):
    username: Annotated[str, Field(max_length=254, description="The name, or the e-mail address.")]
    password: Annotated[str, Field(max_length=4096)]
    totp: Annotated[
        str | None, Field(max_length=64, description="A code of the second factor, where the user has one.")
    ] = None


class WaysIn(BaseModel):
    """Beside name and password."""

    registration: Literal["open", "invite", "closed"] = Field(
        description="Who may register: everybody, who has an invitation, or nobody."
    )
    oidc: bool = Field(description="Whether one can log in at an OpenID Connect issuer.")


class LoginForm(Login):
    """OAuth2's other fields are taken and mean nothing here."""

    model_config = ConfigDict(extra="ignore")

    grant_type: str = "password"


@router.post("/register", status_code=201)
async def register(
    body: Register,
    request: Request,
    response: Response,
    services: TheServices,
    origin: TheOrigin,
    later: BackgroundTasks,
) -> User:
    """Make an account of one's own. 403 REGISTRATION_CLOSED where not everybody may."""
    user = await registration.register(
        services,
        name=body.username,
        email=body.email,
        password=body.password,
        invitation=body.invitation,
        was_forwarded=request.state.was_forwarded,
        origin=origin,
    )
    later.add_task(links.send_few_verifications, services, user)
    return _told(user, response)


@router.post(
    "/login",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Login"}},
                "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/LoginForm"}},
            },
        }
    },
)
async def log_in(request: Request, services: TheServices, origin: TheOrigin) -> TokenPair:
    """By name or e-mail address and password, as JSON or as the form of OAuth2's password flow. 401 TOTP_REQUIRED where
    the password is right and a code is missing. In the form it is the field `totp`; clients that know only OAuth2's own
    fields, as the dialog of these pages, give it as the client secret.
    """
    given = await _login_of(request)
    return pair(await login.log_in(services, given.username, given.password, origin, given.totp))


@router.get("/login")
async def ways_in(request: Request, services: TheServices) -> WaysIn:
    """How one gets in here, for a page that asks for a login."""
    settings = services.settings
    mode = mode_of(settings, was_forwarded=request.state.was_forwarded)
    return WaysIn(registration=mode, oidc=settings.oidc_issuer is not None)


async def _login_of(request: Request) -> Login:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            async with request.form(max_files=0, max_fields=10) as form:
                named = {name: form.get(name) for name in ("username", "password")}
                code = form.get("totp") or form.get("client_secret") or _basic_secret(request)
                return Login.model_validate(named | {"totp": code or None})
        return Login.model_validate_json(await request.body())
    except ValidationError as error:
        raise Invalid("the request isn't valid", faults=faults_of(error.errors(include_url=False))) from None


def _basic_secret(request: Request) -> str | None:
    """The client secret in the header, where OAuth2's clients put it by default."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return unquote_plus(base64.b64decode(given, validate=True).decode().partition(":")[2])
    except ValueError:
        return None


@router.post("/refresh")
async def refresh(body: RefreshToken, services: TheServices, origin: TheOrigin) -> TokenPair:
    """The next pair of tokens. Each refresh token is good once: one that was used before ends the session."""
    return pair(await login.refresh(services, body.refresh_token, origin))


@router.post("/logout", status_code=204)
async def log_out(body: RefreshToken, services: TheServices, origin: TheOrigin) -> Response:
    """End the session, with its access tokens, on every worker and node."""
    await login.log_out(services, body.refresh_token, origin)
    return Response(status_code=204)


@router.get("/me")
async def me(caller: TheCaller, services: TheServices, response: Response) -> User:
    """Who the token's is."""
    return _told(await users.find(services, caller, caller.principal.user_id), response)


@router.get("")
async def list_users(
    _: TheViewer,
    services: TheServices,
    place: ThePlace,
    search: Annotated[Text | None, Query(max_length=254, description="A part of the name or e-mail address.")] = None,
    role: Role | None = None,
    is_active: bool | None = None,
    deleted: Annotated[bool, Query(description="Those that can be restored, instead of the others.")] = False,
) -> Page[User]:
    """By name. For admins and auditors."""
    wanted = Wanted(search, role, is_active, deleted)

    def read(conn: Connection) -> tuple[list[identities.User], int]:
        return people.page_of(conn, wanted, after=place.after, offset=place.offset, limit=place.limit)

    found, total = await services.database.scan(read)
    return place.page_of(found, total, user_model, lambda user: user.name)


@router.post("", status_code=201)
async def create_user(body: NewUser, caller: TheAdmin, services: TheServices, response: Response) -> User:
    """By an admin. Without a password the user can't log in until a link has set one. In the account of another it may
    what policies, groups and grants give it, and what it stores is the owner's.
    """
    made = await users.create(
        services,
        caller,
        name=body.username,
        email=body.email,
        password=body.password,
        role=body.role,
        owner_id=None if body.owner_id is None else str(body.owner_id),
    )
    return _told(made, response)


@router.get("/{user_id}")
async def get_user(user_id: Id, caller: TheCaller, services: TheServices, response: Response) -> User:
    """Oneself; for admins and auditors, anybody."""
    return _told(await users.find(services, caller, user_id), response)


@router.put("/{user_id}")
async def update_user(
    user_id: Id,
    body: UpdateUser,
    caller: TheCaller,
    services: TheServices,
    response: Response,
    later: BackgroundTasks,
    if_match: IfMatch = None,
) -> User:
    """Fields that aren't given stay as they are. Roles and activity are an admin's to change. A new address is sent a
    link that confirms it, and the old one a message that it was changed. Who changes his own says his password: without
    it, no link that sets a password is sent to the new address for a day.
    """
    changes = Changes(body.username, body.email, body.role, body.is_active, body.current_password)
    changed = await users.change(services, caller, user_id, changes, if_match)
    if changed.must_confirm:
        later.add_task(links.send_few_verifications, services, changed.user)
    if changed.old_email is not None:
        later.add_task(links.tell_old_address, services, changed.user, changed.old_email)
    return _told(changed.user, response)


@router.delete("/{user_id}", status_code=204)
async def delete_user(
    user_id: Id,
    caller: TheCaller,
    services: TheServices,
    body: Annotated[DeleteUser | None, BodyOf()] = None,
    data: Annotated[
        str,
        Query(
            pattern=r"^(keep|delete|transfer:[0-9A-Fa-f-]{36})$",
            description="What becomes of its buckets and objects. keep: an admin has them once it can't be restored;"
            " delete: they are removed then; transfer:<user id>: that user has them at once.",
        ),
    ] = "keep",
) -> Response:
    """Sessions, keys, links and grants end at once, and don't come back. For a while (S3GW_USER_RETENTION) the user can
    be restored, with what wasn't transferred. Who deletes himself says his password.
    """
    after = parse_data_after(data)
    await users.delete(services, caller, user_id, after, None if body is None else body.password)
    return Response(status_code=204)


@router.post("/{user_id}/restore")
async def restore_user(user_id: Id, caller: TheAdmin, services: TheServices, response: Response) -> User:
    """A deleted user, with its buckets (unless they were transferred), password, groups and policies. Keys, sessions,
    links and grants are gone.
    """
    return _told(await users.restore(services, caller, user_id), response)


@router.get("/{user_id}/sessions")
async def list_sessions(user_id: Id, caller: TheCaller, services: TheServices, place: ThePlace) -> Page[SessionModel]:
    """Where somebody is logged in, the one that was used last first."""
    found, total = await users.sessions_of(services, caller, user_id, place.offset, place.limit)
    return place.page_of(found, total, lambda session: session_model(session, caller.session_id))


@router.delete("/{user_id}/sessions/{session_id}", status_code=204)
async def end_session(user_id: Id, session_id: Id, caller: TheCaller, services: TheServices) -> Response:
    """With its tokens, on every worker and node: of oneself, or by an admin."""
    await users.end_session(services, caller, user_id, session_id)
    return Response(status_code=204)


@router.post("/{user_id}/change-password", status_code=204)
async def change_password(user_id: Id, body: ChangePassword, caller: TheCaller, services: TheServices) -> Response:
    """One's own. It ends all other sessions."""
    await users.change_password(services, caller, user_id, body.current_password, body.new_password)
    return Response(status_code=204)


def _told(user: identities.User, response: Response) -> User:
    response.headers["ETag"] = users.etag_of(user)
    return user_model(user)


def pair(tokens: Tokens) -> TokenPair:
    return TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in)
