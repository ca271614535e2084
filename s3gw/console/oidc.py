"""Logging in at an OpenID Connect issuer: GET /users/oidc/login, and back by GET /users/oidc/callback.

What the API keeps in a cookie between the two (sealed, for ten minutes, good once) is kept in one of the console's own,
which comes back from the issuer's page too (SameSite=Lax), with the place that was asked for.
"""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console import session
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.cookie_name import cookie_name
from s3gw.console.login import place_in, refused
from s3gw.console.pages import shown
from s3gw.console.visit import ask

PLACE = "/console/login/oidc"
_OF_API = "s3gw_oidc"  # the API's cookie
_NAME = "s3gw_console_oidc"
_LIFETIME = 600  # seconds
_RETURNED = ("state", "code", "iss", "error")
_LONGEST = 4096  # characters of each of these, which the API takes


async def begin(request: Request) -> Response:
    """A link leads here, and not a form: a form isn't sent on to another host (form-action)."""
    place = place_in(request.query_params.get("next", ""))
    query = {"back_to": "console"}
    if invitation := request.query_params.get("invitation", ""):
        query["invitation"] = invitation
    try:
        begun = await ask(request, None, "GET", path_of("users", "oidc", "login"), query=query)
    except ApiRefusal as error:
        return await refused(request, error, place)
    kept = SimpleCookie(begun.headers["set-cookie"])[_OF_API].value
    answer = RedirectResponse(begun.headers["location"], 303)
    _keep(request, answer, f"{kept}.{quote(place, safe='')}", _LIFETIME)
    return answer


async def finish(request: Request) -> Response:
    """The page leads on by itself: a redirect would be part of what the issuer's page began, to which browsers send no
    cookie that is SameSite=Strict.
    """
    kept, _, place = request.cookies.get(cookie_name(request, _NAME), "").partition(".")
    place, query = place_in(unquote(place)), {}
    for name in _RETURNED:
        if given := request.query_params.get(name, "")[:_LONGEST]:
            query[name] = given
    more = {"Cookie": f"{_OF_API}={kept}"} if kept else {}
    try:
        tokens = (
            await ask(request, None, "GET", path_of("users", "oidc", "callback"), query=query, headers=more)
        ).json()
    except ApiRefusal as error:
        answer = await refused(request, error, place)
    else:
        answer = shown(request, "entered.html", place=place)
        await session.begin(request, answer, tokens["access_token"])
    _keep(request, answer, "", 0)
    return answer


def _keep(request: Request, answer: Response, value: str, lifetime: int) -> None:
    is_secure = request.state.scheme == "https"
    path = "/" if is_secure else PLACE  # as __Host- asks for
    answer.set_cookie(
        cookie_name(request, _NAME), value, max_age=lifetime, path=path, secure=is_secure, httponly=True, samesite="lax"
    )
