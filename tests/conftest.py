"""Fixtures that every test may use. Databases are in postgresql.py."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.postgresql"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
