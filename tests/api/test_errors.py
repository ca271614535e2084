"""What the JSON API answers when something else than a refusal is raised."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from s3gw.api.app import build_api
from s3gw.metadata.database import DatabaseFull, DatabaseUnavailable

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DatabaseUnavailable("gone"), 503, "STORAGE_UNAVAILABLE"),
        (DatabaseFull("full"), 507, "STORAGE_FULL"),
        (RuntimeError("secret"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_an_error_that_is_none_of_the_client_is_answered_and_says_nothing_of_itself(
    error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise error

    settings = SimpleNamespace(trusted_proxies=[], access_log=True)
    services = SimpleNamespace(settings=settings, token_keys=SimpleNamespace(verify=fail))
    transport = httpx.ASGITransport(build_api(cast(Any, services)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        with caplog.at_level(logging.INFO):
            answer = await client.get("/api/v1/users/me", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert str(error) not in answer.text
    assert ("secret" in caplog.text) == (status == 500)  # the log says why
