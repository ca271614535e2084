"""The API's document, and the pages that show it without anything from elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from importlib.resources import files

import httpx
import pytest

from s3gw.api.app import build_app
from tests.servers import RunningServer

ASSETS = files("s3gw.api") / "assets"


@pytest.fixture
def root(server: RunningServer, api: httpx.Client) -> str:
    return server.admin


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_a_page_loads_what_is_here_and_nothing_else(root: str, api: httpx.Client, page: str) -> None:
    answer = api.get(f"{root}/{page}")
    assert answer.status_code == 200
    assert "unsafe-eval" not in answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    references = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(references) >= 2
    for reference in references:
        found = api.get(f"{root}/{reference}")
        assert found.status_code == 200
        assert found.headers["Content-Type"].partition(";")[0] in ("text/javascript", "text/css")


@pytest.mark.parametrize("name", ["assets.json", "..%2Fdocs.py", "../docs.py", ".js", "none.js"])
def test_what_no_page_needs_is_not_served(root: str, api: httpx.Client, name: str) -> None:
    assert api.get(f"{root}/docs/assets/{name}").status_code == 404


def test_the_assets_are_those_of_the_packages_that_they_name() -> None:
    rows = json.loads((ASSETS / "assets.json").read_text())
    assert {row["file"] for row in rows} | {"swagger.js", "redoc.js"} == {
        path.name for path in ASSETS.iterdir() if path.name.endswith((".js", ".css"))
    }
    for row in rows:
        assert hashlib.sha256((ASSETS / row["file"]).read_bytes()).hexdigest() == row["sha256"]
        assert row["licence"] in ("Apache-2.0", "MIT")


def test_the_document_is_openapi_3_1_and_says_what_needs_a_token(root: str, api: httpx.Client) -> None:
    document = api.get(f"{root}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    assert "security" in paths["/api/v1/users/me"]["get"]
    assert "security" not in paths["/api/v1/users/login"]["post"]


@pytest.mark.anyio
async def test_the_document_is_made_once_and_not_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes so long that a load balancer's health checks would have ended all that a node had at work."""
    makers: list[threading.Thread] = []

    def made(*_: object) -> dict[str, str]:
        makers.append(threading.current_thread())
        return {"openapi": "3.1.0"}

    monkeypatch.setattr("s3gw.api.openapi.document_of", made)
    transport = httpx.ASGITransport(build_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(3)))
    assert [answer.json() for answer in answers] == [{"openapi": "3.1.0"}] * 3
    assert len(makers) == 1 and makers[0] is not threading.current_thread()
