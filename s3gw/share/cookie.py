"""The cookie that says that a link's password was given: for an hour, for this link and this password.

It is one of this link's path alone, no script reads it, and no page elsewhere has it sent. Other cookies aren't looked
at: those of a server on another port of the same host come here too.
"""

from __future__ import annotations

import hmac
import time

from starlette.requests import Request
from starlette.responses import Response

from s3gw.metadata.share_links import LiveLink
from s3gw.services import Services
from s3gw.share.pages import place_of

_NAME = "s3gw_link"
_LIFETIME = 3600  # seconds
_LONGEST = 100  # characters
_USE = b"share link cookie"  # no other digest of this key begins with it


def is_open(request: Request, services: Services, link: LiveLink) -> bool:
    """Whether the link has no password, or it was given."""
    if link.password_hash is None:
        return True
    until, _, given = request.cookies.get(_NAME, "")[:_LONGEST].partition(".")
    if not (until.isascii() and until.isdigit() and given.isascii()) or int(until) < time.time():
        return False
    return hmac.compare_digest(given, _digest(services, link, until))


def hand_out(request: Request, answer: Response, services: Services, link: LiveLink) -> None:
    until = str(int(time.time()) + _LIFETIME)
    answer.set_cookie(
        _NAME,
        f"{until}.{_digest(services, link, until)}",
        max_age=_LIFETIME,
        path=place_of(request),
        secure=request.state.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _digest(services: Services, link: LiveLink, until: str) -> str:
    """Another password has others."""
    parts = _USE, link.id.encode(), (link.password_hash or "").encode(), until.encode()
    return services.request_digests.digest(*parts).hex()
