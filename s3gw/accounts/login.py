"""Logging in, going on with a refresh token, and logging out."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING, NamedTuple

from s3gw.accounts.origin import Origin
from s3gw.auth import access_tokens, passwords
from s3gw.auth.access_tokens import Claims
from s3gw.auth.principal import Principal
from s3gw.metadata import failed_attempts, logins, sessions
from s3gw.metadata.database import Connection
from s3gw.metadata.logins import Login
from s3gw.metadata.sessions import Session
from s3gw.problems import EmailNotVerified, NotAuthenticated
from s3gw.services import Services

if TYPE_CHECKING:
    from s3gw.accounts.attempts import Attempts

SESSION_LIFETIME = 30 * 86400  # seconds since a refresh token was used last
_LONGEST_USER_AGENT = 256

_WRONG = "wrong name or password"


class Tokens(NamedTuple):
    """`expires_in` is the access token's, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int = access_tokens.LIFETIME


class Caller(NamedTuple):
    """Who has shown a valid access token."""

    principal: Principal
    session_id: str


def attempts_of(services: Services) -> Attempts:
    """It keeps nothing but the database: all processes count the same rows."""
    from s3gw.accounts.attempts import Attempts  # with a library that workers that only serve S3 don't need

    return Attempts(services.database)


async def log_in(services: Services, name: str, password: str, origin: Origin) -> Tokens:
    """By name, or by e-mail address. Raises RateLimited, and NotAuthenticated, in the same time whether there is such a
    user or not.
    """
    attempts = attempts_of(services)
    limits = await attempts.limits_of(name, origin.address)
    await attempts.require(limits)
    found = await services.database.read(logins.find_login, name)
    is_right = await services.passwords.verify(None if found is None else found.password_hash, password)
    if found is None or not is_right:
        raise await attempts.fail(limits, NotAuthenticated(_WRONG))
    await attempts.require(limits)
    if found.password_hash is not None and passwords.is_outdated(found.password_hash):
        renewed = await services.passwords.hash(password)
        if await services.database.write(logins.renew_hash, found, renewed):
            found = found._replace(password_hash=renewed)
    if services.settings.require_verified_email and not await services.database.read(logins.is_verified, found.user_id):
        raise EmailNotVerified("the e-mail address isn't confirmed yet: follow the link that was sent to it")
    token, session_id = secrets.token_urlsafe(32), str(uuid.uuid4())
    session = await services.database.write(_begin, session_id, found, digest_of(token), origin)
    if session is None:  # disabled, or another password, since it was compared
        raise NotAuthenticated(_WRONG)
    return await _tokens(services, session, token)


def _begin(conn: Connection, session_id: str, login: Login, digest: bytes, origin: Origin) -> Session | None:
    if not logins.still_holds(conn, login):
        return None
    failed_attempts.know_address(conn, login.user_id, origin.address)
    return sessions.begin(
        conn,
        session_id,
        login.user_id,
        digest,
        address=origin.address,
        user_agent=origin.user_agent[:_LONGEST_USER_AGENT],
        lifetime=SESSION_LIFETIME * 1_000_000,
    )


async def refresh(services: Services, refresh_token: str) -> Tokens:
    """The next pair of tokens. Raises NotAuthenticated for one that isn't good; one that was used ends the session."""
    token = secrets.token_urlsafe(32)
    digests = digest_of(refresh_token), digest_of(token)
    session = await services.database.write(sessions.go_on, *digests, SESSION_LIFETIME * 1_000_000)
    if session is None:
        raise NotAuthenticated("the refresh token isn't valid any more")
    return await _tokens(services, session, token)


async def log_out(services: Services, refresh_token: str) -> None:
    """End the session that the token is of, its access tokens too. Raises NotAuthenticated for an unknown one."""
    if not await services.database.write(_log_out, digest_of(refresh_token)):
        raise NotAuthenticated("the refresh token isn't valid any more")


def _log_out(conn: Connection, digest: bytes) -> bool:
    session = sessions.session_of(conn, digest)
    if session is None:
        return False
    sessions.end(conn, session.id, "logout")
    return True


async def caller_of(services: Services, access_token: str) -> Caller:
    """Raises NotAuthenticated. Each request asks the session's row: what was ended is ended on every node at once."""
    claims = await services.token_keys.verify(access_token)
    user = await services.database.read_shared(sessions.find_user, claims.session_id, claims.user_id)
    if user is None:
        raise NotAuthenticated("the session has ended")
    principal = Principal(
        user.user_id,
        user.canonical_id,
        user.account_id,
        user.name,
        user.role,
        "",
        user.account_owner_id,
        user.rules_revision,
    )
    return Caller(principal, claims.session_id)


async def _tokens(services: Services, session: Session, refresh_token: str) -> Tokens:
    access_token = await services.token_keys.issue(Claims(session.user_id, session.id))
    return Tokens(access_token, refresh_token)


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
