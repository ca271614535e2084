"""A database and a folder of blobs belong together: beside another database every chunk is a file that no row names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from s3gw.content.filesystem import FilesystemStore
from tests.postgresql import Server
from tests.processes.test_refused_starts import first_start, serve
from tests.servers import ROOT_KEY, RunningServer, running_server

BODY = os.urandom(100_000)
BUCKETS = {"S3GW_BUCKETS": "bucket"}
ONE_WORKER = ("--workers", "1")  # that starts sooner


def s3(server: RunningServer) -> Any:
    return boto3.client(
        "s3", endpoint_url=server.s3, region_name="us-east-1", aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1], config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose server has stored an object, and stopped."""
    folder = tmp_path_factory.mktemp("identity") / "data"
    with running_server(folder, *ONE_WORKER, **BUCKETS) as server:
        s3(server).put_object(Bucket="bucket", Key="key", Body=BODY)
    return folder


@pytest.fixture
def data(left_behind: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(left_behind, tmp_path / "data"))


def stored(data: Path) -> list[str]:
    return list(FilesystemStore(data / "blobs").locations())


def is_refused(data: Path, word: str, **settings: str) -> bool:
    files = stored(data)
    refused = serve(data, **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    return word in refused.stderr and stored(data) == files


@pytest.mark.soak
def test_a_new_database_beside_blobs_of_another_is_refused(data: Path, tmp_path: Path) -> None:
    assert is_refused(data, "another database", S3GW_DATABASE_URL=f"sqlite:///{tmp_path}/other.db")
    with running_server(data, *ONE_WORKER) as server:
        assert s3(server).get_object(Bucket="bucket", Key="key")["Body"].read() == BODY


def test_the_database_of_another_folder_is_refused(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    first_start(other)
    assert is_refused(data, "identity", S3GW_DATABASE_URL=f"sqlite:///{other}/s3gw.db")


@pytest.mark.soak
def test_a_second_folder_for_a_database_is_refused(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "master.key", tmp_path / "master.key")
    settings = {"S3GW_DATABASE_URL": f"sqlite:///{data}/s3gw.db", "S3GW_MASTER_KEY_FILE": str(tmp_path / "master.key")}
    with running_server(data, *ONE_WORKER):
        assert is_refused(tmp_path / "second", "none", **settings)


@pytest.mark.soak
def test_a_start_that_ended_before_the_database_knew_the_name_is_taken_up(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "data" / "blobs")
    assert store.identify("a" * 32) == "a" * 32
    assert store.identify("b" * 32) == "a" * 32
    for _ in range(2):
        with running_server(tmp_path / "data", *ONE_WORKER):
            assert store.identity() == "a" * 32


@pytest.mark.soak
def test_nodes_that_share_folder_and_database_agree(tmp_path: Path, postgresql: Server) -> None:
    settings = {"S3GW_DATABASE_URL": postgresql.url(postgresql.create_database())}
    with running_server(tmp_path / "one", *ONE_WORKER, **settings):
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        with running_server(tmp_path / "two", *ONE_WORKER, **settings) as second:
            s3(second).create_bucket(Bucket="bucket")
