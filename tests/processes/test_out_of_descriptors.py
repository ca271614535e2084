"""A process that may open no more files: what needs one is refused, the rest is served, and it recovers."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateways import client_of, refusal
from tests.processes.test_full_disk import readyz
from tests.servers import running_server

LARGE = os.urandom(1 << 20)


def open_files(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def wait_for_fewer(pid: int, before: set[int]) -> None:
    """For a connection of the process to be closed, five seconds at most."""
    until = time.monotonic() + 5
    while len(open_files(pid)) >= len(before) and time.monotonic() < until:
        time.sleep(0.01)


@contextmanager
def no_more_files(pid: int) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # A limit below the open ones: the holes in their numbers count for new ones.
    least = next(number for number in range(1 << 16) if number not in open_files(pid))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (least, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="prlimit of another process is Linux's")
def test_what_needs_a_file_is_unavailable_while_there_are_none(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", "--workers", "1") as server:
        s3 = client_of(server)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="small", Body=b"small")
        s3.put_object(Bucket="bucket", Key="large", Body=LARGE)
        (pid,) = server.facts["worker_pids"]
        with no_more_files(pid):  # the client's connection is open
            there = open_files(pid)
            assert refusal(s3.put_object, Bucket="bucket", Key="new", Body=LARGE) == (503, "ServiceUnavailable")
            wait_for_fewer(pid, there)  # that connection is closed: the next one takes its place
            assert refusal(s3.get_object, Bucket="bucket", Key="large") == (503, "ServiceUnavailable")
            s3.put_object(Bucket="bucket", Key="new", Body=b"new")
            assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
            s3.delete_object(Bucket="bucket", Key="small")
        s3.put_object(Bucket="bucket", Key="large again", Body=LARGE)
        assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == LARGE
        assert readyz(server) == (200, {"database": "ok", "reading": "ok", "writing": "ok"})
        assert "Traceback" not in server.log.read_text()
