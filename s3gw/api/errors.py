"""How every refusal is answered: one document, whatever raised it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from s3gw.auth.payload import ClientDisconnected
from s3gw.errors import InternalError, S3Error
from s3gw.faults import logged
from s3gw.moments import iso_of
from s3gw.problems import OTHER_CODES, Fault, Invalid, NotFound, Problem, problem_of, told_of

_logger = logging.getLogger("s3gw.api")

# What is refused by its form, before anybody is asked; the rest is problems.py's.
_BY_STATUS = {
    400: (422, Invalid.error_code),
    404: (404, NotFound.error_code),
    **{status: (status, code) for status, code in OTHER_CODES.items()},
}
_INTERNAL = (500, OTHER_CODES[500])
_PLACES = ("body", "header", "path", "query")
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def refuse_in_json(app: FastAPI) -> None:
    """Have the app answer whatever is raised."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(S3Error, _s3_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return problem_response(request.scope["state"], error)


def problem_response(state: dict[str, Any], error: Problem) -> JSONResponse:
    """`state` is the request's, which door.py has made."""
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(state, error.status, error.error_code, error.detail, error.faults, headers)


async def _s3_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, S3Error)
    return _refused(request, error)


def _refused(request: Request, error: S3Error) -> JSONResponse:
    problem = problem_of(error)
    if problem is not None:
        return problem_response(request.scope["state"], problem)
    return _answer(request.scope["state"], *told_of(error), error.message)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _answer(
        request.scope["state"], 422, "VALIDATION_ERROR", "the request isn't valid", faults_of(error.errors())
    )


def faults_of(found: Iterable[Any]) -> list[Fault]:
    """What pydantic found, with the names that problems have: without the place (body, query) where a field is."""
    return [_fault(item) for item in found]


def _fault(item: Mapping[str, Any]) -> Fault:
    if item["type"] == "json_invalid":
        return Fault("body", f"is no JSON: {item['ctx']['error']}")
    place, *names = item["loc"] or ("body",)
    field = ".".join(map(str, names if names and place in _PLACES else (place, *names)))
    return Fault(field, str(item["msg"]).removeprefix("Value error, "))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    """An unknown path, or another method."""
    assert isinstance(error, HTTPException)
    status, code = _BY_STATUS.get(error.status_code, _INTERNAL)
    headers = {"Allow": ", ".join(_allowed(request))} if status == 405 else error.headers or {}
    return _answer(request.scope["state"], status, code, str(error.detail), headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of all routes of the path: the library names those of the first one alone."""
    routes = request.app.routes
    asked = ({**request.scope, "method": method} for method in _METHODS)
    return [scope["method"] for scope in asked if any(route.matches(scope)[0] == Match.FULL for route in routes)]


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A database or a disk that fails, or a mistake of ours, which the log tells. Who has gone gets no answer: the door
    logs that, and it is nobody's fault here.
    """
    if isinstance(error, ClientDisconnected | ClientDisconnect):
        raise error
    known = logged(error, _logger, request.state.request_id)
    if not isinstance(known, InternalError):
        return _refused(request, known)
    return _answer(request.scope["state"], *_INTERNAL, "the request could not be done; the log says why")


def _answer(
    state: dict[str, Any],
    status: int,
    error_code: str,
    detail: str,
    faults: Any = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    content: dict[str, Any] = {
        "detail": detail,
        "error_code": error_code,
        "timestamp": iso_of(time.time_ns() // 1000),
        "request_id": state["request_id"],
    }
    state["error_code"] = error_code  # for the log
    if faults:
        content["errors"] = [fault._asdict() for fault in faults]
    passing = {"Retry-After": S3Error.retry_after} if status == 503 else {}
    return JSONResponse(jsonable_encoder(content), status, passing | dict(headers or {}))
