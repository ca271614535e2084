"""Browsers that ask for the console's pages of the server that all tests share: a client of HTTP, and a real one.

What the real one says itself is wrong (a script or style that the policy forbids, an error in a script) fails a test.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.api.askers import PASSWORD, new_person
from tests.cli.commands import Ask, beside
from tests.console.pages import Open
from tests.servers import RunningServer

_numbers = itertools.count()


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
def ask(server: RunningServer) -> Iterator[Ask]:
    """In a thread of its own: Playwright has an event loop in the tests' thread, beside which commands have none."""
    command = beside(server)
    with ThreadPoolExecutor(1) as thread:
        yield lambda *given, **options: thread.submit(command, *given, **options).result()


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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium")
    if program is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("Chromium or Playwright isn't there")
    with importlib.import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any, server: RunningServer) -> Iterator[Open]:
    """Pages of a person who has opened none before."""
    contexts, said = [], []

    def open_one(**options: Any) -> Any:
        contexts.append(chromium.new_context(base_url=server.admin, locale="en-GB", **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        return page

    yield open_one
    for one in contexts:
        one.close()
    # That a page isn't there, or that a connection was cut, browsers call errors too.
    assert [one for one in said if not one.startswith("Failed to load resource: ")] == []


@pytest.fixture(scope="module")
def inhabitant(api: httpx.Client, ask: Ask) -> Any:
    """With two buckets, one of them with a quota and a file."""
    somebody = new_person(api, ask, "inhabitant")
    made = somebody.ask("POST", "/buckets", json={"name": f"{somebody.name}-full", "storage_quota": 1 << 20}).json()
    somebody.ask("POST", f"/buckets/{made['id']}/files", params={"path": "a.txt"}, content=b"x" * 5000)
    somebody.ask("POST", "/buckets", json={"name": f"{somebody.name}-empty"})
    return somebody


@pytest.fixture
def bucket(inhabitant: Any) -> tuple[str, str]:
    """An empty one's id and the address of its page."""
    name = f"{inhabitant.name}-{next(_numbers)}"
    bucket_id = inhabitant.ask("POST", "/buckets", json={"name": name}).json()["id"]
    return bucket_id, f"/console/buckets/{bucket_id}"
