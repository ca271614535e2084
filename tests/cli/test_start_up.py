"""What a command loads before it does anything: that is most of what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import environment, running_server

# Runs a command as its program does, and prints the modules that it has loaded by then.
_PROGRAM = """
import gc, json, sys
from s3gw.cli import main
try:
    main()
finally:
    print(json.dumps({"modules": sorted(sys.modules), "looks_for_garbage": gc.isenabled()}), file=sys.stderr)
"""
_SERVERS = {
    "alembic", "awscrt", "botocore", "fastapi", "httptools", "lxml", "multiprocessing", "psycopg", "starlette",
    "uvicorn", "uvloop",
}  # fmt: skip
_DATABASES = {"sqlalchemy", "sqlite3"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "data"
    with running_server(folder, "--workers", "1"):
        return folder


def facts_of(words: tuple[str, ...], cwd: Path) -> dict[str, object]:
    """Without coverage, which would load modules of its own into the program."""
    env = {name: value for name, value in environment().items() if not name.startswith("COV")}
    command = [sys.executable, "-c", _PROGRAM, *words]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "command", ["user", *(pytest.param(one, marks=pytest.mark.soak) for one in ("key", "bucket", "job"))]
)
def test_a_command_about_metadata_loads_nothing_that_only_the_server_needs(command: str, data: Path) -> None:
    modules = facts_of((command, "list", "--data", str(data)), data.parent)["modules"]
    assert isinstance(modules, list)
    assert _SERVERS.intersection(modules) == set()


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("config",)])
def test_a_command_without_metadata_loads_no_database(words: tuple[str, ...], tmp_path: Path) -> None:
    modules = facts_of(words, tmp_path)["modules"]
    assert isinstance(modules, list)
    assert (_SERVERS | _DATABASES).intersection(modules) == set()


def test_the_help_of_all_commands_loads_none_of_them(tmp_path: Path) -> None:
    modules = facts_of(("--help",), tmp_path)["modules"]
    assert isinstance(modules, list)
    assert [name for name in modules if name.startswith("s3gw.")] == ["s3gw.cli", "s3gw.garbage"]


def test_a_command_ends_before_garbage_matters(tmp_path: Path) -> None:
    assert facts_of(("--version",), tmp_path)["looks_for_garbage"] is False
