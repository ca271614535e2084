"""Who is logged in to the console: a cookie with a random text, of which the database has the digest.

The cookie goes to every port of its host, so it alone lets nobody do anything: what changes something also has to come
from a page of this origin (`Origin`), and to bring a text that only such a page knows, made of the cookie's own.
"""

from __future__ import annotations

import hmac
import secrets
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from s3gw.accounts.login import digest_of
from s3gw.addresses import origin_of
from s3gw.auth.access_tokens import Claims
from s3gw.console.cookie_name import cookie_name
from s3gw.metadata import console_sessions
from s3gw.metadata.console_sessions import Limits
from s3gw.problems import PermissionDenied
from s3gw.services import Services

_NAME = "s3gw_console"
_LONGEST = 64  # characters of the cookie; ours have 43
_WRITTEN_EACH = 60_000_000  # microseconds: how exactly it is known when a session was used last
SAFE_METHODS = ("GET", "HEAD")


class NotLoggedIn(Exception):
    """The page is for who is."""


class Visitor(NamedTuple):
    """Who is logged in. `csrf` is what a request that changes something has to bring. By `role` (user, auditor, admin)
    the console chooses what to show; what is allowed the API says.
    """

    claims: Claims
    csrf: str
    role: str


def services_of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def visitor_of(request: Request) -> Visitor:
    """Raises NotLoggedIn. Whether the user is still active the API is asked with each call."""
    services, token = services_of(request), _token_of(request)
    found = None if token is None else await services.database.read(console_sessions.find, digest_of(token))
    if token is None or found is None:
        raise NotLoggedIn
    if found.seen_at - found.last_used_at > _WRITTEN_EACH:
        await services.database.write(console_sessions.go_on, digest_of(token), _limits_of(services))
    visitor = Visitor(Claims(found.user_id, found.session_id), _csrf_of(token), found.role)
    request.state.visitor = visitor  # for the page of an error
    return visitor


def require_csrf(visitor: Visitor, given: str) -> None:
    """Raises PermissionDenied where it isn't the session's."""
    if not hmac.compare_digest(visitor.csrf.encode(), given.encode("utf-8", "replace")):
        raise PermissionDenied("the page isn't of this login any more: open it again")


def require_own_origin(request: Request) -> None:
    """Raises PermissionDenied for what another web page sends, be it of another port of this host."""
    public_url = services_of(request).settings.public_url
    own = {f"{request.state.scheme}://{request.state.host}".lower()}
    given = request.headers.get("origin", "")
    if given not in own and (public_url is None or not _is_origin(given, public_url)):
        raise PermissionDenied("the request doesn't come from a page of the console")


def _is_origin(given: str, url: str) -> bool:
    try:
        return given != "" and origin_of(given) == origin_of(url)
    except ValueError:  # a port that is none
        return False


async def begin(request: Request, answer: Response, access_token: str) -> None:
    """A session of the API's, which has just begun, becomes the console's, under a new cookie."""
    services, token, before = services_of(request), secrets.token_urlsafe(32), _token_of(request)
    claims = await services.token_keys.verify(access_token)
    old = None if before is None else digest_of(before)
    limits = _limits_of(services)
    await services.database.write(console_sessions.begin, claims.session_id, digest_of(token), limits, old)
    _set(request, answer, token, int(limits.lifetime))


def forget(request: Request, answer: Response) -> None:
    _set(request, answer, "", 0)


def _set(request: Request, answer: Response, value: str, lifetime: int) -> None:
    is_secure = request.state.scheme == "https"
    name = cookie_name(request, _NAME)
    answer.set_cookie(name, value, lifetime, path="/", secure=is_secure, httponly=True, samesite="strict")


def _token_of(request: Request) -> str | None:
    given = request.cookies.get(cookie_name(request, _NAME), "")
    return given if 0 < len(given) <= _LONGEST and given.isascii() else None


def _csrf_of(token: str) -> str:
    return hmac.digest(token.encode(), b"console csrf", "sha256").hex()


def _limits_of(services: Services) -> Limits:
    return Limits(services.settings.console_idle, services.settings.console_lifetime)
