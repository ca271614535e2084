"""Logging in, going on with a refresh token, and logging out."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING, NamedTuple

from s3gw.accounts import second_factor
from s3gw.accounts.origin import Origin
from s3gw.addresses import client_of
from s3gw.auth import access_tokens, passwords
from s3gw.auth.access_tokens import Claims
from s3gw.auth.principal import Principal
from s3gw.metadata import audit, failed_attempts, identities, logins, refused_logins, sessions
from s3gw.metadata.audit import Actor, Outcome
from s3gw.metadata.database import Connection
from s3gw.metadata.logins import Login
from s3gw.metadata.sessions import Session
from s3gw.problems import EmailNotVerified, NotAuthenticated, Problem, RateLimited, TotpRequired
from s3gw.services import Services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3gw.accounts.attempts import Attempts, Limit
    from s3gw.auth.credentials import Credentials

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
    origin: Origin

    @property
    def actor(self) -> Actor:
        return self.origin.actor(self.principal.user_id, self.principal.name)


def is_known(limits: Sequence[Limit]) -> bool:
    """Whether somebody of that name has logged in from the address lately."""
    return any(limit.is_known for limit in limits)


def attempts_of(services: Services) -> Attempts:
    """It keeps nothing but the database: all processes count the same rows."""
    from s3gw.accounts.attempts import Attempts  # with a library that workers that only serve S3 don't need

    return Attempts(services.database)


async def log_in(services: Services, name: str, password: str, origin: Origin, code: str | None = None) -> Tokens:
    """By name, or by e-mail address. Raises RateLimited, and NotAuthenticated, in the same time whether there is such a
    user or not. `code` is that of a second factor: TotpRequired where the user has one and none was given.
    """
    attempts = attempts_of(services)
    limits = await attempts.limits_of(name, origin.address)
    try:
        found = await _compared(services, attempts, limits, name, password)
        found = await _rehashed(services, found, password)
        return await begin_session(services, found, origin, Factor(code, limits))
    except (NotAuthenticated, RateLimited) as refusal:
        await note_refusal(services, limits, refusal, name, origin)
        raise


class Factor(NamedTuple):
    """The second one, and what a wrong code counts for."""

    code: str | None
    limits: Sequence[Limit]


async def begin_session(services: Services, found: Login, origin: Origin, factor: Factor | None) -> Tokens:
    """Raises NotAuthenticated for who was disabled, or has another password, since it was compared. Without a `factor`
    none is asked for.
    """
    if services.settings.require_verified_email and not await services.database.read(logins.is_verified, found.user_id):
        raise EmailNotVerified("the e-mail address isn't confirmed yet: follow the link that was sent to it")
    token, begun = secrets.token_urlsafe(32), _Beginning(found, str(uuid.uuid4()), origin, factor)
    turns = turns_of(factor.limits) if factor is not None and factor.code else ()
    session = await services.database.write(_begin, services.credentials, begun, digest_of(token), keys=turns)
    if isinstance(session, Problem):
        raise session
    return await _tokens(services, session, token)


class _Beginning(NamedTuple):
    login: Login
    session_id: str
    origin: Origin
    factor: Factor | None


def turns_of(limits: Sequence[Limit]) -> tuple[str, ...]:
    """What those have in common who count for the same limits within a transaction of their own."""
    return tuple(f"attempts/{limit.key}" for limit in limits)


async def _rehashed(services: Services, found: Login, password: str) -> Login:
    """Under today's parameters, where it is under others."""
    if found.password_hash is None or not passwords.is_outdated(found.password_hash):
        return found
    renewed = await services.passwords.hash(password)
    was_renewed = await services.database.write(logins.renew_hash, found, renewed)
    return found._replace(password_hash=renewed) if was_renewed else found


async def _compared(services: Services, attempts: Attempts, limits: Sequence[Limit], name: str, password: str) -> Login:
    """Whose the password is. Raises NotAuthenticated and RateLimited."""
    await attempts.require(limits)
    found = await services.database.read(logins.find_login, name)
    password_hash = None if found is None else found.password_hash
    is_right = await services.passwords.verify(password_hash, password, is_known=is_known(limits))
    if found is None or not is_right:
        raise await attempts.fail(limits, NotAuthenticated(_WRONG))
    await attempts.require(limits)
    return found


