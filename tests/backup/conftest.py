"""A backup of a server on each database, made while clients wrote, and again when they had ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.backup.load import SETTINGS, Load
from tests.backup.restored import rows_in
from tests.cli.commands import asking, command
from tests.crash.storage import settle
from tests.places import folder_on_disk
from tests.postgresql import Server
from tests.servers import running_server
from tests.stores import CREDENTIALS

_numbers = count()
PASSWORD = "a-long-pass-word-of-tests"


class Made(NamedTuple):
    """`first` and `last`: how many steps of each client were done before and after the first snapshot was made. `rows`
    are those of the server at the second one.
    """

    place: Path
    data: Path
    url: str | None
    under_load: dict[str, Any]
    quiet: dict[str, Any]
    first: list[int]
    last: list[int]
    rows: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def backing_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an s3gw that backups are stored in."""
    folder = tmp_path_factory.mktemp("store")
    with running_server(folder / "data", "--workers", "1", S3GW_BUCKETS="backups") as server:
        yield server.s3


@pytest.fixture
def url(backing_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where nobody has a backup."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": backing_store}).items():
        monkeypatch.setenv(name, value)
    return f"s3://backups/some/where-{next(_numbers)}"


@pytest.fixture(scope="session")
def make_backup(postgresql: Server) -> Callable[[str, Path], Made]:
    def make(engine: str, folder: Path) -> Made:
        url = postgresql.url(postgresql.create_database()) if engine == "postgresql" else None
        settings = SETTINGS | {"S3GW_ROOT_PASSWORD": PASSWORD} | ({"S3GW_DATABASE_URL": url} if url else {})
        place, data = folder / "backup", folder / "data"
        with running_server(data, "--workers", "1", **settings) as server:
            load = Load(server.s3)
            with load.running():
                load.await_steps(8)
                first = list(load.done)
                under_load = server.command("backup", "create", str(place))
                last = list(load.done)
            server.command("user", "create", "ada")
            server.command("key", "create", "ada")
        ask = asking(command("--data", str(data), *(["--database-url", url] if url else [])))
        assert settle(data, url) == []  # so that it stays as it is, whatever tests do with it
        quiet = ask("backup", "create", str(place))
        return Made(place, data, url, under_load, quiet, first, last, rows_in(url, data))

    return make


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, make_backup: Callable[[str, Path], Made]) -> Iterator[Made]:
    with folder_on_disk() as folder:
        yield make_backup(request.param, folder)
