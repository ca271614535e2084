"""Light or dark: a cookie that says so to the server, since no page has a script that could know before it is shown."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.cookie_name import cookie_name
from s3gw.console.forms import fields_of, first
from s3gw.console.login import place_in
from s3gw.console.pages import THEME_COOKIE, THEMES
from s3gw.problems import Invalid

_YEAR = 365 * 86_400  # seconds


async def choose(request: Request) -> Response:
    fields = await fields_of(request)
    theme = first(fields, "theme")
    if theme not in THEMES:
        raise Invalid("there is no such theme")
    answer = RedirectResponse(place_in(first(fields, "next")), 303)
    is_secure = request.state.scheme == "https"
    answer.set_cookie(
        cookie_name(request, THEME_COOKIE), theme, _YEAR, path="/", secure=is_secure, httponly=True, samesite="strict"
    )
    return answer
