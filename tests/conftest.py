"""Fixtures that every test may use. Databases are in postgresql.py, gateways in gateways.py."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.postgresql", "tests.gateways"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
