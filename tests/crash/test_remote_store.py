"""A server with its chunks in another object store is killed in the middle of uploads, again and again: what was
acknowledged is there, and after the sweep no chunk lies in the store that no row names.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from s3gw.metadata import blobs
from tests.gateways import client_of
from tests.postgresql import Server
from tests.servers import RunningServer, running_server
from tests.stores import BUCKET, CREDENTIALS, new_url

pytestmark = pytest.mark.soak
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "10"))


def upload_until_it_dies(s3: Any, name: str, acknowledged: dict[str, bytes]) -> None:
    for number in range(1000):
        key, body = f"{name}-{number}", os.urandom(9_000_000 if number % 3 == 2 else 100_000)
        try:
            s3.put_object(Bucket="bucket", Key=key, Body=body)
        except (BotoCoreError, ClientError):
            return
        acknowledged[key] = body


def chunks_of(backing_server: RunningServer, prefix: str) -> set[str]:
    pages = client_of(backing_server).get_paginator("list_objects_v2")
    found = (page.get("Contents", []) for page in pages.paginate(Bucket=BUCKET, Prefix=f"{prefix}/chunks/"))
    return {"-".join(item["Key"].rsplit("/", 2)[1:]) for page in found for item in page}


def named(server: RunningServer) -> set[str]:
    from s3gw.cli.command import Session
    from s3gw.config import load_settings

    session = Session(load_settings(data=server.data, database_url=server.settings["S3GW_DATABASE_URL"]))
    return {blob.location for blob in session.read(blobs.page_after, b"", 100_000)}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_killed_server_loses_nothing_and_leaves_nothing(
    kind: str, backing_server: RunningServer, tmp_path: Path, postgresql: Server
) -> None:
    url, acknowledged = new_url(), {}
    database = f"sqlite:///{tmp_path}/s3gw.db" if kind == "sqlite" else postgresql.url(postgresql.create_database())
    settings = {"S3GW_BLOBS": url, "S3GW_BLOBS_ENDPOINT": backing_server.s3, "S3GW_DATABASE_URL": database}
    settings |= {"S3GW_BUCKETS": "bucket"} | CREDENTIALS
    for round_ in range(ROUNDS):
        with running_server(tmp_path / "data", **settings) as server:
            s3 = client_of(server)
            threads = [
                threading.Thread(target=upload_until_it_dies, args=(s3, f"{round_}-{number}", acknowledged))
                for number in range(4)
            ]
            for thread in threads:
                thread.start()
            time.sleep(1.5 + round_ % 5 * 0.3)
            os.killpg(server.process.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
    with running_server(tmp_path / "data", **settings) as server:
        s3 = client_of(server)
        for key, body in acknowledged.items():
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body
        prefix = url.removeprefix(f"s3://{BUCKET}/")
        until = time.monotonic() + 200  # the sweep is done each minute, and who is dead must be known first
        while (stored := chunks_of(backing_server, prefix)) != (rows := named(server)) and time.monotonic() < until:
            time.sleep(1)
        assert stored == rows
    assert acknowledged
