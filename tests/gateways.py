"""A running gateway on each database, and boto3 clients for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.places import ASKS_CLUSTER, folder_on_disk
from tests.postgresql import Server
from tests.servers import ROOT_KEY, RunningServer, running_server

_numbers = itertools.count()
# Of bytes that have the word in them: infected, and never an answer. Nothing is scanned but where a bucket asks for it.
INFECTED, UNANSWERED = b"INFECTED-AS-TESTS-HAVE-IT", b"UNANSWERED-AS-TESTS-HAVE-IT"
_SCANNER = f"""sh -c 'found=$(grep -ao -e {INFECTED.decode()} -e {UNANSWERED.decode()})
case "$found" in {INFECTED.decode()}*) echo Test.Virus; exit 1;; {UNANSWERED.decode()}*) exit 2;; esac'"""


def of_one_server(reason: str) -> pytest.MarkDecorator:
    """What can't be asked of three nodes behind a proxy."""
    return pytest.mark.skipif(ASKS_CLUSTER, reason=reason)


of_one_folder = of_one_server("it looks into a folder of chunks, and the cluster has a store")


@pytest.fixture(scope="session", params=["cluster"] if ASKS_CLUSTER else ["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Its blobs are on a disk, and its database is not."""
    settings = {"S3GW_BUCKET_DEFAULTS": "classic", "S3GW_DOMAINS": "s3.localhost", "S3GW_SCAN_COMMAND": _SCANNER}
    if request.param == "cluster":
        yield from _three_nodes(settings)
        return
    settings["S3GW_DATABASE_URL"] = f"sqlite:///{tmp_path_factory.mktemp('gateway')}/s3gw.db"
    if request.param == "postgresql":
        postgresql: Server = request.getfixturevalue("postgresql")
        settings["S3GW_DATABASE_URL"] = postgresql.url(postgresql.create_database())
    with folder_on_disk() as folder, running_server(folder / "data", **settings) as running:
        yield running


def _three_nodes(settings: dict[str, str]) -> Iterator[RunningServer]:
    """As one server: its addresses are HAProxy's, and commands run beside the first node."""
    from tests.cluster.network import Network  # needed here only, and imports much
    from tests.cluster.topology import running_cluster
    from tests.stores import CREDENTIALS

    settings |= {"S3GW_REGISTRATION": "open"}  # which is so by itself at 127.0.0.1 only
    network = Network()
    settings |= {"S3GW_SHARE_URL": f"http://{network.haproxy}:9002", "S3GW_ACCESS_LOG": "true"}
    with (
        pytest.MonkeyPatch.context() as environment,
        running_cluster(_in_one_place, network=network, **settings) as cluster,
    ):
        first = cluster.nodes[0].server
        assert first is not None
        for name in ("S3GW_BLOBS", "S3GW_BLOBS_ENDPOINT", "S3GW_MASTER_KEY", *CREDENTIALS):
            environment.setenv(name, first.settings[name])
        facts = first.facts | {"s3": cluster.s3, "admin": cluster.admin, "share": cluster.share}
        yield replace(first, facts=facts)


def _in_one_place(nodes: list[Path]) -> None:
    """The nodes write their messages and their log to the first one's, where tests look for them."""
    first = nodes[0]
    (first / "mail").mkdir(parents=True)
    first.with_name(f"{first.name}.log").touch()
    for node in nodes[1:]:
        node.mkdir()
        (node / "mail").symlink_to(first / "mail")
        node.with_name(f"{node.name}.log").symlink_to(first.with_name(f"{first.name}.log"))


def client_of(server: RunningServer, key: tuple[str, str] = ROOT_KEY, **options: Any) -> BaseClient:
    return boto3.client(
        "s3",
        endpoint_url=server.s3,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        region_name="us-east-1",
        config=Config(
            parameter_validation=False, retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **options
        ),
    )


@pytest.fixture(scope="session")
def s3(server: RunningServer) -> Any:
    return client_of(server)


class Person(NamedTuple):
    """A user with an account of its own, and a client with its key."""

    s3: Any
    account_id: str
    canonical_id: str
    key: tuple[str, str]


def new_person(server: RunningServer, name: str) -> Person:
    user = server.command("user", "create", name)
    made = server.command("key", "create", name)
    key = made["access_key_id"], made["secret_access_key"]
    return Person(client_of(server, key), user["account_id"], user["canonical_id"], key)


@pytest.fixture(scope="session")
def owner(server: RunningServer) -> Person:
    """Who owns buckets and isn't an admin."""
    return new_person(server, "owner")


@pytest.fixture(scope="session")
def stranger(server: RunningServer) -> Person:
    return new_person(server, "stranger")


@pytest.fixture(scope="session")
def nobody(server: RunningServer) -> Any:
    return client_of(server, signature_version=UNSIGNED)


@pytest.fixture
def owned(owner: Person) -> str:
    """A bucket of the owner's, as AWS's were before 2023: with ACLs and nothing blocked."""
    name = f"owned-{next(_numbers)}-{owner.account_id}"
    owner.s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"bucket-{next(_numbers)}-{id(s3) % 100_000}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def refusal(call: Any, **arguments: Any) -> tuple[int, str]:
    """Status and code of the error that a call ends in."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]
