"""A disk that is full: new bytes are refused, what makes room goes on, and a start finds its way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from s3gw.config import Settings
from s3gw.processes.first_start import prepare
from tests.disks.small_disks import SmallDisk, small_disk
from tests.gateways import client_of, refusal
from tests.servers import ROOT_KEY, RunningServer, environment, running_server

MIB = 1 << 20
DEFAULTS = {"S3GW_MIN_FREE_SPACE": ""}
ONE_WORKER = ("--workers", "1")
LARGE = os.urandom(3 * MIB)
FULL = (507, "InsufficientStorage")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "data") as mounted:
        yield mounted


class Served(NamedTuple):
    """A server whose disk the tests of this file fill in turn."""

    server: RunningServer
    disk: SmallDisk


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = DEFAULTS | {"S3GW_CHUNK_SIZE": str(MIB)}
    with (
        small_disk(tmp_path_factory.mktemp("full") / "data") as mounted,
        running_server(mounted.folder, *ONE_WORKER, **settings) as server,
    ):
        yield Served(server, mounted)


@pytest.fixture
def served(shared: Served) -> Served:
    shared.disk.empty()
    until(lambda: has_reserve(shared.disk.folder) and readyz(shared.server)[1]["writing"] == "ok")
    return shared


def until(condition: Callable[[], Any], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't come true"
        time.sleep(0.1)


def has_reserve(folder: Path) -> bool:
    """A whole one: its first file is made last, and the other one when all have been."""
    return all((folder / "reserve" / name).exists() for name in ("00", "was-whole"))


def readyz(server: RunningServer) -> tuple[int, Any]:
    status, body = server.get(f"{server.admin}/readyz")
    return status, json.loads(body)


def blobs_of(disk: SmallDisk) -> int:
    return sum(1 for path in (disk.folder / "blobs").glob("??/*") if path.is_file())


def prepared(server: RunningServer, disk: SmallDisk) -> Any:
    """A client, and objects and an upload that can be deleted."""
    s3 = client_of(server)
    s3.create_bucket(Bucket="bucket")
    s3.create_bucket(Bucket="empty")
    for number in range(30):
        s3.put_object(Bucket="bucket", Key=f"small{number}", Body=os.urandom(4000))
    for number in range(3):
        s3.put_object(Bucket="bucket", Key=f"large{number}", Body=LARGE[number:])
    upload = s3.create_multipart_upload(Bucket="bucket", Key="upload")["UploadId"]
    s3.upload_part(Bucket="bucket", Key="upload", UploadId=upload, PartNumber=1, Body=LARGE[:-9])
    until(lambda: has_reserve(disk.folder))
    return s3, upload


def command(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "s3gw", *arguments, "--data", str(data)],
        cwd=data.parent,
        env=environment(PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_below_the_floor_new_bytes_are_refused_once_and_everything_else_goes_on(served: Served) -> None:
    server, disk = served
    s3, upload = prepared(server, disk)
    assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "ok"})
    disk.fill(leave=2 * MIB)  # the floor of 48 MiB is 2.4 MiB
    time.sleep(1.1)  # what was seen of the disk counts for a second
    sdk = boto3.client(  # with the SDK's own idea of what is tried again
        "s3",
        endpoint_url=server.s3,
        aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1],
        region_name="us-east-1",
        config=Config(retries={"mode": "standard", "max_attempts": 5}),
    )
    new = {"Bucket": "bucket", "Key": "new"}
    attempts: list[int] = []
    sdk.meta.events.register("before-send.s3", lambda **_: attempts.append(1))
    assert refusal(sdk.put_object, **new, Body=b"small") == FULL
    assert len(attempts) == 1
    assert refusal(s3.put_object, **new, Body=LARGE) == FULL
    assert refusal(s3.create_bucket, Bucket="new") == FULL
    assert refusal(s3.copy_object, **new, CopySource="bucket/small0") == FULL
    assert refusal(s3.create_multipart_upload, **new) == FULL
    part = {"Bucket": "bucket", "Key": "upload", "UploadId": upload, "PartNumber": 2}
    assert refusal(s3.upload_part, **part, Body=b"part") == FULL
    assert s3.get_object(Bucket="bucket", Key="large0")["Body"].read() == LARGE
    assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 33
    assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "full"})
    assert server.get(f"{server.admin}/readyz/writing") == (503, b'{"writing":"full"}')
    s3.delete_object(Bucket="bucket", Key="small0")
    disk.empty()
    until(lambda: readyz(server)[1]["writing"] == "ok")
    s3.put_object(**new, Body=LARGE)
    assert "Traceback" not in server.log.read_text()


def test_a_body_that_would_go_below_the_floor_is_refused_before_it_is_read(served: Served) -> None:
    s3 = client_of(served.server)
    s3.create_bucket(Bucket="bodies")
    served.disk.fill(leave=6 * MIB)
    time.sleep(1.1)
    s3.put_object(Bucket="bodies", Key="fits", Body=b"x" * MIB)
    too_large = {"Bucket": "bodies", "Key": "new", "Body": b"x" * (4 * MIB)}  # the disk would take it
    assert refusal(s3.put_object, **too_large) == FULL
    s3.put_object(Bucket="bodies", Key="fits too", Body=b"y" * MIB)


def test_a_body_that_is_being_sent_ends_at_the_floor(served: Served) -> None:
    """Its size had room when it began: what others store meanwhile counts too."""
    server, disk = served
    s3 = client_of(server)
    s3.create_bucket(Bucket="sent")
    stored = blobs_of(disk)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "sent", "Key": "new"})
    address = urlsplit(url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=20)
    connection.putrequest("PUT", f"{address.path}?{address.query}", skip_accept_encoding=True)
    connection.putheader("Content-Length", str(12 * MIB))
    connection.endheaders(bytes(MIB))
    disk.fill(leave=2 * MIB)
    time.sleep(1.1)
    connection.send(bytes(3 * MIB))
    answer = connection.getresponse()
    assert (answer.status, b"<Code>InsufficientStorage<" in answer.read()) == (507, True)
    connection.close()
    until(lambda: blobs_of(disk) <= stored)
    assert disk.free() > 1 * MIB


@pytest.mark.soak  # twenty seconds
def test_a_full_disk_can_be_left_by_deleting(disk: SmallDisk) -> None:
    """To its last byte: what deletes need is the reserve."""
    with running_server(disk.folder, *ONE_WORKER, **DEFAULTS) as server:
        s3, upload = prepared(server, disk)
        disk.fill()
        assert disk.free() == 0
        time.sleep(1.1)
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=b"small") == FULL
        stored = blobs_of(disk)
        for number in range(10):
            s3.delete_object(Bucket="bucket", Key=f"small{number}")
        s3.abort_multipart_upload(Bucket="bucket", Key="upload", UploadId=upload)
        s3.delete_bucket(Bucket="empty")
        keys = [{"Key": f"small{number}"} for number in range(10, 30)] + [{"Key": "large0"}, {"Key": "large1"}]
        deleted = s3.delete_objects(Bucket="bucket", Delete={"Objects": keys})
        assert len(deleted["Deleted"]) == 22
        made = command(disk.folder, "user", "create", "alice", "--json")
        assert made.returncode == 0, made.stderr
        assert s3.get_object(Bucket="bucket", Key="large2")["Body"].read() == LARGE[2:]
        # What the reaper makes free is above the floor: the disk can be used again, and the reserve comes back.
        until(lambda: blobs_of(disk) <= stored - 3)
        until(lambda: readyz(server)[1]["writing"] == "ok")
        s3.put_object(Bucket="bucket", Key="new", Body=b"small")
        assert has_reserve(disk.folder)
        assert "Traceback" not in server.log.read_text()


@pytest.mark.soak
def test_a_server_starts_on_a_full_disk_and_deletes(disk: SmallDisk) -> None:
    with running_server(disk.folder, *ONE_WORKER, **DEFAULTS) as server:
        prepared(server, disk)
    disk.fill()
    made = command(disk.folder, "user", "create", "alice", "--json")
    assert made.returncode == 0, made.stderr
    disk.fill()
    with running_server(disk.folder, *ONE_WORKER, **DEFAULTS) as server:
        s3 = client_of(server)
        disk.fill()  # again, with what the reserve gave
        assert s3.get_object(Bucket="bucket", Key="large0")["Body"].read() == LARGE
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == FULL
        for number in range(3):
            s3.delete_object(Bucket="bucket", Key=f"large{number}")
        assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 30


def test_a_start_on_a_full_disk_without_a_reserve_says_what_is_missing(disk: SmallDisk) -> None:
    settings = Settings(data=disk.folder)
    asyncio.run(prepare(settings))
    disk.fill()
    with pytest.raises(OSError, match="the disk is full, and no reserve is left to start with: make some room") as full:
        asyncio.run(prepare(settings))
    assert full.value.filename == str(disk.folder)
    disk.empty()
    assert asyncio.run(prepare(settings)) == {}


@pytest.mark.soak
def test_a_disk_without_inodes_refuses_new_bytes_and_deletes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", inodes=600) as disk:
        with running_server(disk.folder, *ONE_WORKER, **DEFAULTS) as server:
            s3, _ = prepared(server, disk)
            disk.use_up_inodes()
            time.sleep(1.1)
            assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == FULL
            assert readyz(server)[1]["writing"] == "full"
            s3.delete_object(Bucket="bucket", Key="large0")
        disk.use_up_inodes()
        with running_server(disk.folder, *ONE_WORKER, **DEFAULTS) as server:
            s3 = client_of(server)
            s3.delete_object(Bucket="bucket", Key="large1")
            assert s3.get_object(Bucket="bucket", Key="large2")["Body"].read() == LARGE[2:]


@pytest.mark.soak
def test_a_log_that_can_not_be_written_ends_nobody(disk: SmallDisk) -> None:
    """It lies on the same disk: neither the answers nor the supervisor's lines may depend on it."""
    with running_server(disk.folder / "data", *ONE_WORKER, **DEFAULTS) as server:
        s3 = client_of(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="small", Body=b"small")
        until(lambda: has_reserve(disk.folder / "data"))
        disk.fill()
        for _ in range(600):  # lines are written when there are 256 of them, too
            assert s3.head_object(Bucket="bucket", Key="small")["ContentLength"] == 5
        os.kill(server.facts["worker_pids"][0], signal.SIGKILL)
        until(lambda: is_served(server))
        s3 = client_of(server)
        assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
        assert server.process.poll() is None


def is_served(server: RunningServer) -> bool:
    try:
        return server.get(f"{server.admin}/healthz")[0] == 200
    except OSError:
        return False


@pytest.mark.soak
def test_a_database_whose_own_disk_is_full_deletes(disk: SmallDisk, tmp_path: Path) -> None:
    """The blobs lie elsewhere; each disk counts for itself, and the reserve lies where it is needed."""
    settings = DEFAULTS | {"S3GW_DATABASE_URL": f"sqlite:///{disk.folder / 's3gw.db'}"}
    with running_server(tmp_path / "elsewhere", *ONE_WORKER, **settings) as server:
        s3, _ = prepared(server, disk)
        disk.fill()
        time.sleep(1.1)
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == FULL
        s3.delete_object(Bucket="bucket", Key="large0")
    disk.fill()
    with running_server(tmp_path / "elsewhere", *ONE_WORKER, **settings) as server:
        s3 = client_of(server)
        s3.delete_object(Bucket="bucket", Key="large1")
        assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 31
