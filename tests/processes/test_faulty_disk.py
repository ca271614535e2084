"""A disk with a quota that no figure tells, and one that fails: `make soak`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

from tests.disks.faulty_disk import FaultyDisk, faulty_disk
from tests.gateways import client_of, refusal
from tests.processes.test_full_disk import DEFAULTS, LARGE, command, has_reserve, readyz, until
from tests.servers import running_server

pytestmark = pytest.mark.soak

FULL, UNAVAILABLE = (507, "InsufficientStorage"), (503, "ServiceUnavailable")
OBJECTS = 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    with faulty_disk(tmp_path / "data") as mounted:
        yield mounted


def fill(s3: Any) -> None:
    s3.create_bucket(Bucket="bucket")
    for number in range(OBJECTS):
        s3.put_object(Bucket="bucket", Key=f"small{number}", Body=os.urandom(4000))
    for number in range(3):
        s3.put_object(Bucket="bucket", Key=f"large{number}", Body=LARGE[number:])


def first_refusal(s3: Any) -> tuple[int, str] | None:
    """Of many small objects: what the files of the database hold is used before they have to grow."""
    for number in range(3000):
        try:
            s3.put_object(Bucket="bucket", Key=f"new{number}", Body=os.urandom(16_000))
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return None


def test_a_quota_can_be_left_by_deleting_however_many_want_to_write(disk: FaultyDisk) -> None:
    with running_server(disk.folder, **DEFAULTS) as server:
        s3 = client_of(server)
        fill(s3)
        until(lambda: has_reserve(disk.folder))
        disk.fail(f"quota {disk.used()}")
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == FULL
        assert first_refusal(s3) == FULL
        # The reserve was touched, and no new byte gets any of it.
        time.sleep(1.1)
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=b"x") == FULL
        assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "full"})
        for number in range(OBJECTS):
            s3.delete_object(Bucket="bucket", Key=f"small{number}")
        for number in range(2):
            s3.delete_object(Bucket="bucket", Key=f"large{number}")
        assert s3.get_object(Bucket="bucket", Key="large2")["Body"].read() == LARGE[2:]
        made = command(disk.folder, "user", "create", "alice", "--json")
        assert made.returncode == 0, made.stderr
        assert "Traceback" not in server.log.read_text()
    with running_server(disk.folder, **DEFAULTS) as server:  # and one starts on it
        s3 = client_of(server)
        assert s3.get_object(Bucket="bucket", Key="large2")["Body"].read() == LARGE[2:]
        s3.delete_object(Bucket="bucket", Key="large2")
        disk.fail()
        until(lambda: readyz(server)[1]["writing"] == "ok", 150)
        s3.put_object(Bucket="bucket", Key="new", Body=LARGE)


@pytest.mark.parametrize("operation", ["write", "fsync", "create"])
def test_a_disk_that_fails_to_write_is_unavailable_and_read(disk: FaultyDisk, operation: str) -> None:
    with running_server(disk.folder, **DEFAULTS) as server:
        s3 = client_of(server)
        fill(s3)
        disk.fail(f"{operation} EIO")
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == UNAVAILABLE
        if operation != "create":  # which the database needs no more
            assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=b"small") == UNAVAILABLE
            assert refusal(s3.delete_object, Bucket="bucket", Key="small0") == UNAVAILABLE
            assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "failed"})
        assert s3.get_object(Bucket="bucket", Key="large0")["Body"].read() == LARGE
        assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == OBJECTS + 3
        disk.fail()
        s3.delete_object(Bucket="bucket", Key="small0")
        s3.put_object(Bucket="bucket", Key="new", Body=LARGE)
        assert s3.get_object(Bucket="bucket", Key="new")["Body"].read() == LARGE
        until(lambda: readyz(server)[1]["writing"] == "ok")
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("operation", ["read", "open"])
def test_a_disk_that_fails_to_read_chunks_is_unavailable_for_them_alone(disk: FaultyDisk, operation: str) -> None:
    with running_server(disk.folder, **DEFAULTS) as server:
        s3 = client_of(server)
        fill(s3)
        disk.fail(f"{operation} EIO blobs/")
        assert refusal(s3.get_object, Bucket="bucket", Key="large0") == UNAVAILABLE
        assert len(s3.get_object(Bucket="bucket", Key="small0")["Body"].read()) == 4000
        disk.fail()
        assert s3.get_object(Bucket="bucket", Key="large0")["Body"].read() == LARGE
        assert "Traceback" not in server.log.read_text()


def test_an_answer_that_the_disk_breaks_off_is_told_in_one_line(disk: FaultyDisk) -> None:
    with running_server(disk.folder, **DEFAULTS, S3GW_CHUNK_SIZE=str(1 << 20)) as server:
        s3 = client_of(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="key", Body=LARGE * 10)
        body = s3.get_object(Bucket="bucket", Key="key")["Body"]
        assert body.read(1000) == LARGE[:1000]
        disk.fail("read EIO blobs/")
        with pytest.raises((IncompleteReadError, ResponseStreamingError)):
            body.read()
        until(lambda: "aborted" in server.log.read_text())
        assert "Traceback" not in server.log.read_text()
