"""A data folder, and commands about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from s3gw.config import load_settings
from s3gw.processes.first_start import prepare
from tests.cli.commands import Ask, Command, asking, command


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the first start leaves it."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(prepare(load_settings(data=tmp_path / "data")))
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Command:
    return command("--data", str(data))


@pytest.fixture
def ask(run: Command) -> Ask:
    return asking(run)
