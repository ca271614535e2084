"""How every refusal is answered: one document, whatever raised it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from s3gw.errors import InternalError, S3Error
from s3gw.faults import as_s3_error
from s3gw.problems import Fault, Problem

_logger = logging.getLogger("s3gw.api")

# What S3's errors are called here, where their status alone doesn't say it.
_OF_S3 = {"QuotaExceeded": (413, "QUOTA_EXCEEDED")}
_BY_STATUS = {
    400: (422, "VALIDATION_ERROR"),
    401: (401, "AUTHENTICATION_FAILED"),
    403: (403, "PERMISSION_DENIED"),
    404: (404, "NOT_FOUND"),
    405: (405, "METHOD_NOT_ALLOWED"),
    409: (409, "CONFLICT"),
    412: (412, "PRECONDITION_FAILED"),
    413: (413, "TOO_LARGE"),
    415: (415, "UNSUPPORTED_MEDIA_TYPE"),
    422: (422, "VALIDATION_ERROR"),
    429: (429, "RATE_LIMITED"),
    501: (501, "NOT_IMPLEMENTED"),
    503: (503, "STORAGE_UNAVAILABLE"),
    507: (507, "STORAGE_FULL"),
}
_INTERNAL = (500, "INTERNAL_ERROR")


def refuse_in_json(app: FastAPI) -> None:
    """Have the app answer whatever is raised."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(S3Error, _s3_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(request, error.status, error.error_code, error.detail, error.faults, headers)


async def _s3_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, S3Error)
    status, code = _OF_S3.get(error.code) or _BY_STATUS.get(error.status, _INTERNAL)
    return _answer(request, status, code, error.message)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(".".join(map(str, item["loc"])), str(item["msg"])) for item in error.errors()]
    return _answer(request, 422, "VALIDATION_ERROR", "the request isn't valid", faults)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    """An unknown path, or another method."""
    assert isinstance(error, HTTPException)
    status, code = _BY_STATUS.get(error.status_code, _INTERNAL)
    return _answer(request, status, code, str(error.detail), headers=error.headers or {})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A database or a disk that fails, or a mistake of ours, which the log tells."""
    known = as_s3_error(error)
    if not isinstance(known, InternalError):
        status, code = _BY_STATUS.get(known.status, _INTERNAL)
        return _answer(request, status, code, known.message)
    _logger.error("request_id=%s", request.state.request_id, exc_info=error)
    return _answer(request, *_INTERNAL, "the request could not be done; the log says why")


def _answer(
    request: Request,
    status: int,
    error_code: str,
    detail: str,
    faults: Any = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    content: dict[str, Any] = {
        "detail": detail,
        "error_code": error_code,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": request.state.request_id,
    }
    if faults:
        content["errors"] = [fault._asdict() for fault in faults]
    return JSONResponse(jsonable_encoder(content), status, dict(headers or {}))
