"""The password of a link: compared, under limits, and remembered by a cookie."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.accounts.login import attempts_of
from s3gw.metadata import share_links
from s3gw.problems import NotAuthenticated
from s3gw.share import pages
from s3gw.share.cookie import hand_out
from s3gw.share.visit import Gone, Visit, locked_visit_of

_LARGEST = 4096  # bytes of the form
_MOST_FIELDS = 10  # of it


async def unlock(request: Request) -> Response:
    visit = await locked_visit_of(request)
    password = await _password_of(request)
    if not await _is_right(visit, password):
        request.state.error_code = NotAuthenticated.error_code
        return pages.password_form(request, 403, "That isn't the password.")
    answer = RedirectResponse(pages.place_of(request), 303)
    hand_out(request, answer, visit.services, visit.link)
    return answer


async def _password_of(request: Request) -> str:
    """Of a form; "" where there is none."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            raise Gone
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:  # more than that
        raise Gone from None
    return fields.get("password", [""])[0]


async def _is_right(visit: Visit, password: str) -> bool:
    """Raises RateLimited after too many wrong ones."""
    services, link = visit.services, visit.link
    if link.password_hash is None:
        return True
    attempts = attempts_of(services)
    limits = attempts.limits_of_link(link.id, visit.origin.address)
    await attempts.require(limits)
    if await services.passwords.verify(link.password_hash, password):
        await attempts.require(limits)
        return True
    refused = await attempts.fail(limits, None)
    if refused is not None:
        raise refused
    await services.database.write(share_links.note_wrong_password, visit.actor, link.id)
    return False
