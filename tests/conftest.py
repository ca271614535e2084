"""Fixtures that every test may use. Databases are in postgresql.py, gateways in gateways.py."""

from __future__ import annotations

import pytest
from hypothesis import settings

from s3gw.content import filesystem

pytest_plugins = ["tests.postgresql", "tests.gateways"]

# An example that takes long says that the machine is busy, and nothing of the code.
settings.register_profile("s3gw", deadline=None)
settings.load_profile("s3gw")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def few_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making, flushing and removing a store's 256 folders takes longer than most tests of what is stored in them.

    A location in another folder is an error, so nobody gets fewer unnoticed.
    """
    monkeypatch.setattr(filesystem, "_SHARDS", (*(f"{number:02x}" for number in range(32)), "ff"))
