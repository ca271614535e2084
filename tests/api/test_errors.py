"""What the JSON API answers when something else than a refusal is raised."""

from __future__ import annotations

import errno
import logging
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from s3gw import errors, problems
from s3gw.api.app import build_api
from s3gw.disks.faults import in_words
from s3gw.errors import Refusal, S3Error
from s3gw.metadata.database import DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from s3gw.problems import Problem, problem_of


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DatabaseUnavailable("gone"), 503, "STORAGE_UNAVAILABLE"),
        (DatabaseFull("full"), 507, "STORAGE_FULL"),
        (DatabaseReadOnly("read-only"), 503, "STORAGE_UNAVAILABLE"),
        (OSError(errno.ENOSPC, "No space left on device"), 507, "STORAGE_FULL"),
        (OSError(errno.EIO, "Input/output error"), 503, "STORAGE_UNAVAILABLE"),
        (errors.InsufficientStorage("full"), 507, "STORAGE_FULL"),
        (errors.NoSuchBucket(), 404, "NOT_FOUND"),
        (errors.InvalidAccessKeyId(), 401, "AUTHENTICATION_FAILED"),
        (errors.MethodNotAllowed(), 405, "METHOD_NOT_ALLOWED"),
        (problems.QuotaExceeded("so many bytes"), 413, "QUOTA_EXCEEDED"),
        (problems.RateLimited("too often", retry_after=0.2), 429, "RATE_LIMITED"),
        (RuntimeError("secret"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_what_is_raised_is_answered_by_its_kind_and_mistakes_say_nothing_of_themselves(
    error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise error

    settings = SimpleNamespace(trusted_proxies=[], api_rate_limit="off", api_cors_origins=[])
    services = SimpleNamespace(settings=settings, token_keys=SimpleNamespace(verify=fail))
    transport = httpx.ASGITransport(build_api(cast(Any, services)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        with caplog.at_level(logging.INFO):
            answer = await client.get("/api/v1/users/me", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    is_refusal = isinstance(error, Refusal)
    assert (str(error) in answer.text) == is_refusal
    assert (in_words(error) in caplog.text) == (not is_refusal)  # the log says why
    assert ("Traceback" in caplog.text) == (status == 500)
    assert answer.headers.get("Retry-After") == {429: "1", 503: "2"}.get(status)


def test_every_error_of_s3_has_its_place_among_the_problems() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, S3Error)]
    told = {kind: problem_of(kind()) for kind in kinds if kind.code}
    assert {kind.status for kind, problem in told.items() if problem is None} <= {301, 304, 405, 500, 501}
    assert len(told) > 80
    kept = (401, 403, 404, 409, 412, 503, 507)
    assert all(
        problem.status == kind.status or problem.status in (401, 413, 422)
        for kind, problem in told.items()
        if problem is not None and kind.status in kept
    )


def test_every_problem_has_a_code_of_its_own_and_is_a_refusal_like_those_of_s3() -> None:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, Problem)]
    codes = [kind.error_code for kind in kinds if kind is not Problem]
    assert len(set(codes)) == len(codes)
    assert issubclass(Problem, Refusal) and issubclass(S3Error, Refusal)
    assert {
        "AUTHENTICATION_FAILED",
        "PERMISSION_DENIED",
        "VALIDATION_ERROR",
        "NOT_FOUND",
        "CONFLICT",
        "QUOTA_EXCEEDED",
        "STORAGE_UNAVAILABLE",
        "STORAGE_FULL",
        "RATE_LIMITED",
        "PRECONDITION_FAILED",
        "IDEMPOTENCY_MISMATCH",
    } <= set(codes)
