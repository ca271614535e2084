"""Who asks the JSON API of the session's servers, and the command line beside them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.cli.commands import Ask, beside
from tests.servers import RunningServer


@pytest.fixture(scope="module")
def ask(server: RunningServer) -> Ask:
    return beside(server)


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.admin}/api/v1") as client:
        yield client
