"""The API of the server that all tests share, and who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.askers import Acquaintances
from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, register
from tests.cli.commands import Ask, beside
from tests.servers import RunningServer

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def api(server: RunningServer) -> Iterator[httpx.Client]:
    """Without a token. Every answer is held to the API's document. It waits for longer than the server does for a body
    or a lock, so that a test that fails tells what the server has waited for.
    """
    with httpx.Client(base_url=f"{server.admin}/api/v1", timeout=120, event_hooks=HELD) as client:
        yield client


@pytest.fixture(scope="session")
def ask(server: RunningServer) -> Ask:
    """The command line beside the server."""
    return beside(server)


@pytest.fixture(scope="session")
def admin(server: RunningServer, api: httpx.Client) -> Person:
    server.command("user", "create", "api-admin", "--role", "admin", "--password", PASSWORD)
    return Person(api, "api-admin")


@pytest.fixture(scope="session")
def auditor(server: RunningServer, api: httpx.Client) -> Person:
    server.command("user", "create", "api-auditor", "--role", "auditor", "--password", PASSWORD)
    return Person(api, "api-auditor")


@pytest.fixture(scope="session")
def acquaintances(api: httpx.Client, ask: Ask) -> Acquaintances:
    return Acquaintances(api, ask)


@pytest.fixture
def person(api: httpx.Client) -> Person:
    return register(api)
