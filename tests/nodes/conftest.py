"""Two process trees over one PostgreSQL, with data folders of their own; one folder of chunks stands for a store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.gateways import client_of
from tests.places import folder_on_disk
from tests.postgresql import Server
from tests.servers import RunningServer, running_server

_numbers = itertools.count()


class Nodes(NamedTuple):
    """`url` is that of their database, `chunks` the folder that both have."""

    one: RunningServer
    other: RunningServer
    url: str


@pytest.fixture(scope="session")
def nodes(postgresql: Server) -> Iterator[Nodes]:
    name = postgresql.create_database()
    settings = {"S3GW_DATABASE_URL": postgresql.url(name), "S3GW_MASTER_KEY": "6b" * 32}
    settings |= {"S3GW_REGISTRATION": "open", "S3GW_BUCKET_DEFAULTS": "classic"}
    with folder_on_disk() as folder:
        second = folder / "second"
        second.mkdir()
        (second / "blobs").symlink_to(folder / "first" / "blobs")
        with (
            running_server(folder / "first", "--workers", "1", **settings) as one,
            running_server(second, "--workers", "1", **settings) as other,
        ):
            yield Nodes(one, other, settings["S3GW_DATABASE_URL"])


@pytest.fixture(scope="session")
def s3(nodes: Nodes) -> Any:
    return client_of(nodes.one)


@pytest.fixture(scope="session")
def other_s3(nodes: Nodes) -> Any:
    return client_of(nodes.other)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"of-nodes-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name
