"""Several job processes on one PostgreSQL: they share the work, and one that is killed is stood in for."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from s3gw.config import load_settings
from s3gw.metadata.jobs import LEASE
from s3gw.processes.first_start import prepare
from tests.postgresql import Server

ROOT = Path(__file__).parents[2]
_TABLES = """
    CREATE TABLE runs (job bigint, by bigint, at timestamptz DEFAULT clock_timestamp());
    CREATE INDEX ON runs (job);
    CREATE TABLE effects (job bigint PRIMARY KEY)"""
_ENQUEUE = """
    INSERT INTO jobs (kind, payload, state, attempts, run_at, created_at, updated_at)
    SELECT %s, number, 'queued', 0, 1, 1, 1 FROM generate_series(%s::bigint, %s::bigint) number"""
_BOTH_WORK = "SELECT count(DISTINCT by) = 2 FROM runs WHERE job > 0"
_LEFT = "SELECT count(*) FROM jobs WHERE kind IN ('count', 'hold') AND state <> 'done'"
_TAKEN_OVER = "SELECT extract(epoch FROM at)::float FROM runs WHERE job = 0 ORDER BY at OFFSET 1"


@contextmanager
def process(url: str, data: Path, lease: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.jobs.job_process", url, str(data), str(lease)]
    environment = {**os.environ, "S3GW_MIN_FREE_SPACE": "1"}
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


def value(connection: psycopg.Connection[Any], sql: str) -> Any:
    row = connection.execute(sql).fetchone()  # type: ignore[arg-type]
    return None if row is None else row[0]


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    ends_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends_at, "it didn't come to that"
        time.sleep(0.02)
    return found


def work_with_one_killed(server: Server, data: Path, count: int, lease: float) -> float:
    """Two processes share so many jobs, and one that holds a job is killed in the middle; seconds until the other has
    it.
    """
    url = server.url(server.create_database())
    asyncio.run(prepare(load_settings(data=data, database_url=url)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_ENQUEUE, ("hold", 0, 0))
        with process(url, data, lease) as one, process(url, data, lease) as other:
            for each in (one, other):
                assert each.stdout is not None and each.stdout.readline() == "ready\n"
            connection.execute(_ENQUEUE, ("count", 1, count))
            holder = until(lambda: value(connection, "SELECT by FROM runs WHERE job = 0"))
            until(lambda: value(connection, _BOTH_WORK))
            until(lambda: value(connection, f"SELECT count(*) >= {count // 3} FROM effects"))
            until(lambda: value(connection, "SELECT progress IS NOT NULL FROM jobs WHERE kind = 'hold'"))
            killed = one if one.pid == holder else other
            killed.send_signal(signal.SIGKILL)
            killed_at = time.time()
            assert killed.wait() == -signal.SIGKILL
            assert value(connection, _LEFT) > 0, "it was killed in the middle"
            until(lambda: value(connection, _LEFT) == 0, 60 + count / 50)
        assert value(connection, "SELECT count(*) FROM effects") == count + 1
        begun_again = value(connection, "SELECT count(*) - count(DISTINCT job) FROM runs")
        assert 1 <= begun_again <= 4, "only what the one that was killed was at is begun again"
        assert value(connection, "SELECT max(attempts) FROM jobs WHERE kind = 'hold'") == 2
        assert value(connection, "SELECT count(*) FROM runs WHERE job = -7") == 1, "it goes on from what was noted"
        return float(value(connection, _TAKEN_OVER)) - killed_at


@pytest.mark.soak
def test_what_a_killed_process_was_at_is_done_by_another_and_all_else_once(postgresql: Server, tmp_path: Path) -> None:
    assert work_with_one_killed(postgresql, tmp_path, 500, lease=1) < 10


@pytest.mark.soak
def test_ten_thousand_jobs_are_done_once_and_a_dead_process_is_stood_in_for_within_30_seconds(
    postgresql: Server, tmp_path: Path
) -> None:
    seconds = work_with_one_killed(postgresql, tmp_path, 10_000, LEASE)
    print(f"taken over after {seconds:.1f} s")
    assert seconds < 30
