"""A data folder, and commands about it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from s3gw.config import load_settings
from s3gw.processes.first_start import prepare
from tests.cli.commands import Ask, Command, asking, command


@pytest.fixture(scope="session")
def first_started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as the first start leaves it, to be copied: each start migrates, and hashes a password."""
    folder = tmp_path_factory.mktemp("first-started")
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.chdir(folder)
        asyncio.run(prepare(load_settings(data=folder / "data")))
    return folder / "data"


@pytest.fixture(scope="module")
def beginning(first_started: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each test of a module begins with a copy of."""
    return Path(shutil.copytree(first_started, tmp_path_factory.mktemp("beginning") / "data"))


@pytest.fixture(scope="module")
def once(beginning: Path) -> Ask:
    """For commands that all tests of a module would begin with."""
    return asking(command("--data", str(beginning)))


@pytest.fixture
def data(beginning: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the first start leaves it, and what was done `once`."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(beginning, tmp_path / "data"))


@pytest.fixture
def run(data: Path) -> Command:
    return command("--data", str(data))


@pytest.fixture
def ask(run: Command) -> Ask:
    return asking(run)
