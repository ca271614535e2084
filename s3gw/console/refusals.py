"""What is answered instead of a page: in words, with the request's id for whoever asks an admin about it."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from s3gw.auth.payload import ClientDisconnected
from s3gw.console import login
from s3gw.console.api_call import ApiRefusal
from s3gw.console.pages import shown
from s3gw.console.words import fault_of, words_of
from s3gw.faults import logged
from s3gw.problems import NotFound, Problem, told_of

_logger = logging.getLogger("s3gw.console")
_OF_STATUS = {404: NotFound.error_code, 405: "METHOD_NOT_ALLOWED"}


async def of_api(request: Request, error: Exception) -> Response:
    """As the API has refused; that the session has ended meanwhile is a login."""
    assert isinstance(error, ApiRefusal)
    if error.status == 401:
        return await login.first(request, error)
    fault = fault_of(request, error)
    answer = refusal(request, error.status, error.error_code, fault.detail, fault.words)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = error.retry_after
    return answer


async def of_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return refusal(request, error.status, error.error_code, error.detail)


async def of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code < 400:
        return RedirectResponse("/console/", error.status_code)
    return refusal(request, error.status_code, _OF_STATUS.get(error.status_code, ""))


async def unexpected(request: Request, error: Exception) -> Response:
    """A database or a disk that fails, or a mistake of ours, which the log tells. Who has gone gets no answer."""
    if isinstance(error, ClientDisconnected | ClientDisconnect):
        raise error
    return refusal(request, *told_of(logged(error, _logger, request.state.request_id)))


def refusal(request: Request, status: int, error_code: str, detail: str = "", words: str = "") -> Response:
    """To htmx, which puts it where the page tells of what went wrong, the words alone. `words` are those of the code
    where none are given.
    """
    request.state.error_code = error_code or "-"
    template = "refused.html" if "hx-request" in request.headers else "error.html"
    words = words or words_of(request, error_code)
    visitor = getattr(request.state, "visitor", None)
    values = {"words": words, "detail": detail, "error_code": error_code, "back": _back(request)}
    return shown(request, template, status, visitor=visitor, **values)


def _back(request: Request) -> str | None:
    """The page of the console with the form or link that led here."""
    own = f"{request.state.scheme}://{request.state.host}"
    given = request.headers.get("referer", "")
    place = login.place_in(given.removeprefix(own)) if given.startswith(f"{own}/") else None
    return None if place == request.url.path and request.method == "GET" else place
