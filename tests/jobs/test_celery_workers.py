"""Workers of Celery, real ones beside a real Redis, on one PostgreSQL: they share the work, nobody else does it, one
that is killed is stood in for, and what a stranger writes to the broker does no harm.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from s3gw.config import load_settings
from s3gw.jobs.celery_app import TASK, open_app, queue_of
from s3gw.metadata.jobs import LEASE
from s3gw.processes.first_start import prepare
from tests.events.brokers import PASSWORD, redis
from tests.jobs.test_several_processes import _ENQUEUE, _LEFT, _TABLES, _TAKEN_OVER, ROOT, until, value
from tests.postgresql import Server, free_port


@contextmanager
def started(module: str, url: str, data: Path, lease: float, broker: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """What it logs stands in `log` afterwards."""
    command = [sys.executable, "-m", f"tests.jobs.{module}", url, str(data), str(lease)]
    environment = {**os.environ, "S3GW_MIN_FREE_SPACE": "1", "S3GW_CELERY_BROKER": broker}
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_until_ready(*processes: subprocess.Popen[str]) -> None:
    for each in processes:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"


def forge(broker: str, port: int, store: str) -> int:
    """Messages of whoever can write to Redis; how many."""
    queue = queue_of(store, "count")
    app = open_app(load_settings(celery_broker=broker), store, ["count"])
    wrong: list[Any] = [0, -1, 4711, 2**70, "1", None, True, [1], {"id": 1}, "x" * 100_000]
    for each in wrong:
        app.send_task(TASK, (each,), queue=queue)
    for name in ("celery.starmap", "celery.chain", "celery.backend_cleanup", "os.system"):
        app.send_task(name, (TASK, [[1]]), queue=queue)
    app.send_task(TASK, (1, 2), kwargs={"x": 1}, queue=queue)
    with Redis(port=port, password=PASSWORD) as client:
        message = json.loads(client.lindex(queue, 0))  # type: ignore[arg-type]
        for content_type, body in (
            ("application/x-python-serialize", "gASVBQAAAAAAAACMAXiULg=="),
            ("application/json", "e3s="),
            ("application/json", "bnVsbA=="),
        ):
            client.lpush(queue, json.dumps({**message, "content-type": content_type, "body": body}))
        client.lpush(queue, "no message", "5", "{}", "[" * 50_000)
    return len(wrong) + 12


def work_with_one_killed(
    server: Server, folder: Path, count: int, lease: float, is_broker_restarted: bool = False
) -> float:
    """Two workers share so many jobs, and one that holds a job is killed in the middle; seconds until the other has
    it. Before that the broker may lose all that it has.
    """
    url, port, data = server.url(server.create_database()), free_port(), folder / "data"
    broker = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    asyncio.run(prepare(load_settings(data=data, database_url=url)))
    given = (url, data, lease, broker)
    stored = folder / "redis"
    stored.mkdir()
    with (
        ExitStack() as running,
        psycopg.connect(url, autocommit=True) as connection,
        started("job_process", *given, folder / "jobs.log") as jobs,
        started("celery_process", *given, folder / "one.log") as one,
        started("celery_process", *given, folder / "other.log") as other,
    ):
        connection.execute(_TABLES)
        running.enter_context(redis(port, stored))
        forge(broker, port, value(connection, "SELECT value FROM settings WHERE name = 'store'"))
        wait_until_ready(jobs, one, other)
        connection.execute(_ENQUEUE, ("hold", 0, 0))
        holder = until(lambda: value(connection, "SELECT by FROM runs WHERE job = 0"))
        connection.execute(_ENQUEUE, ("count", 1, count))
        if is_broker_restarted:
            until(lambda: value(connection, f"SELECT count(*) >= {count // 6} FROM effects"))
            running.close()
            shutil.rmtree(stored / "appendonlydir")
            running.enter_context(redis(port, stored))
        until(lambda: value(connection, f"SELECT count(*) >= {count // 3} FROM effects"))
        until(lambda: value(connection, "SELECT progress IS NOT NULL FROM jobs WHERE kind = 'hold'"))
        killed = one if one.pid == holder else other
        killed.send_signal(signal.SIGKILL)
        killed_at = time.time()
        assert killed.wait() == -signal.SIGKILL
        assert value(connection, _LEFT) > count // 10, "it was killed in the middle"
        until(lambda: value(connection, _LEFT) == 0, 60 + count / 50)
        shares = connection.execute("SELECT by, count(*) FROM runs WHERE job > 0 GROUP BY by ORDER BY 2").fetchall()
        assert {pid for pid, _ in shares} == {one.pid, other.pid}, "the job process runs none of them"
        assert shares[0][1] > count // 20, "both have worked"
        assert value(connection, "SELECT count(*) FROM effects") == count + 1
        begun_again = value(connection, "SELECT count(*) - count(DISTINCT job) FROM runs")
        assert 1 <= begun_again <= 4, "only what the one that was killed was at is begun again"
        assert value(connection, "SELECT max(attempts) FROM jobs WHERE kind = 'hold'") == 2
        assert value(connection, "SELECT count(*) FROM runs WHERE job = -7") == 1, "it goes on from what was noted"
        with Redis(port=port, password=PASSWORD) as client:
            until(lambda: not [key for key in client.keys("s3gw.*") if client.llen(key)])
        taken_over = float(value(connection, _TAKEN_OVER)) - killed_at
        (one if killed is other else other).send_signal(signal.SIGTERM)
        assert (one if killed is other else other).wait(20) == 0
    logged = "".join((folder / f"{name}.log").read_text() for name in ("jobs", "one", "other"))
    assert PASSWORD not in logged and max(map(len, logged.splitlines())) < 5000
    return taken_over


@pytest.mark.soak
def test_workers_share_what_a_killed_one_was_at_and_whatever_a_stranger_sends(
    postgresql: Server, tmp_path: Path
) -> None:
    assert work_with_one_killed(postgresql, tmp_path, 200, lease=1) < 5


@pytest.mark.soak
def test_ten_thousand_jobs_are_done_once_by_workers_and_a_dead_one_is_stood_in_for_within_30_seconds(
    postgresql: Server, tmp_path: Path
) -> None:
    seconds = work_with_one_killed(postgresql, tmp_path, 10_000, LEASE, is_broker_restarted=True)
    print(f"taken over after {seconds:.1f} s")
    assert seconds < 30
