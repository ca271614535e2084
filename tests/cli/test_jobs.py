"""`s3gw job follow` and `cancel`: how far a job has come, and its end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3gw.cli import job as command
from s3gw.metadata import asked_jobs, identities, jobs
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from tests.cli.commands import Ask, Command, refusal


def write(data: Path, fn: Callable[[Connection], Any]) -> Any:
    async def run() -> Any:
        database = open_database(None, data)
        try:
            return await database.write(fn)
        finally:
            await database.close()

    return asyncio.run(run())


def ask_for_one(conn: Connection) -> str:
    """As a user, and lease it; its id."""
    user = identities.create_user(conn, name="user")
    asked = asked_jobs.ask(conn, Actor(user.id, "user", "api", "", ""), "batch", {}, {})
    jobs.lease(conn, "runner", 60, 1)
    return asked.id


def come_to(done: int, state: str | None = None) -> Callable[[Connection], None]:
    def work(conn: Connection) -> None:
        (job,) = jobs.list_jobs(conn)
        asked_jobs.note(conn, job, {"done": done, "total": 40})
        if state is not None:
            error = "it broke" if state == jobs.DEAD else None
            asked_jobs.end(conn, job, state, progress={"done": done, "total": 40}, error=error)

    return work


@pytest.mark.parametrize(("state", "status"), [(jobs.DONE, 0), (jobs.DEAD, 1), (jobs.CANCELLED, 1)])
def test_a_job_is_followed_to_its_end(
    state: str, status: int, run: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = write(data, ask_for_one)
    write(data, come_to(10))
    steps = iter([come_to(20), come_to(40, state)])

    def go_on(seconds: float) -> None:
        """In a thread: the command has an event loop of its own."""
        thread = threading.Thread(target=write, args=(data, next(steps)))
        thread.start()
        thread.join()

    monkeypatch.setattr(command.time, "sleep", go_on)
    followed = run("job", "follow", job_id)
    assert followed.exit_code == status, followed.output
    first, second, last = followed.stdout.splitlines()
    assert first == "running, attempt 1, 10 of 40"
    assert second.startswith("running, attempt 1, 20 of 40, ") and " a second, " in second and second.endswith("s left")
    assert last.startswith(f"{state}, attempt 1, 40 of 40") and last.endswith("it broke") == (state == jobs.DEAD)
    as_json = run("job", "follow", job_id, "--json")
    assert json.loads(as_json.stdout)["state"] == state


def test_what_a_user_asked_for_is_cancelled_and_audited(ask: Ask, data: Path) -> None:
    job_id = write(data, ask_for_one)
    cancelled = ask("job", "cancel", job_id)
    assert cancelled["state"] == "running"  # it ends at its next step
    assert write(data, lambda conn: asked_jobs.is_cancelled(conn, jobs.find(conn, job_id)))
    assert ask("audit", "list", "--limit", "1")[0]["action"] == "job.cancel"
    assert ask("job", "cancel", str(cancelled["id"])) == cancelled
    assert ask("job", "show", job_id)["payload"] == {}


def test_the_servers_own_work_is_not_cancelled(run: Command, data: Path) -> None:
    number = write(data, lambda conn: jobs.enqueue(conn, "reap", None))
    assert "the server's own work" in refusal(run("job", "cancel", str(number)))
    for unknown in ("0", "99", "9223372036854775808", "none", "²"):
        assert refusal(run("job", "cancel", unknown)) == f"s3gw: there is no job {unknown}\n"
