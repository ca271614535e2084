"""/metrics of a running server: what its processes have counted together, and what is measured."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from s3gw.metadata import measures, outbox
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.outbox import ChangedObject, Noted
from s3gw.metadata.usage import Usage
from s3gw.metrics import folder as metrics_folder
from tests.gateways import client_of, refusal
from tests.processes.test_supervisor import children
from tests.servers import RunningServer, running_server

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
TOKEN = {"Authorization": "Bearer a-token-of-a-monitor"}


def ask(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples_of(server: RunningServer, **headers: str) -> Samples:
    status, text = ask(server.admin, **headers)
    assert status == 200, text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


def test_requests_are_counted_by_all_workers_together(server: RunningServer, s3: Any, bucket: str) -> None:
    def of_puts(samples: Samples) -> list[float]:
        labels = {"door": "s3", "operation": "PutObject"}
        told = [value(samples, "s3gw_requests_total", status="200", user_class="admin", **labels)]
        told += [value(samples, f"s3gw_{name}_seconds_count", **labels) for name in ("request", "first_byte")]
        return [*told, value(samples, "s3gw_received_bytes_total", door="s3")]

    before = of_puts(samples_of(server))
    with ThreadPoolExecutor(8) as pool:  # over as many connections, which both workers have
        clients = [client_of(server) for _ in range(8)]
        list(pool.map(lambda client: client.put_object(Bucket=bucket, Key="a", Body=b"12345"), clients))
    for _ in range(4):  # whichever worker is asked
        after = of_puts(samples_of(server))
        assert [late - early for early, late in zip(before, after, strict=True)] == [8, 8, 8, 40]


def test_refusals_are_told_by_their_status_and_by_who_asked(server: RunningServer, nobody: Any, bucket: str) -> None:
    labels = {"door": "s3", "operation": "GetObject", "status": "403", "user_class": "anonymous"}
    before = value(samples_of(server), "s3gw_requests_total", **labels)
    assert refusal(nobody.get_object, Bucket=bucket, Key="a") == (403, "AccessDenied")
    assert value(samples_of(server), "s3gw_requests_total", **labels) == before + 1


def test_what_a_client_makes_up_is_no_label(server: RunningServer) -> None:
    for path in ("/made/up?made-up", "/api/v1/made-up"):
        for url in (server.s3, server.admin):
            server.get(url + path)
    assert not [labels for _, labels in samples_of(server) if any("made" in text for _, text in labels)]


def test_what_is_stored_and_what_waits_is_measured(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345")
    s3.create_multipart_upload(Bucket=bucket, Key="b")
    ends_at = time.monotonic() + 20
    while True:  # they are measured anew when they are some seconds old
        found = samples_of(server)
        if value(found, "s3gw_open_uploads", kind="multipart") and value(found, "s3gw_objects"):
            break
        assert time.monotonic() < ends_at
        time.sleep(0.2)
    assert value(found, "s3gw_buckets") >= 1 and value(found, "s3gw_users") >= 1
    assert value(found, "s3gw_stored_bytes", kind="versions") >= 5
    assert all(value(found, "s3gw_healthy", what=what) == 1 for what in ("database", "reading", "writing"))
    free, size = (value(found, f"s3gw_disk_{name}_bytes", disk="blobs") for name in ("free", "size"))
    assert 0 < free <= size
    assert value(found, "s3gw_jobs", kind="reap", state="queued") or value(
        found, "s3gw_jobs", kind="reap", state="running"
    )
    assert ("s3gw_unread_changes", (("reader", "events"),)) in found or any(
        name == "s3gw_unread_changes" for name, _ in found
    )
    if "sqlite" in server.settings["S3GW_DATABASE_URL"]:
        assert value(found, "s3gw_sqlite_file_bytes", file="database") > 0
        assert value(found, "s3gw_group_commit_writes_count") > 0


@pytest.mark.anyio
async def test_of_what_waits_so_many_are_counted_at_most(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def enqueue(conn: Connection) -> None:
        noted = [Noted(ChangedObject("created", "a"), Usage())] * 3
        outbox.write(conn, 1, now(conn), "PutObject", Actor("", "", "job"), noted, False)

    await database.write(outbox.register, ("reader",))
    await database.write(enqueue)
    assert (await database.read(measures.measure)).unread_changes["reader"] == 3
    monkeypatch.setattr(measures, "MOST_COUNTED", 2)
    assert (await database.read(measures.measure)).unread_changes["reader"] == 2


def test_attempts_at_jobs_are_counted(server: RunningServer) -> None:
    ends_at = time.monotonic() + 20
    while True:
        found = samples_of(server)
        runs = value(found, "s3gw_job_runs_total", kind="reap", outcome="done")
        if runs:
            break
        assert time.monotonic() < ends_at
        time.sleep(0.2)
    assert value(found, "s3gw_job_seconds_count", kind="reap") >= runs


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_without_a_token_they_are_this_machines_alone(server: RunningServer, name: str) -> None:
    status, text = ask(server.admin, **{name: "127.0.0.1"})
    assert (status, "S3GW_METRICS_TOKEN" in text) == (403, True)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("metrics")
    with running_server(folder / "data", S3GW_METRICS_TOKEN="a-token-of-a-monitor") as server:
        yield server


def test_with_a_token_who_has_it_is_told(guarded: RunningServer) -> None:
    for wrong in ({}, {"Authorization": "Bearer another"}, {"Authorization": "Basic a-token-of-a-monitor"}):
        assert ask(guarded.admin, **wrong)[0] == 401
    assert ask(guarded.admin, **TOKEN, **{"X-Forwarded-For": "192.0.2.1"})[0] == 200


def test_what_a_worker_has_counted_outlives_it_and_its_connections_do_not(guarded: RunningServer) -> None:
    labels = {"door": "s3", "operation": "ListBuckets", "status": "200", "user_class": "admin"}
    for _ in range(8):
        client_of(guarded).list_buckets()
    before = value(samples_of(guarded, **TOKEN), "s3gw_requests_total", **labels)
    (folder,) = {path.parent for path in Path("/dev/shm").glob(f"s3gw-metrics-{guarded.process.pid}-*/*.db")}
    workers = [pid for pid, command in children(guarded.process.pid).items() if "processes.worker" in command]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    ends_at = time.monotonic() + 20
    while True:
        try:
            after = samples_of(guarded, **TOKEN)
            break
        except OSError:
            assert time.monotonic() < ends_at
            time.sleep(0.1)
    assert value(after, "s3gw_requests_total", **labels) == before == 8
    assert not [path for pid in workers for path in folder.glob(f"gauge_live*_{pid}.db")]


def test_a_folder_of_a_server_that_was_killed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_folder, "_MEMORY", str(tmp_path))
    monkeypatch.setenv(metrics_folder.VARIABLE, "")
    dead, living = tmp_path / "s3gw-metrics-999999999-a", tmp_path / f"s3gw-metrics-{os.getpid()}-a"
    for left in (dead, living, tmp_path / "s3gw-metrics-x"):
        left.mkdir()
    made = metrics_folder.make()
    assert made is not None and made.parent == tmp_path and os.environ[metrics_folder.VARIABLE] == str(made)
    assert not dead.exists() and living.exists() and (tmp_path / "s3gw-metrics-x").exists()
