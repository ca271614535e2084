"""In and out: POST /users/login, and DELETE /users/{id}/sessions/{id} of one's own."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console import session
from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.forms import CSRF_HEADER, fields_of, sent_by
from s3gw.console.forms import first as first_of
from s3gw.console.language import marked as _
from s3gw.console.pages import in_words, shown
from s3gw.console.session import NotLoggedIn, visitor_of
from s3gw.console.visit import ask
from s3gw.console.ways_in import ways_in
from s3gw.console.words import words_of

_HOME = "/console/buckets"
_CODE_MISSING = _("Enter the code of your authenticator app, or a recovery code, with the password.")
DONE = {
    "verified": _("Your e-mail address is confirmed."),
    "reset": _("Your new password is set, and all logins have ended. Log in with it."),
    "registered": _("Your account is made. A link was sent to your e-mail address, which confirms it. Log in."),
}
_WRONG_CODE = _("Name, password or code is wrong.")


def place_in(given: str) -> str:
    """A page of the console's, whatever was given: nothing leads to another host."""
    is_ours = given.startswith("/console/") and given.isascii() and given.isprintable() and "\\" not in given
    return given if is_ours else _HOME


async def first(request: Request, error: Exception) -> Response:
    """Of a page that needs a login. Scripts are told by the status, as they follow redirects unseen."""
    asked = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    place = {"next": place_in(asked)} if request.method == "GET" and "hx-request" not in request.headers else {}
    where = f"/console/login?{urlencode(place)}" if place else "/console/login"
    if "hx-request" in request.headers or CSRF_HEADER in request.headers:
        return Response(b"", 401, {"HX-Redirect": where})
    return RedirectResponse(where, 303)


async def form(request: Request) -> Response:
    place = place_in(request.query_params.get("next", ""))
    try:
        await visitor_of(request)
    except NotLoggedIn:
        return await _form(request, 200, place)
    return RedirectResponse(place, 303)


async def _form(
    request: Request, status: int, place: str, message: str = "", name: str = "", *, asks_code: bool = False
) -> Response:
    return shown(
        request,
        "login.html",
        status,
        place=place,
        message=message,
        name=name,
        asks_code=asks_code,
        ways=await ways_in(request),
        done=DONE.get(request.query_params.get("done", "")) if status == 200 else None,
    )


async def log_in(request: Request) -> Response:
    fields = await fields_of(request)
    place, name, code = (first_of(fields, field) for field in ("next", "username", "totp"))
    place = place_in(place)
    body = {"username": name, "password": first_of(fields, "password"), "totp": code.strip() or None}
    try:
        tokens = (await ask(request, None, "POST", path_of("users", "login"), body=body)).json()
    except ApiRefusal as error:
        return await refused(request, error, place, name, has_code=bool(code))
    answer = RedirectResponse(place, 303)
    await session.begin(request, answer, tokens["access_token"])
    return answer


async def refused(
    request: Request, error: ApiRefusal, place: str, name: str = "", *, has_code: bool = False
) -> Response:
    """The page of the login again, which tells of it."""
    request.state.error_code = error.error_code
    asks_code = has_code or error.error_code == "TOTP_REQUIRED"
    if error.error_code == "TOTP_REQUIRED":
        message = in_words(request, _CODE_MISSING)
    elif has_code and error.status == 401:
        message = in_words(request, _WRONG_CODE)
    else:
        message = words_of(request, error.error_code)
    answer = await _form(request, error.status, place, message, name, asks_code=asks_code)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = error.retry_after
    return answer


async def log_out(request: Request) -> Response:
    visitor = await visitor_of(request)
    await sent_by(request, visitor)
    path = path_of("users", visitor.claims.user_id, "sessions", visitor.claims.session_id)
    await ask(request, visitor, "DELETE", path)
    answer = RedirectResponse("/console/login", 303)
    session.forget(request, answer)
    return answer
