"""`python -m tests.jobs.job_process URL DATA LEASE`: the real job process, with two kinds of jobs beside its own. What
they do is told by tables that the test makes. Prints a line when it is ready, and works until it is killed.

`count` notes its number as done, whoever ran it before. `hold` never ends where it is run for the first time; then
it notes from where it goes on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text

from s3gw.config import load_settings
from s3gw.disks import reserve
from s3gw.jobs import asked, carry, process, runner
from s3gw.jobs.table import Kind
from s3gw.metadata import jobs
from s3gw.metadata.database import Connection
from s3gw.metadata.job_kinds import Priority


def note(conn: Connection, number: int) -> int:
    """How often it was begun by now."""
    run = text("INSERT INTO runs (job, by) VALUES (:job, :by)")
    conn.execute(run, {"job": number, "by": os.getpid()})
    return int(conn.execute(text("SELECT count(*) FROM runs WHERE job = :job"), {"job": number}).scalar_one())


def do(conn: Connection, number: int) -> None:
    conn.execute(text("INSERT INTO effects (job) VALUES (:job) ON CONFLICT DO NOTHING"), {"job": number})


async def count(services: Any, payload: Any, progress: Any) -> None:
    await services.database.write(note, payload)
    await services.database.write(do, payload)


async def hold(services: Any, payload: Any, progress: Any) -> None:
    if await services.database.write(note, payload) == 1:
        progress({"done": 7})
        await asyncio.Event().wait()
    await services.database.write(note, -progress.before["done"])
    await services.database.write(do, payload)


def prepare(lease: str) -> None:
    reserve._SIZE = reserve.FILES * 4096
    for module in (jobs, runner, asked):
        module.LEASE = float(lease)  # type: ignore[attr-defined]
    runner._RENEW = carry._AGAIN = float(lease) / 4
    runner.KINDS["count"] = Kind(count, Priority.NEEDED, attempts=20, at_once=3, in_celery=True)
    runner.KINDS["hold"] = Kind(hold, Priority.HEAVY, attempts=20, in_celery=True)


def main(url: str, data: str, lease: str) -> None:
    prepare(lease)
    supervisor, control = socket.socketpair()
    settings = load_settings(data=Path(data), database_url=url)

    async def run() -> None:
        task = asyncio.create_task(process.run(settings, control))
        await asyncio.to_thread(supervisor.recv, 1)
        print("ready", flush=True)
        await task

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
