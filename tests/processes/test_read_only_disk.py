"""A disk that is mounted read-only: the server starts, and serves what can be served."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.disks.small_disks import SmallDisk, failing_disk, small_disk
from tests.gateways import client_of, refusal
from tests.postgresql import Server
from tests.processes.test_full_disk import ONE_WORKER, command, readyz, until
from tests.servers import running_server

LARGE = os.urandom(1 << 20)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "data") as mounted:
        yield mounted


@pytest.mark.soak
@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_objects_of_a_read_only_disk_are_read_and_listed(disk: SmallDisk, is_killed: bool) -> None:
    with running_server(disk.folder, *ONE_WORKER) as server:
        s3 = client_of(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="small", Body=b"small")
        s3.put_object(Bucket="bucket", Key="large", Body=LARGE)
        if is_killed:  # the newest is in the write-ahead log then
            os.killpg(server.process.pid, 9)
            server.process.wait()
    disk.remount("ro")
    with running_server(disk.folder, *ONE_WORKER) as server:
        s3 = client_of(server)
        assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
        assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == LARGE
        assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 2
        for body in (b"new", LARGE):
            assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=body) == (503, "ServiceUnavailable")
        assert refusal(s3.delete_object, Bucket="bucket", Key="small") == (503, "ServiceUnavailable")
        assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "read-only"})
        if is_killed:  # the command line is the same for both
            return
        listed = command(disk.folder, "bucket", "list", "--json")
        assert listed.returncode == 0 and '"bucket"' in listed.stdout, listed.stderr
        refused = command(disk.folder, "user", "create", "alice")
        assert refused.returncode == 1 and "read-only" in refused.stderr
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
    disk.remount("rw")
    with running_server(disk.folder, *ONE_WORKER) as server:
        s3 = client_of(server)
        s3.delete_object(Bucket="bucket", Key="small")
        assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 1


@pytest.mark.soak
def test_blobs_on_a_read_only_disk_beside_another_database_are_read(disk: SmallDisk, postgresql: Server) -> None:
    url = postgresql.url(postgresql.create_database())
    with running_server(disk.folder, *ONE_WORKER, S3GW_DATABASE_URL=url) as server:
        s3 = client_of(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="large", Body=LARGE)
    disk.remount("ro")
    with running_server(disk.folder, *ONE_WORKER, S3GW_DATABASE_URL=url) as server:
        s3 = client_of(server)
        assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == LARGE
        assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == (503, "ServiceUnavailable")
        s3.delete_object(Bucket="bucket", Key="large")
        assert readyz(server)[1]["writing"] == "read-only"
        assert "Traceback" not in server.log.read_text()


def answers(s3: Any) -> bool:
    try:
        return bool(s3.list_buckets())
    except ConnectionClosedError:  # with the process that had it
        return False


def test_reads_go_on_when_the_kernel_makes_the_disk_read_only(tmp_path: Path) -> None:
    """As ext4 does when its disk fails. Also in processes that are started after that."""
    with failing_disk(tmp_path / "data") as fail, running_server(tmp_path / "data", *ONE_WORKER) as server:
        s3 = client_of(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="small", Body=b"small")
        s3.put_object(Bucket="bucket", Key="large", Body=LARGE)
        fail()
        for process in (None, *server.facts["worker_pids"]):
            if process is not None:
                os.kill(process, signal.SIGKILL)
                until(lambda: answers(s3))
            for body in (b"new", LARGE):
                assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=body) == (503, "ServiceUnavailable")
            assert refusal(s3.delete_object, Bucket="bucket", Key="small") == (503, "ServiceUnavailable")
            assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
            assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == LARGE
            assert len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 2
            assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "read-only"})
        assert "Traceback" not in server.log.read_text()
