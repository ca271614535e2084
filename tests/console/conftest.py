"""Browsers that ask for the console's pages of the server that all tests share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.askers import PASSWORD, new_person
from tests.cli.commands import Ask, beside
from tests.servers import RunningServer


class Browser:
    """Keeps cookies, and sends what a page of the console's would."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http = httpx.Client(base_url=origin, timeout=60)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        return self.http.post(path, data=data or {}, headers={"Origin": self.origin} | headers)

    def log_in(self, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.post("/console/login", {"username": name, "password": password, **more})

    @property
    def csrf(self) -> str:
        found = re.search(r'data-csrf="([0-9a-f]{64})"', self.get("/console/buckets").text)
        assert found is not None
        return found[1]

    @property
    def cookie(self) -> str:
        return self.http.cookies.get("s3gw_console") or ""


@pytest.fixture(scope="session")
def ask(server: RunningServer) -> Ask:
    return beside(server)


@pytest.fixture(scope="session")
def api(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60) as client:
        yield client


@pytest.fixture
def open_browser(server: RunningServer) -> Iterator[Callable[[], Browser]]:
    opened: list[Browser] = []

    def open_one() -> Browser:
        opened.append(Browser(server.admin))
        return opened[-1]

    yield open_one
    for one in opened:
        one.http.close()


@pytest.fixture(scope="session")
def person(api: httpx.Client, ask: Ask) -> Any:
    return new_person(api, ask, "console")


@pytest.fixture(scope="session")
def friend(api: httpx.Client, ask: Ask) -> Any:
    return new_person(api, ask, "friend")


@pytest.fixture
def browser(open_browser: Callable[[], Browser], person: Any) -> Browser:
    """Logged in."""
    one = open_browser()
    assert one.log_in(person.name).status_code == 303
    return one
