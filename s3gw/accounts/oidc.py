"""Logging in at an OpenID Connect issuer (S3GW_OIDC_ISSUER).

Somebody is known by issuer and subject. Whoever isn't known yet is the user whose confirmed address the issuer has
confirmed too, and never one whose address somebody only claims; else a new user, where S3GW_REGISTRATION lets one be.
What a login has to remember is in a sealed cookie, so that beginning one writes nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import time
from functools import cache
from typing import Literal, NamedTuple

from s3gw.accounts.login import Tokens, attempts_of, begin_session, digest_of, note_refusal
from s3gw.accounts.origin import Origin
from s3gw.accounts.registration import NewUser, create, normal_email
from s3gw.auth.master_key import MasterKeyError
from s3gw.auth.oidc import BadLogin, Client, Identity, Issuer, IssuerUnavailable, Pending
from s3gw.metadata import audit, identities, logins, master_keys, oidc_identities, one_time_tokens, user_names
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import User
from s3gw.metadata.logins import Login
from s3gw.problems import (
    Conflict,
    Invalid,
    LoginUnavailable,
    NotAuthenticated,
    NotFound,
    Problem,
    RateLimited,
    RegistrationClosed,
)
from s3gw.registration_mode import mode_of
from s3gw.services import Services

LIFETIME = 600  # seconds that a login may take at the issuer
BackTo = Literal["api", "console"]
CALLBACKS: dict[BackTo, str] = {"api": "/api/v1/users/oidc/callback", "console": "/console/login/oidc/callback"}
_SEALED_AS = "oidc-way-back"  # another than that of cookies that had less in them
_LONGEST_NAME = 50


class Beginning(NamedTuple):
    """Where to send the browser, and the cookie that it brings back."""

    url: str
    cookie: str


class Returned(NamedTuple):
    """What the browser brings back from the issuer."""

    cookie: str | None
    state: str | None
    code: str | None
    issuer: str | None = None
    error: str | None = None


class _Kept(NamedTuple):
    """What is in the cookie."""

    pending: Pending
    invitation: str | None
    back_to: BackTo


class _Arrival(NamedTuple):
    """Who comes, and as what a user may be made."""

    identity: Identity
    kept: _Kept
    mode: str
    storage_quota: int
    origin: Origin


async def begin(services: Services, invitation: str | None, back_to: BackTo = "api") -> Beginning:
    """Raises NotFound where no issuer is set, and LoginUnavailable."""
    issuer = _issuer_of(services, back_to)
    try:
        url, pending = await issuer.begin()
    except IssuerUnavailable as error:
        raise LoginUnavailable(str(error)) from None
    kept = json.dumps([*pending, invitation, back_to, int(time.time()) + LIFETIME])
    under = await services.database.read(master_keys.current)
    sealed = services.credentials.seal(_SEALED_AS, kept, under)
    return Beginning(url, base64.urlsafe_b64encode(sealed).decode())


async def finish(services: Services, returned: Returned, origin: Origin, *, was_forwarded: bool) -> Tokens:
    """Raises NotAuthenticated, RateLimited, RegistrationClosed, Conflict, LoginUnavailable, and NotFound where no
    issuer is set. What is refused counts as a failed attempt of the address, and the audit log tells of it.
    """
    _issuer_of(services, "api")
    attempts = attempts_of(services)
    limits = attempts.limits_of_nobody(origin.address)
    try:
        await attempts.require(limits)
        try:
            kept = _kept(services, returned)
            identity = await _issuer_of(services, kept.back_to).finish(kept.pending, returned.code or "")
            mode = mode_of(services.settings, was_forwarded=was_forwarded)
            arrival = _Arrival(identity, kept, mode, services.settings.default_user_quota, origin)
            turns = f"oidc/{identity.issuer}/{identity.subject}", user_names.turn(_wanted_name(identity))
            found = await services.database.write(_arrive, arrival, keys=turns)
            return await begin_session(services, found, origin, None)
        except BadLogin as error:
            raise NotAuthenticated(str(error)) from None
    except IssuerUnavailable as error:
        raise LoginUnavailable(str(error)) from None
    except Problem as error:
        refusal = error if isinstance(error, RateLimited) else await attempts.fail(limits, error)
        await note_refusal(services, limits, refusal, "", origin, action="login.oidc")
        raise refusal from None


def _kept(services: Services, returned: Returned) -> _Kept:
    """Raises NotAuthenticated unless the browser that comes back is the one that was sent, within ten minutes."""
    try:
        sealed = base64.b64decode(returned.cookie or "", b"-_", validate=True)
        *pending, invitation, back_to, expires_at = json.loads(services.credentials.open(_SEALED_AS, sealed).secret)
    except (binascii.Error, MasterKeyError, ValueError):
        raise NotAuthenticated("this browser hasn't begun a login, or it was too long ago: begin again") from None
    kept = _Kept(Pending(*pending), invitation, back_to)
    if time.time() > expires_at:
        raise NotAuthenticated("the login has taken too long: begin again")
    if not secrets.compare_digest(kept.pending.state.encode(), (returned.state or "").encode()):
        raise NotAuthenticated("the state is that of another login: begin again")
    if returned.issuer not in (None, services.settings.oidc_issuer):  # RFC 9207
        raise NotAuthenticated("another issuer has answered")
    if returned.error is not None or not returned.code:
        raise NotAuthenticated("the issuer has let nobody in")
    return kept


def _arrive(conn: Connection, arrival: _Arrival) -> Login:
    """The state is used in the transaction that finds the user, so a login is finished once, on every node."""
    if not one_time_tokens.use_unseen(conn, digest_of(arrival.kept.pending.state), "oidc", lifetime=2 * LIFETIME):
        raise NotAuthenticated("this login was finished before: begin again")
    user = _user_of(conn, arrival)
    held = logins.find_by_id(conn, user.id)
    if held is None:
        raise NotAuthenticated("the user is disabled or deleted")
    return held


def _user_of(conn: Connection, arrival: _Arrival) -> User:
    identity = arrival.identity
    user_id = oidc_identities.find_user_id(conn, identity.issuer, identity.subject)
    if user_id is not None:
        return identities.find_user_by_id(conn, user_id)
    user = _with_the_same_address(conn, identity) or _new_user(conn, arrival)
    oidc_identities.link(conn, identity.issuer, identity.subject, user.id)
    told = {"issuer": identity.issuer, "subject": identity.subject}
    audit.record(conn, arrival.origin.actor(user.id, user.name), "user.oidc.link", "user", user.name, None, told)
    return user


def _with_the_same_address(conn: Connection, identity: Identity) -> User | None:
    """Confirmed by the issuer and by us: whoever registered with another's address hasn't confirmed it."""
    if identity.email is None or not identity.email_verified:
        return None
    return logins.find_by_email(conn, normal_email(identity.email), confirmed=True)


def _new_user(conn: Connection, arrival: _Arrival) -> User:
    """Raises RegistrationClosed, and Conflict where another user has the address."""
    identity, invitation = arrival.identity, arrival.kept.invitation
    if arrival.mode == "closed" or (arrival.mode == "invite" and invitation is None):
        raise RegistrationClosed("nobody here is known by this login, and registration isn't open")
    if identity.email is None:
        raise RegistrationClosed("the issuer tells no e-mail address, which a new user needs")
    email = normal_email(identity.email)
    new = NewUser(_free_name(conn, _wanted_name(identity)), email, None, arrival.storage_quota)
    digest = None if invitation is None else digest_of(invitation)
    user = create(conn, new, digest, arrival.origin)
    if identity.email_verified:
        logins.confirm_address(conn, user.id, email)
    return user


def _wanted_name(identity: Identity) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", identity.name or (identity.email or "").partition("@")[0])[:_LONGEST_NAME]
    return name if len(name) >= 3 else f"user-{name}"


def _free_name(conn: Connection, wanted: str) -> str:
    try:
        user_names.check_user_name(wanted)
        user_names.require_free(conn, wanted)
    except (Conflict, Invalid):
        return f"{wanted[: _LONGEST_NAME - 9]}-{secrets.token_hex(4)}"
    return wanted


def _issuer_of(services: Services, back_to: BackTo) -> Issuer:
    """Raises NotFound. It is told again, when somebody has come back, where it was asked to send him."""
    settings = services.settings
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        raise NotFound("no OpenID Connect issuer is set")
    redirect_uri = f"{(settings.public_url or '').rstrip('/')}{CALLBACKS[back_to]}"
    scopes = tuple(dict.fromkeys(["openid", *settings.oidc_scopes]))
    return _issuer(
        Client(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, scopes, redirect_uri)
    )


@cache
def _issuer(client: Client) -> Issuer:
    """One of a process, which keeps the issuer's keys."""
    return Issuer(client)
