"""SIGKILL of the job process while a manifest is worked on and a report is made: each line is reported once, and the
report counts what is there.
"""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.people import PASSWORD, Person
from tests.gateways import client_of
from tests.postgresql import Server
from tests.servers import RunningServer, running_server

_OBJECTS, _KILLS = 3000, 3


def _job_process(server: RunningServer) -> int:
    """It comes back within seconds."""
    pid = server.process.pid
    while True:
        children = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
        if others := children - set(server.facts["worker_pids"]):
            (found,) = others
            return found
        time.sleep(0.1)


def _job(who: Person, job_id: str) -> dict[str, Any]:
    told: dict[str, Any] = who.http.get(f"/jobs/{job_id}").json()
    return told


def _ended(server: RunningServer, who: Person, job_id: str, kills: int) -> dict[str, Any]:
    """Killed so many times, whenever it has come further."""
    deadline, done = time.monotonic() + 300, 0
    while (told := _job(who, job_id))["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, told
        if kills and told["state"] == "running" and told["progress"]["done"] > done:
            done, kills = told["progress"]["done"], kills - 1
            os.kill(_job_process(server), signal.SIGKILL)
        time.sleep(0.05)
    assert not kills, "it was too quick"
    return told


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_line_is_done_and_reported_once_whatever_is_killed(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = {}
    if kind == "postgresql":
        postgresql: Server = request.getfixturevalue("postgresql")
        settings["S3GW_DATABASE_URL"] = postgresql.url(postgresql.create_database())
    with running_server(tmp_path / "data", **settings) as server:
        server.command("user", "create", "owner", "--role", "admin", "--password", PASSWORD)
        server.command("bucket", "create", "bucket", "--owner", "owner")
        bucket_id, s3 = server.command("bucket", "show", "bucket")["id"], client_of(server)
        keys = [f"folder-{number % 7}/{number}" for number in range(_OBJECTS)]
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda key: s3.put_object(Bucket="bucket", Key=key, Body=key.encode()), keys))
        manifest = "".join(f"bucket,{key}\n" for key in keys[::2]).encode()
        etag = s3.put_object(Bucket="bucket", Key="manifest.csv", Body=manifest)["ETag"]
        with httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60) as api:
            owner, to = Person(api, "owner"), {"prefix": "out/"}
            body: dict[str, Any] = {
                "action": "delete",
                "manifest": {"path": "manifest.csv", "etag": etag},
                "report": to,
            }
            job = owner.http.post(f"/buckets/{bucket_id}/batch", json=body).json()["id"]
            told = _ended(server, owner, job, _KILLS)
            assert (told["state"], told["result"]["succeeded"], told["result"]["failed"]) == ("done", len(keys[::2]), 0)
            report = s3.get_object(Bucket="bucket", Key=told["result"]["report"]["key"])["Body"].read().decode()
            assert [row[1] for row in csv.reader(io.StringIO(report))] == keys[::2]
            body = {"name": "usage", "bucket_id": bucket_id, "destination": to | {"bucket_id": bucket_id}}
            told = _ended(server, owner, owner.http.post("/reports", json=body).json()["id"], 1)
            (made,) = told["result"]["objects"]
            text = s3.get_object(Bucket="bucket", Key=made["key"])["Body"].read().decode()
            counted = {
                row["name"]: int(row["files"]) for row in csv.DictReader(io.StringIO(text)) if row["by"] == "prefix"
            }
            left = [key for key in keys if key not in set(keys[::2])]
            folders = {
                f"folder-{number}/": sum(key.startswith(f"folder-{number}/") for key in left) for number in range(7)
            }
            assert counted == folders | {"": 1, "out/": 1}
