"""Fixtures that every test may use. Databases are in postgresql.py, gateways in gateways.py."""

from __future__ import annotations

import gc
import ssl
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import pytest
from hypothesis import settings

from s3gw.content import filesystem
from tests.places import ASKS_CLUSTER, folder_on_disk, memory_folder

_HERE = Path(__file__).parent
_DATABASES = ("sqlite", "postgresql")
pytest_plugins = ["tests.postgresql", "tests.gateways", "tests.stores"]

# An example that takes long says that the machine is busy, and nothing of the code.
settings.register_profile("s3gw", deadline=None)
settings.load_profile("s3gw")


def pytest_configure(config: pytest.Config) -> None:
    """`tmp_path` is below the folder for temporary files, and in a worker of xdist below its controller's."""
    gc.disable()
    folder = memory_folder()
    if folder is not None and config.option.markexpr == "not soak":
        tempfile.tempdir = str(folder)


_new_context = httpx.create_ssl_context


@cache
def _context() -> ssl.SSLContext:
    return _new_context()


def _context_for(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    return _context() if verify is True and cert is None else _new_context(verify, cert, trust_env)


# Reading the authorities that everybody trusts takes 27 ms for each client, of which the tests make two thousand.
httpx._transports.default.create_ssl_context = _context_for


# Of what these call, the SQL has tests of its own, in tests/metadata, each on both databases.
_BY_TURNS = frozenset(
    (
        "accounts",
        "api",
        "backup",
        "console",
        "content",
        "crash/test_crash.py",
        "events",
        "jobs",
        "metadata/test_quotas.py",
        "operations",
        "s3",
        "test_bad_input.py",
        "test_consistency.py",
        "test_interleavings.py",
        "test_master_key_rotation.py",
        "test_metrics.py",
        "test_moto_oracle.py",
        "test_state_machine.py",
    )
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is asked at the doors is asked on one of the databases, each of a test's examples on another by turns; `make
    soak` asks the other one too.
    """
    for item in items:
        if ASKS_CLUSTER and "cluster" not in _parameters_of(item).values():
            item.add_marker(pytest.mark.skip("it asks no server, or starts one with settings of its own"))
        database = _database_of(item)
        where = item.path.relative_to(_HERE)
        if database and {where.parts[0], where.as_posix()} & _BY_TURNS:
            asked = item.nodeid.replace(database, "")
            if database != _DATABASES[crc32(asked.encode()) % 2]:
                item.add_marker(pytest.mark.soak)


def _database_of(item: pytest.Item) -> str | None:
    """That it is run on, where it is run on each."""
    return next((value for value in _parameters_of(item).values() if value in _DATABASES), None)


def _parameters_of(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking through it again and again took a third of the CPU time
    of collecting it, and would take some of each later collection.
    """
    gc.enable()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """As tmp_path, and never in memory."""
    with folder_on_disk() as folder:
        yield folder


@pytest.fixture
def few_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making, flushing and removing a store's 256 folders takes longer than most tests of what is stored in them.

    A location in another folder is an error, so nobody gets fewer unnoticed.
    """
    monkeypatch.setattr(filesystem, "_SHARDS", (*(f"{number:02x}" for number in range(32)), "ff"))