async def note_refusal(
    services: Services,
    limits: Sequence[Limit],
    refusal: Problem,
    name: str,
    origin: Origin,
    action: str = "login",
) -> None:
    """Tell the audit log. Those of one name take turns here: they may all be counted in one row. That a code is still
    missing is counted only: it is no failure, but whoever has stolen the password does no more.
    """
    counts = [limit.counted for limit in limits]
    outcome: Outcome = "failed"
    if isinstance(refusal, TotpRequired):
        counts, action = counts[:1], "login.totp_required"
    if isinstance(refusal, RateLimited | TotpRequired):
        outcome = "refused"
    keys = [f"refused/{count.subject}" for count in counts]
    await services.database.write(refused_logins.record, origin.actor(), action, name, counts, outcome, keys=keys)


def _begin(conn: Connection, credentials: Credentials, begun: _Beginning, digest: bytes) -> Session | Problem:
    login, session_id, origin, factor = begun
    if not logins.still_holds(conn, login):
        return NotAuthenticated(_WRONG)
    if factor is not None:
        actor = origin.actor(login.user_id, identities.find_user_by_id(conn, login.user_id).name)
        refusal = second_factor.admit(conn, credentials, login.user_id, *factor, actor)
        if refusal is not None:
            return refusal
    failed_attempts.know_address(conn, login.user_id, client_of(origin.address))
    return sessions.begin(
        conn,
        session_id,
        login.user_id,
        digest,
        address=origin.address,
        user_agent=origin.user_agent[:_LONGEST_USER_AGENT],
        lifetime=SESSION_LIFETIME * 1_000_000,
    )


async def refresh(services: Services, refresh_token: str, origin: Origin) -> Tokens:
    """The next pair of tokens. Raises NotAuthenticated for one that isn't good; one that was used ends the session."""
    token = secrets.token_urlsafe(32)
    session = await services.database.write(_go_on, digest_of(refresh_token), digest_of(token), origin.actor())
    if session is None:
        raise NotAuthenticated("the refresh token isn't valid any more")
    return await _tokens(services, session, token)


def _go_on(conn: Connection, digest: bytes, next_digest: bytes, actor: Actor) -> Session | None:
    """A token that was used before ends its session, which the audit log tells, once: whoever goes on to try it, or one
    that is unknown, couldn't log in by luck either.
    """
    before = sessions.session_of(conn, digest)
    session = sessions.go_on(conn, digest, next_digest, SESSION_LIFETIME * 1_000_000)
    after = sessions.session_of(conn, digest)
    if before is not None and after is not None and before.ended_at != after.ended_at:
        told = {"user_id": after.user_id, "address": after.address, "ended_because": after.ended_because}
        audit.record(conn, actor, "session.refresh", "session", after.id, None, told, outcome="refused")
    return session


async def log_out(services: Services, refresh_token: str, origin: Origin) -> None:
    """End the session that the token is of, its access tokens too. Raises NotAuthenticated for an unknown one."""
    if not await services.database.write(_log_out, digest_of(refresh_token), origin):
        raise NotAuthenticated("the refresh token isn't valid any more")


def _log_out(conn: Connection, digest: bytes, origin: Origin) -> bool:
    session = sessions.session_of(conn, digest)
    if session is None:
        return False
    if sessions.end(conn, session.id, "logout"):
        user = identities.find_user_by_id(conn, session.user_id)
        audit.record(conn, origin.actor(user.id, user.name), "session.end", "session", session.id)
    return True


async def caller_of(services: Services, access_token: str, origin: Origin) -> Caller:
    """Raises NotAuthenticated. Each request asks the session's row: what was ended is ended on every node at once."""
    claims = await services.token_keys.verify(access_token)
    return await caller_in(services, claims.session_id, claims.user_id, origin)


async def caller_now(services: Services, caller: Caller) -> Caller:
    """As he is by now. Raises NotAuthenticated where the session has ended meanwhile."""
    return await caller_in(services, caller.session_id, caller.principal.user_id, caller.origin)


async def caller_in(services: Services, session_id: str, user_id: str, origin: Origin) -> Caller:
    """Whoever has a session that something verified names. Raises NotAuthenticated where it has ended."""
    user = await services.database.read_shared(sessions.find_user, session_id, user_id)
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
    return Caller(principal, session_id, origin)


async def _tokens(services: Services, session: Session, refresh_token: str) -> Tokens:
    access_token = await services.token_keys.issue(Claims(session.user_id, session.id))
    return Tokens(access_token, refresh_token)


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
